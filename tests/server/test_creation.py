import datetime
import json
import stat

import pytest

from reticent.errors import FormatError, NewerFormatError, SettingError, StateError
from reticent.records.files import replace_private
from reticent.records.keys import SigningKey
from reticent.server.creation import create
from reticent.server.settings import ServerPaths, listen_address, open_folder, split_address

NOW = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made") / "srv"
    create(root, address="training.example.org:9443", now=NOW)
    return ServerPaths(root)


def test_it_opens_again_with_what_was_asked_for(made):
    _, settings = open_folder(made.root)
    assert (settings.host, settings.port, settings.listen) == ("training.example.org", 9443, "0.0.0.0")  # noqa: S104
    assert settings.superlink_port != 9443


def test_nobody_else_can_read_anything(made):
    assert stat.S_IMODE(made.root.stat().st_mode) == 0o700
    for path in made.root.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_an_empty_folder_that_was_open_is_closed_first(tmp_path):
    (tmp_path / "srv").mkdir(mode=0o755)
    create(tmp_path / "srv", address="127.0.0.1:0", now=NOW)
    assert stat.S_IMODE((tmp_path / "srv").stat().st_mode) == 0o700


def test_the_authoritys_key_is_nowhere(made):
    holders = {path for path in made.root.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()}
    assert holders == {made.certificate_key, made.operator_key, made.receipt_key}


def test_two_servers_share_no_secret(made, tmp_path):
    create(tmp_path / "other", address="127.0.0.1:0", now=NOW)
    other = ServerPaths(tmp_path / "other")
    for name in ("certificate_key", "superexec_secret", "operator_key", "receipt_key"):
        assert getattr(made, name).read_bytes() != getattr(other, name).read_bytes()
    assert len(made.superexec_secret.read_bytes()) == 32
    assert SigningKey.load(made.operator_key).public != SigningKey.load(made.receipt_key).public


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path):
    (tmp_path / "photo").write_bytes(b"mine")
    with pytest.raises(StateError, match="not empty"):
        create(tmp_path, address="127.0.0.1:0", now=NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["photo"]


def test_a_file_in_the_way_is_a_sentence(tmp_path):
    (tmp_path / "srv").write_bytes(b"")
    with pytest.raises(StateError, match="can't be made: "):
        create(tmp_path / "srv", address="127.0.0.1:0", now=NOW)


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1:9443", ("127.0.0.1", 9443)),
        ("[2001:db8::1]:443", ("2001:db8::1", 443)),
        ("Training.Example.ORG:1", ("training.example.org", 1)),
    ],
)
def test_addresses(address, parts):
    assert split_address(address) == parts


@pytest.mark.parametrize(
    "address",
    [
        *("", ":", "host", "host:", ":9443", "host:x", "host:65536", "host:-1", "host:٣", "host:9443 ", "ho st:1"),
        *("0.0.0.0:1", "[::]:1", "224.0.0.1:1", "::1:9443", "[127.0.0.1]:1", "[fe80::1%eth0]:1", "[host]:1"),
        *("1.2.3:1", "1.2.3.999:1", "-host:1", "host-:1", "a..b:1", "http://host:1", "host/:1", "x" * 300 + ":1"),
    ],
)
def test_an_address_that_no_device_could_use_is_refused(address, tmp_path):
    with pytest.raises(SettingError):
        create(tmp_path / "srv", address=address, now=NOW)
    assert not (tmp_path / "srv").exists()


@pytest.mark.parametrize(("host", "bound"), [("localhost", "127.0.0.1"), ("::1", "::1"), ("a.example", "0.0.0.0")])  # noqa: S104
def test_what_the_gateway_binds(host, bound):
    assert listen_address(host) == bound


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"version": 2}, NewerFormatError),
        ({"version": True}, FormatError),
        ({"superlink_port": 0}, FormatError),
        ({"superlink_port": "9"}, FormatError),
        ({"listen": "nowhere"}, FormatError),
        ({"address": "host:0"}, FormatError),
        ({"extra": 1}, FormatError),
    ],
)
def test_spoilt_settings_are_refused(tmp_path, change, error):
    create(tmp_path / "srv", address="127.0.0.1:0", now=NOW)
    paths = ServerPaths(tmp_path / "srv")
    replace_private(paths.settings, json.dumps({**json.loads(paths.settings.read_bytes()), **change}).encode())
    with pytest.raises(error):
        open_folder(paths.root)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"{" * 100_000, b" " * 100_000])
def test_settings_that_are_no_settings_are_refused(tmp_path, data):
    create(tmp_path / "srv", address="127.0.0.1:0", now=NOW)
    replace_private(tmp_path / "srv" / "server.json", data)
    with pytest.raises(FormatError):
        open_folder(tmp_path / "srv")


def test_no_folder_is_a_sentence(tmp_path):
    with pytest.raises(StateError, match="reticent server init"):
        open_folder(tmp_path / "nowhere")
