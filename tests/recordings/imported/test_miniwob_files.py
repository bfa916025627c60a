"""Demonstrations as they lie upstream: each once, in order, with the page before it; what is broken is skipped and counted."""

import gzip
import json
import math
import os
import tracemalloc
from hashlib import sha256

import numpy as np
import pytest

from reticent.actions.canvas import canonical_frame, cell_of
from reticent.recordings.imported import miniwob_files
from reticent.recordings.imported.shapes import miniwob
from reticent.recordings.recorded import session
from tests.recordings.imported.made import (
    ASSIGNMENTS,
    GREY,
    SOME,
    SOME_KINDS,
    click,
    demonstration,
    element,
    key,
    kinds,
    name,
    page,
    write,
)


def person(assignment=ASSIGNMENTS[0]):
    return sha256(assignment.encode()).hexdigest()[:12]


def read(root):
    opened = miniwob(root)
    return dict(opened.people), opened.tally


def test_an_assignment_is_a_person_and_its_demonstrations_are_sittings_in_their_order(tmp_path):
    for number in (10, 2, 1):
        write(tmp_path, demonstration(click(1_000, 16 * number - 1, 0)), number=number)
    write(tmp_path, demonstration(SOME), assignment=ASSIGNMENTS[1], file=name(ASSIGNMENTS[1], 1, suffix=".json"))
    people, tally = read(tmp_path)
    assert people.keys() == {person(), person(ASSIGNMENTS[1])}
    assert [round(one.events[0].x * 160) for one in people[person()]] == [15, 31, 159]
    assert kinds(people[person(ASSIGNMENTS[1])]) == [SOME_KINDS]
    assert (tally.seen, tally.sentences()) == (4, [])


def test_a_person_s_name_does_not_depend_on_what_else_is_there_or_where(tmp_path):
    write(tmp_path / "one", demonstration(SOME))
    write(tmp_path / "two" / "deeper", demonstration(SOME), batch="x", task="another")
    write(tmp_path / "two", demonstration(SOME), assignment=ASSIGNMENTS[1])
    assert read(tmp_path / "one")[0].keys() < read(tmp_path / "two")[0].keys()


def test_every_event_is_taken_once_and_repetitions_by_the_browser_are_not(tmp_path):
    write(tmp_path, demonstration([*click(1_000, 5, 5), *key(2_000, "enter")]))
    ((one,),) = read(tmp_path)[0].values()
    assert [event.kind.name for event in one.events] == ["BUTTON_DOWN", "BUTTON_UP", "KEY_DOWN", "KEY_UP"]


@pytest.mark.parametrize(("x", "y"), [(0, 0), (159, 209), (80, 104), (-30, 500)])
def test_a_click_lies_in_the_cell_that_its_pixel_has_on_the_frame(tmp_path, x, y):
    write(tmp_path, demonstration(click(1_000, x, y)))
    ((one,),) = read(tmp_path)[0].values()
    (action,) = session(one).actions
    assert action.cell == cell_of(x / 160, y / 210, aspect=160 / 210)
    dot = np.zeros((210, 160), dtype=np.uint8)
    dot[max(0, min(y, 209)), max(0, min(x, 159))] = 255
    frame = canonical_frame(dot)
    row, column = np.unravel_index(int(frame.argmax()), frame.shape)
    assert action.cell == row // 4 * 16 + column // 4


def test_keys_and_scrolls_have_the_last_place_of_the_pointer_and_before_any_the_middle(tmp_path):
    write(tmp_path, demonstration([*key(500, "tab"), *click(1_000, 16, 21), (3_000, "scroll", -1, -1, "")]))
    ((one,),) = read(tmp_path)[0].values()
    assert (one.events[0].x, one.events[0].y) == (0.5, 0.5)
    assert (one.events[-1].x, one.events[-1].y) == (0.1, 0.1)


def test_a_frame_shows_the_page_before_the_event_and_nothing_round_the_pointer(tmp_path):
    shades = [page(element(bgColor=f"rgb({10 * n}, {10 * n}, {10 * n})")) for n in range(6)]
    write(tmp_path, demonstration([*click(1_000, 5, 5), *click(3_000, 80, 80)], dom=shades))
    ((one,),) = read(tmp_path)[0].values()
    assert [frame.thumbnail[24, 32] for frame in one.frames.values()] == [0, 30]
    assert all(frame.patch is None for frame in one.frames.values())
    assert one.frames[0].thumbnail[:, :12].max() == 0  # the bar of the letterbox


def broken(change):
    """A demonstration with something else in its second state, whose event is the first."""
    made = demonstration(SOME)
    change(made["states"][1])
    return json.dumps(made).encode()


def packed(data):
    return gzip.compress(data, 1, mtime=0)


