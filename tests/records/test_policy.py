import math

import pytest

from reticent.errors import NewerFormatError, PolicyViolation, SettingError, SignatureError
from reticent.privacy.events import Mode
from reticent.records.keys import Domain
from reticent.records.policy import CLOCK_SKEW_S, DAY_S, Policy, PolicyOffer, check_plan, read_policy, sign_policy
from reticent.records.signed import sign
from tests.records.samples import COUNCIL, NOW, OPERATOR, OTHER, offer, plan, policy


def check(changes, *, terms=None, round=0, now=NOW):  # noqa: A002
    check_plan(plan(**changes), terms or policy(), round=round, now=now)


def test_a_plan_within_the_terms_passes():
    check({})


@pytest.mark.parametrize(
    ("field", "asked", "allowed", "change"),
    [
        ("purpose", "performance-review", "next-action", {"purpose": "performance-review"}),
        ("model", "spy-9b", "office-60k", {"model": "spy-9b"}),
        ("trainable", "all", "heads", {"trainable": "all"}),
        ("release.mode", "secure", "local", {"release__mode": Mode.SECURE}),
        ("release.clip_norm", "0.51", "0.5 at most", {"release__clip_norm": 0.51}),
        ("release.clip_norm", "1000000.0", "0.5 at most", {"release__clip_norm": 1e6}),
        ("release.noise_multiplier", "4.99", "5.0 at least", {"release__noise_multiplier": 4.99}),
        ("release.noise_multiplier", "1e-06", "5.0 at least", {"release__noise_multiplier": 1e-6}),
        ("training.sampling_rate", "0.06", "exactly 0.05", {"training__sampling_rate": 0.06}),
        ("training.sampling_rate", "0.04", "exactly 0.05", {"training__sampling_rate": 0.04}),
        ("training.sampling_rate", "1.0", "exactly 0.05", {"training__sampling_rate": 1.0}),
        ("training.expected_batch", "15", "exactly 16", {"training__expected_batch": 15}),
        ("training.expected_batch", "1", "exactly 16", {"training__expected_batch": 1}),
        ("training.steps", "11", "exactly 10", {"training__steps": 11}),
        ("training.steps", "9", "exactly 10", {"training__steps": 9}),
        ("training.clip_norm", "1.1", "1.0 at most", {"training__clip_norm": 1.1}),
        ("training.noise_multiplier", "0.9", "1.0 at least", {"training__noise_multiplier": 0.9}),
        ("min_cohort", "2", "3 at least", {"min_cohort": 2}),
        ("min_cohort", "1", "3 at least", {"min_cohort": 1}),
        ("rounds", "51", "50 at most", {"rounds": 51}),
        (
            "expires_at - issued_at",
            str(30 * DAY_S + 1),
            f"{30 * DAY_S} at most",
            {"expires_at": NOW + 30 * DAY_S + 1},
        ),
    ],
)
def test_a_plan_that_asks_for_more_is_refused_by_field_and_limit(field, asked, allowed, change):
    with pytest.raises(PolicyViolation) as caught:
        check(change)
    said = str(caught.value)
    assert said.startswith(f"the plan's {field} is {asked}; allowed is {allowed}")
    assert said.endswith("nothing was sent or charged")


@pytest.mark.parametrize(
    "change",
    [
        {"release__clip_norm": 0.25},
        {"release__noise_multiplier": 50.0},
        {"training__clip_norm": 0.5},
        {"training__noise_multiplier": 3.0},
        {"training__learning_rate": 10.0},
        {"min_cohort": 300},
        {"rounds": 50},
        {"expires_at": NOW + 30 * DAY_S},
    ],
)
def test_a_plan_that_asks_for_less_passes(change):
    check(change)


@pytest.mark.parametrize("round", [-1, 40, 41, 2**53])
def test_a_round_that_the_plan_does_not_have_is_refused(round):  # noqa: A002
    with pytest.raises(PolicyViolation, match=r"the plan's round is"):
        check({}, round=round)


def test_the_last_round_passes():
    check({}, round=39)


