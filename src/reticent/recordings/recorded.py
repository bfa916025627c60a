"""What does a recorder keep of one sitting, and which session is it?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reticent.actions.action import Frame, Session
from reticent.actions.coalesce import coalesce
from reticent.actions.events import InputEvent
from reticent.actions.vocabulary import FRAME_HEIGHT, FRAME_WIDTH, PATCH_SIDE
from reticent.errors import FormatError, SettingError


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


def check(recorded: RecordedSession) -> None:
    """Raise SettingError unless `recorded` can be written and read back as it is."""
    previous_ms = 0
    for event in recorded.events:
        if not (math.isfinite(event.x) and 0 <= event.x <= 1 and math.isfinite(event.y) and 0 <= event.y <= 1):
            raise SettingError("an event's position must lie in [0, 1]; nothing was written")
        if not previous_ms <= event.t_ms < 2**31:
            raise SettingError("times must not decrease and stay below 2**31 ms; nothing was written")
        previous_ms = event.t_ms
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
