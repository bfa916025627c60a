"""A clip norm that follows a quantile of the updates' lengths: one more coordinate of the same release says who is longer.

docs/adr/0018-adaptive-clip.md has the split of the noise, and why the release costs what it would without the count.
Source: Andrew, Thakkar, McMahan, Ramaswamy 2021, arXiv:1905.03871; the split is its theorem 1, for a count of sensitivity 1.
"""

import math

import numpy as np
import numpy.typing as npt

from reticent.privacy.mechanism import clip

FARTHEST = 100.0
"""A clip norm stays within this factor of the first one, whatever noise does to the count."""


def joint_norm(*, clip_norm: float, count_share: float) -> float:
    """L2 bound of an update and its coordinate of the count together: the clip norm of their one release.

    count_share: of the charge, which is 1 / noise multiplier² of the whole; the update's own noise multiplier is larger by
    1 / √(1 - count_share), the count's, for sensitivity 1, by 1 / √count_share.
    """
    return clip_norm / math.sqrt(1 - count_share)


def count_height(*, clip_norm: float, count_share: float) -> float:
    """What the coordinate of the count is for an update that is longer than the clip norm, in weight space; 0 for any other."""
    return clip_norm * math.sqrt(count_share / (1 - count_share))


def counted(delta: npt.ArrayLike, *, clip_norm: float, count_share: float) -> npt.NDArray[np.float64]:
    """The clipped update, and behind it `count_height` if it was longer than `clip_norm`, else 0.

    Guarantee: its L2 norm is at most `joint_norm`, and all of it is 0 for an update of 0. A non-finite update counts as 0 in
    both, so that nothing about it goes uncharged.
    delta: shape (P,), any float type. Returns: shape (P + 1,), float64, in weight space.
    """
    vector = np.asarray(delta, dtype=np.float64)
    clipped = clip(vector, clip_norm=clip_norm)
    longer = bool(np.isfinite(vector).all()) and float(np.linalg.norm(vector)) > clip_norm
    return np.append(clipped, count_height(clip_norm=clip_norm, count_share=count_share) if longer else 0.0)


def followed(clip_norm: float, *, longer: float, quantile: float, learning_rate: float, first: float) -> float:
    """The next round's clip norm: geometric steps until the share `quantile` of people is at most that long.

    longer: the noised share of people who are longer, taken as 0 below 0 and as 1 above 1. first: of the first round.
    """
    within = 1 - min(max(longer, 0.0), 1.0)
    moved = clip_norm * math.exp(-learning_rate * (within - quantile))
    return min(max(moved, first / FARTHEST), first * FARTHEST)
