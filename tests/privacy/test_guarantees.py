"""Who is promised what: every adversary, both units, never added up."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy import integrate, special

from reticent.errors import SettingError
from reticent.privacy import guarantees as subject
from reticent.privacy.accountants import epsilon as account
from reticent.privacy.composition import Part
from reticent.privacy.events import Adjacency, Mode, PrivacyEvent, Unit
from reticent.privacy.gaussian import gaussian_epsilon
from reticent.privacy.guarantees import Guarantee, guarantees
from reticent.privacy.pld import group_epsilon, pld_epsilon

WINDOWS = 9  # K + 1 with a history of 8


def release(*, mode: Mode = Mode.LOCAL, noise: float = 5.0, steps: int = 1, **more: Any) -> PrivacyEvent:
    settled = {"adjacency": Adjacency.ZERO_OUT, "clip_norm": 0.5, **more}
    return PrivacyEvent(unit=Unit.EMPLOYEE, mode=mode, noise_multiplier=noise, steps=steps, **settled)


def training(*, noise: float = 2.0, rate: float = 0.05, steps: int = 100) -> PrivacyEvent:
    return PrivacyEvent(
        unit=Unit.EXAMPLE,
        adjacency=Adjacency.ZERO_OUT,
        mode=Mode.LOCAL,
        clip_norm=1.0,
        noise_multiplier=noise,
        sampling_rate=rate,
        steps=steps,
    )


def by(found: tuple[Guarantee, ...]) -> dict[tuple[str, str], Guarantee]:
    return {(g.adversary, g.adjacency): g for g in found if g.unit is Unit.EMPLOYEE}


def test_fifty_local_rounds_cost_what_the_facts_say_against_the_server() -> None:
    """sigma = 5, 50 rounds, delta = 1e-6: 7.29 zero-out, 16.86 replace-one."""
    found = by(guarantees([release()] * 50, delta=1e-6, honest_devices=100))
    assert len(found) == 6
    for adversary in ("server", "solo"):
        assert found[adversary, "zero_out"].epsilon == pytest.approx(7.29, abs=0.005)
        assert found[adversary, "replace_one"].epsilon == pytest.approx(16.86, abs=0.005)
        assert "trusts nobody" in found[adversary, "zero_out"].note
    summed = gaussian_epsilon(math.sqrt(50) / 5 / 10, delta=1e-6)
    assert found["recipient", "zero_out"].epsilon == pytest.approx(summed, rel=1e-4)
    assert found["recipient", "zero_out"].epsilon > summed
    assert "100 devices" in found["recipient", "zero_out"].note
    assert "server shows nobody a single release" in found["recipient", "zero_out"].note


def test_secure_mode_protects_against_the_server_on_condition_and_solo_is_what_stands_without() -> None:
    """50 people, all 30 rounds: 1.89 becomes 21 if secure aggregation fails."""
    share = math.sqrt(30) / 0.605 / math.sqrt(50)
    found = by(guarantees([release(mode=Mode.SECURE, noise=share, steps=30)], delta=1e-5, honest_devices=50))
    assert found["server", "zero_out"].epsilon == found["recipient", "zero_out"].epsilon
    assert found["server", "zero_out"].epsilon == pytest.approx(gaussian_epsilon(0.605, delta=1e-5), rel=1e-4)
    assert found["solo", "zero_out"].epsilon > 10 * found["server", "zero_out"].epsilon
    assert "50 devices" in found["server", "zero_out"].note
    assert "solo" in found["server", "zero_out"].note


def test_alone_every_adversary_is_the_server() -> None:
    found = by(guarantees([release()], delta=1e-6, honest_devices=1))
    assert len({found[adversary, "zero_out"].epsilon for adversary in ("server", "recipient", "solo")}) == 1


def test_the_units_come_apart_and_the_example_level_is_the_accountants_figure() -> None:
    events = [release(), training()] * 3
    found = guarantees(events, delta=1e-6, honest_devices=10)
    assert [g.unit for g in found].count(Unit.EMPLOYEE) == 6
    (example,) = [g for g in found if g.unit is Unit.EXAMPLE]
    alone = [e for e in events if e.unit is Unit.EXAMPLE]
    assert example.epsilon == account(alone, delta=1e-6, adjacency=Adjacency.ZERO_OUT, names=("pld",)).epsilon
    assert (example.adversary, example.adjacency, example.windows) == ("server", Adjacency.ZERO_OUT, 1)


def test_windows_that_share_an_action_are_stated_beside_the_single_window() -> None:
    single, shared = guarantees([training()], delta=1e-6, honest_devices=1, windows_per_action=WINDOWS)
    assert (single.windows, shared.windows) == (1, WINDOWS)
    assert "9 windows" in shared.note
    unsampled = gaussian_epsilon(WINDOWS * math.sqrt(100) / 2, delta=1e-6)
    assert single.epsilon < 3
    assert 5 * single.epsilon < shared.epsilon < unsampled / 5


def test_what_the_employee_level_implies_stands_where_the_example_level_adds_less() -> None:
    """Nearly no noise of its own: a window is then hidden as well as everything is, under replace-one."""
    share = math.sqrt(30) / 0.605 / math.sqrt(50)
    events = [release(mode=Mode.SECURE, noise=share, steps=30), training(noise=1e-6)]
    found = guarantees(events, delta=1e-5, honest_devices=50, windows_per_action=WINDOWS)
    for adversary in ("server", "solo"):
        swapped = by(found)[adversary, "replace_one"]
        windows = [g for g in found if g.unit is Unit.EXAMPLE and g.adversary == adversary]
        assert [g.windows for g in windows] == [1, WINDOWS]
        assert {g.epsilon for g in windows} == {swapped.epsilon}
        assert all("implied by the employee level" in g.note and swapped.note in g.note for g in windows)


def test_what_holds_for_a_window_if_aggregation_fails_is_stated_beside_what_it_gives() -> None:
    events = [release(mode=Mode.SECURE, noise=1.0, steps=2), training()]
    found = guarantees(events, delta=1e-5, honest_devices=1_000, windows_per_action=WINDOWS)
    single, alone, shared, shared_alone = (g for g in found if g.unit is Unit.EXAMPLE)
    assert (single.adversary, alone.adversary) == (shared.adversary, shared_alone.adversary) == ("server", "solo")
    (_, own) = guarantees([training()], delta=1e-5, honest_devices=1, windows_per_action=WINDOWS)
    assert single.epsilon < alone.epsilon
    assert shared.epsilon < by(found)["solo", "replace_one"].epsilon
    assert shared_alone.epsilon == min(own.epsilon, by(found)["solo", "replace_one"].epsilon)


def test_an_example_level_that_costs_less_than_what_is_implied_stands_alone() -> None:
    (own, _) = (
        g
        for g in guarantees([release(), training()], delta=1e-5, honest_devices=50, windows_per_action=WINDOWS)
        if g.unit is Unit.EXAMPLE
    )
    assert "DP-SGD" in own.note


def test_without_events_nothing_is_promised() -> None:
    assert guarantees([], delta=1e-6, honest_devices=1) == ()


def exact_group_delta(noise: float, rate: float, *, epsilon: float) -> float:
    """One step, by quadrature: the worse direction of a binomial mixture of Gaussians against no shift."""
    shifts = np.arange(WINDOWS + 1)
    weights = special.comb(WINDOWS, shifts) * rate**shifts * (1 - rate) ** (WINDOWS - shifts)

    def densities(x: float) -> tuple[float, float]:
        all_ = np.exp(-((x - shifts) ** 2) / (2 * noise**2)) / (noise * math.sqrt(2 * math.pi))
        return float(weights @ all_), float(all_[0])

    def part(direction: int) -> float:
        def excess(x: float) -> float:
            pair = densities(x)
            return max(0.0, pair[direction] - math.exp(epsilon) * pair[1 - direction])

        at = np.linspace(-12 * noise, WINDOWS + 12 * noise, 40)
        return sum(integrate.quad(excess, low, high, limit=200)[0] for low, high in itertools.pairwise(at))

    return max(part(0), part(1))


@pytest.mark.parametrize(("noise", "rate"), [(2.0, 0.05), (1.0, 0.3)])
def test_the_group_figure_is_right_for_one_step(noise: float, rate: float) -> None:
    answer = group_epsilon([Part(noise_multiplier=noise, sampling_rate=rate, steps=1)], members=WINDOWS, delta=1e-4)
    assert isinstance(answer, float)
    assert exact_group_delta(noise, rate, epsilon=answer) <= 1e-4 * 1.000001
    assert exact_group_delta(noise, rate, epsilon=answer * 0.99) > 1e-4


def test_a_group_of_one_is_the_single_figure() -> None:
    part = Part(noise_multiplier=1.0, sampling_rate=0.02, steps=200)
    assert group_epsilon([part], members=1, delta=1e-5) == pytest.approx(pld_epsilon([part], delta=1e-5), rel=1e-3)


def test_without_sampling_a_group_multiplies_the_sensitivity() -> None:
    found = guarantees([training(rate=1.0, noise=100.0)], delta=1e-6, honest_devices=1, windows_per_action=WINDOWS)
    assert found[1].epsilon == gaussian_epsilon(0.1 * WINDOWS, delta=1e-6)


@pytest.mark.parametrize("windows", [None, WINDOWS])
def test_where_no_accountant_answers_sampling_is_not_counted_which_is_always_sound(windows: int | None) -> None:
    event = training(rate=1e-9, noise=1e5, steps=10**6)
    for g in guarantees([event], delta=1e-9, honest_devices=1, windows_per_action=windows):
        assert g.epsilon == gaussian_epsilon((g.windows or 1) * 1e-2, delta=1e-9)
        assert "sampling not counted" in g.note


def test_a_figure_is_finite_even_for_settings_that_protect_nothing() -> None:
    for g in guarantees([release(noise=1e-6, steps=10**9)], delta=1e-9, honest_devices=1):
        assert math.isfinite(g.epsilon)
        assert g.epsilon > 1e15


@pytest.mark.parametrize(
    "wrong",
    [
        *({"honest_devices": bad} for bad in (0, -5, 1.5, True)),
        *({"delta": bad} for bad in (0.0, math.nan)),
        *({"windows_per_action": bad} for bad in (0, 10**6)),
    ],
    ids=repr,
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        guarantees([release(), training()], **{"delta": 1e-6, "honest_devices": 3, **wrong})


def test_the_slack_of_the_grid_is_in_every_employee_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    with_slack = by(guarantees([release()], delta=1e-6, honest_devices=7))
    monkeypatch.setattr(subject, "release_epsilon", gaussian_epsilon)
    without = by(guarantees([release()], delta=1e-6, honest_devices=7))
    for key, g in with_slack.items():
        assert without[key].epsilon < g.epsilon < without[key].epsilon + 1e-5


def test_an_example_event_beside_training_without_that_level_bounds_no_window() -> None:
    common: dict[str, Any] = {"delta": 1e-5, "honest_devices": 10, "implied_only": True}
    alone = guarantees([release(mode=Mode.SECURE)], **common)
    assert guarantees([release(mode=Mode.SECURE), training(noise=50.0, steps=1)], **common) == alone
    assert any(one.unit is Unit.EXAMPLE for one in alone)
