"""Metrics are what a person would compute by hand."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.actions.pool import Pool
from reticent.actions.vocabulary import CELLS, KINDS
from reticent.errors import SettingError
from reticent.evaluate.metrics import Hits, Scorer, hits, metrics, score
from reticent.model.catalogue import parameters
from reticent.model.frozen import Frozen, freeze
from reticent.model.network import Network
from reticent.model.pools import take
from reticent.model.public import initial
from tests.model.random_pools import random_pool

MODEL = "office-60k"
HEADS = parameters(MODEL, "heads")


def labelled(kinds: list[int], cells: list[int]) -> Pool:
    return dataclasses.replace(random_pool(len(kinds)), next_kind=np.array(kinds), next_cell=np.array(cells))


def test_a_perfect_prediction_scores_one_and_lies_no_cell_off() -> None:
    pool = random_pool(20)
    sure = np.log(np.where(np.arange(KINDS) == pool.next_kind[:, None], 1.0, 1e-300))
    found = metrics([hits(sure, 1.0 * (np.arange(CELLS) == pool.next_cell[:, None]), pool)])
    assert (found.top1, found.top3, found.cell_top1, found.cell_top3) == (1, 1, 1, 1)
    assert (found.cell_distance, found.cell_distance_median, found.examples) == (0, 0, 20)
    assert found.perplexity == pytest.approx(1.0)


def test_figures_of_three_examples_are_those_computed_by_hand() -> None:
    scores = np.full((3, KINDS), 0.01)
    scores[:, [0, 1, 2]] = [0.5, 0.3, 0.11]
    cells = np.zeros((3, CELLS))
    cells[:, 17] = 1.0  # row 1, column 1
    pool = labelled([0, 2, 5], [17, 20, 65])  # the same cell; row 1, column 4; row 4, column 1
    found = metrics([hits(np.log(scores), cells, pool)])
    assert found.top1 == pytest.approx(1 / 3)
    assert found.top3 == pytest.approx(2 / 3)
    assert found.perplexity == pytest.approx((0.5 * 0.11 * 0.01) ** (-1 / 3))
    assert found.cell_top1 == pytest.approx(1 / 3)
    assert found.cell_distance == pytest.approx((0 + 3 + 3) / 3)
    assert found.cell_distance_median == 3


def test_a_diagonal_step_is_as_long_as_pythagoras_says() -> None:
    cells = np.zeros((1, CELLS))
    cells[0, 0] = 1.0
    assert metrics([hits(np.zeros((1, KINDS)), cells, labelled([0], [3 * 16 + 4]))]).cell_distance == 5


def test_equal_scores_earn_no_more_than_naming_the_first() -> None:
    pool = labelled(list(range(KINDS)), list(range(KINDS)))
    found = metrics([hits(np.full((KINDS, KINDS), np.log(1 / KINDS)), np.zeros((KINDS, CELLS)), pool)])
    assert found.top1 == pytest.approx(1 / KINDS)
    assert found.top3 == pytest.approx(3 / KINDS)
    assert found.perplexity == pytest.approx(KINDS)


@given(st.integers(1, 30), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_batches_do_not_change_the_figures_and_top3_is_never_below_top1(cut: int, seed: int) -> None:
    pool, random = random_pool(31, seed=seed), np.random.default_rng(seed)
    kind, cell = np.log(random.dirichlet(np.ones(KINDS), 31)), random.standard_normal((31, CELLS))
    whole = metrics([hits(kind, cell, pool)])
    front, back = np.arange(cut), np.arange(cut, 31)
    parts = [hits(kind[rows], cell[rows], take(pool, rows, size=len(rows))) for rows in (front, back)]
    assert metrics(parts) == whole
    assert whole.top1 <= whole.top3
    assert whole.cell_top1 <= whole.cell_top3


def test_no_example_at_all_is_a_clear_refusal() -> None:
    with pytest.raises(SettingError, match="no examples to score"):
        score(MODEL, "heads", initial(MODEL, "heads"), Pool.empty())
    with pytest.raises(SettingError, match="no examples to score"):
        metrics([])


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_a_clear_refusal(poison: float) -> None:
    weights = initial(MODEL, "heads")
    weights[0] = poison
    with pytest.raises(SettingError, match="NaN or infinity"):
        score(MODEL, "heads", weights, random_pool(2))


@pytest.mark.parametrize("trainable", ["heads", "all"])
def test_hopelessly_large_weights_still_give_finite_figures(trainable: str) -> None:
    signs = np.where(np.arange(parameters(MODEL, trainable)) % 3, 1e38, -1e38).astype(np.float32)
    found = score(MODEL, trainable, signs, random_pool(5))
    json.dumps(found.as_dict(), allow_nan=False)
    assert found.top1 < 0.6


def test_a_prediction_that_is_not_a_number_is_no_hit() -> None:
    pool = labelled([3, 4], [5, 6])
    found = metrics([hits(np.full((2, KINDS), np.nan), np.full((2, CELLS), np.nan), pool)])
    assert (found.top1, found.top3, found.cell_top1, found.cell_top3) == (0, 0, 0, 0)
    assert found.perplexity > 1e300


def test_zero_heads_know_nothing_and_say_so() -> None:
    found = score(MODEL, "heads", np.zeros(HEADS, dtype=np.float32), random_pool(50))
    assert found.perplexity == pytest.approx(KINDS)
    assert found.examples == 50


def test_many_examples_are_scored_in_parts_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = random_pool(40)
    whole = score(MODEL, "heads", initial(MODEL, "heads"), pool)
    monkeypatch.setattr("reticent.evaluate.metrics._EXAMPLES_AT_ONCE", 7)
    in_parts, at_once = score(MODEL, "heads", initial(MODEL, "heads"), pool).as_dict(), whole.as_dict()
    perplexities = in_parts.pop("perplexity"), at_once.pop("perplexity")
    assert perplexities[0] == pytest.approx(perplexities[1], rel=1e-6)  # float32 rounds by the shape of a part
    assert in_parts == pytest.approx(at_once, rel=1e-12)


@pytest.mark.parametrize("trainable", ["heads", "all"])
@pytest.mark.parametrize("kept", [8_192, 0])
def test_a_scorer_gives_each_rounds_weights_the_figures_that_they_get_alone(
    trainable: str, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reticent.evaluate.metrics.KEPT_EXAMPLES", kept)
    pool, start = random_pool(40), initial(MODEL, trainable)
    scorer = Scorer(MODEL, trainable, pool)
    for weights in (start, -start, start):
        assert scorer.score(weights) == score(MODEL, trainable, weights, pool)


def test_a_scorer_looks_through_a_frozen_trunk_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = Scorer(MODEL, "heads", random_pool(40))
    monkeypatch.setattr("reticent.evaluate.metrics.freeze", None)
    scorer.score(initial(MODEL, "heads"))


def test_beyond_what_is_kept_the_trunk_looks_at_the_rest_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reticent.evaluate.metrics._EXAMPLES_AT_ONCE", 16)
    monkeypatch.setattr("reticent.evaluate.metrics.KEPT_EXAMPLES", 32)
    pool, weights, looked = random_pool(40), initial(MODEL, "heads"), []
    scorer, whole = Scorer(MODEL, "heads", pool), score(MODEL, "heads", weights, pool)

    def watched(network: Network, some: Pool) -> Frozen:
        looked.append(len(some))
        return freeze(network, some)

    monkeypatch.setattr("reticent.evaluate.metrics.freeze", watched)
    assert scorer.score(weights) == scorer.score(weights) == whole
    assert looked == [8, 8]


def test_what_metrics_are_made_of_shows_no_contents() -> None:
    none = np.zeros(0, dtype=np.int64)
    shown = repr(Hits(log_likelihood=np.zeros(0), kind_rank=none, cell_rank=none, distance=np.zeros(0)))
    assert "array" not in shown
