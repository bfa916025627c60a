"""A recording comes back as it was written, and a file that is not one is refused before it costs anything."""

import hashlib
import json
import lzma
import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.actions.action import Frame
from reticent.actions.coalesce import Coalescer, coalesce
from reticent.actions.events import Button, EventKind, InputEvent, KeyClass
from reticent.errors import FormatError, InputError, NewerFormatError, SettingError, StateError
from reticent.recordings import drawn
from reticent.recordings.archive import RecordedSession, parse_archive, read_archive, session, write_archive
from reticent.recordings.packing import _FILTERS, MAX_BLOCK_BYTES, _planes, pack, unpack

UNPACKER = 12e6  # bytes: the 8 MiB window of the decompressor, and little else
QUICKLY = [_FILTERS[0] | {"preset": 0}]

EVENT = st.builds(
    InputEvent,
    t_ms=st.integers(0, 2**31 - 1),
    kind=st.sampled_from(EventKind),
    key=st.sampled_from(KeyClass),
    button=st.sampled_from(Button),
    x=st.floats(0, 1),
    y=st.sampled_from([0.0, 1 / 3, 0.75, 1.0]),
)


def shot(shade, *, patch=True):
    picture = (np.arange(48 * 64).reshape(48, 64) * shade % 251).astype(np.uint8)
    return Frame(thumbnail=picture, patch=picture[:16, :16].copy() if patch else None)


