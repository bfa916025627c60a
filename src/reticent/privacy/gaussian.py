"""The privacy curve of the Gaussian mechanism: which (epsilon, delta) does a noise of 1/mu give, exactly?

mu is sensitivity over noise; adaptive rounds add up as mu² = Σ 1 / noise_multiplier².
Source: Balle and Wang 2018, arXiv:1805.06530, theorem 8; Dong, Roth and Su 2019, arXiv:1905.02383, corollary 1.
"""

import math
from collections.abc import Callable, Iterable

from scipy import special

_MARGIN = 1e-12  # relative; swallows the rounding of the special functions, always against us
_ROOT2 = math.sqrt(2.0)


def composed_mu(parts: Iterable[tuple[float, int]]) -> float:
    """mu of adaptively composed Gaussians. parts: (noise multiplier, steps). The order of the parts makes no difference."""
    return math.sqrt(math.fsum(steps / noise_multiplier**2 for noise_multiplier, steps in parts))


def log_delta(mu: float, *, epsilon: float) -> float:
    """The logarithm of delta(epsilon) = Φ(mu/2 - epsilon/mu) - e^epsilon Φ(-mu/2 - epsilon/mu), for mu > 0.

    Stable at any size: with a and b the two arguments, e^epsilon = φ(a)/φ(b), so the second term over the first is a ratio of
    Mills ratios, erfcx(-b/√2) / erfcx(-a/√2), and neither e^epsilon nor a difference of tiny numbers is ever formed.
    """
    a, b = mu / 2 - epsilon / mu, -mu / 2 - epsilon / mu
    ratio = special.erfcx(-b / _ROOT2) / special.erfcx(-a / _ROOT2)  # the denominator is infinite where the ratio is 0
    return float(special.log_ndtr(a) + math.log1p(-min(float(ratio), 1.0 - 2.0**-53)))


def gaussian_epsilon(mu: float, *, delta: float) -> float:
    """The smallest epsilon for which mu gives (epsilon, delta)-DP, rounded up in its twelfth digit."""
    target = math.log(delta)
    if mu == 0 or log_delta(mu, epsilon=0.0) <= target:
        return 0.0
    highest = mu * mu / 2 + mu * math.sqrt(-2 * target)  # there Φ(a) alone is at most delta
    return _smallest(lambda epsilon: log_delta(mu, epsilon=epsilon) <= target, 0.0, highest) * (1 + _MARGIN)


def gaussian_mu(epsilon: float, *, delta: float) -> float:
    """The largest mu that gives (epsilon, delta)-DP, rounded down in its twelfth digit: the budget of a filter."""
    target = math.log(delta)
    low, high = 0.0, 1.0
    while log_delta(high, epsilon=epsilon) <= target:
        low, high = high, 2 * high
    return -_smallest(lambda negative: log_delta(-negative, epsilon=epsilon) <= target, -high, -low) * (1 - _MARGIN)


def _smallest(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Where a predicate that is false at `low` and true at `high` turns true, from the true side, to the last bit or so."""
    for _ in range(200):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if holds(middle):
            high = middle
        else:
            low = middle
    return high
