"""A plan costs what was asked for, and no plan passes here that a device's filters would stop."""

import math
import re

import pytest

from reticent.aggregate.centre import LONGEST_NOISE
from reticent.errors import SettingError
from reticent.model import catalogue
from reticent.privacy.events import Mode, Unit
from reticent.privacy.filters import admits
from reticent.privacy.gaussian import gaussian_epsilon
from reticent.privacy.grid import release_epsilon
from reticent.privacy.guarantees import guarantees
from reticent.train.planning import against_server, once, planned
from reticent.train.privacy_file import privacy_file
from reticent.train.settings import Settings
from tests.train.samples import values

PLAIN = {"trainable": "heads", "epochs": 2, "batch": 8, "learning_rate": 0.1}


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
    with pytest.raises(SettingError, match=r"privacy\.epsilon_example=0\.5.*nothing was trained"):
        plan_of(privacy__epsilon_example=0.5, learn__noise_multiplier=0.7)


def test_without_an_example_limit_hardly_any_noise_is_asked_for_there():
    made = plan_of(privacy__epsilon_example=None, learn__noise_multiplier=1e-6)
    assert made.plan.training.noise_multiplier == 1e-6
    with pytest.raises(SettingError, match=r"privacy\.epsilon_example"):
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


def test_noise_is_measured_in_the_way_that_updates_could_go_and_people_make_it_shorter():
    def asked(people, mode):
        return plan_of(people=people, data__people=people, server__cohort=None, privacy__mode=mode, learn=PLAIN)

    few, many, together = asked(100, "local"), asked(400, "local"), asked(400, "secure")
    assert few.noise_over_path == pytest.approx(2 * many.noise_over_path)
    assert many.noise_over_path == pytest.approx(20 * together.noise_over_path, rel=1e-6)


def test_the_example_level_s_noise_counts_since_an_update_that_is_clipped_with_it_says_less():
    plain, private = (plan_of(server__cohort=None, **learn) for learn in ({"learn": PLAIN}, {}))
    training = private.plan.training
    one = training.noise_multiplier * private.plan.parameters**0.5 / training.expected_batch
    assert training.steps == 1
    expected = (plain.noise_over_path**2 * (1 + one**2) + one**2 / (private.cohort * private.plan.rounds)) ** 0.5
    assert private.noise_over_path == pytest.approx(expected)
    assert private.noise_over_path > 10 * plain.noise_over_path


@pytest.mark.parametrize("learn", [{"learn__noise_multiplier": 0.1}, {"learn": PLAIN}], ids=["heads", "plain"])
@pytest.mark.parametrize("mode", ["local", "secure"])
def test_who_can_only_be_drowned_in_noise_is_told_so_before_any_work_and_how_many_people_it_takes(mode, learn):
    def asked(people):
        told = {
            "server__cohort": None,
            "privacy__mode": mode,
            "privacy__delta": 1e-9,
            "privacy__epsilon_example": None,
            **learn,
        }
        return plan_of(people=people, data__people=people, **told)

    needed = int(re.search(r"takes ([\d,]+) people", asked(20).outlook).group(1).replace(",", ""))
    assert asked(needed - 1).outlook is not None
    assert asked(needed + 1).outlook is None


@pytest.mark.parametrize(("mode", "noise", "least"), [("local", 1e-4, 2e-4), ("secure", 1e-3, 2e-3)])
def test_an_epsilon_that_no_report_can_state_is_refused_before_any_work(mode, noise, least):
    told = {"privacy__mode": mode, "privacy__epsilon": None, "privacy__epsilon_example": None}
    people = {"people": 100, "data__people": 100, "server__cohort": None}
    assert plan_of(privacy__noise_multiplier=least, **people, **told)
    with pytest.raises(
        SettingError, match=r"privacy\.noise_multiplier=.* 0\.01 is as good as none; nothing was trained"
    ):
        plan_of(privacy__noise_multiplier=noise / 10, **people, **told)


