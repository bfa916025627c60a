"""Demonstrations as tables: the same people doing the same as in the files; a table that isn't one stops the import."""

import io
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reticent.actions.events import KeyClass
from reticent.errors import FormatError, StateError
from reticent.recordings.imported import miniwob_tables, tables
from reticent.recordings.imported.miniwob_tables import told_apart
from reticent.recordings.imported.shapes import miniwob
from reticent.recordings.recorded import session
from tests.recordings.imported.made import (
    SOME,
    SOME_KINDS,
    changed,
    click,
    demonstration,
    key,
    kinds,
    write,
    write_table,
    write_tables,
)

TWO = {("s1", "d1"): SOME, ("s2", "d2"): click(1_000, 5, 5), ("s1", "d3"): [*click(500, 80, 80), *key(900, "tab")]}


@pytest.fixture
def source(tmp_path):
    return write_tables(tmp_path / "tables", TWO)


def read(root):
    opened = miniwob(root)
    return dict(opened.people), opened.tally


def test_a_session_is_a_person_and_its_demonstrations_are_sittings(source):
    people, tally = read(source)
    assert {name: kinds(sittings) for name, sittings in people.items()} == {
        "s1": [SOME_KINDS, ["click", "tab"]],
        "s2": [["click"]],
    }
    assert (tally.seen, tally.sentences()) == (3, [])


def test_both_shapes_of_the_same_events_give_the_same_actions_and_frames(source, tmp_path):
    write(tmp_path / "files", demonstration(SOME))
    (from_files,) = read(tmp_path / "files")[0].values()
    one, other = session(from_files[0]), session(read(source)[0]["s1"][0])
    assert one.actions == other.actions
    for mine, theirs in zip(one.frames, other.frames, strict=True):
        np.testing.assert_array_equal(mine.thumbnail, theirs.thumbnail)


def test_rows_in_another_order_are_the_same_events(source):
    before = [one.events for sittings in read(source)[0].values() for one in sittings]
    table = pq.read_table(source / "events.parquet")
    order = np.random.default_rng(1).permutation(table.num_rows)
    pq.write_table(table.take(pa.array(order)), source / "events.parquet")
    assert [one.events for sittings in read(source)[0].values() for one in sittings] == before


def test_each_action_has_the_frame_of_its_event(tmp_path):
    frames = (np.arange(7, dtype=np.uint8) * 30)[:, None, None] * np.ones((1, 53, 40), dtype=np.uint8)
    source = write_tables(tmp_path / "t", {("s", "d"): [*click(1_000, 5, 5), *click(3_000, 9, 90)]}, frames=frames)
    ((one,),) = read(source)[0].values()
    assert [frame.thumbnail[24, 32] for frame in one.frames.values()] == [0, 90]
    assert all(frame.patch is None for frame in one.frames.values())


DOWN, UP, PRESS = "keydown", "keyup", "keypress"
M, S, L, T = KeyClass.MODIFIER, KeyClass.SHIFT, KeyClass.LETTER, KeyClass.TAB


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ([(DOWN, M), (DOWN, L), (PRESS, L), (UP, L), (UP, M)], [S, L, L, L, S]),
        ([(DOWN, M), (DOWN, L), (UP, L), (UP, M)], [M, L, L, M]),
        ([(DOWN, M), (DOWN, M), (DOWN, M), (DOWN, L), (UP, L), (UP, M)], [M, M, M, L, L, M]),
        ([(DOWN, M), (DOWN, L)], [M, L]),
        ([(DOWN, M), (DOWN, L), ("mousedown", M), (PRESS, L)], [S, L, M, L]),
        ([(DOWN, M), (DOWN, T), (UP, T), (UP, M)], [S, T, T, S]),
        ([(DOWN, M), (UP, M)], [S, S]),
        ([(UP, M)], [S]),
        ([(DOWN, M), (DOWN, L), (PRESS, L), (DOWN, M), (DOWN, L), (UP, M)], [S, L, L, M, L, M]),
        ([], []),
    ],
)
def test_a_modifier_makes_a_shortcut_where_a_text_key_then_writes_nothing(events, found):
    names = [kind for kind, _ in events]
    got = told_apart(names, [held for _, held in events])
    assert [one for one, name in zip(got, names, strict=True) if name != "mousedown"] == [
        one for one, name in zip(found, names, strict=True) if name != "mousedown"
    ]


