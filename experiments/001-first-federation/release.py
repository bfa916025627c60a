"""Seconds for one release (clip, round, exact discrete Gaussian) beside the same with seeded floating-point noise."""

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from reticent.model import catalogue
from reticent.privacy.mechanism import grid_for, release_vector
from reticent.privacy.noise import SeededNoise, SystemNoise
from scripts.bench import bar

SIZES = {"the heads of office-60k": catalogue.parameters("office-60k", "heads"), "170k": 170_000}


def bars(*, quick: bool) -> Iterator[dict[str, Any]]:
    """The exact sampler is the price of a guarantee without floating-point holes; the seeded one shows that price."""
    repeats = 3 if quick else 9
    for name, parameters in SIZES.items():
        delta = np.full(parameters, 1e-3, dtype=np.float32)
        settings = {"clip_norm": 0.5, "noise_multiplier": 2.0}
        grid = grid_for(parameters=parameters, **settings)
        exact, seeded = [], []
        for _ in range(repeats):
            exact.append(seconds(lambda: release_vector(delta, grid=grid, noise=SystemNoise(), **settings)))  # noqa: B023
            seeded.append(seconds(lambda: release_vector(delta, grid=grid, noise=SeededNoise(1), **settings)))  # noqa: B023
        yield bar(
            f"release of {parameters:,} parameters ({name}), exact against seeded",
            statistics.median(exact),
            "s",
            peer=statistics.median(seeded),
            goal=parameters / 40_000,
        )


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
