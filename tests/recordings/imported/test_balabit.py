"""Mice without a screen, from files of events and from a table of actions: the same actions, and what is broken is counted."""

import math
import os

import numpy as np
import pytest

from reticent.actions.canvas import cell_of
from reticent.errors import FormatError, StateError
from reticent.recordings.imported import balabit_files
from reticent.recordings.imported.balabit import monitor
from reticent.recordings.imported.shapes import balabit
from reticent.recordings.recorded import session
from tests.recordings.imported.made import (
    HEADER,
    MOUSE,
    MOUSE_ACTIONS,
    MOUSE_KINDS,
    changed,
    kinds,
    mouse_file,
    write_mouse,
    write_mouse_table,
)


def read(root):
    opened = balabit(root)
    return dict(opened.people), opened.tally


@pytest.fixture
def table(tmp_path):
    return write_mouse_table(tmp_path / "table", {("user7", "session_1"): MOUSE_ACTIONS})


def test_a_user_is_a_person_and_training_sessions_are_sittings(tmp_path):
    write_mouse(tmp_path)
    write_mouse(tmp_path, session="session_0000000001")
    write_mouse(tmp_path, user="user12")
    write_mouse(tmp_path, user="user12", session="session_2", folder="test_files")
    people, tally = read(tmp_path)
    assert {user: kinds(sittings) for user, sittings in people.items()} == {
        "user12": [MOUSE_KINDS],
        "user7": [MOUSE_KINDS, MOUSE_KINDS],
    }
    assert (tally.seen, tally.sentences()) == (3, [])


def test_a_table_of_the_same_actions_gives_the_same_actions_but_for_where_drags_and_wheels_began(tmp_path, table):
    write_mouse(tmp_path / "files")
    files, tables = (session(read(root)[0]["user7"][0]).actions for root in (tmp_path / "files", table))
    assert [action.kind for action in tables] == [action.kind for action in files]
    for ours, theirs in zip(tables, files, strict=True):
        assert abs(ours.t_ms - theirs.t_ms) <= 10
    clicks = [at for at, kind in enumerate(MOUSE_KINDS) if "click" in kind]
    assert [tables[at].cell for at in clicks] == [files[at].cell for at in clicks]


def test_places_are_parts_of_the_smallest_common_monitor_that_holds_them(tmp_path):
    write_mouse(tmp_path)
    ((one,),) = read(tmp_path)[0].values()
    assert one.aspect == 1920 / 1080
    first, wheel, *_ = session(one).actions
    assert first.cell == cell_of(1919 / 1920, 500 / 1080, aspect=1920 / 1080)
    assert wheel.cell == cell_of(500 / 1920, 1079 / 1080, aspect=1920 / 1080)  # the last move's


@pytest.mark.parametrize(
    ("largest", "size"),
    [((0, 0), (1024, 768)), ((1363, 767), (1366, 768)), ((1279, 799), (1280, 800)), ((1136, 899), (1440, 900))],
)
def test_a_monitor_is_a_common_one(largest, size):
    assert monitor(*largest) == size


def test_there_is_no_screen_but_one_black_frame_without_a_patch(tmp_path):
    write_mouse(tmp_path)
    ((one,),) = read(tmp_path)[0].values()
    assert len(one.frames) == len(MOUSE_KINDS)
    assert all(not frame.thumbnail.any() and frame.patch is None for frame in one.frames.values())


