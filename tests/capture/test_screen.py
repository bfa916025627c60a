"""Frames are small, grey, masked and from before the event."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.actions.vocabulary import FRAME_HEIGHT, FRAME_WIDTH, PATCH_SIDE
from reticent.capture.monitors import Rect
from reticent.capture.screen import Ring, grey, take

MONITOR = Rect(left=100, top=50, width=640, height=480)
LARGE = Rect(left=0, top=0, width=2560, height=1440)


def raw(monitor: Rect, shade: int) -> bytearray:
    return bytearray([shade, shade, shade, 0] * (monitor.width * monitor.height))


def test_grey_is_luma_of_blue_green_red():
    pixels = np.array([[0x00FF0000, 0x0000FF00, 0x000000FF, 0x00FFFFFF, 0xFF000000]], dtype=np.uint32)
    assert grey(pixels).tolist() == [[255 * 77 >> 8, 255 * 150 >> 8, 255 * 29 >> 8, 255, 0]]


@pytest.mark.parametrize("monitor", [MONITOR, LARGE])
def test_a_masked_rectangle_is_black_and_nothing_else_is(monitor):
    covered = Rect(left=monitor.left + 320, top=monitor.top + 240, width=160, height=120)
    shot = take(raw(monitor, 200), monitor=monitor, masked=(covered,), finished_s=1.0)
    shades = grey(shot.pixels)
    assert set(np.unique(shades)) == {0, 200}
    assert (shades == 0).sum() == (160 // shot.stride) * (120 // shot.stride)
    assert shades[240 // shot.stride, 320 // shot.stride] == 0
    assert shot.thumbnail().shape == (FRAME_HEIGHT, FRAME_WIDTH)


@settings(deadline=None, max_examples=50)
@given(st.integers(-900, 900), st.integers(-900, 900), st.integers(0, 900), st.integers(0, 900))
def test_a_mask_may_lie_anywhere_and_covers_exactly_what_it_overlaps(left, top, width, height):
    small = Rect(left=100, top=50, width=64, height=48)
    rect = Rect(left=left, top=top, width=width, height=height)
    shot = take(raw(small, 200), monitor=small, masked=(rect,), finished_s=1.0)
    inside = [
        [rect.holds(x, y) for x in range(small.left, small.left + small.width)]
        for y in range(small.top, small.top + small.height)
    ]
    assert np.array_equal(grey(shot.pixels) == 0, np.array(inside))


@pytest.mark.parametrize("monitor", [MONITOR, LARGE])
@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.5, 0.5)])
def test_the_patch_shows_the_pixels_round_the_cursor_and_black_beyond_the_edge(monitor, x, y):
    patch = take(raw(monitor, 90), monitor=monitor, masked=(), finished_s=1.0).patch(x, y)
    assert patch.shape == (PATCH_SIDE, PATCH_SIDE)
    assert patch[PATCH_SIDE // 2, PATCH_SIDE // 2] > 0
    assert (patch[0, 0] == 90) == (x > 0 and y > 0)
    assert (patch[-1, -1] == 90) == (x < 1 and y < 1)


def test_the_patch_is_where_the_cursor_is():
    pixels = raw(MONITOR, 0)
    x, y = 321, 123  # in the monitor
    at = 4 * (y * MONITOR.width + x)
    pixels[at : at + 3] = b"\xff\xff\xff"
    patch = take(pixels, monitor=MONITOR, masked=(), finished_s=1.0).patch(x / 639, y / 479)
    assert np.argwhere(patch > 0).tolist() == [[PATCH_SIDE // 2, PATCH_SIDE // 2]]


def ring(*shots: tuple[float, int]) -> Ring:
    made = Ring()
    for finished_s, shade in shots:
        made.add(take(raw(MONITOR, shade), monitor=MONITOR, masked=(), finished_s=finished_s))
    return made


def test_the_frame_is_the_newest_from_before_the_event():
    shots = ring((1.0, 10), (1.2, 20), (1.4, 30))
    assert shots.before(1.3, x=0.5, y=0.5).thumbnail[24, 32] == 20
    assert shots.before(1.2, x=0.5, y=0.5).thumbnail[24, 32] == 20
    assert shots.before(9.0, x=0.5, y=0.5).thumbnail[24, 32] == 30


def test_without_a_shot_from_before_the_frame_is_black_and_has_no_patch():
    for shots in (Ring(), ring((5.0, 10))):
        frame = shots.before(4.9, x=0.5, y=0.5)
        assert not frame.thumbnail.any()
        assert frame.patch is None


def test_an_unchanged_frame_is_the_same_object_and_an_unchanged_thumbnail_the_same_array():
    shots = ring((1.0, 10), (1.2, 10), (1.4, 30))
    first, second = shots.before(1.1, x=0.5, y=0.5), shots.before(1.3, x=0.5, y=0.5)
    assert first is second
    at_the_edge = shots.before(1.3, x=0.0, y=0.0)
    assert at_the_edge is not first
    assert at_the_edge.thumbnail is first.thumbnail


def test_what_must_not_be_seen_any_more_is_forgotten():
    shots = ring((1.0, 10))
    shots.clear()
    assert not shots.before(2.0, x=0.5, y=0.5).thumbnail.any()
    assert repr(shots) == "<Ring of 0 shots>"
