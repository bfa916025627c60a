"""Which examples does a step look at? Poisson sampling, drawn on the device."""

import numpy as np

from reticent.actions.pool import Ints
from reticent.privacy.noise import NoiseSource


def draw(examples: int, *, sampling_rate: float, noise: NoiseSource) -> Ints:
    """The rows of one step: each of `examples` independently with probability `sampling_rate`.

    A constant rate is what amplification by subsampling is proven for; the size of the batch is random, zero included,
    and nobody learns it. Costs one uniform number an example. Returns: ascending, shape (batch,).
    """
    return np.flatnonzero(noise.uniform(examples) < sampling_rate).astype(np.int64)
