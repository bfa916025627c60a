"""How well does a model do on one person's windows? A few shares of bounded length, for the door; and what their sum says."""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from reticent.actions.pool import Pool
from reticent.evaluate.metrics import Scorer
from reticent.model.tensors import Floats
from reticent.records.plan import LEAST_WINDOWS, LOSS_CAP, MEASURES, Release


def measure(pool: Pool, weights: Floats, *, model: str, trainable: str) -> Floats:
    """MEASURES of the model with these weights, shape (6,), float32, each in [0, 1].

    Shares of the person's windows, so everybody with LEAST_WINDOWS or more weighs the same; whoever has fewer weighs less, and
    an empty pool gives zeros. One window more or less moves the vector by sqrt(6) / LEAST_WINDOWS at most.
    Raises: SettingError for an unknown model, or weights of another length or not finite.
    """
    hits = Scorer(model, trainable, pool).hits(weights)
    loss = np.clip(-hits.log_likelihood, 0.0, LOSS_CAP) / LOSS_CAP
    sums = [
        len(pool),
        (hits.kind_rank < 1).sum(),
        (hits.kind_rank < 3).sum(),
        (hits.cell_rank < 1).sum(),
        (hits.cell_rank < 3).sum(),
        loss.sum(),
    ]
    shares: Floats = (np.array(sums, dtype=np.float64) / max(len(pool), LEAST_WINDOWS)).astype(np.float32)
    return shares


def longest_share(clip_norm: float) -> np.float32:
    """What MEASURES are multiplied by, so that the longest there can be has this L2 norm and next to nothing is clipped."""
    return np.float32(clip_norm / math.sqrt(len(MEASURES)))


def reading(mean: npt.NDArray[np.float64], *, release: Release, released: int) -> Mapping[str, float | int | None]:
    """What a mean of releases says: figures as those of metrics, every person weighing alike.

    mean: shape (6,), in weight space, of `released` releases. deviation: of the noise in each share; figures are None where
    the noise is as large as what they are shares of. perplexity: of losses clipped at LOSS_CAP.
    """
    shares = mean / float(longest_share(release.clip_norm))
    windows = float(shares[0])
    noise = release.noise_multiplier * math.sqrt(len(MEASURES) / released)
    found: dict[str, float | int | None] = dict.fromkeys(MEASURES[1:])
    if windows > noise:
        found.update(zip(MEASURES[1:], np.clip(shares[1:] / windows, 0.0, 1.0).tolist(), strict=True))
    loss = found.pop("loss")
    return {
        **found,
        "perplexity": None if loss is None else math.exp(LOSS_CAP * loss),
        "deviation": noise / windows if windows > noise else None,
        "people": released,
    }
