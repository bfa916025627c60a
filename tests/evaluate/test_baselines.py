"""Markov chains count what a slow loop counts."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.actions.pool import Pool
from reticent.errors import SettingError
from reticent.evaluate.baselines import ORDERS, MarkovChain, baselines
from tests.model.random_pools import random_pool

SYMBOLS = 3


def slow(history: np.ndarray, following: np.ndarray, asked: np.ndarray, *, order: int) -> np.ndarray:
    """p(next | context), level by level, from dictionaries."""
    rows = []
    for context in asked:
        row = np.full(SYMBOLS, 1 / SYMBOLS)
        for length in range(order + 1):
            last = tuple(context[len(context) - length :])
            seen = Counter(
                int(after)
                for before, after in zip(history, following, strict=True)
                if tuple(before[len(before) - length :]) == last
            )
            total = sum(seen.values())
            row = np.array([(seen[symbol] + 5 * row[symbol]) / (total + 5) for symbol in range(SYMBOLS)])
        rows.append(row)
    return np.array(rows)


@given(seed=st.integers(0, 10_000), order=st.integers(0, 3), examples=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_probabilities_equal_those_of_a_slow_loop(seed: int, order: int, examples: int) -> None:
    random = np.random.default_rng(seed)
    history = random.integers(0, SYMBOLS + 1, (examples, 4))  # SYMBOLS itself is padding
    following = random.integers(0, SYMBOLS, examples)
    asked = random.integers(0, SYMBOLS + 1, (10, 4))
    found = MarkovChain(history, following, order=order, symbols=SYMBOLS).probabilities(asked)
    np.testing.assert_allclose(found, slow(history, following, asked, order=order), atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_an_unseen_context_falls_back_on_the_shorter_one() -> None:
    history, following = np.array([[0, 1], [2, 1], [0, 0]]), np.array([2, 2, 0])
    chain = MarkovChain(history, following, order=2, symbols=SYMBOLS)
    shorter = MarkovChain(history, following, order=1, symbols=SYMBOLS)
    unseen = np.array([[1, 1]])
    np.testing.assert_allclose(chain.probabilities(unseen), shorter.probabilities(unseen))


def test_a_rule_that_needs_two_actions_is_found_by_order_two_and_missed_by_order_one() -> None:
    random = np.random.default_rng(0)
    history = random.integers(0, SYMBOLS, (2000, 3))
    following = (history[:, -1] + history[:, -2]) % SYMBOLS
    right = [
        float(
            (
                MarkovChain(history, following, order=order, symbols=SYMBOLS).probabilities(history).argmax(1)
                == following
            ).mean()
        )
        for order in (1, 2)
    ]
    assert right[0] < 0.45
    assert right[1] == 1.0


def test_every_baseline_is_scored_on_the_same_examples_and_markov_beats_majority_where_order_helps() -> None:
    found = baselines(random_pool(3000), random_pool(500, seed=9))
    assert tuple(found) == tuple(ORDERS) == ("majority", "markov1", "markov2", "markov3")
    assert {row.examples for row in found.values()} == {500}
    assert found["markov1"].top1 > found["majority"].top1 + 0.2  # the next kind repeats the last one half of the time
    assert all(row.perplexity < 12.5 for row in found.values())


def test_the_largest_cell_contexts_do_not_overflow() -> None:
    pool = random_pool(50)
    pool.cells[:], pool.next_cell[:] = 192, 191
    assert baselines(pool, pool)["markov3"].cell_top1 == 1.0


def test_nobody_to_count_or_to_score_is_refused() -> None:
    with pytest.raises(SettingError, match="at least one example to count"):
        baselines(Pool.empty(), random_pool(3))
    with pytest.raises(SettingError, match="no examples to score"):
        baselines(random_pool(3), Pool.empty())