@pytest.mark.parametrize("late_s", [0, 1, 10**9])
def test_an_expired_plan_is_refused(late_s):
    with pytest.raises(PolicyViolation, match="the plan's expires_at"):
        check({}, now=plan().expires_at + late_s)
    check({}, now=plan().expires_at - 1)


def test_a_plan_from_the_future_is_refused_beyond_what_clocks_differ():
    check({}, now=NOW - CLOCK_SKEW_S)
    with pytest.raises(PolicyViolation, match="the plan's issued_at"):
        check({}, now=NOW - CLOCK_SKEW_S - 1)


def test_secure_mode_is_refused_even_where_the_policy_allows_it():
    with pytest.raises(PolicyViolation, match="devices don't speak secure aggregation yet"):
        check({"release__mode": Mode.SECURE}, terms=policy(modes=(Mode.LOCAL, Mode.SECURE)))


@pytest.mark.parametrize("grid", [0.5, 2.0**-8])
def test_a_grid_too_coarse_for_the_clip_norm_is_refused(grid):
    with pytest.raises(PolicyViolation, match=r"release\.grid"):
        check({"release__grid": grid})


@pytest.mark.parametrize("field", ["clip_norm", "noise_multiplier"])
def test_a_nan_that_got_past_the_plans_own_checks_is_refused(field):
    asked = plan()
    hostile = asked.model_copy(update={"release": asked.release.model_copy(update={field: math.nan})})
    with pytest.raises(PolicyViolation, match=rf"release\.{field} is nan"):
        check_plan(hostile, policy(), round=0, now=NOW)


@pytest.mark.parametrize("value", [0, 0.0, -1.0, math.nan, math.inf, 1e7, "1", True])
@pytest.mark.parametrize(
    "field",
    [
        "delta",
        "epsilon_employee",
        "epsilon_example",
        "max_clip_norm",
        "min_noise_multiplier",
        "sampling_rate",
        "max_example_clip_norm",
        "min_example_noise_multiplier",
    ],
)
def test_terms_that_make_no_sense_can_not_be_made(field, value):
    with pytest.raises(SettingError, match=field):
        policy(**{field: value})


@pytest.mark.parametrize(
    "change",
    [
        {"purposes": ()},
        {"purposes": ("a", "a")},
        {"purposes": ["a"]},
        {"models": ("A",)},
        {"trainable": ("some",)},
        {"modes": ("local",)},
        {"organisation": ""},
        {"organisation": "a\nb"},
        {"organisation": "a" * 201},
        {"receipt_key": "0" * 64},
        {"receipt_key": None},
        {"council_key": ""},
        {"min_cohort": 0},
        {"max_rounds": 0},
        {"max_rounds": 1.5},
        {"max_plan_days": 0},
        {"retention_days": 0},
        {"delta": 0.5},
        {"sampling_rate": 1.5},
    ],
)
def test_names_keys_and_counts_must_make_sense(change):
    with pytest.raises(SettingError):
        policy(**change)


def test_every_field_of_a_policy_must_be_given():
    complete = dict(policy())
    for name in Policy.model_fields:
        if name != "version":
            with pytest.raises(SettingError, match=name):
                Policy(**{key: value for key, value in complete.items() if key != name})


def test_a_policy_file_reads_back_as_itself_with_and_without_a_council():
    for made in (offer(), offer(policy(council_key=COUNCIL.public.hex), council=COUNCIL)):
        assert PolicyOffer.from_bytes(made.to_bytes()) == made
        assert read_policy(made.policy, OPERATOR.public).organisation == "Example Works Ltd"


def test_a_policy_is_the_operators_that_signed_it():
    with pytest.raises(SignatureError):
        read_policy(sign_policy(policy(), OTHER), OPERATOR.public)
    with pytest.raises(SignatureError):
        read_policy(sign(Domain.PLAN, policy().to_value(), OPERATOR), OPERATOR.public)
    with pytest.raises(NewerFormatError):
        read_policy(sign(Domain.POLICY, {**policy().to_value(), "version": 3}, OPERATOR), OPERATOR.public)
