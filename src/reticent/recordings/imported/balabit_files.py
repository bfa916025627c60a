"""The sessions as they lie upstream: training_files/USER/session_NUMBER, rows of times, button, state and place.

Moves with no button held are read for the pointer's place and not kept: no action depends on them. The clock is the client's.
Of the test files nobody knows whose they are; they aren't read.
"""

import csv
import io
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from reticent.actions.events import Button, EventKind, InputEvent
from reticent.errors import FormatError
from reticent.recordings.imported import tree
from reticent.recordings.imported.balabit import PLACES, monitor, opened, sitting
from reticent.recordings.imported.taken import Clock, Opened, Tally
from reticent.recordings.recorded import RecordedSession

MAX_SESSION_BYTES = 64 * 2**20
_FOLDER = "training_files"
_SESSION = re.compile(r"session_[0-9]{1,20}")
_PERSON = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_COLUMNS = ("client timestamp", "button", "state", "x", "y")
_MADE = "Read from the upstream files; moves with no button held were left out, since no action depends on them.\n"
_KINDS = {
    ("Left", "Pressed"): (EventKind.BUTTON_DOWN, Button.LEFT),
    ("Left", "Released"): (EventKind.BUTTON_UP, Button.LEFT),
    ("Right", "Pressed"): (EventKind.BUTTON_DOWN, Button.RIGHT),
    ("Right", "Released"): (EventKind.BUTTON_UP, Button.RIGHT),
    ("XButton", "Pressed"): (EventKind.BUTTON_DOWN, Button.OTHER),
    ("XButton", "Released"): (EventKind.BUTTON_UP, Button.OTHER),
    ("Scroll", "Up"): (EventKind.SCROLL, Button.NONE),
    ("Scroll", "Down"): (EventKind.SCROLL, Button.NONE),
    ("NoButton", "Drag"): (EventKind.MOVE, Button.NONE),
    ("NoButton", "Move"): (None, Button.NONE),
}


class _Row(NamedTuple):
    t_ms: int
    kind: EventKind
    button: Button
    x: float
    y: float


def open_files(source: Path) -> Opened | None:
    """The sessions in `source`, or None where there are none. Raises FormatError for too many."""
    root = source / _FOLDER
    if root.is_symlink() or not root.is_dir():
        return None
    found = tree.find(root, lambda name: _SESSION.fullmatch(name) is not None)
    if not found.files:
        return None
    tally = Tally("sessions")
    if found.others:
        tally.skip("links and other things", found.others)
    users: dict[str, list[Path]] = {}
    for path in found.files:
        if _PERSON.fullmatch(path.parent.name):
            users.setdefault(path.parent.name, []).append(path)
        else:
            tally.skip("no user")
    return opened(_MADE, size=len(users), people=_people(users, tally), tally=tally)


def _people(users: dict[str, list[Path]], tally: Tally) -> Iterator[tuple[str, list[RecordedSession]]]:
    for user, paths in users.items():
        sittings = []
        for path in paths:
            try:
                sittings.append(_sitting(user, path, tally))
            except FormatError as error:
                tally.skip(str(error))
            else:
                tally.seen += 1
        yield user, sittings


def _sitting(user: str, path: Path, tally: Tally) -> RecordedSession:
    rows, width, height = _rows(tree.read(path, limit_bytes=MAX_SESSION_BYTES), tally)
    size = monitor(width, height)
    events = [
        InputEvent(t_ms=row.t_ms, kind=row.kind, button=row.button, x=row.x / size[0], y=row.y / size[1])
        for row in rows
    ]
    return sitting(user, events, size=size)


def _rows(data: bytes, tally: Tally) -> tuple[list[_Row], int, int]:
    """The rows that are kept, and the width and height that hold all places."""
    lines = csv.reader(io.TextIOWrapper(io.BytesIO(data), "utf-8", errors="replace"))
    try:
        header = next(lines, [])
        if any(name not in header for name in _COLUMNS):
            raise FormatError("other columns")
        return _kept(lines, [header.index(name) for name in _COLUMNS], tally)
    except csv.Error:
        raise FormatError("no table") from None


def _kept(lines: Iterator[list[str]], columns: list[int], tally: Tally) -> tuple[list[_Row], int, int]:
    rows: list[_Row] = []
    clock, place = Clock(tally), (0.0, 0.0)
    width = height = 0
    for line in lines:
        try:
            time, button, state, *where = (line[column] for column in columns)
            t_ms, x, y = float(time) * 1000, float(where[0]), float(where[1])
            if not (math.isfinite(t_ms) and math.isfinite(x) and math.isfinite(y)):
                raise ValueError
        except (ValueError, IndexError):
            tally.left_out["rows that make no sense"] += 1
            continue
        if (button, state) not in _KINDS:
            tally.left_out["rows of no known button or state"] += 1
            continue
        kind, which = _KINDS[button, state]
        if kind is not EventKind.SCROLL:  # whose place stands as 0, 0
            if not (0 <= x < PLACES and 0 <= y < PLACES):
                tally.left_out["rows with a place on no monitor"] += 1
                continue
            place = (x, y)
            width, height = max(width, math.ceil(x)), max(height, math.ceil(y))
        now_ms = clock.at(t_ms)
        if kind is not None:
            rows.append(_Row(now_ms, kind, which, *place))
    return rows, width, height
