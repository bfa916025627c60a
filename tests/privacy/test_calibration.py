"""Calibrated noise is enough, and hardly more than enough."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.errors import SettingError
from reticent.privacy.accountants import epsilon as account
from reticent.privacy.calibration import noise_multiplier
from reticent.privacy.events import Adjacency, Mode, PrivacyEvent, Unit
from reticent.privacy.filters import admits
from reticent.privacy.gaussian import composed_mu, gaussian_epsilon
from reticent.privacy.grid import release_epsilon


def release(noise: float, adjacency: Adjacency = Adjacency.ZERO_OUT) -> PrivacyEvent:
    return PrivacyEvent(unit=Unit.EMPLOYEE, adjacency=adjacency, mode=Mode.LOCAL, clip_norm=1.0, noise_multiplier=noise)


@settings(deadline=None)
@given(
    epsilon=st.floats(0.01, 1e3),
    delta=st.floats(1e-15, 0.01),
    steps=st.integers(1, 300),
    adjacency=st.sampled_from(Adjacency),
)
def test_without_sampling_every_round_is_admitted_and_not_one_more(
    epsilon: float, delta: float, steps: int, adjacency: Adjacency
) -> None:
    noise = noise_multiplier(epsilon=epsilon, delta=delta, steps=steps, adjacency=adjacency)
    rounds = [release(noise, adjacency)] * steps
    assert admits(rounds, unit=Unit.EMPLOYEE, epsilon=epsilon, delta=delta)
    assert not admits([*rounds, release(noise, adjacency)], unit=Unit.EMPLOYEE, epsilon=epsilon, delta=delta)
    slightly_less = [release(noise * (1 - 1e-9), adjacency)] * steps
    assert not admits(slightly_less, unit=Unit.EMPLOYEE, epsilon=epsilon, delta=delta)
    sensitivity = 2 if adjacency is Adjacency.REPLACE_ONE else 1
    mu = sensitivity * composed_mu([(noise, steps)])
    assert release_epsilon(mu, delta=delta) <= epsilon * (1 + 1e-12)
    assert gaussian_epsilon(mu, delta=delta) <= epsilon


@pytest.mark.parametrize(
    ("epsilon", "steps", "delta", "noise"),
    [(4.37718, 1, 1e-5, 1.0), (2.59438, 1000, 1e-5, 50.0), (91.81729, 100, 1e-5, 1.0)],
)
def test_without_sampling_it_inverts_the_exact_figures(epsilon: float, steps: int, delta: float, noise: float) -> None:
    assert noise_multiplier(epsilon=epsilon, delta=delta, steps=steps) == pytest.approx(noise, rel=5e-6)


@pytest.mark.parametrize(
    ("epsilon", "delta", "steps", "rate", "noise", "source"),
    [
        (1.0, 1e-5, 1, 0.01, 0.67379294682, "dp-accounting's own calibration test"),
        (8.0, 1e-10, 20_000, 0.05, None, "below what the privacy loss distribution carries at this delta: Rényi"),
    ],
)
def test_with_sampling_the_figure_of_record_is_met_from_below(
    epsilon: float, delta: float, steps: int, rate: float, noise: float | None, source: str
) -> None:
    found = noise_multiplier(epsilon=epsilon, delta=delta, steps=steps, sampling_rate=rate)
    if noise is not None:
        assert found == pytest.approx(noise, rel=2e-6), source

    def cost(multiplier: float) -> float:
        event = PrivacyEvent(
            unit=Unit.EXAMPLE,
            adjacency=Adjacency.ZERO_OUT,
            mode=Mode.LOCAL,
            clip_norm=1.0,
            noise_multiplier=multiplier,
            sampling_rate=rate,
            steps=steps,
        )
        return account([event], delta=delta, adjacency=Adjacency.ZERO_OUT, names=("pld", "rdp")).epsilon

    assert cost(found) <= epsilon < cost(found * (1 - 4e-6))


GOOD: dict[str, Any] = {"epsilon": 1.0, "delta": 1e-6, "steps": 10}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"epsilon": 0.0}, "epsilon was 0.0"),
        ({"epsilon": -1.0}, "epsilon"),
        ({"epsilon": float("nan")}, "epsilon was nan"),
        ({"epsilon": float("inf")}, "epsilon was inf"),
        ({"delta": 0.0}, "delta"),
        ({"delta": 1.0}, "delta"),
        ({"steps": 0}, "steps"),
        ({"steps": 10**9}, "at most 1,048,576"),
        ({"steps": 10**10}, "steps"),
        ({"sampling_rate": 0.0}, "sampling_rate"),
        ({"sampling_rate": 1.1}, "sampling_rate"),
        ({"sampling_rate": 0.1, "adjacency": Adjacency.REPLACE_ONE}, "replace-one"),
        ({"sampling_rate": 1e-6, "epsilon": 1e6}, "protects nothing"),
        ({"epsilon": 1e-6, "delta": 1e-30, "steps": 10**6}, "noise multiplier of"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(change: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said) as caught:
        noise_multiplier(**{**GOOD, **change})
    assert "\n" not in str(caught.value)
