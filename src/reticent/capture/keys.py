"""What class is a key? The only place where a keystroke's character is looked at; it is never kept or returned."""

import unicodedata
from typing import Final

from reticent.actions.events import KeyClass

_NAMED: Final = {
    "enter": KeyClass.ENTER,
    "tab": KeyClass.TAB,
    "space": KeyClass.SPACE,
    "backspace": KeyClass.DELETE,
    "delete": KeyClass.DELETE,
    "shift": KeyClass.SHIFT,
    "alt_gr": KeyClass.SHIFT,  # the third level makes characters, not shortcuts
    "ctrl": KeyClass.MODIFIER,
    "alt": KeyClass.MODIFIER,
    "cmd": KeyClass.MODIFIER,
} | dict.fromkeys(("up", "down", "left", "right", "home", "end", "page_up", "page_down"), KeyClass.NAVIGATION)

_CONTROL: Final = {
    "\r": KeyClass.ENTER,
    "\n": KeyClass.ENTER,
    "\t": KeyClass.TAB,
    "\b": KeyClass.DELETE,
    "\x7f": KeyClass.DELETE,
    "\x1b": KeyClass.OTHER,
}

_CATEGORY: Final = {
    "L": KeyClass.LETTER,
    "M": KeyClass.LETTER,
    "N": KeyClass.DIGIT,
    "Z": KeyClass.SPACE,
    "P": KeyClass.PUNCTUATION,
    "S": KeyClass.PUNCTUATION,
}

# X keysyms for which pynput knows neither a name nor a character (X11/keysymdef.h).
_KEYSYMS: Final = {
    0xFE20: KeyClass.TAB,  # ISO_Left_Tab: what Shift and Tab give
    0xFE03: KeyClass.SHIFT,  # ISO_Level3_Shift: AltGr on most layouts
    0xFE11: KeyClass.SHIFT,  # ISO_Level5_Shift
    0xFF7E: KeyClass.SHIFT,  # Mode_switch
    0xFF80: KeyClass.SPACE,  # KP_Space
    0xFF89: KeyClass.TAB,  # KP_Tab
    0xFF8D: KeyClass.ENTER,  # KP_Enter
    0xFF9F: KeyClass.DELETE,  # KP_Delete
    0xFFBD: KeyClass.PUNCTUATION,  # KP_Equal
}
_KEYSYM_RANGES: Final = (
    (0xFE50, 0xFE93, KeyClass.LETTER),  # dead keys: half a letter
    (0xFF95, 0xFF9D, KeyClass.NAVIGATION),  # KP_Home to KP_Begin
    (0xFFAA, 0xFFAF, KeyClass.PUNCTUATION),  # KP_Multiply to KP_Divide
    (0xFFB0, 0xFFB9, KeyClass.DIGIT),  # KP_0 to KP_9
    (0xFFE1, 0xFFE2, KeyClass.SHIFT),
    (0xFFE3, 0xFFE4, KeyClass.MODIFIER),  # control
    (0xFFE7, 0xFFEE, KeyClass.MODIFIER),  # meta, alt, super, hyper
    (0x0100, 0x20FF, KeyClass.LETTER),  # alphabets before Unicode keysyms
)
_UNICODE: Final = 0x01000000


def key_class(key: object) -> KeyClass:
    """The class of a pynput key. Total: any object, None too, has a class, and no value of it is kept.

    A dead key counts as a letter, AltGr as a shift, a media or function key as OTHER.
    """
    if key is None:
        return KeyClass.OTHER
    name = getattr(key, "name", None)
    if isinstance(name, str):
        return _named(name)
    if getattr(key, "is_dead", False):
        return KeyClass.LETTER
    char = getattr(key, "char", None)
    if isinstance(char, str) and char:
        return _character(char[0])
    number = getattr(key, "vk", None)
    return _keysym(number) if isinstance(number, int) else KeyClass.OTHER


def _named(name: str) -> KeyClass:
    for side in ("_l", "_r"):
        name = name.removesuffix(side)
    return _NAMED.get(name, KeyClass.OTHER)


def _character(char: str) -> KeyClass:
    if char in _CONTROL:
        return _CONTROL[char]
    if char < " ":
        return KeyClass.LETTER  # control and a letter, as some platforms report it
    return _CATEGORY.get(unicodedata.category(char)[0], KeyClass.OTHER)


def _keysym(number: int) -> KeyClass:
    if number in _KEYSYMS:
        return _KEYSYMS[number]
    for first, last, found in _KEYSYM_RANGES:
        if first <= number <= last:
            return found
    if 0x20 <= number <= 0xFF:
        return _character(chr(number))
    if _UNICODE + 0x100 <= number <= _UNICODE + 0x10FFFF:
        return _character(chr(number - _UNICODE))
    return KeyClass.OTHER
