"""Sessions become windows of history, frame and next action."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reticent.actions.action import Action, Frame, Session
from reticent.actions.examples import pool
from reticent.actions.pool import Pool
from reticent.actions.vocabulary import (
    FRAME_HEIGHT,
    FRAME_WIDTH,
    HISTORY,
    NO_CELL,
    NO_KIND,
    NO_TIME,
    PATCH_SIDE,
    ActionKind,
    time_bucket,
)


def made(kinds, *, patch_every=2, shade=0):
    actions, frames = [], []
    for i, kind in enumerate(kinds):
        gap_ms = 0 if i == 0 else 100 * i
        actions.append(Action(kind=ActionKind(kind), cell=(7 * i) % 192, t_ms=1000 * i, gap_ms=gap_ms, start=i))
        patch = np.full((PATCH_SIDE, PATCH_SIDE), i + 1, np.uint8) if i % patch_every == 0 else None
        frames.append(Frame(thumbnail=np.full((FRAME_HEIGHT, FRAME_WIDTH), shade + i, np.uint8), patch=patch))
    return Session(actions=tuple(actions), frames=tuple(frames))


SESSIONS = st.lists(st.lists(st.integers(0, 11), max_size=25).map(made), max_size=4)


@given(SESSIONS)
def test_every_action_is_one_example_of_its_own_session_history(sessions):
    windows = pool(sessions)
    row = 0
    for session in sessions:
        for i, action in enumerate(session.actions):
            past = session.actions[max(0, i - HISTORY) : i]
            padding = HISTORY - len(past)
            assert windows.kinds[row].tolist() == [NO_KIND] * padding + [a.kind for a in past]
            assert windows.cells[row].tolist() == [NO_CELL] * padding + [a.cell for a in past]
            assert windows.times[row].tolist() == [NO_TIME] * padding + [time_bucket(a.gap_ms) for a in past]
            assert (windows.next_kind[row], windows.next_cell[row]) == (action.kind, action.cell)
            assert windows.next_time[row] == time_bucket(action.gap_ms)
            assert np.array_equal(windows.frames[row], session.frames[i].thumbnail)
            assert windows.has_patch[row] == (session.frames[i].patch is not None)
            assert windows.patches[row].max() == (0 if session.frames[i].patch is None else i + 1)
            row += 1
    assert row == len(windows)


def test_no_sessions_and_empty_sessions_give_the_empty_pool():
    for nothing in ([], [made([])], [made([]), made([])]):
        windows = pool(nothing)
        assert len(windows) == 0
        for name in Pool.__slots__:
            expected = getattr(Pool.empty(), name)
            assert (getattr(windows, name).shape, getattr(windows, name).dtype) == (expected.shape, expected.dtype)


def test_an_empty_session_between_two_others_changes_nothing():
    first, second = made([0, 1, 2]), made([3, 4])
    with_gap, without = pool([first, made([]), second]), pool([first, second])
    assert all(np.array_equal(getattr(with_gap, name), getattr(without, name)) for name in Pool.__slots__)


def test_a_pool_has_the_types_that_it_says():
    windows = pool([made([0, 5, 8])])
    for name in ("kinds", "cells", "times", "next_kind", "next_cell", "next_time"):
        assert getattr(windows, name).dtype == np.int64
    assert (windows.frames.dtype, windows.patches.dtype, windows.has_patch.dtype) == (np.uint8, np.uint8, np.bool_)
    assert repr(windows) == "<Pool of 3 examples>"