def test_moves_with_no_button_held_are_not_kept(tmp_path):
    write_mouse(tmp_path)
    ((one,),) = read(tmp_path)[0].values()
    assert len(one.events) == sum(state != "Move" for _, _, state, *_ in MOUSE)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("0.5,nan,Left,Pressed,5,5", "rows that make no sense"),
        ("0.5,inf,Left,Pressed,5,5", "rows that make no sense"),
        ("0.5,,Left,Pressed,5,5", "rows that make no sense"),
        ("0.5,0.5,Left,Pressed,nan,5", "rows that make no sense"),
        ("0.5,0.5,Left,Pressed", "rows that make no sense"),
        ("", "rows that make no sense"),
        ("0.5,0.5,Foot,Pressed,5,5", "rows of no known button or state"),
        ("0.5,0.5,Left,Thrown,5,5", "rows of no known button or state"),
        ("0.5,0.5,NoButton,Move,65535,65535", "rows with a place on no monitor"),
        ("0.5,0.5,Left,Pressed,-1,5", "rows with a place on no monitor"),
    ],
)
def test_a_broken_row_is_left_out_and_counted(tmp_path, row, reason):
    lines = mouse_file().splitlines()
    write_mouse(tmp_path, "\n".join([lines[0], lines[1], row, *lines[2:]]))
    people, tally = read(tmp_path)
    assert kinds(people["user7"]) == [MOUSE_KINDS]
    assert tally.left_out == {reason: 1}


def test_time_that_runs_backwards_or_begins_below_0_stands_still(tmp_path):
    times = [-50.0, -49.0, -60.0, -59.0]
    write_mouse(tmp_path, mouse_file([(t, "Left", "Pressed", 100 * n, 5) for n, t in enumerate(times)]))
    people, tally = read(tmp_path)
    assert [event.t_ms for event in people["user7"][0].events] == [0, 1_000, 1_000, 2_000]
    assert tally.left_out == {"steps back in time": 2}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "other columns"),
        (b"\xff\xfe\x00" * 50, "other columns"),
        (mouse_file(header=HEADER.replace("button", "knob")), "other columns"),
        (HEADER, "without an action"),
        (mouse_file([row for row in MOUSE if row[1] == "NoButton"]), "without an action"),
        (HEADER + '\n"' + "x" * 200_000, "no table"),
        (mouse_file([(3e6, "Left", "Pressed", 5, 5)]), "a time beyond 24 days"),
    ],
)
def test_a_broken_session_is_skipped_and_the_next_is_taken(tmp_path, data, reason):
    write_mouse(tmp_path, data)
    write_mouse(tmp_path, session="session_9")
    people, tally = read(tmp_path)
    assert kinds(people["user7"]) == [MOUSE_KINDS]
    assert tally.sentences()[0] == f"skipped 1 of 2 sessions: 1 {reason}"


def test_columns_may_stand_in_another_order(tmp_path):
    rows = [f"{x},{y},{state},{button},{t}" for t, button, state, x, y in MOUSE]
    write_mouse(tmp_path, "\n".join(["x,y,state,button,client timestamp", *rows]))
    assert kinds(read(tmp_path)[0]["user7"]) == [MOUSE_KINDS]


def test_giants_links_and_pipes_are_skipped(tmp_path, monkeypatch):
    outside = write_mouse(tmp_path / "outside")
    source = tmp_path / "source"
    path = write_mouse(source, session="session_1")
    path.with_name("session_2").symlink_to(outside)
    os.mkfifo(path.with_name("session_3"))
    (path.parent.parent / "user8").symlink_to(outside.parent)
    write_mouse(source, b"x" * 2_000, session="session_4")
    monkeypatch.setattr(balabit_files, "MAX_SESSION_BYTES", 1_999)
    people, tally = read(source)
    assert kinds(people["user7"]) == [MOUSE_KINDS]
    assert people.keys() == {"user7"}
    assert tally.skipped == {"links and other things": 2, "too large": 1}


