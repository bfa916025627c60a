import bisect

import pytest

from reticent.errors import BudgetExhausted
from reticent.records.budget import check_budget
from tests.records.samples import plan, policy

MOST = 100


def refusal(rounds, terms, asked):
    """What is said to one more round after so many, or None."""
    try:
        check_budget(asked.events() * rounds, asked.events(), terms)
    except BudgetExhausted as error:
        return str(error)
    return None


def rounds_within(terms, asked=None):
    """How many rounds fit."""
    asked = asked or plan()
    return bisect.bisect_left(range(MOST), True, key=lambda rounds: refusal(rounds, terms, asked) is not None)


def test_a_budget_ends_and_says_which_and_after_how_many_rounds():
    terms = policy(epsilon_employee=4.0, epsilon_example=100.0)
    count = rounds_within(terms)
    assert 0 < count < MOST
    said = refusal(count, terms, plan())
    assert said == (
        f"after {count} charged rounds this one would pass the employee limit of epsilon 4 at delta 1e-06 in the "
        "accepted policy; nothing was sent or charged"
    )


def test_the_example_level_has_a_limit_of_its_own():
    terms = policy(epsilon_employee=100.0, epsilon_example=6.0)
    count = rounds_within(terms)
    assert 0 < count < MOST
    assert "the example limit of epsilon 6 " in refusal(count, terms, plan())


@pytest.mark.parametrize("field", ["epsilon_employee", "epsilon_example"])
def test_a_larger_limit_lasts_longer(field):
    wide = {"epsilon_employee": 100.0, "epsilon_example": 100.0}
    assert rounds_within(policy(**{**wide, field: 4.0})) < rounds_within(policy(**{**wide, field: 9.0}))


def test_more_noise_lasts_longer():
    terms = policy(epsilon_employee=2.0, epsilon_example=100.0)
    assert rounds_within(terms) < rounds_within(terms, plan(release__noise_multiplier=10.0))


def test_one_round_too_dear_is_refused_at_once():
    assert rounds_within(policy(epsilon_employee=0.01)) == 0


def test_the_filter_stops_where_the_exact_curve_does():
    # sigma 5, zero-out, delta 1e-6: 50 rounds cost epsilon 7.29 (exact Gaussian composition; facts of the project)
    terms = policy(epsilon_employee=7.30, epsilon_example=100.0)
    assert rounds_within(terms) == 50