def recorded_from(events, *, person="p1", aspect=1.6):
    coalescer = Coalescer(aspect=aspect)
    frames = {
        index: shot(index // 2, patch=index % 3 > 0)
        for index, event in enumerate(events)
        if coalescer.push(event).starts
    }
    return RecordedSession(person=person, events=tuple(events), frames=frames, aspect=aspect)


RECORDED = st.builds(
    recorded_from,
    st.lists(EVENT, max_size=30).map(lambda events: sorted(events, key=lambda event: event.t_ms)),
    person=st.sampled_from(["p1", "p2"]),
    aspect=st.sampled_from([0.5, 1.6, 160 / 210]),
)


def same(one, other):
    def pictures(frame):
        return frame.thumbnail.tobytes(), None if frame.patch is None else frame.patch.tobytes()

    return (one.person, one.events, one.aspect) == (other.person, other.events, other.aspect) and {
        index: pictures(frame) for index, frame in one.frames.items()
    } == {index: pictures(frame) for index, frame in other.frames.items()}


def simple(person="p1"):
    click = [(EventKind.BUTTON_DOWN, 0), (EventKind.BUTTON_UP, 60)]
    events = [
        InputEvent(t_ms=1_000 * i + t, kind=kind, button=Button.LEFT, x=i / 10, y=0.5)
        for i in range(10)
        for kind, t in click
    ]
    return recorded_from(events, person=person)


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "two.recording"
    write_archive(path, [simple("p1"), simple("p2"), simple("p1")], title="two people", datasheet="scripts\nonly")
    return path


def taken_apart(path):
    first, header, blocks = path.read_bytes().split(b"\n", 2)
    return first, json.loads(header), blocks


def put_together(header, blocks, *, version=b"1"):
    body = json.dumps(header).encode() + b"\n" + blocks
    return b"reticent-recording %b %b\n" % (version, hashlib.sha256(body).hexdigest().encode()) + body


@given(st.lists(RECORDED, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_what_is_written_comes_back_exactly(tmp_path_factory, sessions):
    path = tmp_path_factory.mktemp("archive") / "any.recording"
    write_archive(path, sessions, title="t", datasheet="d")
    archive = read_archive(path)
    assert archive.people == tuple(sorted({one.person for one in sessions}))
    for person in archive.people:
        theirs = [one for one in sessions if one.person == person]
        back = archive.sessions(person)
        assert len(back) == len(theirs)
        assert all(same(one, other) for one, other in zip(theirs, back, strict=True))
        assert all(session(one).actions == coalesce(one.events, aspect=one.aspect) for one in back)


def test_an_archive_tells_what_it_holds_and_the_same_sessions_give_the_same_bytes(archive, tmp_path):
    read = read_archive(archive)
    assert (read.title, read.datasheet, read.people) == ("two people", "scripts\nonly", ("p1", "p2"))
    assert read.counts("p1").sessions == 2
    assert read.counts("p1").frames == 20
    assert read.counts("p1").thumbnails == 10  # the second sitting shows the same screens
    again = tmp_path / "again.recording"
    write_archive(again, [simple("p1"), simple("p2"), simple("p1")], title="two people", datasheet="scripts\nonly")
    assert again.read_bytes() == archive.read_bytes()


def test_an_unchanged_frame_costs_next_to_nothing():
    still = shot(1)
    noise = np.random.default_rng(0).integers(0, 256, (48, 64), dtype=np.uint8)
    frames = {index: Frame(thumbnail=noise, patch=still.patch) for index in range(0, 20, 2)}
    counts, block = pack([RecordedSession(person="p", events=simple().events, frames=frames, aspect=1.0)])
    assert (counts.thumbnails, counts.patches) == (1, 1)
    assert len(block) < noise.size + 600


def test_200_drawn_people_would_stay_far_below_15_mb(tmp_path):
    people = [drawn.name(index) for index in range(8)]
    sittings = [one for person in people for one in drawn.recorded(person)]
    path = tmp_path / "drawn.recording"
    write_archive(path, sittings, title="drawn", datasheet="-")
    a_frame = path.stat().st_size / sum(len(one.frames) for one in sittings)
    assert a_frame * 12_000 < 15e6 / 2


def test_every_flipped_bit_and_every_truncation_is_found(archive):
    whole = archive.read_bytes()
    for at in [*range(0, len(whole), 37), len(whole) - 1]:
        with pytest.raises(FormatError):
            parse_archive(whole[:at])
        flipped = bytearray(whole)
        flipped[at] ^= 1 << at % 8
        with pytest.raises(FormatError):
            parse_archive(bytes(flipped))
    with pytest.raises(FormatError):
        parse_archive(whole + b"x")


@given(st.binary(max_size=300))
def test_bytes_that_are_no_recording_are_refused(data):
    with pytest.raises(FormatError):
        parse_archive(data)


def test_a_newer_recording_is_refused_as_newer(archive):
    _, header, blocks = taken_apart(archive)
    with pytest.raises(NewerFormatError, match="version 3"):
        parse_archive(put_together(header, blocks, version=b"3"))


def test_an_archive_of_people_who_are_not_public_says_so_in_a_version_of_its_own(archive, tmp_path):
    closed = tmp_path / "closed.recording"
    sessions = [simple("p1"), simple("p2"), simple("p1")]
    write_archive(closed, sessions, title="two people", datasheet="scripts\nonly", public=False)
    assert (read_archive(archive).public, read_archive(closed).public) == (True, False)
    (first, header, blocks), (_, opened, same) = taken_apart(closed), taken_apart(archive)
    assert first.startswith(b"reticent-recording 2 ")
    assert (header, blocks) == (opened | {"public": False}, same)


@pytest.mark.parametrize(
    ("version", "said"), [(b"1", {"public": False}), (b"1", {"public": True}), (b"2", {}), (b"2", {"public": True})]
)
def test_a_header_that_says_otherwise_than_its_version_is_refused(archive, version, said):
    _, header, blocks = taken_apart(archive)
    with pytest.raises(FormatError, match="header"):
        parse_archive(put_together(header | said, blocks, version=version))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("thumbnails", 350_000),  # 1 GB
        ("thumbnails", 2**31 - 1),
        ("thumbnails", 2**31),
        ("patches", 4_000_000),
        ("positions", 2**30),
        ("thumbnails", -1),
        ("positions", -1),
        ("thumbnails", 1.0),
        ("thumbnails", "10"),
        ("thumbnails", None),
        ("thumbnails", True),
        ("thumbnails", 9),
        ("thumbnails", 11),
        ("sessions", []),
        ("sessions", [{"aspect": 1.0, "events": 2**31 - 1, "frames": 0}]),
        ("sessions", [{"aspect": 1.0, "events": -5, "frames": 0}]),
        ("sessions", [{"aspect": -1.0, "events": 20, "frames": 10}] * 2),
        ("sessions", [{"aspect": 0.0, "events": 20, "frames": 10}] * 2),
        ("sessions", [{"aspect": 1.0, "events": 10, "frames": 10}, {"aspect": 1.0, "events": 30, "frames": 10}]),
        ("dtype", "float64"),
    ],
)
def test_a_header_that_claims_another_size_is_refused_before_it_is_unpacked(archive, name, value):
    _, header, blocks = taken_apart(archive)
    header["people"][0]["block"][name] = value
    hostile = put_together(header, blocks)
    tracemalloc.start()
    with pytest.raises(FormatError):
        parse_archive(hostile).sessions("p1")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < UNPACKER


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "-1.5"])
def test_an_aspect_that_is_no_proportion_is_refused(archive, text):
    whole = put_together(*taken_apart(archive)[1:]).replace(b'"aspect": 1.6', f'"aspect": {text}'.encode())
    first, rest = whole.split(b"\n", 1)
    hostile = first[:-64] + hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest
    with pytest.raises(FormatError):
        parse_archive(hostile).sessions("p1")


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header["people"].append(header["people"][0]),
        lambda header: header["people"].pop(),
        lambda header: header["people"][0].update(bytes=0),
        lambda header: header["people"][0].update(bytes=10**12),
        lambda header: header["people"][0].update(person="../../etc"),
        lambda header: header["people"][0].update(person="p2"),
        lambda header: header.update(title="\x1b[2J"),
        lambda header: header.update(extra=1),
        lambda header: header.pop("datasheet"),
        lambda header: header.clear(),
    ],
)
def test_a_header_that_does_not_fit_is_refused(archive, change):
    _, header, blocks = taken_apart(archive)
    change(header)
    with pytest.raises(FormatError):
        parse_archive(put_together(header, blocks))


