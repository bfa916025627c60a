"""What does a recorder keep of one sitting, and which session is it?"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reticent.actions.action import Frame, Grey, Session
from reticent.actions.canvas import BAR, PATCH_SCREEN_SIDE, canonical_frame, canonical_patch
from reticent.actions.coalesce import Coalescer, coalesce
from reticent.actions.events import EventKind, InputEvent
from reticent.actions.vocabulary import FRAME_HEIGHT, FRAME_WIDTH, PATCH_SIDE
from reticent.errors import FormatError, SettingError

PERSON = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RecordedSession:
    """One sitting of one person, before it is coalesced.

    person: a pseudonym. frames: keyed by the index, in `events`, of the event that begins an action.
    aspect: width / height of the monitor, whose fractions the events' positions are.
    Events keep each key's time and class, which a vault never stores: recordings are of people who agreed to be one.
    """

    person: str
    events: tuple[InputEvent, ...]
    frames: Mapping[int, Frame]
    aspect: float

    def __repr__(self) -> str:
        return f"<RecordedSession of {len(self.events)} events and {len(self.frames)} frames>"


def record_session(
    person: str, events: Iterable[InputEvent], screen: Callable[[InputEvent], Grey], *, aspect: float
) -> RecordedSession:
    """Events and screens from anywhere, as the project's own recorder would have kept them.

    screen: asked, by the real coalescer, at each event that begins an action, for what was on the monitor just before it:
    shape (height, width), uint8, any size; it becomes the canonical frame, and its unscaled surroundings of the pointer the
    patch. aspect: width / height of that monitor. Raises SettingError for a screen or event that makes no sense.
    """
    kept = tuple(events)
    check_person(person)
    check_events(kept)

    def frame(index: int) -> Frame:
        grey = screen(kept[index])
        if not isinstance(grey, np.ndarray):
            raise SettingError("a screen is a numpy array of shape (height, width), uint8; nothing was written")
        return Frame(thumbnail=canonical_frame(grey), patch=_patch(grey, kept[index]))

    recorded = with_frames(person, kept, frame, aspect=aspect)
    check(recorded)
    return recorded


def with_frames(
    person: str, events: Sequence[InputEvent], frame: Callable[[int], Frame], *, aspect: float
) -> RecordedSession:
    """`record_session` for frames that are canonical already: `frame` is asked for that of the event at an index."""
    coalescer = Coalescer(aspect=aspect)
    frames = {index: frame(index) for index, event in enumerate(events) if coalescer.push(event).starts}
    return RecordedSession(person=person, events=tuple(events), frames=frames, aspect=aspect)


def _patch(grey: Grey, event: InputEvent) -> Grey:
    half = PATCH_SCREEN_SIDE // 2
    height, width = grey.shape
    row, column = round(event.y * (height - 1)), round(event.x * (width - 1))
    framed = np.pad(grey, half, constant_values=BAR)
    return canonical_patch(framed[row : row + 2 * half, column : column + 2 * half])


def session(recorded: RecordedSession) -> Session:
    """The actions that the real coalescer makes of `recorded`, each with its frame.

    Raises FormatError where an action has no frame: the recording was made by other coalescing rules.
    """
    actions = coalesce(recorded.events, aspect=recorded.aspect)
    missing = sum(action.start not in recorded.frames for action in actions)
    if missing:
        raise FormatError(
            f"the recording has no frame for {missing} of its {len(actions)} actions; "
            "it was made by another release's rules and cannot be used; the file is unchanged"
        )
    return Session(actions=actions, frames=tuple(recorded.frames[action.start] for action in actions))


def check_person(name: str) -> None:
    """Raise SettingError for what no recording can call a person."""
    if not (isinstance(name, str) and PERSON.fullmatch(name)):
        raise SettingError("a person's name takes 1 to 64 of A-Z a-z 0-9 . _ -; nothing was written")


def check_events(events: Sequence[InputEvent]) -> None:
    """Raise SettingError for events that no sitting has."""
    previous_ms = 0
    for event in events:
        if not (isinstance(event, InputEvent) and isinstance(event.kind, EventKind)):
            raise SettingError("a sitting consists of InputEvents, each of an EventKind; nothing was written")
        if not all(isinstance(part, int | float) and 0 <= part <= 1 for part in (event.x, event.y)):
            raise SettingError(
                "an event's x and y are fractions of the monitor, each from 0 to 1, and not pixels; nothing was written"
            )
        if not (isinstance(event.t_ms, int) and previous_ms <= event.t_ms < 2**31):
            raise SettingError("times are whole ms that don't decrease, from 0 to below 2**31; nothing was written")
        previous_ms = event.t_ms


def check(recorded: RecordedSession) -> None:
    """Raise SettingError unless `recorded` can be written and read back as it is."""
    check_events(recorded.events)
    if not (math.isfinite(recorded.aspect) and recorded.aspect > 0):
        raise SettingError("a monitor's width / height must be positive and finite; nothing was written")
    for index, frame in recorded.frames.items():
        if not 0 <= index < len(recorded.events):
            raise SettingError("a frame belongs to an event that is not there; nothing was written")
        pictures = [(frame.thumbnail, (FRAME_HEIGHT, FRAME_WIDTH))]
        if frame.patch is not None:
            pictures.append((frame.patch, (PATCH_SIDE, PATCH_SIDE)))
        if any(picture.shape != shape or picture.dtype != np.uint8 for picture, shape in pictures):
            raise SettingError("a frame has another shape or type than the canonical one; nothing was written")
