"""Keys are reduced to a class, whatever a keyboard sends; no character comes out."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent.actions.events import KeyClass
from reticent.capture.keys import key_class


@dataclass
class Named:
    """Looks like a member of pynput's `Key`."""

    name: str


@dataclass
class Code:
    """Looks like pynput's `KeyCode`."""

    char: str | None = None
    vk: int | None = None
    is_dead: bool = False


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (Code("a", 97), KeyClass.LETTER),
        (Code("Ж"), KeyClass.LETTER),
        (Code("中"), KeyClass.LETTER),
        (Code("SS"), KeyClass.LETTER),  # what upper() makes of one German letter
        (Code("\u0301"), KeyClass.LETTER),  # a combining accent
        (Code("^", is_dead=True), KeyClass.LETTER),
        (Code("7", 55), KeyClass.DIGIT),
        (Code("٣"), KeyClass.DIGIT),
        (Code("5"), KeyClass.DIGIT),  # a keypad digit with NumLock: no number
        (Code(" "), KeyClass.SPACE),
        (Code("\u00a0"), KeyClass.SPACE),
        (Code("€"), KeyClass.PUNCTUATION),
        (Code("@"), KeyClass.PUNCTUATION),
        (Code("\x03"), KeyClass.LETTER),  # control and c, as some systems send it
        (Code("\r"), KeyClass.ENTER),
        (Code("\x7f"), KeyClass.DELETE),
        (Named("enter"), KeyClass.ENTER),
        (Named("tab"), KeyClass.TAB),
        (Named("backspace"), KeyClass.DELETE),
        (Named("delete"), KeyClass.DELETE),
        (Named("page_up"), KeyClass.NAVIGATION),
        (Named("ctrl_l"), KeyClass.MODIFIER),
        (Named("cmd_r"), KeyClass.MODIFIER),
        (Named("shift_r"), KeyClass.SHIFT),
        (Named("alt_gr"), KeyClass.SHIFT),
        (Named("f5"), KeyClass.OTHER),
        (Named("media_play_pause"), KeyClass.OTHER),
        (Code(vk=0xFE20), KeyClass.TAB),  # Shift and Tab
        (Code(vk=0xFE03), KeyClass.SHIFT),  # AltGr
        (Code(vk=0xFF9D), KeyClass.NAVIGATION),  # the keypad's 5 without NumLock
        (Code(vk=0xFFB5), KeyClass.DIGIT),
        (Code(vk=0xFF8D), KeyClass.ENTER),
        (Code(vk=0xFE51), KeyClass.LETTER),  # dead acute
        (Code(vk=0x01000416), KeyClass.LETTER),  # a Unicode keysym
        (Code(vk=0x6C1), KeyClass.LETTER),  # a Cyrillic keysym
        (Code(vk=0x1008FF14), KeyClass.OTHER),
        (Code(vk=0), KeyClass.OTHER),  # a key that the cached keymap doesn't know
        (Code(), KeyClass.OTHER),
        (None, KeyClass.OTHER),
    ],
)
def test_a_key_has_the_class_that_a_typist_would_give_it(key, expected):
    assert key_class(key) is expected


@given(
    st.one_of(
        st.none(),
        st.builds(Code, char=st.none() | st.text(max_size=3), vk=st.none() | st.integers(), is_dead=st.booleans()),
        st.builds(Named, name=st.text(max_size=8)),
        st.integers(),
        st.text(),
    )
)
def test_every_object_has_a_class_and_nothing_else_comes_back(key):
    found = key_class(key)
    assert type(found) is KeyClass
    assert found is not KeyClass.NONE
