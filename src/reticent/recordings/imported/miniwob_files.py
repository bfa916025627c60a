"""The demonstrations as they lie upstream: BATCH/TASK/TASK_ASSIGNMENT_dNUMBER.json.gz, a few of them not packed.

Each is a list of states, with the page's elements and the event that met them. An event comes on its way down (timing 1) and
again on its way up; the first is taken, with the page as it was before anything answered. Links, of which upstream has 2,326,
lead to files that are there anyway. Tasks at another page size (`flight.*`) are left out: their viewport wasn't recorded.
"""

import json
import math
import re
import zlib
from collections.abc import Iterator, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from reticent.actions.action import Frame
from reticent.actions.events import KeyClass
from reticent.errors import FormatError
from reticent.recordings.imported import tree
from reticent.recordings.imported.miniwob import HEIGHT, Moment, framed, opened, sitting
from reticent.recordings.imported.miniwob_screen import draw
from reticent.recordings.imported.taken import Opened, Tally
from reticent.recordings.recorded import RecordedSession

MAX_DEMONSTRATION_BYTES = 32 * 2**20  # unpacked
_SUFFIXES = (".json", ".json.gz")
_ASSIGNMENT = re.compile(r".*_([A-Z0-9]{10,64})_d([0-9]{1,6})\.json(?:\.gz)?")
_MADE = "Read from the upstream files; frames were drawn by this importer.\n"
_CAPTURED = 1  # the timing of an event on its way down
_KEYS: Mapping[int, KeyClass] = {
    **dict.fromkeys((8, 46), KeyClass.DELETE),
    9: KeyClass.TAB,
    13: KeyClass.ENTER,
    **dict.fromkeys((16, 225), KeyClass.SHIFT),
    **dict.fromkeys((17, 18, 91, 92, 224), KeyClass.MODIFIER),
    32: KeyClass.SPACE,
    **dict.fromkeys(range(33, 41), KeyClass.NAVIGATION),
    **dict.fromkeys((*range(48, 58), *range(96, 106)), KeyClass.DIGIT),
    **dict.fromkeys(range(65, 91), KeyClass.LETTER),
    **dict.fromkeys(
        (59, 61, 106, 107, 109, 110, 111, 173, *range(186, 193), *range(219, 223), 226), KeyClass.PUNCTUATION
    ),
}  # keyCode of a browser's event


def open_files(source: Path) -> Opened | None:
    """The demonstrations below `source`, or None where there are none. Raises FormatError for too many."""
    found = tree.find(source, lambda name: name.endswith(_SUFFIXES))
    if not found.files:
        return None
    tally = Tally("demonstrations")
    if found.others:
        tally.skip("links and other things", found.others)
    sessions: dict[str, list[tuple[str, int, Path]]] = {}
    for path in found.files:
        match = _ASSIGNMENT.fullmatch(path.name)
        if match is None:
            tally.skip("no session")
        else:
            sessions.setdefault(match[1], []).append((str(path.parent), int(match[2]), path))
    return opened(_MADE, size=len(sessions), people=_people(sessions, tally), tally=tally)


def _people(
    sessions: dict[str, list[tuple[str, int, Path]]], tally: Tally
) -> Iterator[tuple[str, list[RecordedSession]]]:
    for assignment, files in sessions.items():
        person = sha256(assignment.encode()).hexdigest()[:12]
        sittings = []
        for *_, path in sorted(files):
            try:
                sittings.append(demonstration(person, _states(path), tally))
            except FormatError as error:
                tally.skip(str(error))
            else:
                tally.seen += 1
        yield person, sittings


def _states(path: Path) -> list[Any]:
    data = tree.read(path, limit_bytes=MAX_DEMONSTRATION_BYTES)
    if path.name.endswith(".gz"):
        data = _unpacked(data)
    try:
        demonstration = json.loads(data)
    except (ValueError, RecursionError):
        raise FormatError("not JSON") from None
    states = demonstration.get("states") if isinstance(demonstration, dict) else None
    if not isinstance(states, list) or not all(isinstance(state, dict) for state in states):
        raise FormatError("no demonstration")
    return states


def _unpacked(data: bytes) -> bytes:
    stream = zlib.decompressobj(wbits=31)
    try:
        unpacked = stream.decompress(data, MAX_DEMONSTRATION_BYTES + 1)
    except zlib.error:
        raise FormatError("damaged gzip") from None
    if len(unpacked) > MAX_DEMONSTRATION_BYTES:
        raise FormatError("too large")
    if not stream.eof:
        raise FormatError("damaged gzip")
    return unpacked


def demonstration(person: str, states: list[Any], tally: Tally) -> RecordedSession:
    """One demonstration as MiniWoB's own recorder gives it. states: JSON objects. Raises FormatError, a reason to skip it."""
    moments, pages = [], []
    for state in states:
        action, page = state.get("action"), state.get("dom")
        if not isinstance(action, dict) or action.get("timing") != _CAPTURED:
            continue
        if not (isinstance(page, dict) and abs(_number(page.get("height")) - HEIGHT) < 1):  # also false for NaN
            raise FormatError("another page size")
        moments.append(_moment(_number(state.get("time")), action))
        pages.append(page)
    if not moments:
        raise FormatError("without an event")
    return sitting(person, moments, partial(_frame, pages), tally)


def _frame(pages: list[Any], number: int) -> Frame:
    return framed(draw(pages[number]))


def _moment(t_ms: float, action: dict[str, Any]) -> Moment:
    kind, code = action.get("type"), action.get("keyCode")
    if not isinstance(kind, str):
        raise FormatError("no demonstration")
    x, y = (_number(action[axis]) if axis in action else math.nan for axis in ("x", "y"))
    return Moment(t_ms, kind, x, y, _KEYS.get(code, KeyClass.OTHER) if isinstance(code, int) else KeyClass.OTHER)


def _number(value: Any) -> float:
    """As JSON has it; NaN and infinity come through and are refused where they matter."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e15:
        return math.nan
    return float(value)
