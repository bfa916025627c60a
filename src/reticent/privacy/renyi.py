"""Rényi divergence of the Poisson-sampled Gaussian at whole orders, and what it is worth in (epsilon, delta).

Source: Mironov, Talwar, Zhang 2019, arXiv:1908.10530, section 3.3 (exact at whole orders, and the larger of the two directions);
conversion: Canonne, Kamath, Steinke 2020, arXiv:2004.00010, proposition 12.
"""

import math
from functools import lru_cache

import numpy as np
from scipy import special

_ROUNDING = 1e-14  # a step, absolute: more than the sum below can be wrong by


@lru_cache(maxsize=4096)
def divergence(order: int, *, noise_multiplier: float, sampling_rate: float) -> float:
    """One step's Rényi divergence of this order, rounded up, under zero-out adjacency. order: at least 2."""
    if sampling_rate == 1:
        return order / (2 * noise_multiplier**2)
    drawn = np.arange(order + 1)
    terms = (
        special.gammaln(order + 1)
        - special.gammaln(drawn + 1)
        - special.gammaln(order - drawn + 1)
        + drawn * math.log(sampling_rate)
        + (order - drawn) * math.log1p(-sampling_rate)
        + drawn * (drawn - 1) / (2 * noise_multiplier**2)
    )
    return (max(float(special.logsumexp(terms)), 0.0) + _ROUNDING) / (order - 1)


def allowance(order: int, *, epsilon: float, delta: float) -> float:
    """The Rényi divergence of this order that still implies (epsilon, delta)-DP; may be negative: then none does."""
    return epsilon - math.log1p(-1 / order) + (math.log(delta) + math.log(order)) / (order - 1)
