"""What the integer grid costs: from the continuous Gaussian's curve to that of a release.

docs/adr/0002-discrete-gaussian-slack.md proves every line; the numbers of its steps stand beside the code.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

from reticent.privacy.gaussian import boundary, largest, log_delta
from reticent.privacy.mechanism import MAX_PARAMETERS, MIN_SIGMA

MAX_ROUNDS = 1 << 20  # in one device's life; the slack is stated for this many whatever happens
_SHARE = 1e-9  # of delta, set aside for tails
_LARGEST_ETA = 0.1
_LARGEST_EPSILON = 5_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack:
    """If noise multipliers times `noise` give (e, delta * share)-DP, e <= epsilon, then the grid gives (e + extra, delta)-DP.

    noise: just below 1. share: just below 1. extra: what is added to epsilon.
    """

    noise: float
    share: float
    extra: float


def discrete_slack(*, sigma: float, parameters: int, rounds: int, epsilon: float, delta: float) -> Slack | None:
    """Bound the difference between discrete Gaussian noise on the grid and continuous Gaussian noise.

    sigma: standard deviation of the discrete Gaussian in grid units, at least 1; wider noise has less slack.
    parameters, rounds: at most so many coordinates a round and rounds; the bound holds under full adaptivity.
    epsilon: the largest epsilon that it will be used for.
    Returns: None where this proof bounds nothing useful (epsilon in the ten thousands, or a grid much too coarse).
    """
    draws = float(parameters) * rounds
    tail = epsilon + math.log(8 / (_SHARE * delta))  # step 4: both failures cost at most e^-tail each
    reach = 1 / sigma + math.sqrt(2 * (tail + math.log(2 * draws)))  # step 2: no draw beyond this many sigma
    if reach > 4 * sigma:
        return None
    a, b, c = log_ratio_bound(sigma=sigma, reach=reach)
    one = a + b * reach**2 + c * reach**4
    spread = (a + 4 * b + 28 * c) ** 2  # step 3: its second moment
    eta = (
        draws * spread * math.exp(one) / 2 + math.exp(-tail) + math.sqrt(2 * draws * spread * tail) + 4 / 3 * one * tail
    )
    if not eta <= _LARGEST_ETA:
        return None
    return Slack(noise=_narrower(sigma) / sigma, share=(1 - _SHARE) * math.exp(-eta), extra=2 * eta)


def log_ratio_bound(*, sigma: float, reach: float) -> tuple[float, float, float]:
    """Step 1: a, b, c such that |log p(tσ) / p'(tσ)| <= a + b t² + c t⁴ for every integer tσ with |t| <= reach.

    p: the discrete Gaussian. p': a continuous Gaussian with standard deviation `_narrower(sigma)`, rounded to integers.
    """
    variance, x = _narrower(sigma) ** 2, 1 / (12 * sigma**2)
    slope = sigma / variance
    stretch = math.exp(max((reach * slope) ** 2, 1 / variance) / 8)
    theta = 2.1 * math.exp(-2 * (math.pi * sigma) ** 2)  # how far the sum over integers is from the integral
    return (
        theta + stretch / (640 * variance**2) + x * x / (2 * (1 - x)),
        1 / (288 * variance**2),
        stretch * slope**4 / 640,
    )


def _narrower(sigma: float) -> float:
    """Rounding adds a variance of 1/12: this standard deviation, rounded, comes nearest to the discrete Gaussian's."""
    return math.sqrt(sigma**2 - 1 / 12)


def holds(mu: float, *, epsilon: float, delta: float) -> bool:
    """Whether releases on any allowed grid whose continuous counterpart composes to `mu` are (epsilon, delta)-DP together.

    Either of two proofs will do: the exact Gaussian curve with the slack, or zero-concentrated DP, which discrete Gaussians
    obey without any slack (Canonne, Kamath, Steinke 2020, arXiv:2004.00010, theorem 4 and corollary 13).
    """
    rho = mu * mu / 2
    if rho + 2 * math.sqrt(-rho * math.log(delta)) <= epsilon:
        return True
    used = min(epsilon, _LARGEST_EPSILON)  # what holds for less holds for more, and the slack stays below 0.003
    slack = discrete_slack(sigma=MIN_SIGMA, parameters=MAX_PARAMETERS, rounds=MAX_ROUNDS, epsilon=used, delta=delta)
    if slack is None or used <= slack.extra:
        return False
    return log_delta(mu / slack.noise, epsilon=used - slack.extra) <= math.log(delta * slack.share)


def release_epsilon(mu: float, *, delta: float) -> float:
    """The smallest epsilon for which releases that compose to `mu` are (epsilon, delta)-DP, slack included, rounded up."""
    if mu == 0:
        return 0.0
    rho = mu * mu / 2
    highest = (rho + 2 * math.sqrt(-rho * math.log(delta))) * (1 + 1e-15)
    return boundary(lambda epsilon: holds(mu, epsilon=epsilon, delta=delta), inside=highest, outside=0.0)


@lru_cache(maxsize=4096)
def release_mu(*, epsilon: float, delta: float) -> float:
    """The largest mu that releases may compose to within (epsilon, delta), slack included, rounded down."""
    return largest(lambda mu: holds(mu, epsilon=epsilon, delta=delta))


def composed_epsilon(*epsilons: float, delta: float) -> float:
    """What releases that were each calibrated to one of these come to together, at the same delta for all, rounded up."""
    return release_epsilon(math.hypot(*(release_mu(epsilon=one, delta=delta) for one in epsilons)), delta=delta)