GOOD = packed(json.dumps(demonstration(SOME)).encode())
BROKEN = {
    "not JSON": [b"", b"{", b"\xff\xfe", b'{"states": [1, 2', b"[" * 100_000, b"9" * 5_000],
    "no demonstration": [
        b"7",
        b"[]",
        b"{}",
        b'{"states": 7}',
        b'{"states": [7]}',
        broken(lambda s: s["action"].pop("type")),
    ],
    "without an event": [b'{"states": []}', json.dumps(demonstration([])).encode()],
    "without an action": [json.dumps(demonstration([(5, "mouseup", 1, 1, "")])).encode()],
    "another page size": [
        json.dumps(demonstration(SOME, dom=page(height=667))).encode(),
        broken(lambda s: s.pop("dom")),
        broken(lambda s: s.update(dom=page(height=math.nan))),
    ],
    "a time that is no number": [
        broken(lambda s: s.update(time=math.nan)),
        broken(lambda s: s.update(time=math.inf)),
        broken(lambda s: s.update(time="soon")),
        broken(lambda s: s.update(time=True)),
        broken(lambda s: s.update(time=10**400)),
        broken(lambda s: s.pop("time")),
    ],
    "a time beyond 24 days": [broken(lambda s: s.update(time=2**31)), broken(lambda s: s.update(time=1e14))],
    "a place that is no number": [
        broken(lambda s: s["action"].update(x=math.nan)),
        broken(lambda s: s["action"].update(y=-math.inf)),
        broken(lambda s: s["action"].pop("x")),
    ],
}


@pytest.mark.parametrize(("reason", "data"), [(reason, data) for reason, all_ in BROKEN.items() for data in all_])
def test_a_broken_demonstration_is_skipped_for_a_reason_and_the_next_is_taken(tmp_path, reason, data):
    write(tmp_path, packed(data))
    write(tmp_path, GOOD, number=2)
    people, tally = read(tmp_path)
    assert kinds(people[person()]) == [SOME_KINDS]
    assert tally.sentences()[0] == f"skipped 1 of 2 demonstrations: 1 {reason}"


@pytest.mark.parametrize("data", [GOOD[:-9], GOOD[:20], b"", b"{}", b"\x1f\x8b" + bytes(50), GOOD[:-8] + bytes(8)])
def test_a_damaged_gzip_is_skipped(tmp_path, data):
    write(tmp_path, data)
    assert read(tmp_path)[1].skipped == {"damaged gzip": 1}


def test_a_bomb_and_a_giant_are_skipped_and_never_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(miniwob_files, "MAX_DEMONSTRATION_BYTES", 1_000_000)
    write(tmp_path, packed(b" " * 200_000_000))
    write(tmp_path, b" " * 1_000_001, file=name(ASSIGNMENTS[0], 2, suffix=".json"))
    tracemalloc.start()
    people, tally = read(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (people, tally.skipped) == ({person(): []}, {"too large": 2})
    assert peak < 6e6


def test_time_that_runs_backwards_or_begins_below_0_stands_still_for_that_step(tmp_path):
    times = [-90_000, -89_000, -95_000, -94_500, 10]
    write(tmp_path, demonstration([(t, "mousedown", 40 * n, 0, "") for n, t in enumerate(times)]))
    people, tally = read(tmp_path)
    ((one,),) = people.values()
    assert [event.t_ms for event in one.events] == [0, 1_000, 1_000, 1_500, 96_010]
    assert tally.left_out == {"steps back in time": 2}


def test_unknown_events_are_left_out_and_counted(tmp_path):
    write(tmp_path, demonstration([*click(1_000, 5, 5), (2_000, "touchstart", 1, 1, ""), (3_000, "", 1, 1, "")]))
    people, tally = read(tmp_path)
    assert kinds(people[person()]) == [["click"]]
    assert tally.sentences() == ["left out, or mended, in those that were taken: 2 events of no known kind"]


def test_links_and_pipes_are_never_followed_and_are_counted(tmp_path):
    outside = write(tmp_path / "outside", demonstration(SOME))
    root = tmp_path / "source"
    inside = write(root, demonstration(SOME), number=2)
    inside.with_name(name(ASSIGNMENTS[1], 1)).symlink_to(outside)
    inside.with_name(name(ASSIGNMENTS[1], 2)).symlink_to(inside)
    inside.with_name(name(ASSIGNMENTS[1], 3)).symlink_to(tmp_path / "nowhere")
    os.mkfifo(inside.with_name(name(ASSIGNMENTS[1], 4)))
    (root / "linked").symlink_to(outside.parent)
    write(root / ".git", demonstration(SOME), assignment=ASSIGNMENTS[2])
    people, tally = read(root)
    assert people.keys() == {person()}
    assert tally.skipped == {"links and other things": 4}


def test_a_file_that_became_a_link_after_it_was_found_is_skipped(tmp_path):
    path = write(tmp_path, demonstration(SOME))
    opened = miniwob(tmp_path)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert dict(opened.people) == {person(): []}
    assert opened.tally.skipped == {"not to be opened": 1}


@pytest.mark.parametrize("file", ["click-it_1025092458.json.gz", "notes.json", f"_{ASSIGNMENTS[0]}.json.gz"])
def test_a_demonstration_of_nobody_is_skipped(tmp_path, file):
    write(tmp_path, demonstration(SOME), file=file)
    write(tmp_path, demonstration(SOME))
    people, tally = read(tmp_path)
    assert people.keys() == {person()}
    assert tally.skipped == {"no session": 1}


def test_one_person_s_demonstrations_are_read_when_their_turn_comes(tmp_path, monkeypatch):
    for assignment in ASSIGNMENTS:
        write(tmp_path, demonstration(SOME, dom=GREY), assignment=assignment)
    asked = []
    monkeypatch.setattr(miniwob_files, "_states", lambda path: asked.append(path) or demonstration(SOME)["states"])
    people = miniwob(tmp_path).people
    assert asked == []
    next(people)
    assert len(asked) == 1
