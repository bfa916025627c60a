"""A filter never lets through what the accountants of record would not, whatever the order and whoever chooses."""

import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.errors import SettingError
from reticent.privacy.accountants import epsilon as account
from reticent.privacy.events import Adjacency, Mode, PrivacyEvent, Unit
from reticent.privacy.filters import ORDERS, admits
from reticent.privacy.gaussian import gaussian_epsilon
from reticent.privacy.grid import MAX_ROUNDS
from reticent.privacy.renyi import allowance, divergence


def event(unit: Unit, noise: float, *, rate: float = 1.0, steps: int = 1, **more: Any) -> PrivacyEvent:
    settled = {"adjacency": Adjacency.ZERO_OUT, "mode": Mode.LOCAL, "clip_norm": 1.0, **more}
    return PrivacyEvent(unit=unit, noise_multiplier=noise, sampling_rate=rate, steps=steps, **settled)


RELEASES = st.builds(
    event,
    st.just(Unit.EMPLOYEE),
    st.floats(0.3, 300),
    steps=st.integers(1, 50),
    adjacency=st.sampled_from(Adjacency),
    mode=st.sampled_from(Mode),
)
TRAININGS = st.builds(
    event, st.just(Unit.EXAMPLE), st.floats(0.5, 20), rate=st.floats(1e-3, 1.0), steps=st.integers(1, 100)
)
BUDGETS: dict[str, Any] = {"epsilon": st.floats(0.05, 50), "delta": st.floats(1e-12, 1e-2)}


@settings(deadline=None)
@given(events=st.lists(RELEASES, max_size=15), **BUDGETS)
def test_the_employee_filter_stays_below_the_exact_curve_and_close_to_it(
    events: list[PrivacyEvent], epsilon: float, delta: float
) -> None:
    mu = math.sqrt(
        math.fsum(
            e.steps * ((2 if e.adjacency is Adjacency.REPLACE_ONE else 1) / e.noise_multiplier) ** 2 for e in events
        )
    )
    exact = gaussian_epsilon(mu, delta=delta)
    if admits(events, unit=Unit.EMPLOYEE, epsilon=epsilon, delta=delta):
        assert exact <= epsilon
    else:
        assert exact > epsilon - 2e-5 * (1 + epsilon)


@settings(max_examples=25, deadline=None)
@given(events=st.lists(TRAININGS, min_size=1, max_size=3), epsilon=st.floats(0.3, 20), delta=st.floats(1e-8, 1e-3))
def test_what_the_example_filter_admits_costs_no_more_by_the_accountant_of_record(
    events: list[PrivacyEvent], epsilon: float, delta: float
) -> None:
    if admits(events, unit=Unit.EXAMPLE, epsilon=epsilon, delta=delta):
        names = ("exact", "pld", "rdp")
        assert account(events, delta=delta, adjacency=Adjacency.ZERO_OUT, names=names).epsilon <= epsilon


ANY = st.one_of(RELEASES, TRAININGS)


@settings(deadline=None)
@given(events=st.lists(ANY, max_size=12), more=ANY, unit=st.sampled_from(Unit), seed=st.integers(0, 99), **BUDGETS)
def test_filters_are_monotone_and_forget_the_order(
    events: list[PrivacyEvent], more: PrivacyEvent, unit: Unit, seed: int, epsilon: float, delta: float
) -> None:
    shuffled = random.Random(seed).sample(events, len(events))
    admitted = admits(events, unit=unit, epsilon=epsilon, delta=delta)
    assert admits(shuffled, unit=unit, epsilon=epsilon, delta=delta) == admitted
    if not admitted:
        assert not admits([*events, more], unit=unit, epsilon=epsilon, delta=delta)
    else:
        assert admits(events[:-1], unit=unit, epsilon=epsilon, delta=delta)
        assert admits(events, unit=unit, epsilon=2 * epsilon, delta=delta)
        assert admits(events, unit=unit, epsilon=epsilon, delta=2 * delta)


@settings(deadline=None)
@given(events=st.lists(RELEASES, max_size=5), other=st.lists(TRAININGS, max_size=5), **BUDGETS)
def test_the_two_units_are_two_budgets(
    events: list[PrivacyEvent], other: list[PrivacyEvent], epsilon: float, delta: float
) -> None:
    for unit in Unit:
        own = [e for e in (*events, *other) if e.unit is unit]
        assert admits([*events, *other], unit=unit, epsilon=epsilon, delta=delta) == admits(
            own, unit=unit, epsilon=epsilon, delta=delta
        )


