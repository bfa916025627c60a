"""The privacy curve of the Gaussian mechanism: which (epsilon, delta) does a noise of 1/mu give, exactly?

mu is sensitivity over noise; adaptive rounds add up as mu² = Σ 1 / noise_multiplier².
Source: Balle and Wang 2018, arXiv:1805.06530, theorem 8; Dong, Roth and Su 2019, arXiv:1905.02383, corollary 1.
"""

import math
from collections.abc import Callable, Iterable

from scipy import special

_ROOT2 = math.sqrt(2.0)
_EPS = 2.0**-50  # a few roundings


def composed_mu(parts: Iterable[tuple[float, int]]) -> float:
    """mu of adaptively composed Gaussians. parts: (noise multiplier, steps). The order of the parts makes no difference."""
    return math.sqrt(math.fsum(steps / noise_multiplier**2 for noise_multiplier, steps in parts))


def log_delta(mu: float, *, epsilon: float) -> float:
    """The logarithm of delta(epsilon) = Φ(mu/2 - epsilon/mu) - e^epsilon Φ(-mu/2 - epsilon/mu), rounded up; mu > 0.

    Stable at any size: with a and b the two arguments, e^epsilon = φ(a)/φ(b), so the second term over the first is a ratio of
    Mills ratios, erfcx(-b/√2) / erfcx(-a/√2), and neither e^epsilon nor a difference of tiny numbers is ever formed.
    """
    a, b = mu / 2 - epsilon / mu, -mu / 2 - epsilon / mu
    ratio = float(special.erfcx(-b / _ROOT2) / special.erfcx(-a / _ROOT2))  # over infinity, where it is below 1e-300
    exact = float(special.log_ndtr(a)) + math.log1p(-min(ratio, 1 - 2.0**-53))
    return exact + 1e-12 + _EPS * (1 + abs(a)) * (1 / mu + abs(a) + abs(b))


def gaussian_epsilon(mu: float, *, delta: float) -> float:
    """The smallest epsilon for which mu gives (epsilon, delta)-DP, rounded up."""
    target = math.log(delta)
    if mu == 0 or log_delta(mu, epsilon=0.0) <= target:
        return 0.0
    highest = mu * mu / 2 + mu * math.sqrt(-2 * target)  # there Φ(mu/2 - epsilon/mu) alone is at most delta / 2
    return boundary(lambda epsilon: log_delta(mu, epsilon=epsilon) <= target, inside=highest, outside=0.0)


def gaussian_mu(epsilon: float, *, delta: float) -> float:
    """The largest mu that gives (epsilon, delta)-DP, rounded down. epsilon > 0."""
    target = math.log(delta)
    return largest(lambda mu: log_delta(mu, epsilon=epsilon) <= target)


def largest(holds: Callable[[float], bool]) -> float:
    """The largest positive number for which a predicate holds that holds for small ones and fails for large ones."""
    outside = 1.0
    while holds(outside):
        outside *= 2
    return boundary(holds, inside=0.0, outside=outside)


def boundary(holds: Callable[[float], bool], *, inside: float, outside: float) -> float:
    """The number nearest to `outside` for which a monotone predicate still holds. It is taken to hold at `inside`."""
    for _ in range(200):
        middle = (inside + outside) / 2
        if middle in (inside, outside):
            break
        if holds(middle):
            inside = middle
        else:
            outside = middle
    return inside
