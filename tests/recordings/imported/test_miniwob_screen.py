"""A page of which elements were recorded, drawn as boxes at a quarter of its size; nothing in it can stop the drawing."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent.recordings.imported.miniwob_screen import MAX_ELEMENTS, draw
from tests.recordings.imported.made import element, page

BOX = (40, 80, 40, 40)  # columns 10 to 19 and rows 20 to 29


def test_an_empty_page_is_white_and_its_body_is_not_drawn():
    assert (draw(page()) == 255).all()
    assert (draw(page() | {"bgColor": "rgb(0, 0, 0)"}) == 255).all()
    assert draw(page()).shape == (53, 40)


@pytest.mark.parametrize(
    ("shown", "shade"),
    [
        (element(box=BOX, bgColor="rgb(100, 100, 100)"), 100),
        (element(box=BOX, bgColor="rgb(249, 37, 37)"), 100),
        (element(box=BOX, bgColor="rgba(0, 0, 0, 0)"), 255),
        (element(box=BOX, bgColor="rgba(0, 0, 0, 0.5)"), 0),
        (element(box=BOX, bgColor="red"), 255),
        (element("INPUT_text", box=BOX, value=""), 200),
        (element("INPUT_checkbox", box=BOX, value=False), 200),
        (element("INPUT_checkbox", box=BOX, value=True), 20),
        (element("t", box=BOX, text="a word"), 96),
    ],
)
def test_an_element_has_the_shade_of_what_it_is(shown, shade):
    drawn = draw(page(shown))
    assert (drawn[20:30, 10:20] == shade).all()
    drawn[20:30, 10:20] = 255
    assert (drawn == 255).all()


def test_text_is_as_wide_as_its_letters_and_the_focus_is_a_line_on_the_left():
    drawn = draw(page(element("BUTTON", box=BOX, bgColor="rgb(221, 221, 221)", text="ok", focused=True)))
    assert drawn[25, 10:20].tolist() == [0, 96, 96, *[221] * 7]


def test_what_comes_later_on_the_page_lies_above():
    under, over = element(box=BOX, bgColor="rgb(0, 0, 0)"), element(box=BOX, bgColor="rgb(100, 100, 100)")
    assert draw(page(under | {"children": [over]}))[25, 15] == 100
    assert draw(page(over, under))[25, 15] == 0


def test_the_element_under_the_event_looks_as_any_other():
    """It would tell what the person is about to do."""
    shown = element("BUTTON", box=BOX, bgColor="rgb(221, 221, 221)", text="ok")
    np.testing.assert_array_equal(draw(page(shown | {"recordingTarget": True})), draw(page(shown)))


NONSENSE = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["tag", "left", "top", "width", "height", "children", "bgColor", "text", "value"]), inner
        )
    ),
    max_leaves=20,
)


@given(NONSENSE)
def test_nonsense_is_drawn_as_nothing_or_something(dom):
    assert draw(dom).shape == (53, 40)


@pytest.mark.parametrize("side", [math.nan, math.inf, -math.inf, 1e300, 10**400, -(10**9), None, "wide"])
def test_a_side_that_is_no_length_is_not_drawn(side):
    for place in range(4):
        box = [*BOX[:place], side, *BOX[place + 1 :]]
        assert (draw(page(element(box=box, bgColor="rgb(0, 0, 0)"))) == 255).all()


def test_endless_pages_end():
    deep = element(box=BOX, bgColor="rgb(0, 0, 0)")
    for _ in range(5_000):
        deep = element(children=[deep])
    assert draw(page(deep))[25, 15] == 0
    wide = [element() for _ in range(MAX_ELEMENTS)]
    assert draw(page(*wide, element(box=BOX, bgColor="rgb(0, 0, 0)")))[25, 15] == 255