@pytest.mark.parametrize("unit", Unit)
def test_nothing_is_always_admitted_and_no_noise_never(unit: Unit) -> None:
    assert admits([], unit=unit, epsilon=0.5, delta=1e-6)
    assert not admits([event(unit, 1e-6)], unit=unit, epsilon=1e6, delta=1e-6)
    assert not admits([event(unit, 1.0, steps=10**9)], unit=unit, epsilon=100.0, delta=1e-6)


def test_sampling_devices_buys_nothing_against_a_server_that_sees_who_takes_part() -> None:
    rounds = [event(Unit.EMPLOYEE, 5.0)] * 20
    sampled = [event(Unit.EMPLOYEE, 5.0, rate=0.01)] * 20
    for epsilon in (1.0, 4.0, 4.3, 4.4, 5.0):
        same = {"unit": Unit.EMPLOYEE, "epsilon": epsilon, "delta": 1e-6}
        assert admits(rounds, **same) == admits(sampled, **same)


def test_more_rounds_than_the_slack_was_stated_for_are_refused() -> None:
    quiet = event(Unit.EMPLOYEE, 1e6, steps=MAX_ROUNDS)
    assert admits([quiet], unit=Unit.EMPLOYEE, epsilon=1.0, delta=1e-6)
    assert not admits([quiet, event(Unit.EMPLOYEE, 1e6)], unit=Unit.EMPLOYEE, epsilon=1.0, delta=1e-6)


def test_replace_one_of_sampled_examples_is_refused_not_undercounted() -> None:
    with pytest.raises(SettingError, match="replace-one"):
        admits(
            [event(Unit.EXAMPLE, 1.0, rate=0.1, adjacency=Adjacency.REPLACE_ONE)],
            unit=Unit.EXAMPLE,
            epsilon=1.0,
            delta=1e-6,
        )


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.nan, math.inf, True, None])
@pytest.mark.parametrize("unit", Unit)
def test_a_limit_that_makes_no_sense_is_refused(epsilon: float, unit: Unit) -> None:
    with pytest.raises(SettingError, match="epsilon"):
        admits([], unit=unit, epsilon=epsilon, delta=1e-6)
    with pytest.raises(SettingError, match="delta"):
        admits([], unit=unit, epsilon=1.0, delta=epsilon)


def admitted_rounds(one: PrivacyEvent, *, epsilon: float, delta: float) -> int:
    rounds = 0
    while rounds < 5_000 and admits([one] * (rounds + 1), unit=one.unit, epsilon=epsilon, delta=delta):
        rounds += 1
    return rounds


def test_the_gaussian_filter_admits_every_round_that_the_exact_curve_allows() -> None:
    """A zero-concentrated filter would stop after 87% of them at epsilon = 4."""
    one = event(Unit.EMPLOYEE, 40.0)
    rounds = admitted_rounds(one, epsilon=4.0, delta=1e-5)
    assert (
        gaussian_epsilon(math.sqrt(rounds) / 40, delta=1e-5)
        <= 4
        < gaussian_epsilon(math.sqrt(rounds + 1) / 40, delta=1e-5)
    )


@pytest.mark.parametrize(("rate", "noise", "share"), [(0.1, 2.0, 0.55), (0.01, 1.0, 0.55)])
def test_the_price_of_adaptivity_at_example_level_is_known(rate: float, noise: float, share: float) -> None:
    """The Rényi filter at 1/10 of delta an order stops earlier than the accountant of record: at 55 to 100% of its rounds."""
    one = event(Unit.EXAMPLE, noise, rate=rate, steps=10)
    rounds = admitted_rounds(one, epsilon=8.0, delta=1e-6)
    whole = event(Unit.EXAMPLE, noise, rate=rate, steps=math.ceil(10 * rounds / share))
    assert account([whole], delta=1e-6, adjacency=Adjacency.ZERO_OUT, names=("pld",)).epsilon > 8
    assert rounds > 10


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("rate", "noise"), [(0.01, 1.0), (0.2, 0.7), (1e-4, 5.0), (1 - 1e-9, 2.0), (1.0, 2.0)])
def test_divergences_are_dp_accountings_own(order: int, rate: float, noise: float) -> None:
    import dp_accounting
    from dp_accounting.rdp import RdpAccountant

    accountant = RdpAccountant(orders=[float(order)])
    accountant.compose(dp_accounting.PoissonSampledDpEvent(rate, dp_accounting.GaussianDpEvent(noise)), 1000)
    ours = 1000 * divergence(order, noise_multiplier=noise, sampling_rate=rate)
    epsilon, delta = float(accountant.get_epsilon(1e-6)), 1e-6
    theirs = allowance(order, epsilon=epsilon, delta=delta)
    if epsilon > 0:
        assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-10)
    else:
        assert ours < 1e-3
