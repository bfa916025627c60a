"""The shipped model's clients: what each has, and the numbers that all engines take for random. Needs no torch.

What a client draws of its windows in a round, and the noise of its step, are functions of seeds, so that every engine comes
to the same weights up to rounding.
"""

from functools import lru_cache

import numpy as np
from workload import SEED

from reticent.actions.pool import Pool
from tests.model.random_pools import random_pool

MODEL, WINDOWS = "office-60k", 45
RATE, EXPECTED, LEARNING_RATE, CLIP_NORM, NOISE_MULTIPLIER = 0.35, 16, 0.1, 1.0, 1.0


class StepNoise:
    """What one client draws in one round, as `reticent.privacy.noise.NoiseSource`."""

    def __init__(self, number: int, client: int) -> None:
        self._key = (SEED, number, client)

    def uniform(self, n: int, /) -> np.ndarray:
        return np.random.default_rng([*self._key, 0]).random(n)

    def normal(self, n: int, /) -> np.ndarray:
        return np.random.default_rng([*self._key, 1]).standard_normal(n)

    def discrete_gaussian(self, n: int, /, *, sigma: float) -> np.ndarray:
        raise AssertionError("a private step draws no discrete noise")


@lru_cache(maxsize=2_048)
def pool(client: int) -> Pool:
    """One client's windows."""
    return random_pool(WINDOWS, seed=client)
