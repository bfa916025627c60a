"""Pools of random examples: nobody's."""

import numpy as np

from reticent.actions.pool import Pool
from reticent.actions.vocabulary import (
    CELLS,
    FRAME_HEIGHT,
    FRAME_WIDTH,
    HISTORY,
    KINDS,
    NO_CELL,
    NO_KIND,
    NO_TIME,
    PATCH_SIDE,
    TIME_BUCKETS,
)


def random_pool(examples: int, *, seed: int = 0) -> Pool:
    """`examples` windows, some of them padded, some without a patch; the next kind follows the last one half of the time."""
    random = np.random.default_rng(seed)
    shape = (examples, HISTORY)
    missing = np.arange(HISTORY) < random.integers(0, HISTORY + 1, (examples, 1))
    kinds = np.where(missing, NO_KIND, random.integers(0, KINDS, shape))
    surprise = random.random(examples) < 0.5
    return Pool(
        kinds=kinds,
        cells=np.where(missing, NO_CELL, random.integers(0, CELLS, shape)),
        times=np.where(missing, NO_TIME, random.integers(0, TIME_BUCKETS, shape)),
        frames=random.integers(0, 256, (examples, FRAME_HEIGHT, FRAME_WIDTH), dtype=np.uint8),
        patches=random.integers(0, 256, (examples, PATCH_SIDE, PATCH_SIDE), dtype=np.uint8),
        has_patch=random.random(examples) < 0.5,
        next_kind=np.where(surprise | (kinds[:, -1] == NO_KIND), random.integers(0, KINDS, examples), kinds[:, -1]),
        next_cell=random.integers(0, CELLS, examples),
        next_time=random.integers(0, TIME_BUCKETS, examples),
    )