def test_a_bomb_is_not_unpacked(archive):
    _, header, _ = taken_apart(archive)
    bomb = lzma.compress(bytes(MAX_BLOCK_BYTES), format=lzma.FORMAT_RAW, filters=QUICKLY)
    header["people"] = [header["people"][0] | {"bytes": len(bomb)}]
    tracemalloc.start()
    with pytest.raises(FormatError):
        parse_archive(put_together(header, bomb)).sessions("p1")
    assert tracemalloc.get_traced_memory()[1] < UNPACKER
    tracemalloc.stop()


def test_a_bomb_that_is_as_large_as_it_says_is_not_unpacked_either(archive):
    _, header, _ = taken_apart(archive)
    frames = 50_000
    block = {
        "sessions": [{"aspect": 1.0, "events": 0, "frames": 0}],
        "patches": 0,
        "positions": 0,
        "thumbnails": frames,
    }
    bomb = lzma.compress(bytes(frames * (48 * 64 + 1)), format=lzma.FORMAT_RAW, filters=QUICKLY)
    header["people"] = [{"person": "p1", "bytes": len(bomb), "block": block}]
    hostile = put_together(header, bomb)
    tracemalloc.start()
    with pytest.raises(FormatError, match="claims more than"):
        parse_archive(hostile).sessions("p1")
    assert tracemalloc.get_traced_memory()[1] < UNPACKER
    tracemalloc.stop()


COUNTS, BLOCK = pack([simple()])
RAW = lzma.decompress(BLOCK, format=lzma.FORMAT_RAW, filters=_FILTERS)
AT = dict(
    zip(
        ["positions", "times", "kinds", "keys", "buttons", "x", "y", "index", "thumbnail", "patch", "modes"],
        np.cumsum([0, 8 * COUNTS.positions, 80, 20, 20, 20, 80, 80, 40, 40, 40]).tolist(),
        strict=True,
    )
)


def unpacked(raw, *, junk=b""):
    return unpack(COUNTS, lzma.compress(raw, format=lzma.FORMAT_RAW, filters=QUICKLY) + junk, person="p1")


@pytest.mark.parametrize(
    ("column", "offset", "value"),
    [
        ("positions", 0, np.float64("nan").tobytes()),
        ("positions", 0, np.float64(1.1).tobytes()),
        ("positions", 8, np.float64(-0.1).tobytes()),
        ("times", 0, _planes(np.array([50, 40, *range(50, 68)]))),  # time runs backwards
        ("times", 60 + 3, b"\xff"),
        ("times", 60 + 2, b"\x7f\x7f"),  # beyond 2**31
        ("kinds", 0, b"\x06"),
        ("keys", 0, b"\x0c"),
        ("buttons", 0, b"\x04"),
        ("x", 0, b"\x63"),
        ("y", 60 + 5, b"\xff"),
        ("index", 4, b"\x00"),  # two frames of one event
        ("index", 9, b"\x70"),
        ("thumbnail", 0, b"\x00"),
        ("thumbnail", 9, b"\x09"),
        ("patch", 9, b"\x63"),
        ("modes", 0, b"\x02"),
    ],
)
def test_one_wrong_value_in_a_column_is_found(column, offset, value):
    assert len(unpacked(RAW)) == 1
    at = AT[column] + offset
    with pytest.raises(FormatError):
        unpacked(RAW[:at] + value + RAW[at + len(value) :])


