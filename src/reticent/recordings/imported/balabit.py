"""The mice of ten administrators over remote desktop (github.com/balabit/Mouse-Dynamics-Challenge), training sessions only.

A person here is a user account, a sitting is a session. There is no screen and there are no keys: every frame is the same black
picture, without a patch. The monitor's size wasn't recorded either; it is taken to be the smallest common one that holds all places
of a session. A wheel has the pointer's last place.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from reticent.actions.action import Frame
from reticent.actions.canvas import BAR
from reticent.actions.events import InputEvent
from reticent.actions.vocabulary import FRAME_HEIGHT, FRAME_WIDTH
from reticent.errors import FormatError
from reticent.recordings.imported.taken import Opened, Tally
from reticent.recordings.recorded import RecordedSession, with_frames

TITLE = (
    "Balabit mouse dynamics: administrators over remote desktop, no screen, no keys (research use, don't redistribute)"
)
MADE = """\
A person here is a user account, a sitting one remote session. Upstream: github.com/balabit/Mouse-Dynamics-Challenge, open to
researchers; cite Fulop, Kovacs, Kurics, Windhager-Pokol 2016, Balabit Mouse Dynamics Challenge data set. There is no licence
file upstream: use it for research, and don't redistribute it or what is made of it.

How made: `reticent data import balabit`, of training sessions only. Presses, releases and the wheel went through the project's
own rules for actions. No screen was recorded: every frame is the same black picture; the model `history` looks at none. The
monitor is taken to be the smallest common one that holds all places of a session. A wheel has the pointer's last place.
"""
NO_SCREEN = Frame(thumbnail=np.full((FRAME_HEIGHT, FRAME_WIDTH), BAR, dtype=np.uint8), patch=None)
_MONITORS = (
    *(
        (1024, 768),
        (1280, 800),
        (1366, 768),
        (1440, 900),
        (1920, 1080),
        (1920, 1200),
    ),  # but for the last, all that occur
    *((2560, 1440), (2560, 1600), (3840, 2160), (7680, 4320), (16_384, 16_384)),
)
PLACES = 16_384  # a coordinate lies below: remote desktops send 65,535 for no place


def opened(made: str, *, size: int, people: Iterator[tuple[str, list[RecordedSession]]], tally: Tally) -> Opened:
    """made: what is special about this shape of the data."""
    return Opened(title=TITLE, made=f"{MADE}{made}", size=size, people=people, tally=tally)


def monitor(width: int, height: int) -> tuple[int, int]:
    """The smallest common size that is at least so large."""
    return next(size for size in _MONITORS if size[0] >= width and size[1] >= height)


def sitting(person: str, events: Sequence[InputEvent], *, size: tuple[int, int]) -> RecordedSession:
    """Raises FormatError, whose message is a reason to skip it."""
    recorded = with_frames(person, events, lambda index: NO_SCREEN, aspect=size[0] / size[1])
    if not recorded.frames:
        raise FormatError("without an action")
    return recorded
