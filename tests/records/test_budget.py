import pytest

from reticent.errors import BudgetExhausted
from reticent.records.budget import check_budget
from tests.records.samples import plan, policy


def rounds_until_exhausted(terms, asked=None, most=400):
    events, charges = (asked or plan()).events(), ()
    for count in range(most):
        try:
            check_budget(charges, events, terms)
        except BudgetExhausted as error:
            return count, str(error)
        charges += events
    return most, ""


def test_a_budget_ends_and_says_which_and_after_how_many_rounds():
    count, said = rounds_until_exhausted(policy(epsilon_employee=4.0, epsilon_example=1000.0))
    assert 0 < count < 400
    assert said == (
        f"after {count} charged rounds this one would pass the employee limit of epsilon 4 at delta 1e-06 in the "
        "accepted policy; nothing was sent or charged"
    )


def test_the_example_level_has_a_limit_of_its_own():
    count, said = rounds_until_exhausted(policy(epsilon_employee=1000.0, epsilon_example=1.0))
    assert 0 < count < 400
    assert "the example limit of epsilon 1 " in said


@pytest.mark.parametrize("field", ["epsilon_employee", "epsilon_example"])
def test_a_larger_limit_lasts_longer(field):
    wide = {"epsilon_employee": 1000.0, "epsilon_example": 1000.0}
    small, _ = rounds_until_exhausted(policy(**{**wide, field: 1.0}))
    large, _ = rounds_until_exhausted(policy(**{**wide, field: 2.0}))
    assert small < large


def test_more_noise_lasts_longer():
    terms = policy(epsilon_employee=2.0, epsilon_example=1000.0)
    assert rounds_until_exhausted(terms)[0] < rounds_until_exhausted(terms, plan(release__noise_multiplier=10.0))[0]


def test_one_round_too_dear_is_refused_at_once():
    assert rounds_until_exhausted(policy(epsilon_employee=0.01))[0] == 0


def test_the_filter_stops_where_the_exact_curve_does():
    # sigma 5, zero-out, delta 1e-6: 50 rounds cost epsilon 7.29 (exact Gaussian composition; facts of the project)
    terms = policy(epsilon_employee=7.30, epsilon_example=1000.0)
    assert rounds_until_exhausted(terms)[0] == 50
