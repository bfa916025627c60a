"""How does a screen of any size become the canonical grey frame, and where on it is a point of the monitor?

A frame keeps the monitor's proportions: the picture is centred and the rest is black (BAR).
"""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from reticent.actions.vocabulary import CELLS_X, CELLS_Y, FRAME_HEIGHT, FRAME_WIDTH, PATCH_SIDE
from reticent.errors import SettingError

Grey = npt.NDArray[np.uint8]

BAR = 0
PATCH_SCREEN_SIDE = 2 * PATCH_SIDE  # screen pixels, unscaled, that a patch shows
_CELL_WIDTH = FRAME_WIDTH // CELLS_X
_CELL_HEIGHT = FRAME_HEIGHT // CELLS_Y


@lru_cache(maxsize=256)
def content_box(aspect: float) -> tuple[int, int, int, int]:
    """(left, top, width, height), in frame pixels, of a monitor with width / height = `aspect` on the canonical frame.

    Raises SettingError unless aspect is finite and positive.
    """
    if not (math.isfinite(aspect) and aspect > 0):
        raise SettingError("a monitor's width / height must be positive and finite; nothing was kept of its screen")
    if aspect * FRAME_HEIGHT >= FRAME_WIDTH:
        width, height = FRAME_WIDTH, max(1, round(FRAME_WIDTH / aspect))
    else:
        width, height = max(1, round(FRAME_HEIGHT * aspect)), FRAME_HEIGHT
    return (FRAME_WIDTH - width) // 2, (FRAME_HEIGHT - height) // 2, width, height


def canonical_frame(grey: Grey) -> Grey:
    """`grey` letterboxed to the canonical frame: every pixel the average of the area it covers.

    A screen pixel counts where its centre lies; on a border, to the left and above (1.2 ms for 1920 x 1080).
    grey: shape (H, W), uint8, any H and W >= 1. Returns: shape (FRAME_HEIGHT, FRAME_WIDTH), uint8.
    Raises SettingError for another shape or type.
    """
    _check_grey(grey)
    height, width = grey.shape
    left, top, box_width, box_height = content_box(width / height)
    frame = np.full((FRAME_HEIGHT, FRAME_WIDTH), BAR, dtype=np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(grey)).resize((box_width, box_height), Image.Resampling.BOX)
    frame[top : top + box_height, left : left + box_width] = np.asarray(picture)
    return frame


def canonical_patch(grey: Grey) -> Grey:
    """The square round the cursor at half its size.

    grey: shape (PATCH_SCREEN_SIDE, PATCH_SCREEN_SIDE), uint8, what lies outside the monitor filled with BAR.
    Returns: shape (PATCH_SIDE, PATCH_SIDE), uint8. Raises SettingError for another shape or type.
    """
    _check_grey(grey)
    if grey.shape != (PATCH_SCREEN_SIDE, PATCH_SCREEN_SIDE):
        raise SettingError(f"a patch takes {PATCH_SCREEN_SIDE} x {PATCH_SCREEN_SIDE} screen pixels; it was left out")
    quads = grey.reshape(PATCH_SIDE, 2, PATCH_SIDE, 2).astype(np.uint16).sum(axis=(1, 3))
    patch: Grey = ((quads + 2) // 4).astype(np.uint8)
    return patch


def cell_of(x: float, y: float, *, aspect: float) -> int:
    """The cell, 0 to CELLS - 1, where a point of the monitor lies on the letterboxed frame.

    x, y: fractions of the monitor's width and height; beyond [0, 1] they count as the nearest edge.
    aspect: the monitor's width / height. Raises SettingError for what is not a finite number.
    """
    if not (math.isfinite(x) and math.isfinite(y)):
        raise SettingError("a point must be two finite fractions of the monitor; it was left out")
    left, top, width, height = content_box(aspect)
    column = left + min(int(min(max(x, 0.0), 1.0) * width), width - 1)
    row = top + min(int(min(max(y, 0.0), 1.0) * height), height - 1)
    return row // _CELL_HEIGHT * CELLS_X + column // _CELL_WIDTH


def _check_grey(grey: Grey) -> None:
    if grey.ndim != 2 or grey.size == 0 or grey.dtype != np.uint8:
        raise SettingError("a screen must be a non-empty grey uint8 picture of two dimensions; it was left out")
