"""Median and trimmed mean of releases: Flower's numbers, in blocks, and how much noise they bear."""

import numpy as np
import pytest
from flwr.server.strategy.aggregate import aggregate_median, aggregate_trimmed_avg

from reticent.aggregate import centre
from reticent.aggregate.centre import LONGEST_NOISE, Median, TrimmedMean, noise_length
from reticent.errors import SettingError


def releases(people=11, parameters=50):
    drawn = np.random.default_rng(1).integers(-(2**31), 2**31, size=(people, parameters))
    return drawn.astype(np.int32)


@pytest.mark.parametrize("people", [1, 2, 10, 11])
@pytest.mark.parametrize("block", [1, 64, 1 << 22])
def test_they_are_flower_s_own_with_everybody_weighing_the_same(monkeypatch, people, block):
    monkeypatch.setattr(centre, "_BLOCK_VALUES", block)
    given = releases(people)
    theirs = [([one.astype(np.int64)], 1) for one in given]
    np.testing.assert_array_equal(Median().of(given), aggregate_median(theirs)[0])
    np.testing.assert_allclose(TrimmedMean(share=0.3).of(given), aggregate_trimmed_avg(theirs, 0.3)[0], rtol=1e-12)


def test_a_few_liars_move_neither_beyond_the_honest_and_the_mean_anywhere():
    honest = np.full((9, 3), 100, np.int32)
    lies = np.full((2, 3), -(2**31), np.int32)
    together = np.concatenate([honest, lies])
    np.testing.assert_array_equal(Median().of(together), [100.0] * 3)
    np.testing.assert_array_equal(TrimmedMean(share=0.2).of(together), [100.0] * 3)
    assert together.mean(axis=0)[0] < -(2**28)


def test_noise_that_is_longer_than_the_limit_lets_liars_turn_the_median_round():
    """The reason of the limit: a tenth of hostile people, all pushing as far as a release may go, against people who agree."""
    random = np.random.default_rng(2)
    truth = random.choice([-1.0, 1.0], size=2_000) / np.sqrt(2_000)

    def cosine(length):
        noised = truth + random.normal(size=(45, 2_000)) * length / np.sqrt(2_000)
        lies = np.tile(-truth * (1 + length), (5, 1))
        found = Median().of((np.concatenate([noised, lies]) * 2**20).astype(np.int32))
        return float(found @ truth / np.linalg.norm(found))

    assert cosine(LONGEST_NOISE) > 0.95
    assert cosine(noise_length(noise_multiplier=1.0, parameters=2_000)) < 0.5


@pytest.mark.parametrize("share", [0.0, 0.5, -0.1, np.nan, np.inf, 1])
def test_a_share_that_leaves_nobody_or_everybody_is_refused(share):
    with pytest.raises(SettingError, match="share"):
        TrimmedMean(share=share)
