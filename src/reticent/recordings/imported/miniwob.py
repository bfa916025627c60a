"""Human demonstrations on the web tasks of MiniWoB++ (github.com/stanfordnlp/miniwob-plusplus-demos).

A person here is a session: one crowd-work assignment. One worker may have had several, so these are clients, not users. A
sitting is one demonstration, 1 to 30 of them a session, each with a clock of its own. A page has 160 x 210 pixels.

Kept are presses and releases of buttons and keys, and scrolls. `click`, `dblclick` and `keypress` only repeat those. No move
was recorded: a key or a scroll has the pointer's place of the last press or release, and before any the middle of the page. A
page's elements were recorded, not its pixels: frames are boxes drawn from them, and there is no patch round the pointer.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from reticent.actions.action import Frame, Grey
from reticent.actions.canvas import canonical_frame
from reticent.actions.events import Button, EventKind, InputEvent, KeyClass
from reticent.errors import FormatError
from reticent.recordings.imported.taken import Clock, Opened, Tally
from reticent.recordings.recorded import RecordedSession, with_frames

WIDTH, HEIGHT = 160, 210
SHRUNK = 4  # a recorded frame's pixel is a square of so many of the page's
FRAME_SHAPE = (53, 40)  # HEIGHT and WIDTH shrunk, rounded up
TITLE = "MiniWoB++ demonstrations: people at web tasks, sessions as clients (research use, don't redistribute)"
MADE = """\
A person here is one crowd-work assignment ("session"); one worker may have had several. A sitting is one demonstration of one
task. Upstream: github.com/stanfordnlp/miniwob-plusplus-demos; cite Liu et al. 2018, arXiv:1802.08802. There is no licence file
upstream: use it for research, and don't redistribute it or what is made of it.

How made: `reticent data import miniwob`. Presses, releases and scrolls went through the project's own rules for actions. Moves
were not recorded: a key or scroll has the place of the last press or release, and before any the middle of the page. Times that
run backwards stand still. Frames are boxes drawn from recorded elements, not pixels; there are no patches.
"""
_KINDS = {
    "mousedown": (EventKind.BUTTON_DOWN, Button.LEFT),
    "mouseup": (EventKind.BUTTON_UP, Button.LEFT),
    "keydown": (EventKind.KEY_DOWN, Button.NONE),
    "keyup": (EventKind.KEY_UP, Button.NONE),
    "scroll": (EventKind.SCROLL, Button.NONE),
}
_REPEATED = ("click", "dblclick", "keypress")
_POINTED = (EventKind.BUTTON_DOWN, EventKind.BUTTON_UP)
_KEYED = (EventKind.KEY_DOWN, EventKind.KEY_UP)


class Moment(NamedTuple):
    """One recorded event of a page. x, y: pixels, which matter for a pointer's alone. key: a key's class."""

    t_ms: float
    kind: str
    x: float
    y: float
    key: KeyClass


def opened(made: str, *, size: int, people: Iterator[tuple[str, list[RecordedSession]]], tally: Tally) -> Opened:
    """made: what is special about this shape of the data."""
    return Opened(title=TITLE, made=f"{MADE}{made}", size=size, people=people, tally=tally)


def sitting(person: str, moments: Sequence[Moment], frame: Callable[[int], Frame], tally: Tally) -> RecordedSession:
    """One demonstration; frame: that of a moment, asked for where an action begins.

    Raises FormatError, whose message is a reason to skip it.
    """
    clock, place = Clock(tally), (0.5, 0.5)
    events: list[InputEvent] = []
    numbers: list[int] = []
    for number, moment in enumerate(moments):
        t_ms = clock.at(moment.t_ms)
        if moment.kind not in _KINDS:
            if moment.kind not in _REPEATED:
                tally.left_out["events of no known kind"] += 1
            continue
        kind, button = _KINDS[moment.kind]
        if kind in _POINTED:
            place = (_fraction(moment.x, WIDTH), _fraction(moment.y, HEIGHT))
        key = moment.key if kind in _KEYED else KeyClass.NONE
        events.append(InputEvent(t_ms=t_ms, kind=kind, key=key, button=button, x=place[0], y=place[1]))
        numbers.append(number)
    recorded = with_frames(person, events, lambda index: frame(numbers[index]), aspect=WIDTH / HEIGHT)
    if not recorded.frames:
        raise FormatError("without an action")
    return recorded


def framed(boxes: Grey) -> Frame:
    """The frame of a page that was drawn at a quarter of its size. boxes: of FRAME_SHAPE, uint8."""
    page = boxes.repeat(SHRUNK, axis=0).repeat(SHRUNK, axis=1)[:HEIGHT, :WIDTH]
    return Frame(thumbnail=canonical_frame(page), patch=None)


def _fraction(pixel: float, size: int) -> float:
    """Beyond the edge counts as the edge."""
    if not np.isfinite(pixel):
        raise FormatError("a place that is no number")
    return min(max(pixel / size, 0.0), 1.0)
