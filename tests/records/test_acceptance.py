import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.errors import PolicyViolation, SignatureError
from reticent.privacy.events import Mode
from reticent.records.policy import Policy, approve, check_acceptance, check_plan, loosened
from tests.records.samples import COUNCIL, NOW, OPERATOR, OTHER, offer, plan, policy

KEY, KEY_2 = COUNCIL.public.hex, OTHER.public.hex

# field: (an old value, a stricter one or None, a looser or incomparable one)
FIELDS = {
    "organisation": ("Example Works Ltd", None, "Another Ltd"),
    "purposes": (("a", "b"), ("b",), ("a", "b", "c")),
    "models": (("a", "b"), ("a",), ("a", "c")),
    "trainable": (("heads", "all"), ("heads",), None),
    "modes": ((Mode.LOCAL,), None, (Mode.LOCAL, Mode.SECURE)),
    "delta": (1e-6, 1e-7, 1e-5),
    "epsilon_employee": (8.0, 4.0, 8.5),
    "epsilon_example": (4.0, 2.0, 4.5),
    "max_clip_norm": (0.5, 0.25, 0.51),
    "min_noise_multiplier": (5.0, 6.0, 4.9),
    "sampling_rate": (0.05, None, 0.04),
    "expected_batch": (16, None, 32),
    "steps": (10, None, 9),
    "max_example_clip_norm": (1.0, 0.5, 2.0),
    "min_example_noise_multiplier": (1.0, 1.5, 0.5),
    "max_rounds": (50, 49, 51),
    "min_cohort": (3, 4, 2),
    "max_plan_days": (30, 7, 31),
    "retention_days": (14, 7, 15),
    "receipt_key": (KEY, None, KEY_2),
    "council_key": (KEY, None, KEY_2),
}
LOOSER = {name: values[2] for name, values in FIELDS.items() if values[2] is not None}
STRICTER = {name: values[1] for name, values in FIELDS.items() if values[1] is not None}
OLD = policy(**{name: values[0] for name, values in FIELDS.items()})


def changed(**changes):
    return Policy(**{**dict(OLD), **changes})


def test_the_table_of_this_test_names_every_field():
    assert set(FIELDS) == set(Policy.model_fields) - {"version"}


@pytest.mark.parametrize("field", LOOSER)
def test_a_looser_or_incomparable_field_is_named(field):
    assert loosened(changed(**{field: LOOSER[field]}), OLD) == (field,)


@pytest.mark.parametrize("field", STRICTER)
def test_a_stricter_field_is_not_named_and_its_reverse_is(field):
    stricter = changed(**{field: STRICTER[field]})
    assert loosened(stricter, OLD) == ()
    assert loosened(OLD, stricter) == (field,)


def test_dropping_or_bringing_a_council_is_never_silent():
    assert loosened(changed(council_key=None), OLD) == ("council_key",)
    assert loosened(OLD, changed(council_key=None)) == ("council_key",)


def test_the_first_policy_needs_a_yes():
    with pytest.raises(PolicyViolation, match="fresh yes"):
        check_acceptance(offer(), accepted=None, fresh_yes=False)
    assert check_acceptance(offer(), accepted=None, fresh_yes=True) == policy()


def test_the_same_and_stricter_terms_of_the_same_operator_need_no_yes():
    accepted = offer(policy())
    check_acceptance(accepted, accepted=accepted, fresh_yes=False)
    check_acceptance(offer(policy(max_rounds=10)), accepted=accepted, fresh_yes=False)


def test_looser_terms_need_a_yes_and_say_where_they_are_looser():
    looser = offer(policy(max_rounds=51, min_cohort=2))
    with pytest.raises(PolicyViolation, match="looser in max_rounds, min_cohort; that needs a fresh yes"):
        check_acceptance(looser, accepted=offer(), fresh_yes=False)
    assert check_acceptance(looser, accepted=offer(), fresh_yes=True).max_rounds == 51


