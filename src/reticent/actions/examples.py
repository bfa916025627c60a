"""Which training windows do a person's sessions hold?"""

from collections.abc import Iterable

import numpy as np

from reticent.actions.action import Session
from reticent.actions.pool import Ints, Pool
from reticent.actions.vocabulary import HISTORY, NO_CELL, NO_KIND, NO_TIME, PATCH_SIDE, time_bucket


def pool(sessions: Iterable[Session]) -> Pool:
    """Every action of every session as one example: the HISTORY actions and the frame before it, then itself.

    No window crosses from one session into another; before a session's first action the history is padding. Where
    a frame has no patch, the patch is black and `has_patch` False. The time of a session's first action is bucket 0.
    """
    parts = [_windows(session) for session in sessions if session.actions]
    if not parts:
        return Pool.empty()
    names = ("kinds", "cells", "times", "frames", "patches", "has_patch", "next_kind", "next_cell", "next_time")
    return Pool(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _windows(session: Session) -> Pool:
    kind = np.array([action.kind for action in session.actions], dtype=np.int64)
    cell = np.array([action.cell for action in session.actions], dtype=np.int64)
    time = np.array([time_bucket(action.gap_ms) for action in session.actions], dtype=np.int64)
    black = np.zeros((PATCH_SIDE, PATCH_SIDE), dtype=np.uint8)
    return Pool(
        kinds=_history(kind, padding=NO_KIND),
        cells=_history(cell, padding=NO_CELL),
        times=_history(time, padding=NO_TIME),
        frames=np.stack([frame.thumbnail for frame in session.frames]),
        patches=np.stack([black if frame.patch is None else frame.patch for frame in session.frames]),
        has_patch=np.array([frame.patch is not None for frame in session.frames], dtype=np.bool_),
        next_kind=kind,
        next_cell=cell,
        next_time=time,
    )


def _history(values: Ints, *, padding: int) -> Ints:
    """Shape (n,) to (n, HISTORY): row i holds the values before i, oldest first, padded at the front."""
    padded = np.concatenate([np.full(HISTORY, padding, dtype=np.int64), values[:-1]])
    return np.lib.stride_tricks.sliding_window_view(padded, HISTORY).copy()