@pytest.mark.parametrize("mode", ["local", "secure"])
def test_one_release_for_all_rounds_costs_a_person_what_the_rounds_did(mode):
    """In mode secure as many shares are honest as of a cohort: half of all people here."""
    made = plan_of(people=100, data__people=100, server__cohort=50, server__min_cohort=25, privacy__mode=mode)
    server = once(made, made.rounds_of_one) * (math.sqrt(100 / 2) if mode == "secure" else 1)
    assert release_epsilon(1 / server, delta=1e-5) == pytest.approx(4.0, rel=1e-4)


@pytest.mark.parametrize("mode", ["local", "secure"])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.9])
def test_an_adaptive_clip_norm_costs_what_a_fixed_one_costs_and_its_count_is_part_of_that(mode, share):
    fixed = plan_of(privacy__mode=mode)
    made = plan_of(privacy__mode=mode, privacy__clip={"name": "adaptive", "count_share": share})
    assert made.plan.release.noise_multiplier == fixed.plan.release.noise_multiplier
    assert server_epsilon(made) == server_epsilon(fixed)
    said = privacy_file(made, rounds_done=3, limits={"employee": 4.0, "example": 16.0}, clip_norms=[0.5, 0.4])["clip"]
    parts = [said["update_noise_multiplier"], said["count_noise_multiplier"]]
    assert sum(one**-2 for one in parts) == pytest.approx(made.plan.release.noise_multiplier**-2, rel=1e-12)
    assert made.plan.release.clip_norm == pytest.approx(0.5 / math.sqrt(1 - share))
    assert (said["smallest"], said["largest"]) == (0.4, 0.5)


def test_a_clip_norm_that_could_go_where_there_is_no_grid_is_refused_before_any_work():
    with pytest.raises(SettingError, match=r"privacy\.clip_norm=1e-07 can't be adapted.*nothing was trained"):
        plan_of(privacy__clip={"name": "adaptive"}, privacy__clip_norm=1e-7)


def robust(noise_multiplier, **more):
    return plan_of(
        privacy__mode="local",
        privacy__epsilon=None,
        privacy__noise_multiplier=noise_multiplier,
        privacy__epsilon_example=None,
        server__aggregation={"name": "median"},
        **more,
    )


def test_a_median_is_refused_at_every_noise_that_protects_anybody():
    limit = LONGEST_NOISE / math.sqrt(catalogue.parameters("history", "heads"))
    assert robust(limit * 0.999).plan.release.mode is Mode.LOCAL
    with pytest.raises(
        SettingError, match=r"withstands hostile clients only where .* which protects nobody; nothing was trained"
    ):
        robust(limit * 1.001)
    events = robust(limit * 0.999).plan.events()[:1]
    assert gaussian_epsilon(1 / events[0].noise_multiplier, delta=1e-5) > 100_000  # of one round


def test_a_median_of_more_than_memory_should_hold_is_refused():
    with pytest.raises(SettingError, match="holds all releases of a round at once"):
        robust(1e-6, people=10**6, data__people=10**6, server__cohort=10**6, privacy__delta=1e-7)


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
    with pytest.raises(SettingError, match=r"privacy\.epsilon_example"):
        plan_of(learn=PLAIN, privacy__epsilon_example=8.0)  # epsilon 4 implies 9.1


def test_what_a_setting_of_plain_sgd_lacks_is_said_in_its_own_words():
    with pytest.raises(SettingError, match=r"learn\.batch"):
        plan_of(learn=PLAIN | {"batch": 0})


@pytest.mark.parametrize("name", ["mean", "median", "trimmed_mean"])
def test_a_centre_that_adds_nothing_up_hides_nobody_behind_others_noise(name):
    noise = {"privacy__mode": "local", "privacy__epsilon": None, "privacy__noise_multiplier": 0.0005}
    file = privacy_file(plan_of(**noise, server__aggregation={"name": name}), rounds_done=3, limits={})
    shown = {one["adversary"]: one["epsilon"] for one in file["guarantees"] if one["adjacency"] == "replace_one"}
    assert (shown["recipient"] == shown["server"] == shown["solo"]) is (name != "mean")
    assert file["honest_devices"] == (3 if name == "mean" else 1)
    assert any("adds no noise up" in one for one in file["assumptions"]) is (name != "mean")