def row(table, at, value):
    return [*table[:at], value, *table[at + 1 :]]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("t_ms", None, "a time that is no number"),
        ("t_ms", float("nan"), "a time that is no number"),
        ("t_ms", float("inf"), "a time that is no number"),
        ("t_ms", 1e12, "a time beyond 24 days"),
        ("x", float("nan"), "a place that is no number"),
        ("frame", 1, "a frame that isn't there"),
        ("frame", -1, "a frame that isn't there"),
        ("frame", None, "a frame that isn't there"),
    ],
)
def test_one_broken_row_costs_its_demonstration_and_no_other(source, column, value, reason):
    table = pq.read_table(source / "events.parquet").to_pydict()
    changed(source / "events.parquet", **{column: row([float(one) for one in table[column]], 0, value)})
    people, tally = read(source)
    assert kinds(people["s1"]) == [["click", "tab"]]
    assert tally.sentences()[0] == f"skipped 1 of 3 demonstrations: 1 {reason}"


def test_demonstrations_without_a_session_or_a_name_of_their_own_are_skipped(source):
    changed(source / "demos.parquet", demo_id=["d1", "d2", "d1", None], session=["s1", None, "s3", "s1"], n_events=None)
    people, tally = read(source)
    assert people.keys() == {"s1"}
    assert tally.skipped == {"no name of their own": 2, "no session": 1}
    assert tally.left_out == {"events of no demonstration": len(TWO["s2", "d2"]) + len(TWO["s1", "d3"])}


def test_a_session_that_can_t_be_a_name_is_none(source):
    changed(source / "demos.parquet", session=["../../etc", "", "s" * 65])
    people, tally = read(source)
    assert (people, tally.skipped) == ({}, {"no session": 3})


def test_demonstrations_without_events_and_unknown_events_are_counted(source):
    table = pq.read_table(source / "events.parquet").to_pydict()
    kinds_ = [
        None if demo == "d2" else "teleport" if kind == "scroll" else kind
        for demo, kind in zip(table["demo_id"], table["type"], strict=True)
    ]
    changed(source / "events.parquet", type=kinds_, key_class=[one or None for one in table["key_class"]])
    changed(source / "demos.parquet", demo_id=["d1", "d2", "d9"])
    people, tally = read(source)
    assert kinds(people["s1"]) == [[kind for kind in SOME_KINDS if kind != "scroll"]]
    assert tally.skipped == {"without an action": 1, "without an event": 1}
    assert tally.left_out["events of no known kind"] == 1 + len(TWO["s2", "d2"])


def npz(array, *, name="frames.npy", header=None):
    made = io.BytesIO()
    np.save(made, array, allow_pickle=True)
    data = made.getvalue() if header is None else made.getvalue().replace(*header)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return packed.getvalue()


FRAMES = np.zeros((3, 53, 40), dtype=np.uint8)
NOISE = np.random.default_rng(0).integers(0, 9, (3, 53, 40), dtype=np.uint8)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04",
        npz(FRAMES)[:-30],
        npz(NOISE)[:500] + b"noise" + npz(NOISE)[505:],
        npz(NOISE)[:60] + b"\xff" * 20 + npz(NOISE)[80:],
        npz(FRAMES, name="other.npy"),
        npz(FRAMES.astype(np.int64)),
        npz(FRAMES[:, :, :39]),
        npz(FRAMES[0]),
        npz(np.array([{"an": "object"}], dtype=object)),
        npz(FRAMES, header=(b"(3, 53, 40)", b"(9, 53, 40)")),
        npz(FRAMES, header=(b"'descr'", b"'descX'")),
        npz(FRAMES, header=(b"\x93NUMPY\x01", b"\x93NUMPY\x09")),
    ],
)
def test_frames_that_are_none_stop_the_import(source, data):
    (source / "frames.npz").write_bytes(data)
    with pytest.raises(FormatError, match=r"frames\.npz is no archive of frames of 53 x 40; nothing was written"):
        miniwob(source)


def test_frames_that_claim_to_be_huge_are_not_unpacked(source):
    (source / "frames.npz").write_bytes(npz(FRAMES, header=(b"(3, 53, 40), }   ", b"(300000, 53, 40),}")))
    with pytest.raises(FormatError, match=r"frames\.npz unpacks to more than|no archive of frames"):
        miniwob(source)


