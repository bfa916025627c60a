"""Positions are fractions of the monitor that the pointer is on."""

from hypothesis import given
from hypothesis import strategies as st

from reticent.capture.monitors import Rect, active, monitors

LEFT = Rect(left=0, top=0, width=1920, height=1080)
RIGHT = Rect(left=1920, top=0, width=1280, height=1024)


def test_mss_lists_all_monitors_together_first_and_that_entry_is_left_out():
    found = [
        {"left": 0, "top": 0, "width": 3200, "height": 1080},
        {"left": 0, "top": 0, "width": 1920, "height": 1080, "is_primary": True},
        {"left": 1920, "top": 0, "width": 1280, "height": 1024},
    ]
    assert monitors(found) == (LEFT, RIGHT)
    assert monitors(found[:1]) == (Rect(left=0, top=0, width=3200, height=1080),)


def test_the_active_monitor_is_the_one_under_the_pointer():
    assert active((LEFT, RIGHT), 1919, 500) == LEFT
    assert active((LEFT, RIGHT), 1920, 500) == RIGHT
    assert active((LEFT, RIGHT), 2000, 1060) == LEFT  # below the right one: on none


@given(st.integers(-500, 4000), st.integers(-500, 4000))
def test_fractions_never_leave_the_monitor(x, y):
    across, down = RIGHT.fraction(x, y)
    assert 0 <= across <= 1
    assert 0 <= down <= 1


@given(st.integers(1920, 3199), st.integers(0, 1023))
def test_a_fraction_leads_back_to_its_pixel(x, y):
    assert RIGHT.point(*RIGHT.fraction(x, y)) == (x, y)
