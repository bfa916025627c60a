"""The exact Gaussian curve, against arbitrary precision and published values."""

import math

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.privacy.gaussian import composed_mu, gaussian_epsilon, gaussian_mu, log_delta

MUS = st.floats(1e-4, 1e4)


def precise(mu: float, epsilon: float) -> mpmath.mpf:
    """log(Φ(mu/2 - e/mu) - e^e Φ(-mu/2 - e/mu)) to 30 digits or so, whatever cancels."""
    with mpmath.workdps(400):
        m, e = mpmath.mpf(mu), mpmath.mpf(epsilon)
        return mpmath.log(mpmath.ncdf(m / 2 - e / m) - mpmath.exp(e) * mpmath.ncdf(-m / 2 - e / m))


@pytest.mark.parametrize("mu", [1e-6, 1e-3, 0.1, 1.0, 5.0, 30.0, 1e4, 1e6])
@pytest.mark.parametrize("sideways", [-3.0, -0.5, 0.0, 2.0, 9.0, 24.0])
def test_log_delta_is_right_at_any_size_and_never_too_low(mu: float, sideways: float) -> None:
    epsilon = max(0.0, mu * mu / 2 + sideways * mu)
    difference = float(log_delta(mu, epsilon=epsilon) - precise(mu, epsilon))
    assert 0 <= difference <= 1e-7


@pytest.mark.parametrize(
    ("mu", "delta", "epsilon", "source"),
    [
        (1.0, 1e-5, 4.37718, "exact, facts of this project"),
        (math.sqrt(1000) / 50, 1e-5, 2.59438, "exact, facts of this project"),
        (10.0, 1e-5, 91.81729, "exact, facts of this project"),
        (math.sqrt(50) / 5, 1e-6, 7.29, "zero-out, sigma = 5, 50 rounds"),
        (2 * math.sqrt(50) / 5, 1e-6, 16.86, "replace-one, sigma = 5, 50 rounds"),
        (1.0, 0.126936, 1.0, "dp-accounting's tests: three Gaussians of sqrt(3), delta(1) = .126936"),
    ],
)
def test_published_values(mu: float, delta: float, epsilon: float, source: str) -> None:
    digits = len(str(epsilon).split(".")[1])
    assert gaussian_epsilon(mu, delta=delta) == pytest.approx(epsilon, abs=0.6 * 10**-digits), source


@settings(deadline=None)
@given(mu=MUS, delta=st.floats(1e-90, 0.9))
def test_epsilon_is_the_boundary_of_the_curve(mu: float, delta: float) -> None:
    epsilon = gaussian_epsilon(mu, delta=delta)
    assert epsilon == 0 or log_delta(mu, epsilon=epsilon) <= math.log(delta) < log_delta(
        mu, epsilon=epsilon * (1 - 1e-9)
    )


@settings(deadline=None)
@given(epsilon=st.floats(1e-3, 1e6), delta=st.floats(1e-90, 0.9))
def test_mu_and_epsilon_are_each_others_inverse(epsilon: float, delta: float) -> None:
    mu = gaussian_mu(epsilon, delta=delta)
    assert gaussian_epsilon(mu, delta=delta) <= epsilon * (1 + 1e-12)
    assert gaussian_epsilon(mu * (1 + 1e-6), delta=delta) > epsilon


def test_huge_and_tiny_settings_give_numbers_not_errors() -> None:
    assert gaussian_epsilon(0.0, delta=1e-5) == 0
    assert gaussian_epsilon(1e-6, delta=1e-5) == 0
    assert gaussian_epsilon(1e10, delta=1e-5) == pytest.approx(5e19, rel=1e-6)
    assert gaussian_epsilon(1.0, delta=1e-100) == pytest.approx(21.627508, abs=1e-6)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 1e3), st.integers(1, 10**6)), max_size=20), st.randoms())
def test_composition_forgets_the_order(parts: list[tuple[float, int]], shuffled: object) -> None:
    other = list(parts)
    shuffled.shuffle(other)  # type: ignore[attr-defined]
    assert composed_mu(parts) == composed_mu(other)