@pytest.mark.parametrize("changes", [{}, {"max_rounds": 10}])
def test_another_operator_needs_a_yes_even_with_equal_or_stricter_terms(changes):
    foreign = offer(policy(**changes), operator=OTHER)
    with pytest.raises(PolicyViolation, match="the operator's key"):
        check_acceptance(foreign, accepted=offer(), fresh_yes=False)
    check_acceptance(foreign, accepted=offer(), fresh_yes=True)


def test_where_the_accepted_terms_name_a_council_looser_ones_need_its_approval_too():
    accepted = offer(policy(council_key=KEY), council=COUNCIL)
    terms = policy(council_key=KEY, max_rounds=51)
    with pytest.raises(PolicyViolation, match="need the approval of the council"):
        check_acceptance(offer(terms), accepted=accepted, fresh_yes=True)
    with pytest.raises(PolicyViolation, match="fresh yes"):
        check_acceptance(offer(terms, council=COUNCIL), accepted=accepted, fresh_yes=False)
    check_acceptance(offer(terms, council=COUNCIL), accepted=accepted, fresh_yes=True)


def test_another_operator_needs_the_council_too():
    accepted = offer(policy(council_key=KEY), council=COUNCIL)
    foreign = offer(policy(council_key=KEY), operator=OTHER)
    with pytest.raises(PolicyViolation, match="council"):
        check_acceptance(foreign, accepted=accepted, fresh_yes=True)


def test_an_operator_can_not_bring_its_own_council():
    accepted = offer(policy(council_key=KEY), council=COUNCIL)
    for terms in (policy(council_key=KEY_2), policy(council_key=None)):
        with pytest.raises((SignatureError, PolicyViolation)):
            check_acceptance(offer(terms, council=OTHER), accepted=accepted, fresh_yes=True)
    handed_over = offer(policy(council_key=KEY_2), council=COUNCIL)
    assert check_acceptance(handed_over, accepted=accepted, fresh_yes=True).council_key == KEY_2


def test_a_council_that_approved_another_policy_has_not_approved_this_one():
    accepted = offer(policy(council_key=KEY), council=COUNCIL)
    approved = offer(policy(council_key=KEY, max_rounds=51), council=COUNCIL)
    asked = offer(policy(council_key=KEY, max_rounds=1000))
    with pytest.raises(SignatureError, match="approved another policy"):
        check_acceptance(dataclasses.replace(asked, council=approved.council), accepted=accepted, fresh_yes=True)


def test_a_council_named_in_the_first_policy_must_have_approved_it():
    named = policy(council_key=KEY)
    with pytest.raises(PolicyViolation, match="council"):
        check_acceptance(offer(named), accepted=None, fresh_yes=True)
    check_acceptance(offer(named, council=COUNCIL), accepted=None, fresh_yes=True)


def test_an_offer_whose_signature_does_not_verify_is_refused_before_anything_else():
    made = offer()
    for altered in (
        dataclasses.replace(made.policy, signature="0" * 128),
        dataclasses.replace(made.policy, key=OTHER.public.hex),
        dataclasses.replace(made.policy, body=offer(policy(max_rounds=51)).policy.body),
    ):
        with pytest.raises(SignatureError):
            check_acceptance(dataclasses.replace(made, policy=altered), accepted=made, fresh_yes=True)


def test_an_approval_signed_by_the_operator_is_none():
    accepted = offer(policy(council_key=KEY), council=COUNCIL)
    asked = offer(policy(council_key=KEY, max_rounds=51))
    forged = dataclasses.replace(asked, council=approve(asked.policy, OPERATOR))
    with pytest.raises(SignatureError):
        check_acceptance(forged, accepted=accepted, fresh_yes=True)


