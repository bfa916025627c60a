"""The canonical sizes and the vocabulary that every source, model and metric shares."""

from enum import IntEnum

FRAME_WIDTH = 64  # canonical grey thumbnail, letterboxed; a cell is FRAME / CELLS = 4 by 4 of its pixels
FRAME_HEIGHT = 48
PATCH_SIDE = 16  # grey patch round the cursor, PATCH_SIDE x PATCH_SIDE, from 32 x 32 screen pixels
CELLS_X = 16
CELLS_Y = 12
CELLS = CELLS_X * CELLS_Y  # row-major: cell = row * CELLS_X + column, on the letterboxed frame
HISTORY = 8  # K: how many past actions a window holds
TIME_BUCKETS = 6
TIME_EDGES_MS = (200, 500, 1_000, 2_500, 6_000)  # bucket = number of edges that the gap reaches


class ActionKind(IntEnum):
    """The kinds of coalesced steps."""

    CLICK = 0
    DOUBLE_CLICK = 1
    RIGHT_CLICK = 2
    DRAG = 3
    SCROLL = 4
    TYPE = 5
    SHORTCUT = 6
    DELETE = 7
    ENTER = 8
    TAB = 9
    NAVIGATE = 10
    OTHER = 11


KINDS = len(ActionKind)
NO_KIND = KINDS  # history padding before a session's first action
NO_CELL = CELLS
NO_TIME = TIME_BUCKETS


def time_bucket(gap_ms: int) -> int:
    """The bucket, 0 to TIME_BUCKETS - 1, of a gap between two actions in milliseconds."""
    return sum(gap_ms >= edge for edge in TIME_EDGES_MS)