@pytest.mark.parametrize(
    ("table", "columns", "says"),
    [
        ("events", {"key_class": None}, "no column key_class"),
        ("events", {"t_ms": None}, "no column t_ms"),
        ("demos", {"session": None}, "no column session"),
        ("events", {"t_ms": "text"}, "no Parquet table with columns of such types"),
        ("events", {"type": 7}, "no Parquet table with columns of such types"),
        ("demos", {"session": 7}, "no Parquet table with columns of such types"),
    ],
)
def test_a_table_with_other_columns_stops_the_import(source, table, columns, says):
    path = source / f"{table}.parquet"
    rows = pq.read_metadata(path).num_rows
    changed(path, **{name: value if value is None else [value] * rows for name, value in columns.items()})
    with pytest.raises(FormatError, match=rf"{table}\.parquet.*{says}.*; nothing was written"):
        miniwob(source)


@pytest.mark.parametrize(
    "spoil", [lambda data: b"", lambda data: data[:-9], lambda data: data[:40] + bytes(len(data) - 80) + data[-40:]]
)
def test_a_file_that_is_no_table_stops_the_import(source, spoil):
    path = source / "events.parquet"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(FormatError, match=r"events\.parquet is no Parquet table"):
        miniwob(source)


@pytest.mark.parametrize("limit", ["MAX_ROWS", "MAX_TABLE_BYTES"])
def test_a_giant_table_stops_the_import_before_it_is_unpacked(source, monkeypatch, limit):
    monkeypatch.setattr(tables, limit, 2)
    with pytest.raises(FormatError, match=r"demos\.parquet has more than"):
        miniwob(source)


def test_giant_frames_stop_the_import(source, monkeypatch):
    monkeypatch.setattr(miniwob_tables, "MAX_FRAMES_BYTES", 53 * 40 - 1)
    with pytest.raises(FormatError, match=r"frames\.npz unpacks to more than 2,119 bytes"):
        miniwob(source)


@pytest.mark.parametrize("name", ["demos.parquet", "events.parquet", "frames.npz"])
def test_a_table_that_is_missing_or_a_link_stops_the_import(source, name):
    path = source / name
    elsewhere = path.rename(source.parent / name)
    with pytest.raises(StateError, match=f"has no {name}"):
        miniwob(source)
    path.symlink_to(elsewhere)
    with pytest.raises(StateError, match=f"{name} can't be opened: it is a link"):
        miniwob(source)


def test_columns_may_be_of_any_type_of_numbers_and_text(source, tmp_path):
    table = pq.read_table(source / "events.parquet")
    text = pa.dictionary(pa.int32(), pa.string())
    cast = {"type": text, "key_class": pa.large_string(), "t_ms": pa.float32(), "seq": pa.int8(), "frame": pa.uint16()}
    for name, kind in cast.items():
        column = table.column(name)
        column = column.dictionary_encode() if pa.types.is_dictionary(kind) else column.cast(kind)
        table = table.set_column(table.schema.get_field_index(name), name, column)
    before = [kinds(sittings) for sittings in read(source)[0].values()]
    pq.write_table(table, source / "events.parquet")
    assert [kinds(sittings) for sittings in read(source)[0].values()] == before


def test_tables_of_nobody_hold_nobody(tmp_path):
    source = write_tables(tmp_path / "none", {})
    write_table(source / "demos.parquet", {"demo_id": [], "session": []}, demo_id=pa.string(), session=pa.string())
    numbers = dict.fromkeys(("seq", "t_ms", "x", "y", "frame"), pa.int64())
    texts = dict.fromkeys(("demo_id", "type", "key_class"), pa.string())
    types = numbers | texts
    write_table(source / "events.parquet", {name: [] for name in types}, **types)
    assert read(source)[0] == {}


def test_without_pyarrow_one_sentence_says_how_to_get_it(source, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(StateError, match="pip install"):
        miniwob(source)


def test_a_damaged_file_is_refused_or_read_and_nothing_else_happens(source):
    random = np.random.default_rng(5)
    good = {path: path.read_bytes() for path in source.iterdir()}
    refused = 0
    for path in [*good] * 150:
        damaged = np.frombuffer(good[path], dtype=np.uint8).copy()
        damaged[random.integers(0, len(damaged), 2)] = random.integers(0, 256, 2)
        path.write_bytes(damaged.tobytes())
        try:
            read(source)
        except FormatError:
            refused += 1
        path.write_bytes(good[path])
    assert refused > 200