# Few values a field, so that plans and policies meet at their limits.
some = {
    "purposes": st.sampled_from([("a",), ("b",), ("a", "b"), ("b", "a")]),
    "models": st.sampled_from([("a",), ("a", "b")]),
    "trainable": st.sampled_from([("heads",), ("heads", "all")]),
    "modes": st.sampled_from([(Mode.LOCAL,), (Mode.LOCAL, Mode.SECURE)]),
    "max_clip_norm": st.sampled_from([0.25, 0.5]),
    "min_noise_multiplier": st.sampled_from([5.0, 6.0]),
    "sampling_rate": st.sampled_from([0.05, 0.1]),
    "expected_batch": st.sampled_from([16, 32]),
    "steps": st.sampled_from([10, 11]),
    "max_example_clip_norm": st.sampled_from([0.5, 1.0]),
    "min_example_noise_multiplier": st.sampled_from([1.0, 2.0]),
    "max_rounds": st.sampled_from([49, 50]),
    "min_cohort": st.sampled_from([2, 3]),
    "max_plan_days": st.sampled_from([1, 2]),
    "retention_days": st.sampled_from([7, 14]),
    "receipt_key": st.sampled_from([KEY, KEY_2]),
    "epsilon_employee": st.sampled_from([4.0, 8.0]),
    "delta": st.sampled_from([1e-6, 1e-7]),
}
policies = st.fixed_dictionaries({}, optional=some).map(lambda changes: policy(**changes))
plans = st.fixed_dictionaries(
    {},
    optional={
        "purpose": st.sampled_from(["a", "b", "next-action"]),
        "model": st.sampled_from(["a", "b", "office-60k"]),
        "trainable": st.sampled_from(["heads", "all"]),
        "release__clip_norm": st.sampled_from([0.25, 0.5]),
        "release__noise_multiplier": st.sampled_from([5.0, 6.0]),
        "training__sampling_rate": st.sampled_from([0.05, 0.1]),
        "training__expected_batch": st.sampled_from([16, 32]),
        "training__steps": st.sampled_from([10, 11]),
        "training__clip_norm": st.sampled_from([0.5, 1.0]),
        "training__noise_multiplier": st.sampled_from([1.0, 2.0]),
        "rounds": st.sampled_from([49, 50]),
        "min_cohort": st.sampled_from([2, 3]),
        "expires_at": st.sampled_from([NOW + 86_400, NOW + 2 * 86_400]),
    },
).map(lambda changes: plan(**changes))


def admitted(asked, terms):
    try:
        check_plan(asked, terms, round=0, now=NOW)
    except PolicyViolation:
        return False
    return True


@settings(max_examples=150, deadline=None)
@given(old=policies, new=policies, asked=plans)
def test_terms_accepted_silently_admit_no_plan_that_the_old_ones_refuse(old, new, asked):
    try:
        check_acceptance(offer(new), accepted=offer(old), fresh_yes=False)
    except PolicyViolation:
        return
    assert admitted(asked, old) or not admitted(asked, new)
    assert new.epsilon_employee <= old.epsilon_employee
    assert new.epsilon_example <= old.epsilon_example
    assert new.delta <= old.delta
    assert new.retention_days <= old.retention_days
    assert new.receipt_key == old.receipt_key


STRICT = {
    "purposes": lambda value: value[:1],
    "models": lambda value: value[:1],
    "trainable": lambda value: value[:1],
    "max_clip_norm": lambda value: 0.25,
    "min_noise_multiplier": lambda value: 6.0,
    "min_example_noise_multiplier": lambda value: 2.0,
    "max_rounds": lambda value: 49,
    "min_cohort": lambda value: 3,
    "max_plan_days": lambda value: 1,
}


def tightened(old, seed):
    """A policy that is at least as strict as `old`, so that the property above is not vacuous."""
    chosen = [name for number, name in enumerate(STRICT) if seed >> number & 1]
    return policy(**{**dict(old), **{name: STRICT[name](getattr(old, name)) for name in chosen}})


@settings(max_examples=100, deadline=None)
@given(old=policies, seed=st.integers(0, 2 ** len(STRICT) - 1), asked=plans)
def test_stricter_terms_pass_silently_and_admit_less(old, seed, asked):
    new = check_acceptance(offer(tightened(old, seed)), accepted=offer(old), fresh_yes=False)
    assert admitted(asked, old) or not admitted(asked, new)
