"""The directory of enrolled devices."""

import json

import pytest

from reticent.aggregate.directory import Device, add_device, read_directory
from reticent.errors import FormatError, IntegrityError, NewerFormatError, StateError
from reticent.records.keys import SigningKey


def a_device(node_id=1, key=None):
    key = key or SigningKey.generate()
    return Device(device=key.public.device_id, device_key=key.public.hex, node_id=node_id)


def test_devices_come_back_in_the_order_of_enrolment(tmp_path):
    path = tmp_path / "devices.jsonl"
    devices = (a_device(7), a_device(2**64 - 1), a_device(1))
    for one in devices:
        add_device(path, one)
    assert read_directory(path) == devices


def test_no_file_is_an_empty_directory(tmp_path):
    assert read_directory(tmp_path / "devices.jsonl") == ()


def test_a_key_or_a_node_is_enrolled_once(tmp_path):
    path = tmp_path / "devices.jsonl"
    key = SigningKey.generate()
    add_device(path, a_device(1, key))
    before = path.read_bytes()
    for twice in (a_device(2, key), a_device(1)):
        with pytest.raises(StateError, match="nothing was added"):
            add_device(path, twice)
    assert path.read_bytes() == before


def test_an_interrupted_enrolment_never_counted_and_is_cut_off_by_the_next(tmp_path):
    path = tmp_path / "devices.jsonl"
    first, second = a_device(1), a_device(2)
    add_device(path, first)
    with path.open("ab") as file:
        file.write(b'{"device":"12')
    assert read_directory(path) == (first,)
    add_device(path, second)
    assert read_directory(path) == (first, second)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda line: line | {"version": 2}, NewerFormatError),
        (lambda line: line | {"version": 0}, FormatError),
        (lambda line: line | {"more": 1}, FormatError),
        (lambda line: {key: line[key] for key in ("version", "device", "node_id")}, FormatError),
        (lambda line: line | {"node_id": 1}, FormatError),
        (lambda line: line | {"node_id": "01"}, FormatError),
        (lambda line: line | {"node_id": "0"}, FormatError),
        (lambda line: line | {"node_id": "-1"}, FormatError),
        (lambda line: line | {"node_id": str(2**64)}, FormatError),
        (lambda line: line | {"node_id": "9" * 400}, FormatError),
        (lambda line: line | {"node_id": "٣"}, FormatError),
        (lambda line: line | {"device": "ab" * 16}, FormatError),
        (lambda line: line | {"device_key": "00" * 32}, FormatError),
        (lambda line: line | {"device": None}, FormatError),
        (lambda line: [line], FormatError),
    ],
)
def test_a_line_that_is_not_exactly_one_device_is_refused(tmp_path, change, error):
    path = tmp_path / "devices.jsonl"
    add_device(path, a_device())
    line = change(json.loads(path.read_bytes()))
    data = json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    path.write_bytes(data)
    with pytest.raises(error, match="line 1"):
        read_directory(path)
    with pytest.raises(error):
        add_device(path, a_device(5))
    assert path.read_bytes() == data


@pytest.mark.parametrize("data", [b"\n", b"\xff\n", b"{}\n", b"[" * 5000 + b"\n", b" " * 5000 + b"\n"])
def test_bytes_that_are_no_directory_are_refused(tmp_path, data):
    path = tmp_path / "devices.jsonl"
    path.write_bytes(data)
    with pytest.raises(FormatError):
        read_directory(path)


def test_a_directory_that_names_somebody_twice_is_refused(tmp_path):
    path = tmp_path / "devices.jsonl"
    add_device(path, a_device())
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(IntegrityError, match="twice"):
        read_directory(path)


@pytest.mark.parametrize("node_id", [0, -1, 2**64, True, 1.0, "1"])
def test_a_node_id_is_an_unsigned_integer_of_64_bits(node_id):
    with pytest.raises(FormatError):
        a_device(node_id)
