"""What one round makes of its releases: their mean, or a robust centre where each release is seen and hardly noised.

docs/adr/0017-robust-centres.md says why there is a limit to the noise.
"""

import math
from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from reticent.aggregate.optimiser import Doubles
from reticent.records.record import Record

Releases = npt.NDArray[np.int32]

LONGEST_NOISE = 0.1
"""Noise of one release, in clip norms, up to which a robust centre holds: noise_multiplier * √P (experiments/010-robust-centres)."""

MOST_VALUES = 1 << 28
"""In all releases of a round together: they are held at once, 4 bytes each."""

_BLOCK_VALUES = 1 << 22


class _Aggregation(Record):
    TITLE = "server.aggregation setting"


class Mean(_Aggregation):
    """The sum of all releases over their number: all that mode secure shows."""

    name: Literal["mean"] = "mean"


class Median(_Aggregation):
    """Of each coordinate. Source: Yin et al. 2018, arXiv:1803.01498; as Flower's FedMedian with uniform weights."""

    name: Literal["median"] = "median"

    def of(self, releases: Releases) -> Doubles:
        """releases: shape (n, P), grid units. Returns: shape (P,), float64, grid units."""
        return np.concatenate([np.median(block, axis=0) for block in _blocks(releases)])


class TrimmedMean(_Aggregation):
    """Of each coordinate, without the smallest and the largest `share` of its values, rounded down.

    Source: Yin et al. 2018, arXiv:1803.01498; as Flower's FedTrimmedAvg with uniform weights.
    """

    name: Literal["trimmed_mean"] = "trimmed_mean"
    share: Annotated[float, Field(gt=0, lt=0.5)] = 0.2

    def of(self, releases: Releases) -> Doubles:
        """releases: shape (n, P), grid units. Returns: shape (P,), float64, grid units."""
        cut = int(self.share * len(releases))
        kept = slice(cut, len(releases) - cut)
        return np.concatenate([np.sort(block, axis=0)[kept].mean(axis=0) for block in _blocks(releases)])


Aggregation = Annotated[Mean | Median | TrimmedMean, Field(discriminator="name")]


def noise_length(*, noise_multiplier: float, parameters: int) -> float:
    """How long the noise of one release typically is, in clip norms."""
    return noise_multiplier * math.sqrt(parameters)


def _blocks(releases: Releases) -> Iterator[Releases]:
    """Some coordinates at a time, all releases of each: what is copied while sorting stays small."""
    people, parameters = releases.shape
    width = max(1, _BLOCK_VALUES // people)
    return (releases[:, start : start + width] for start in range(0, parameters, width))
