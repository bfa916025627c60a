"""The demonstrations as tables: demos.parquet, events.parquet and frames.npz, with hashed names and classes for keys.

The class `modifier` holds shift too. A browser sends `keypress` for a key that writes something, and none for a shortcut; so a
modifier before a text key without `keypress` is one that makes a shortcut, and any other is a shift.
"""

import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from reticent.actions.action import Frame, Grey
from reticent.actions.events import KeyClass
from reticent.errors import FormatError, StateError
from reticent.recordings.imported.miniwob import FRAME_SHAPE, Moment, framed, opened, sitting
from reticent.recordings.imported.tables import Table, read_table
from reticent.recordings.imported.taken import Opened, Tally
from reticent.recordings.recorded import RecordedSession
from reticent.records.files import open_regular

MAX_FRAMES_BYTES = 2**29  # unpacked
_NAMES = ("demos.parquet", "events.parquet", "frames.npz")
_PERSON = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MADE = (
    "Read from extracted tables; frames come from there. Their key class `modifier` was told apart into shift and the others by\n"
    "whether a text key then wrote something.\n"
)
_TEXT = (KeyClass.LETTER, KeyClass.DIGIT, KeyClass.SPACE, KeyClass.PUNCTUATION)
_KEYS = {
    "letter": KeyClass.LETTER,
    "digit": KeyClass.DIGIT,
    "space": KeyClass.SPACE,
    "punct": KeyClass.PUNCTUATION,
    "enter": KeyClass.ENTER,
    "tab": KeyClass.TAB,
    "delete": KeyClass.DELETE,
    "nav": KeyClass.NAVIGATION,
    "modifier": KeyClass.MODIFIER,
}
_Rows = npt.NDArray[np.int64]


def open_tables(source: Path) -> Opened | None:
    """The tables in `source`, or None where there are none. Raises StateError or FormatError for some that can't be read."""
    there = [name for name in _NAMES if (source / name).exists() or (source / name).is_symlink()]
    if not there:
        return None
    if missing := [name for name in _NAMES if name not in there]:
        raise StateError(f"{source} has no {' and no '.join(missing)} beside its {there[0]}; nothing was written")
    demos = read_table(source / "demos.parquet", numbers=(), texts=("demo_id", "session"))
    events = read_table(
        source / "events.parquet", numbers=("seq", "t_ms", "x", "y", "frame"), texts=("demo_id", "type", "key_class")
    )
    frames = _read_frames(source / "frames.npz")
    tally = Tally("demonstrations")
    sessions = _sessions(demos, tally)
    rows = _rows_of(events, {name for theirs in sessions.values() for name in theirs}, tally)
    return opened(
        _MADE, size=len(sessions), people=_people(sessions, rows, _Events(events), frames, tally), tally=tally
    )


