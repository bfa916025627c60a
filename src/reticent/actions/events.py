"""What an input device did, with every key already reduced to its class.

No field can hold a character: the listener maps a key to a `KeyClass` inside its callback and forgets the key.
"""

from dataclasses import dataclass
from enum import IntEnum


class EventKind(IntEnum):
    """The kinds of raw input."""

    KEY_DOWN = 0
    KEY_UP = 1
    MOVE = 2
    BUTTON_DOWN = 3
    BUTTON_UP = 4
    SCROLL = 5


class KeyClass(IntEnum):
    """All that is kept of a key."""

    NONE = 0  # the event is not a key's
    LETTER = 1
    DIGIT = 2
    SPACE = 3
    PUNCTUATION = 4
    ENTER = 5
    TAB = 6
    DELETE = 7  # backspace and delete
    NAVIGATION = 8  # arrows, home, end, page up, page down
    MODIFIER = 9  # control, alt, super: makes the next key a shortcut
    SHIFT = 10  # chooses another character of a key: shift, and AltGr where a layout has it; makes no shortcut
    OTHER = 11


class Button(IntEnum):
    """Mouse buttons."""

    NONE = 0
    LEFT = 1
    RIGHT = 2
    OTHER = 3


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class InputEvent:
    """One key, button, move or scroll.

    t_ms: milliseconds since the session began, never decreasing.
    x, y: pointer position as a fraction of the active monitor, each in [0, 1].
    """

    t_ms: int
    kind: EventKind
    key: KeyClass = KeyClass.NONE
    button: Button = Button.NONE
    x: float = 0.0
    y: float = 0.0

    def __repr__(self) -> str:
        return f"<InputEvent {self.kind.name.lower()}>"
