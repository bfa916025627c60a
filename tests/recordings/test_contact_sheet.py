"""A contact sheet shows different screens of all over a recording, as they were recorded."""

import io

import numpy as np
import pytest
from PIL import Image

from reticent.actions.vocabulary import FRAME_HEIGHT, FRAME_WIDTH
from reticent.recordings.contact_sheet import COLUMNS, GAP, ROWS, SCALE, pick, render, spread


def screens(count):
    rng = np.random.default_rng(count)
    return [rng.integers(0, 256, (FRAME_HEIGHT, FRAME_WIDTH), dtype=np.uint8) for _ in range(count)]


@pytest.mark.parametrize("people", [1, 7, 119, 120, 220, 1000])
def test_the_cells_are_spread_evenly_over_all_people_and_none_is_left_empty(people):
    cells = spread(people)
    assert (len(cells), sum(cells)) == (people, COLUMNS * ROWS)
    assert max(cells) - min(cells) <= 1
    halves = sum(cells[: people // 2]), sum(cells[people - people // 2 :])
    assert abs(halves[0] - halves[1]) <= 2


def test_nobody_has_no_cells():
    assert spread(0) == ()


def test_screens_are_picked_from_all_over_and_none_twice():
    first, second, third, fourth = screens(4)
    recorded = [first, first, second, first, third, third, fourth]
    assert [one.tobytes() for one in pick(recorded, count=2)] == [second.tobytes(), fourth.tobytes()]
    assert len(pick(recorded, count=9)) == 4
    assert pick(recorded, count=0) == []
    assert pick([], count=3) == []


def test_each_thumbnail_is_in_the_picture_pixel_by_pixel():
    shown = screens(COLUMNS + 3)
    sheet = np.asarray(Image.open(io.BytesIO(render(shown))))
    assert sheet.dtype == np.uint8
    for index, thumbnail in enumerate(shown):
        top = GAP + index // COLUMNS * (FRAME_HEIGHT * SCALE + GAP)
        left = GAP + index % COLUMNS * (FRAME_WIDTH * SCALE + GAP)
        cell = sheet[top : top + FRAME_HEIGHT * SCALE : SCALE, left : left + FRAME_WIDTH * SCALE : SCALE]
        np.testing.assert_array_equal(cell, thumbnail)


@pytest.mark.parametrize("count", [0, 1, COLUMNS * ROWS, COLUMNS * ROWS + 5])
def test_a_sheet_has_room_for_what_is_shown_and_no_more(count):
    height = Image.open(io.BytesIO(render(screens(count)))).height
    rows = max(1, min(ROWS, -(-count // COLUMNS)))
    assert height == GAP + rows * (FRAME_HEIGHT * SCALE + GAP)