def _read_frames(path: Path) -> Grey:
    """Shape (n, *FRAME_SHAPE); its size is known before it is unpacked."""
    broken = FormatError(f"{path} is no archive of frames of {FRAME_SHAPE[0]} x {FRAME_SHAPE[1]}; nothing was written")
    with os.fdopen(open_regular(path, what="file"), "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                with archive.open("frames.npy") as member:
                    shape, dtype = _read_header(member)
                if len(shape) != 3 or shape[1:] != FRAME_SHAPE or dtype != np.uint8:
                    raise broken
                if shape[0] * FRAME_SHAPE[0] * FRAME_SHAPE[1] > MAX_FRAMES_BYTES:
                    raise FormatError(f"{path} unpacks to more than {MAX_FRAMES_BYTES:,} bytes; nothing was written")
                with archive.open("frames.npy") as member:
                    frames: Grey = np.lib.format.read_array(member, allow_pickle=False)
        except (
            zipfile.BadZipFile,
            zlib.error,
            KeyError,
            ValueError,
            OSError,
            EOFError,
            NotImplementedError,
            RuntimeError,
        ):
            raise broken from None
    return frames


def _read_header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(member)
    return shape, dtype


def _sessions(demos: Table, tally: Tally) -> dict[str, list[str]]:
    """The names of each session's demonstrations, in the table's order."""
    names, whose = demos.texts["demo_id"], demos.texts["session"]
    sessions: dict[str, list[str]] = {}
    met: set[int] = set()
    for name, session in zip(names.codes.tolist(), whose.codes.tolist(), strict=True):
        if name < 0 or name in met:
            tally.skip("no name of their own")
        elif session < 0 or not _PERSON.fullmatch(whose.values[session]):
            tally.skip("no session")
        else:
            sessions.setdefault(whose.values[session], []).append(names.values[name])
        met.add(name)
    return sessions


def _rows_of(events: Table, wanted: set[str], tally: Tally) -> dict[str, _Rows]:
    """The rows of each demonstration's events, by `seq`."""
    names, seq = events.texts["demo_id"], events.numbers["seq"]
    order = np.lexsort((seq, names.codes))
    codes = names.codes[order]
    cuts = np.flatnonzero(np.diff(codes)) + 1
    rows = {}
    for part in np.split(order, cuts) if len(order) else ():
        code = names.codes[part[0]]
        if code >= 0 and names.values[code] in wanted:
            rows[names.values[code]] = part
        else:
            tally.left_out["events of no demonstration"] += len(part)
    return rows


class _Events:
    """The rows of the table as moments."""

    def __init__(self, table: Table) -> None:
        self._numbers = table.numbers
        self._kind, self._class = table.texts["type"], table.texts["key_class"]
        self._keys = (*(_KEYS.get(name, KeyClass.OTHER) for name in self._class.values), KeyClass.OTHER)

    def moments(self, rows: _Rows) -> list[Moment]:
        kinds = [self._kind.values[code] if code >= 0 else "" for code in self._kind.codes[rows].tolist()]
        keys = told_apart(kinds, [self._keys[code] for code in self._class.codes[rows].tolist()])
        t_ms, x, y = (self._numbers[name][rows].tolist() for name in ("t_ms", "x", "y"))
        return [Moment(*moment) for moment in zip(t_ms, kinds, x, y, keys, strict=True)]

    def frames(self, rows: _Rows) -> list[float]:
        numbers: list[float] = self._numbers["frame"][rows].tolist()
        return numbers


def told_apart(kinds: Sequence[str], keys: Sequence[KeyClass]) -> list[KeyClass]:
    """`keys` with each MODIFIER that makes no shortcut as SHIFT. kinds: of the events, whose keys these are."""
    found = list(keys)
    coming, wrote = KeyClass.SHIFT, False  # what a modifier would be here, and whether the next key event is a keypress
    for at in reversed(range(len(found))):
        if kinds[at] == "keydown" and found[at] is KeyClass.MODIFIER:
            found[at] = coming
        elif kinds[at] == "keydown":
            coming = KeyClass.MODIFIER if found[at] in _TEXT and not wrote else KeyClass.SHIFT
        if kinds[at] in ("keydown", "keyup", "keypress"):
            wrote = kinds[at] == "keypress"
    held = KeyClass.SHIFT
    for at, kind in enumerate(kinds):
        if kind == "keydown" and found[at] in (KeyClass.SHIFT, KeyClass.MODIFIER):
            held = found[at]
        elif kind == "keyup" and found[at] is KeyClass.MODIFIER:
            found[at] = held
    return found


def _people(
    sessions: dict[str, list[str]], rows: dict[str, _Rows], events: _Events, frames: Grey, tally: Tally
) -> Iterator[tuple[str, list[RecordedSession]]]:
    for person, names in sessions.items():
        sittings = []
        shown: dict[float, Frame] = {}
        for name in names:
            try:
                if name not in rows:
                    raise FormatError("without an event")
                frame = partial(_frame, frames, events.frames(rows[name]), shown)
                sittings.append(sitting(person, events.moments(rows[name]), frame, tally))
            except FormatError as error:
                tally.skip(str(error))
            else:
                tally.seen += 1
        yield person, sittings


def _frame(frames: Grey, numbers: list[float], shown: dict[float, Frame], at: int) -> Frame:
    number = numbers[at]
    if not 0 <= number < len(frames):  # also false for NaN
        raise FormatError("a frame that isn't there")
    if number not in shown:
        shown[number] = framed(frames[int(number)])
    return shown[number]
