"""Cohorts: everybody has the same chance, and nobody more rounds than were said beforehand."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent.errors import SettingError
from reticent.sim.cohorts import cohort, most_rounds


@given(people=st.integers(1, 60), share=st.floats(0.01, 1), rounds=st.integers(1, 40), seed=st.integers(0, 2**32))
def test_nobody_takes_part_more_often_than_privacy_was_calibrated_for(people, share, rounds, seed):
    size = max(1, int(people * share))
    asked = [cohort(number, people=people, size=size, seed=seed) for number in range(rounds)]
    assert all(len(set(one.tolist())) == size and one.min() >= 0 and one.max() < people for one in asked)
    counted = Counter(person for one in asked for person in one.tolist())
    assert max(counted.values()) <= most_rounds(rounds, people=people, size=size)


def test_the_bound_on_rounds_is_reached():
    asked = Counter(person for number in range(7) for person in cohort(number, people=10, size=3, seed=5).tolist())
    assert max(asked.values()) == most_rounds(7, people=10, size=3) == 3


def test_everybody_is_asked_once_before_anybody_is_asked_twice():
    epoch = np.concatenate([cohort(number, people=12, size=4, seed=1) for number in range(3)])
    assert sorted(epoch.tolist()) == list(range(12))


def test_a_cohort_depends_on_seed_and_round_alone():
    one = cohort(5, people=100, size=10, seed=1)
    np.testing.assert_array_equal(one, cohort(5, people=100, size=10, seed=1))
    assert not np.array_equal(one, cohort(6, people=100, size=10, seed=1))
    assert not np.array_equal(one, cohort(5, people=100, size=10, seed=2))


@pytest.mark.parametrize(("people", "size"), [(3, 4), (0, 1), (5, 0)])
def test_a_cohort_that_cannot_be_drawn_is_refused(people, size):
    with pytest.raises(SettingError, match="can't be drawn"):
        cohort(0, people=people, size=size, seed=0)