def test_a_block_with_something_behind_it_is_refused():
    with pytest.raises(FormatError):
        unpacked(RAW, junk=b"hidden")
    with pytest.raises(FormatError):
        unpacked(RAW + b"hidden")


@given(st.binary(min_size=500, max_size=2_000), st.integers(0, 9))
@settings(max_examples=80, deadline=None)
def test_columns_of_nonsense_give_sessions_or_one_error(noise, thumbnails):
    counts, _ = pack([simple()])
    counts = counts.model_copy(update={"thumbnails": thumbnails})
    raw = (noise * (counts.raw_bytes // len(noise) + 1))[: counts.raw_bytes]
    block = lzma.compress(raw, format=lzma.FORMAT_RAW, filters=QUICKLY)
    with pytest.raises(FormatError):
        unpack(counts, block, person="p1")


@pytest.mark.parametrize(
    "change",
    [
        {"events": (InputEvent(t_ms=0, kind=EventKind.MOVE, x=float("nan")),), "frames": {}},
        {"events": (InputEvent(t_ms=0, kind=EventKind.MOVE, x=1.5),), "frames": {}},
        {"events": (InputEvent(t_ms=0, kind=EventKind.MOVE, y=-0.1),), "frames": {}},
        {"events": (InputEvent(t_ms=-1, kind=EventKind.MOVE),), "frames": {}},
        {"events": (InputEvent(t_ms=5, kind=EventKind.MOVE), InputEvent(t_ms=4, kind=EventKind.MOVE)), "frames": {}},
        {"frames": {}},
        {"frames": {-1: shot(1)}},
        {"frames": {99: shot(1)}},
        {"frames": {0: Frame(thumbnail=np.zeros((48, 64)), patch=None)}},
        {"frames": {0: Frame(thumbnail=np.zeros((64, 48), np.uint8), patch=None)}},
        {"frames": {0: Frame(thumbnail=np.zeros((48, 64), np.uint8), patch=np.zeros((8, 8), np.uint8))}},
        {"aspect": 0.0},
        {"aspect": float("inf")},
        {"person": "Jane Doe"},
        {"person": ""},
    ],
)
def test_what_could_not_be_read_back_is_not_written(tmp_path, change):
    good = simple()
    given = {"person": good.person, "events": good.events, "frames": good.frames, "aspect": good.aspect} | change
    with pytest.raises(SettingError):
        write_archive(tmp_path / "x.recording", [RecordedSession(**given)], title="t", datasheet="d")
    assert list(tmp_path.iterdir()) == []


def test_a_person_or_file_that_is_not_there_is_one_sentence(archive, tmp_path):
    with pytest.raises(SettingError):
        read_archive(archive).sessions("p3")
    for path in (tmp_path / "none.recording", tmp_path):
        with pytest.raises(StateError):
            read_archive(path)


def test_a_recording_by_other_rules_is_refused_rather_than_given_other_screens():
    good = simple()
    del_first = dict(list(good.frames.items())[1:])
    with pytest.raises(FormatError, match="1 of its 10 actions"):
        session(RecordedSession(person="p", events=good.events, frames=del_first, aspect=good.aspect))


def test_nothing_of_a_recording_shows_in_its_repr(archive):
    one = read_archive(archive).sessions("p1")[0]
    assert repr(one) == "<RecordedSession of 20 events and 10 frames>"
    assert "p1" not in repr(read_archive(archive))


def test_every_refusal_is_wrong_input_and_not_a_crash():
    assert issubclass(FormatError, InputError)
    assert issubclass(SettingError, InputError)


def test_reading_one_person_does_not_need_torch():
    code = "import sys, reticent.recordings.source; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=dict(os.environ), check=False).returncode == 0
