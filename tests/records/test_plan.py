import math

import pytest

from reticent.errors import FormatError, NewerFormatError, SettingError, SignatureError
from reticent.privacy.events import Adjacency, Mode, Unit
from reticent.records.keys import Domain
from reticent.records.plan import read_plan, sign_plan
from reticent.records.signed import sign
from tests.records.samples import OPERATOR, OTHER, plan


def test_a_plan_reads_back_for_the_operator_that_signed_it_and_for_nobody_else():
    signed = sign_plan(plan(), OPERATOR)
    assert read_plan(signed, OPERATOR.public) == plan()
    with pytest.raises(SignatureError):
        read_plan(signed, OTHER.public)


def test_a_plan_that_another_key_signed_in_the_operators_name_is_refused():
    with pytest.raises(SignatureError):
        read_plan(sign_plan(plan(), OTHER), OPERATOR.public)


def test_a_body_that_was_signed_for_something_else_is_no_plan():
    with pytest.raises(SignatureError):
        read_plan(sign(Domain.POLICY, plan().to_value(), OPERATOR), OPERATOR.public)


def test_a_plan_of_a_newer_version_is_named():
    newer = sign(Domain.PLAN, {**plan().to_value(), "version": 3}, OPERATOR)
    with pytest.raises(NewerFormatError, match="version 3"):
        read_plan(newer, OPERATOR.public)


def test_one_round_is_one_release_of_everything_and_the_steps_of_training():
    employee, example = plan().events()
    assert (employee.unit, employee.adjacency, employee.mode) == (Unit.EMPLOYEE, Adjacency.ZERO_OUT, Mode.LOCAL)
    assert (employee.clip_norm, employee.noise_multiplier, employee.sampling_rate, employee.steps) == (0.5, 5.0, 1, 1)
    assert (example.unit, example.adjacency, example.mode) == (Unit.EXAMPLE, Adjacency.ZERO_OUT, Mode.LOCAL)
    assert (example.clip_norm, example.noise_multiplier, example.sampling_rate, example.steps) == (1, 1, 0.05, 10)


@pytest.mark.parametrize("value", [0, -1, 0.0, math.nan, math.inf, -math.inf, 1e300, True, "1", None])
@pytest.mark.parametrize(
    "field",
    [
        "release__clip_norm",
        "release__noise_multiplier",
        "release__grid",
        "training__sampling_rate",
        "training__clip_norm",
        "training__noise_multiplier",
        "training__learning_rate",
        "training__expected_batch",
        "training__steps",
        "parameters",
        "min_cohort",
        "rounds",
    ],
)
def test_no_number_that_makes_no_sense_can_even_be_asked_for(field, value):
    with pytest.raises(SettingError, match=field.split("__")[-1]):
        plan(**{field: value})


@pytest.mark.parametrize(
    "change",
    [
        {"expires_at": plan().issued_at},
        {"expires_at": plan().issued_at - 1},
        {"issued_at": -1},
        {"issued_at": 1.5},
        {"trainable": "everything"},
        {"purpose": "Next Action"},
        {"model": "../office"},
        {"parameters": (1 << 24) + 1},
        {"training__sampling_rate": 1.01},
    ],
)
def test_times_names_and_sizes_must_make_sense(change):
    with pytest.raises(SettingError):
        plan(**change)


def test_a_signed_body_with_such_a_number_is_refused_too():
    value = plan().to_value()
    value["release"]["noise_multiplier"] = 0
    with pytest.raises(FormatError, match=r"release\.noise_multiplier"):
        read_plan(sign(Domain.PLAN, value, OPERATOR), OPERATOR.public)
