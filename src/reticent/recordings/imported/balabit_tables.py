"""The sessions as one table of actions, actions.parquet: the events of each action are made up again, as few as make it.

A click is a press and a release at its place, a double click two of each, a wheel as many turns as keep it one scroll. Of a drag the
table has the place where it ended; where it began isn't known, so its press stands there too, with a move away in between.
"""

import math
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from reticent.actions.coalesce import DOUBLE_CLICK_MS, DRAG_DISTANCE, SCROLL_GAP_MS
from reticent.actions.events import Button, EventKind, InputEvent
from reticent.errors import FormatError
from reticent.recordings.imported.balabit import PLACES, monitor, opened, sitting
from reticent.recordings.imported.tables import Table, read_table
from reticent.recordings.imported.taken import Clock, Opened, Tally
from reticent.recordings.recorded import RecordedSession

MAX_ACTION_MS = 10 * 60_000
_NAME = "actions.parquet"
_PERSON = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MADE = (
    "Read from an extracted table of actions, not of events: the events of each action were made up again, as few as make it. A\n"
    "drag stands where it ended: where it began is not in the table.\n"
)
_BUTTONS = {
    "click": Button.LEFT,
    "dblclick": Button.LEFT,
    "drag": Button.LEFT,
    "click_r": Button.RIGHT,
    "drag_r": Button.RIGHT,
}
_SCROLLS = ("scroll_up", "scroll_down")
_Rows = npt.NDArray[np.int64]


class _Action(NamedTuple):
    kind: str
    start_ms: int
    end_ms: int
    x: float
    y: float


def open_tables(source: Path) -> Opened | None:
    """The table in `source`, or None where there is none. Raises StateError or FormatError for one that can't be read."""
    path = source / _NAME
    if not (path.exists() or path.is_symlink()):
        return None
    table = read_table(path, numbers=("seq", "t_start", "dur_s", "x", "y"), texts=("user", "session", "action"))
    tally = Tally("sessions")
    users = _users(table, tally)
    return opened(_MADE, size=len(users), people=_people(table, users, tally), tally=tally)


def _users(table: Table, tally: Tally) -> dict[str, list[_Rows]]:
    """The rows of each session of each user, by name of the session and `seq`."""
    user, session = table.texts["user"], table.texts["session"]
    order = np.lexsort((table.numbers["seq"], session.codes, user.codes))
    whose = np.stack([user.codes[order], session.codes[order]])
    cuts = np.flatnonzero(np.any(np.diff(whose, axis=1) != 0, axis=0)) + 1
    users: dict[str, dict[str, _Rows]] = {}
    for part in np.split(order, cuts) if len(order) else ():
        code, named = user.codes[part[0]], session.codes[part[0]]
        if code < 0 or named < 0 or not _PERSON.fullmatch(user.values[code]):
            tally.skip("no user or no name")
        else:
            users.setdefault(user.values[code], {})[session.values[named]] = part
    return {name: [theirs[one] for one in sorted(theirs)] for name, theirs in users.items()}


def _people(table: Table, users: dict[str, list[_Rows]], tally: Tally) -> Iterator[tuple[str, list[RecordedSession]]]:
    for user, sessions in users.items():
        sittings = []
        for rows in sessions:
            try:
                sittings.append(_sitting(user, table, rows, tally))
            except FormatError as error:
                tally.skip(str(error))
            else:
                tally.seen += 1
        yield user, sittings


def _sitting(user: str, table: Table, rows: _Rows, tally: Tally) -> RecordedSession:
    actions = _actions(table, rows, tally)
    size = monitor(
        math.ceil(max((one.x for one in actions), default=0)), math.ceil(max((one.y for one in actions), default=0))
    )
    events: list[InputEvent] = []
    for action, after in pairwise((*actions, None)):
        if action is not None:
            until_ms = action.end_ms if after is None else min(action.end_ms, after.start_ms)
            events += _events(action, until_ms, x=action.x / size[0], y=action.y / size[1])
    return sitting(user, events, size=size)


def _actions(table: Table, rows: _Rows, tally: Tally) -> list[_Action]:
    kinds = table.texts["action"]
    clock, place = Clock(tally), (0.0, 0.0)
    found = []
    columns = (table.numbers[name][rows].tolist() for name in ("t_start", "dur_s", "x", "y"))
    for code, start_s, length_s, x, y in zip(kinds.codes[rows].tolist(), *columns, strict=True):
        kind = kinds.values[code] if code >= 0 else ""
        if kind not in _BUTTONS and kind not in _SCROLLS:
            tally.left_out["actions of no known kind"] += 1
        elif not (math.isfinite(start_s) and 0 <= 1000 * length_s <= MAX_ACTION_MS):
            tally.left_out["actions whose time makes no sense"] += 1
        elif kind not in _SCROLLS and not (0 <= x < PLACES and 0 <= y < PLACES):
            tally.left_out["actions with a place on no monitor"] += 1
        else:
            place = place if kind in _SCROLLS else (x, y)
            start_ms = clock.at(1000 * start_s)
            found.append(_Action(kind, start_ms, start_ms + int(1000 * length_s), *place))
    return found


def _events(action: _Action, until_ms: int, *, x: float, y: float) -> Iterator[InputEvent]:
    start_ms = action.start_ms
    if action.kind in _SCROLLS:
        for t_ms in (*range(start_ms, until_ms, SCROLL_GAP_MS), until_ms):
            yield InputEvent(t_ms=t_ms, kind=EventKind.SCROLL, x=x, y=y)
        return
    button = _BUTTONS[action.kind]
    yield InputEvent(t_ms=start_ms, kind=EventKind.BUTTON_DOWN, button=button, x=x, y=y)
    if action.kind == "dblclick":
        again_ms = start_ms + min(until_ms - start_ms, DOUBLE_CLICK_MS) // 2
        yield InputEvent(t_ms=again_ms, kind=EventKind.BUTTON_UP, button=button, x=x, y=y)
        yield InputEvent(t_ms=again_ms, kind=EventKind.BUTTON_DOWN, button=button, x=x, y=y)
    elif action.kind == "drag":
        away = x + 3 * DRAG_DISTANCE if x < 0.5 else x - 3 * DRAG_DISTANCE
        yield InputEvent(t_ms=start_ms, kind=EventKind.MOVE, x=away, y=y)
    yield InputEvent(t_ms=until_ms, kind=EventKind.BUTTON_UP, button=button, x=x, y=y)
