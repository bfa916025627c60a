"""What do the summed shares of people who measured a model say? Arithmetic alone: a server needs no torch for it."""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from reticent.records.plan import LOSS_CAP, MEASURES, Release

LARGEST_DEVIATION = 0.25


def longest_share(clip_norm: float) -> np.float32:
    """What MEASURES are multiplied by, so that the longest there can be has this L2 norm and next to nothing is clipped."""
    return np.float32(clip_norm / math.sqrt(len(MEASURES)))


def reading(mean: npt.NDArray[np.float64], *, release: Release, released: int) -> Mapping[str, float | int | None]:
    """What a mean of releases says: figures as those of metrics, every person weighing alike.

    mean: shape (6,), in weight space, of `released` releases. deviation: of the noise in each share; it and the figures are None
    where it is above LARGEST_DEVIATION: they would say nothing. perplexity: of losses clipped at LOSS_CAP.
    """
    shares = mean / float(longest_share(release.clip_norm))
    windows = float(shares[0])
    noise = release.noise_multiplier * math.sqrt(len(MEASURES) / released)
    found: dict[str, float | int | None] = dict.fromkeys(MEASURES[1:])
    known = noise <= LARGEST_DEVIATION * windows
    if known:
        found.update(zip(MEASURES[1:], np.clip(shares[1:] / windows, 0.0, 1.0).tolist(), strict=True))
    loss = found.pop("loss")
    return {
        **found,
        "perplexity": None if loss is None else math.exp(LOSS_CAP * loss),
        "deviation": noise / windows if known else None,
        "people": released,
    }
