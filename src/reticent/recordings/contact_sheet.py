"""What do a recording's screens look like, side by side?"""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from reticent.actions.action import Grey
from reticent.actions.vocabulary import FRAME_HEIGHT, FRAME_WIDTH

COLUMNS, ROWS = 12, 10
SCALE = 2  # a thumbnail's pixel becomes a square of this side
GAP = 4  # pixels between thumbnails, in a grey that no letterbox has
_PAPER = 128


def spread(people: int, *, cells: int = COLUMNS * ROWS) -> tuple[int, ...]:
    """How many cells each person gets: as even as can be, those who get one more spread over all."""
    return tuple((index + 1) * cells // people - index * cells // people for index in range(people))


def pick(thumbnails: Sequence[Grey], *, count: int) -> list[Grey]:
    """At most `count` different thumbnails, from all over the sequence, in its order."""
    different = list({thumbnail.tobytes(): thumbnail for thumbnail in thumbnails}.values())
    count = min(count, len(different))
    return [different[(2 * index + 1) * len(different) // (2 * count)] for index in range(count)]


def render(thumbnails: Sequence[Grey]) -> bytes:
    """A grey PNG of up to COLUMNS * ROWS thumbnails, row by row; the same thumbnails give the same picture."""
    shown = thumbnails[: COLUMNS * ROWS]
    rows = max(1, -(-len(shown) // COLUMNS))
    width, height = FRAME_WIDTH * SCALE + GAP, FRAME_HEIGHT * SCALE + GAP
    sheet = np.full((rows * height + GAP, COLUMNS * width + GAP), _PAPER, dtype=np.uint8)
    for index, thumbnail in enumerate(shown):
        top, left = GAP + index // COLUMNS * height, GAP + index % COLUMNS * width
        large = thumbnail.repeat(SCALE, axis=0).repeat(SCALE, axis=1)
        sheet[top : top + large.shape[0], left : left + large.shape[1]] = large
    picture = io.BytesIO()
    Image.fromarray(sheet).save(picture, format="PNG", optimize=True)
    return picture.getvalue()
