"""The slack of the integer grid: proven on paper (ADR 0002), checked here against exact sums."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.privacy.gaussian import gaussian_epsilon
from reticent.privacy.grid import (
    MAX_ROUNDS,
    composed_epsilon,
    discrete_slack,
    holds,
    log_ratio_bound,
    release_epsilon,
    release_mu,
)
from reticent.privacy.mechanism import MAX_PARAMETERS, MIN_SIGMA

Reals = npt.NDArray[np.float64]


def discrete(sigma: float, values: Reals) -> Reals:
    """Logarithms of the discrete Gaussian's probabilities."""
    everything = np.arange(-math.ceil(45 * sigma), math.ceil(45 * sigma) + 1)
    return -(values**2) / (2 * sigma**2) - math.log(math.fsum(np.exp(-(everything**2) / (2 * sigma**2))))


def rounded(variance: float, values: Reals) -> Reals:
    """Logarithms of the probabilities of a rounded normal, by Gauss's quadrature over the unit interval round each value."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    inside = np.exp(-(np.outer(values, nodes / 2) + nodes**2 / 8) / variance) @ (weights / 2)
    return -(values**2) / (2 * variance) - math.log(2 * math.pi * variance) / 2 + np.log(inside)


@pytest.mark.parametrize("sigma", [2.0, 4.0, 10.0, 40.0, 1_000.0])
def test_step_1_bounds_the_log_ratio_of_every_value(sigma: float) -> None:
    reach = min(2 * sigma, 14.0)
    values = np.arange(0, math.floor(reach * sigma) + 1).astype(np.float64)
    ratio = np.abs(discrete(sigma, values) - rounded(sigma**2 - 1 / 12, values))
    a, b, c = log_ratio_bound(sigma=sigma, reach=reach)
    bound = a + b * (values / sigma) ** 2 + c * (values / sigma) ** 4
    noise_floor = 4e-15 * (1 + (values / sigma) ** 2)  # of this test's own float64
    assert np.all(ratio <= bound + noise_floor)
    if sigma <= 40:
        assert np.any(ratio > bound / 8)  # and it is no empty bound


@pytest.mark.parametrize("sigma", [10.0, 40.0])
def test_the_narrower_gaussian_is_what_makes_the_slack_small(sigma: float) -> None:
    """Against a continuous Gaussian of the same standard deviation, step 1 would be false by orders of magnitude."""
    values = np.arange(0, math.floor(8 * sigma)).astype(np.float64)
    ratio = np.abs(discrete(sigma, values) - rounded(sigma**2, values))
    a, b, c = log_ratio_bound(sigma=sigma, reach=8.0)
    assert np.max(ratio / (a + b * (values / sigma) ** 2 + c * (values / sigma) ** 4)) > 3


def true_delta(sigma: float, shift: int, *, epsilon: float, draws: int) -> float:
    """Exact delta of `draws` discrete Gaussian releases of a whole number against zero, worst of both directions.

    One draw's privacy loss is a lattice variable: (shift² ± 2 k shift) / (2 sigma²) in k, so sums are convolutions in k.
    """
    reach = math.ceil(13 * sigma)
    k = np.arange(-reach, reach + 1).astype(np.float64)
    single = np.exp(discrete(sigma, k))
    total, offset = single, reach
    for _ in range(draws - 1):
        total, offset = np.convolve(total, single), offset + reach
    sums = np.arange(-offset, offset + 1)
    loss = (draws * shift**2 + 2 * sums * shift) / (
        2 * sigma**2
    )  # the other direction is the same: the noise is symmetric
    return float(np.maximum(-np.expm1(epsilon - loss), 0) @ total)


@pytest.mark.parametrize("draws", [1, 2, 3])
@pytest.mark.parametrize("mu", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("sigma", [20.0, 40.0, 100.0])
@pytest.mark.parametrize("delta", [1e-2, 1e-5, 1e-8])
def test_the_bound_holds_for_exact_small_cases(sigma: float, mu: float, draws: int, delta: float) -> None:
    shift = round(mu * sigma)
    claimed = shift / sigma * math.sqrt(draws)
    slack = discrete_slack(sigma=sigma, parameters=1, rounds=draws, epsilon=30.0, delta=delta)
    assert slack is not None
    epsilon = gaussian_epsilon(claimed / slack.noise, delta=delta * slack.share) + slack.extra
    assert true_delta(sigma, shift, epsilon=epsilon, draws=draws) <= delta


def test_without_slack_the_claim_would_be_false() -> None:
    """In one dimension a discrete Gaussian of 4 grid units leaks 7 to 9% more delta than the continuous one."""
    epsilon = gaussian_epsilon(1.0, delta=1e-5)
    assert 1.05e-5 < true_delta(4.0, 4, epsilon=epsilon, draws=1) < 1.12e-5


def test_at_a_thousand_grid_units_the_slack_is_invisible() -> None:
    """For the largest model, for as many rounds as a device ever runs."""
    worst = discrete_slack(sigma=MIN_SIGMA, parameters=MAX_PARAMETERS, rounds=MAX_ROUNDS, epsilon=8.0, delta=1e-10)
    assert worst is not None
    assert worst.extra < 6e-6
    assert worst.noise == pytest.approx(1 - 1 / (24 * MIN_SIGMA**2), rel=1e-12)
    assert 1 - worst.share < 4e-6
    typical = discrete_slack(sigma=MIN_SIGMA, parameters=13_000, rounds=50, epsilon=8.0, delta=1e-6)
    assert typical is not None
    assert typical.extra < 1e-8


@settings(deadline=None)
@given(
    sigma=st.floats(20, 1e5),
    parameters=st.integers(1, MAX_PARAMETERS),
    rounds=st.integers(1, MAX_ROUNDS),
    epsilon=st.floats(0.01, 1_000),
    delta=st.floats(1e-30, 0.1),
)
def test_wider_noise_and_fewer_draws_never_cost_more(
    sigma: float, parameters: int, rounds: int, epsilon: float, delta: float
) -> None:
    worse = discrete_slack(sigma=sigma, parameters=parameters, rounds=rounds, epsilon=epsilon, delta=delta)
    better = discrete_slack(
        sigma=2 * sigma, parameters=(parameters + 1) // 2, rounds=(rounds + 1) // 2, epsilon=epsilon, delta=delta
    )
    if worse is not None:
        assert better is not None
        assert better.extra <= worse.extra
        assert better.share >= worse.share
        assert better.noise >= worse.noise


@pytest.mark.parametrize("mu", [1e-3, 0.1, 1.0, 4.0, 30.0, 100.0, 300.0, 1e4, 1e6])
def test_a_release_costs_a_little_more_than_the_continuous_gaussian_and_never_less(mu: float) -> None:
    plain, release = gaussian_epsilon(mu, delta=1e-6), release_epsilon(mu, delta=1e-6)
    assert plain < release
    if mu <= 30:
        worst = discrete_slack(
            sigma=MIN_SIGMA, parameters=MAX_PARAMETERS, rounds=MAX_ROUNDS, epsilon=release, delta=1e-6
        )
        assert worst is not None
        assert release >= plain + worst.extra
        assert release < plain * (1 + 1e-5) + 1e-5
    else:  # zero-concentrated DP takes over, which needs no slack
        assert release <= mu * mu / 2 + mu * math.sqrt(-2 * math.log(1e-6)) + 1e-6 * mu


@settings(deadline=None)
@given(epsilon=st.floats(1e-3, 1e5), delta=st.floats(1e-30, 0.1))
def test_the_budget_and_the_figure_are_each_others_inverse(epsilon: float, delta: float) -> None:
    mu = release_mu(epsilon=epsilon, delta=delta)
    assert holds(mu, epsilon=epsilon, delta=delta)
    assert not holds(mu * (1 + 1e-6), epsilon=epsilon, delta=delta)
    assert release_epsilon(mu, delta=delta) <= epsilon * (1 + 1e-12) + 1e-14


def test_two_budgets_come_to_less_than_their_sum_and_to_more_than_either() -> None:
    assert composed_epsilon(4.0, delta=1e-5) == pytest.approx(4.0, rel=1e-9)
    both = composed_epsilon(4.0, 1.0, delta=1e-5)
    assert 4.0 < both < 4.5
    assert composed_epsilon(1.0, 4.0, delta=1e-5) == both
