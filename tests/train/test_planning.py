"""A plan costs what was asked for, and no plan passes here that a device's filters would stop."""

import math

import pytest

from reticent.errors import BudgetExhausted, SettingError
from reticent.privacy.events import Mode, Unit
from reticent.privacy.filters import admits
from reticent.privacy.guarantees import guarantees
from reticent.train.planning import against_server, planned
from reticent.train.settings import Settings
from tests.train.samples import values


def plan_of(people=6, **changes):
    return planned(Settings.of(values(**changes)), people=people)


def server_epsilon(made):
    found = guarantees(made.events(made.rounds_of_one)[::2], delta=1e-5, honest_devices=made.plan.min_cohort)
    return next(one.epsilon for one in found if (one.adversary, one.adjacency.value) == ("server", "zero_out"))


@pytest.mark.parametrize("mode", ["local", "secure"])
@pytest.mark.parametrize("epsilon", [0.5, 4.0, 16.0])
@pytest.mark.parametrize("cohort", [None, 3])
def test_the_noise_is_calibrated_for_epsilon_against_the_server(mode, epsilon, cohort):
    made = plan_of(privacy__mode=mode, privacy__epsilon=epsilon, server__cohort=cohort, server__rounds=20)
    assert made.rounds_of_one == (20 if cohort is None else 10)
    assert server_epsilon(made) == pytest.approx(epsilon, rel=1e-4)
    assert server_epsilon(made) <= epsilon


def test_in_mode_secure_the_shares_of_the_smallest_cohort_add_up_to_the_noise():
    made = plan_of(people=100, data__people=100, server__cohort=50, server__min_cohort=25)
    alone = plan_of(people=100, data__people=100, server__cohort=50, privacy__mode="local")
    share = made.plan.release.noise_multiplier
    assert math.sqrt(25) * share == pytest.approx(alone.plan.release.noise_multiplier, rel=1e-9)
    assert math.sqrt(25) * share >= alone.plan.release.noise_multiplier
    assert made.plan.min_cohort == 25


def test_the_filter_of_a_device_with_that_limit_admits_all_rounds_and_not_one_more():
    made = plan_of(privacy__mode="local", server__cohort=None, server__rounds=20)
    assert admits(made.events(20), unit=Unit.EMPLOYEE, epsilon=4.0, delta=1e-5)
    assert not admits(made.events(21), unit=Unit.EMPLOYEE, epsilon=4.0, delta=1e-5)


def test_a_share_counts_as_the_sum_only_against_a_server_that_sees_the_sum():
    made = plan_of()
    share, summed = made.plan.events()[0], against_server(made.plan.events(), honest=9)[0]
    assert share.mode is Mode.SECURE
    assert summed.noise_multiplier == 3 * share.noise_multiplier


def test_an_example_limit_that_the_rounds_would_pass_stops_the_plan():
    with pytest.raises(BudgetExhausted, match=r"privacy\.epsilon_example=0\.5.*nothing was trained"):
        plan_of(privacy__epsilon_example=0.5, learn__noise_multiplier=0.7)


def test_without_an_example_limit_hardly_any_noise_is_asked_for_there():
    made = plan_of(privacy__epsilon_example=None, learn__noise_multiplier=1e-6)
    assert made.plan.training.noise_multiplier == 1e-6
    with pytest.raises(BudgetExhausted):
        plan_of(learn__noise_multiplier=1e-6)


def test_delta_must_be_below_one_in_the_number_of_people():
    with pytest.raises(SettingError, match="one in 100, the number of people"):
        plan_of(people=100, data__people=100, privacy__delta=0.01)


@pytest.mark.parametrize(("cohort", "least"), [(7, None), (3, 4)])
def test_a_cohort_must_fit_the_people_that_there_really_are(cohort, least):
    with pytest.raises(SettingError):
        plan_of(data__people=None, server__cohort=cohort, server__min_cohort=least)


def test_the_same_settings_give_the_same_plan():
    assert plan_of().plan.to_bytes() == plan_of().plan.to_bytes()


PLAIN = {"trainable": "heads", "epochs": 2, "batch": 8, "learning_rate": 0.1}


def test_without_an_example_level_a_window_has_what_the_employee_level_implies_and_its_limit_counts_that():
    made = plan_of(learn=PLAIN)
    assert made.plain
    assert [event.unit for event in made.events(3)] == [Unit.EMPLOYEE] * 3
    common = {"delta": 1e-5, "honest_devices": made.plan.min_cohort, "windows_per_action": 9}
    implied = guarantees(made.events(made.rounds_of_one), **common, implied_only=True)
    swapped = {one.adversary: one.epsilon for one in implied if one.adjacency.value == "replace_one"}
    windows = [one for one in implied if one.unit is Unit.EXAMPLE]
    assert {(one.adversary, one.windows) for one in windows} == {(who, n) for who in ("server", "solo") for n in (1, 9)}
    assert all(one.epsilon == swapped[one.adversary] for one in windows)
    assert not any(one.unit is Unit.EXAMPLE for one in guarantees(made.events(2), **common))
    with pytest.raises(BudgetExhausted, match=r"privacy\.epsilon_example"):
        plan_of(learn=PLAIN, privacy__epsilon_example=8.0)  # epsilon 4 implies 9.1


def test_what_a_setting_of_plain_sgd_lacks_is_said_in_its_own_words():
    with pytest.raises(SettingError, match=r"learn\.batch"):
        plan_of(learn=PLAIN | {"batch": 0})
