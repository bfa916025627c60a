"""Screens of any size become one canonical frame, and a point is found in the cell where it shows."""

import math

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from reticent.actions.canvas import BAR, canonical_frame, canonical_patch, cell_of, content_box
from reticent.actions.vocabulary import CELLS, CELLS_X, FRAME_HEIGHT, FRAME_WIDTH
from reticent.errors import SettingError

SIDE = st.one_of(st.integers(1, 8), st.integers(1, 600))


@given(SIDE, SIDE, st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
@example(160, 210, 0.999, 0.999)
@example(1920, 1080, 0.25, 0.5)
@example(1, 5000, 0.5, 0.5)
@settings(max_examples=400, deadline=None)
def test_a_bright_dot_shows_in_the_cell_of_its_point(width, height, x, y):
    column, row = int(x * width), int(y * height)
    _, _, box_width, box_height = content_box(width / height)
    assume((2 * column + 1) * box_width % (2 * width) and (2 * row + 1) * box_height % (2 * height))  # on no border
    screen = np.zeros((height, width), dtype=np.uint8)
    across, down = -(-width // FRAME_WIDTH) // 2, -(-height // FRAME_HEIGHT) // 2  # at least a frame's pixel
    screen[max(0, row - down) : row + down + 1, max(0, column - across) : column + across + 1] = 255
    frame = canonical_frame(screen)
    cell = cell_of((column + 0.5) / width, (row + 0.5) / height, aspect=width / height)
    top, left = 4 * (cell // CELLS_X), 4 * (cell % CELLS_X)
    assert frame[top : top + 4, left : left + 4].max() >= frame.max() // 2 > 0


@given(SIDE, SIDE)
@settings(max_examples=200, deadline=None)
def test_a_frame_keeps_proportions_and_average_and_is_black_beside_the_picture(width, height):
    left, top, box_width, box_height = content_box(width / height)
    assert (box_width == FRAME_WIDTH) or (box_height == FRAME_HEIGHT)
    wanted = min(FRAME_WIDTH / width, FRAME_HEIGHT / height)
    assert abs(box_width - width * wanted) <= 0.5 or box_width == 1
    assert abs(box_height - height * wanted) <= 0.5 or box_height == 1
    frame = canonical_frame(np.full((height, width), 200, dtype=np.uint8))
    inside = frame[top : top + box_height, left : left + box_width]
    assert np.all(inside == 200)
    assert frame.sum(dtype=np.int64) == inside.sum(dtype=np.int64) + BAR * (frame.size - inside.size)


def test_each_pixel_is_the_average_of_the_area_it_covers():
    screen = np.random.default_rng(0).integers(0, 256, (480, 640), dtype=np.uint8)
    areas = screen.reshape(48, 10, 64, 10).mean(axis=(1, 3))
    assert np.abs(canonical_frame(screen) - areas).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 40_000), (40_000, 1), (9_000, 9_000)])
def test_tiny_and_huge_screens_have_frames(shape):
    assert canonical_frame(np.full(shape, 90, dtype=np.uint8)).max() == 90


@pytest.mark.parametrize(
    "screen", [np.zeros((0, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4)), np.zeros((4, 4), np.int8)]
)
def test_what_is_no_grey_screen_is_refused(screen):
    with pytest.raises(SettingError):
        canonical_frame(screen)
    with pytest.raises(SettingError):
        canonical_patch(screen)


def test_a_patch_is_the_square_at_half_its_size():
    square = np.kron(np.arange(256).reshape(16, 16), np.ones((2, 2))).astype(np.uint8)
    assert np.array_equal(canonical_patch(square), np.arange(256).reshape(16, 16))
    with pytest.raises(SettingError):
        canonical_patch(np.zeros((16, 16), np.uint8))


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(-2, 3), st.floats(1e-4, 1e4))
def test_a_point_beyond_the_monitor_counts_as_its_nearest_edge(x, y, aspect):
    cell = cell_of(x, y, aspect=aspect)
    assert 0 <= cell < CELLS
    assert cell == cell_of(min(max(x, 0), 1), min(max(y, 0), 1), aspect=aspect)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_finite_number_is_refused(bad):
    for arguments in [{"x": bad, "y": 0.5, "aspect": 1.0}, {"x": 0.5, "y": bad, "aspect": 1.0}]:
        with pytest.raises(SettingError):
            cell_of(**arguments)
    for aspect in (bad, 0.0, -1.0):
        with pytest.raises(SettingError):
            cell_of(0.5, 0.5, aspect=aspect)


def test_the_corners_of_a_portrait_page_lie_beside_the_bars():
    corners = [cell_of(x, y, aspect=160 / 210) for x, y in [(0, 0), (1, 0), (0, 1), (1, 1)]]
    assert [(cell // CELLS_X, cell % CELLS_X) for cell in corners] == [(0, 3), (0, 12), (11, 3), (11, 12)]