def test_training_files_that_are_a_link_are_not_there(tmp_path):
    write_mouse(tmp_path / "outside")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "training_files").symlink_to(tmp_path / "outside" / "training_files")
    with pytest.raises(StateError, match="holds neither sessions"):
        balabit(tmp_path / "source")


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        (("click", 1.0, 0.1, 5, 5), "click"),
        (("click", 1.0, 0.0, 5, 5), "click"),
        (("dblclick", 1.0, 0.3, 5, 5), "double_click"),
        (("dblclick", 1.0, 2.0, 5, 5), "double_click"),
        (("dblclick", 1.0, 0.0, 5, 5), "double_click"),
        (("drag", 1.0, 0.5, 0, 0), "drag"),
        (("drag", 1.0, 0.0, 1919, 5), "drag"),
        (("click_r", 1.0, 0.1, 5, 5), "right_click"),
        (("drag_r", 1.0, 0.1, 5, 5), "right_click"),
        (("scroll_up", 1.0, 0.0, 0, 0), "scroll"),
        (("scroll_down", 1.0, 30.0, 0, 0), "scroll"),
    ],
)
def test_the_events_made_up_for_an_action_make_that_action_and_no_other(tmp_path, action, kind):
    after = ("click", action[1] + action[2] + 5, 0.1, 500, 500)
    source = write_mouse_table(tmp_path, {("u", "s"): [action, after]})
    assert kinds(read(source)[0]["u"]) == [[kind, "click"]]


def test_actions_that_overlap_in_time_end_where_the_next_begins(tmp_path):
    actions = [("click", 1.0, 3.0, 5, 5), ("scroll_up", 2.0, 5.0, 0, 0), ("click", 3.0, 0.1, 900, 5)]
    source = write_mouse_table(tmp_path, {("u", "s"): actions})
    (one,) = read(source)[0]["u"]
    assert [action.t_ms for action in session(one).actions] == [1_000, 2_000, 3_000]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("t_start", math.nan, "actions whose time makes no sense"),
        ("t_start", None, "actions whose time makes no sense"),
        ("dur_s", -1.0, "actions whose time makes no sense"),
        ("dur_s", 1e9, "actions whose time makes no sense"),
        ("x", math.nan, "actions with a place on no monitor"),
        ("y", -1.0, "actions with a place on no monitor"),
        ("x", 65_535.0, "actions with a place on no monitor"),
    ],
)
def test_a_broken_action_is_left_out_and_counted(tmp_path, column, value, reason):
    bad = dict(zip(("action", "t_start", "dur_s", "x", "y"), ("click", 0.5, 0.1, 5.0, 5.0), strict=True)) | {
        column: value
    }
    good = [(kind, start, long, float(x), float(y)) for kind, start, long, x, y in MOUSE_ACTIONS]
    source = write_mouse_table(tmp_path, {("u", "s"): [tuple(bad.values()), *good]})
    people, tally = read(source)
    assert kinds(people["u"]) == [MOUSE_KINDS]
    assert tally.left_out == {reason: 1}


def test_unknown_actions_and_nameless_sessions_are_counted(table):
    changed(table / "actions.parquet", action=["click", "shake", None, "click_r"])
    people, tally = read(table)
    assert kinds(people["user7"]) == [["click", "right_click"]]
    assert tally.left_out == {"actions of no known kind": 2}
    changed(table / "actions.parquet", user=["user7", None, "../..", "user7"], session=[None, "s", "s", "s"])
    people, tally = read(table)
    assert kinds(people["user7"]) == [["right_click"]]
    assert tally.skipped == {"no user or no name": 3}


def test_rows_in_another_order_are_the_same_actions(tmp_path, table):
    before = [one.events for one in read(table)[0]["user7"]]
    order = np.random.default_rng(0).permutation(len(MOUSE_ACTIONS))
    import pyarrow.parquet as pq

    pq.write_table(pq.read_table(table / "actions.parquet").take(order), table / "actions.parquet")
    assert [one.events for one in read(table)[0]["user7"]] == before


def test_a_table_without_a_column_stops_the_import(table):
    changed(table / "actions.parquet", dur_s=None)
    with pytest.raises(FormatError, match=r"actions\.parquet has no column dur_s; nothing was written"):
        balabit(table)
