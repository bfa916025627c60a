"""A clip norm that follows the updates: where it goes, and that the whole costs what one Gaussian costs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.privacy.accountants import epsilon
from reticent.privacy.adaptive import FARTHEST, count_height, counted, followed, joint_norm
from reticent.privacy.events import Adjacency, Mode, PrivacyEvent, Unit
from reticent.privacy.mechanism import grid_for, release_vector
from reticent.privacy.noise import SeededNoise

SHARE, NOISE = 0.2, 1.5
LENGTHS = np.random.default_rng(3).lognormal(mean=-1, sigma=0.5, size=200)


def updates(lengths):
    drawn = np.random.default_rng(4).normal(size=(len(lengths), 8))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True) * lengths[:, None]


def tracked(quantile, *, first, rounds, noise=None):
    clip_norm = first
    for _ in range(rounds):
        counts = np.mean([counted(one, clip_norm=clip_norm, count_share=SHARE)[-1] for one in updates(LENGTHS)])
        height = count_height(clip_norm=clip_norm, count_share=SHARE)
        longer = counts / height + (0 if noise is None else noise.normal(1)[0] * 0.1)
        clip_norm = followed(clip_norm, longer=longer, quantile=quantile, learning_rate=0.2, first=first)
    return clip_norm


@pytest.mark.parametrize("quantile", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("times", [0.1, 10.0])
def test_without_noise_the_quantile_of_the_people_is_reached_from_either_side(quantile, times):
    wanted = np.quantile(LENGTHS, quantile)
    assert tracked(quantile, first=times * wanted, rounds=200) == pytest.approx(wanted, rel=0.05)


def test_a_noised_count_leads_to_about_the_same():
    wanted = np.quantile(LENGTHS, 0.5)
    assert tracked(0.5, first=5 * wanted, rounds=200, noise=SeededNoise(1)) == pytest.approx(wanted, rel=0.3)


@pytest.mark.parametrize(("longer", "way"), [(1e9, 1), (-1e9, -1)])
def test_a_count_that_noise_made_absurd_moves_it_one_step_and_never_farther_than_a_hundredfold(longer, way):
    def step(clip_norm):
        return followed(clip_norm, longer=longer, quantile=0.5, learning_rate=0.2, first=1.0)

    assert step(1.0) == pytest.approx(math.exp(way * 0.1))
    clip_norm = 1.0
    for _ in range(200):
        clip_norm = step(clip_norm)
    assert clip_norm == FARTHEST**way


@settings(deadline=None)
@given(
    st.lists(st.floats(width=32), min_size=1, max_size=6),
    st.floats(1e-6, 1e6),
    st.floats(1e-6, 0.999),
)
def test_update_and_count_together_are_never_longer_than_the_clip_norm_of_their_release(delta, clip_norm, share):
    vector = counted(np.array(delta, np.float32), clip_norm=clip_norm, count_share=share)
    assert np.linalg.norm(vector) <= joint_norm(clip_norm=clip_norm, count_share=share) * (1 + 1e-12)


@pytest.mark.parametrize("poison", [0.0, np.nan, np.inf, -np.inf])
def test_who_learnt_nothing_and_whose_update_is_not_finite_are_the_same_zero_in_update_and_count(poison):
    """Zero-out's other world is this very vector, so the one bit that could tell them apart would go uncharged."""
    delta = np.array([1e3 if poison else 0.0, poison], np.float32)
    np.testing.assert_array_equal(counted(delta, clip_norm=0.1, count_share=SHARE), np.zeros(3))


def test_the_count_tells_who_is_longer_and_not_by_how_much():
    height = count_height(clip_norm=1.0, count_share=SHARE)
    seen = [counted([length, 0.0], clip_norm=1.0, count_share=SHARE)[-1] for length in (0.5, 1.0, 1.001, 1e9)]
    assert seen == [0.0, 0.0, height, height]


def spent(noise_multipliers):
    """Epsilon of these Gaussians run once on the same person."""
    events = [
        PrivacyEvent(
            unit=Unit.EMPLOYEE,
            adjacency=Adjacency.ZERO_OUT,
            mode=Mode.LOCAL,
            clip_norm=1.0,
            noise_multiplier=noise_multiplier,
        )
        for noise_multiplier in noise_multipliers
    ]
    return epsilon(events, delta=1e-5, adjacency=Adjacency.ZERO_OUT, names=("exact",)).epsilon


def measured(release_norm):
    """Noise multiplier of the update and of the count, from 4,000 releases of one person whose update is longer."""
    scale = {"clip_norm": release_norm, "noise_multiplier": NOISE}
    grid, noise = grid_for(**scale, parameters=2), SeededNoise(5)
    quiet = np.array([release_vector(np.zeros(2), **scale, grid=grid, noise=noise) for _ in range(4_000)]) * grid
    update, count = quiet.std(axis=0)
    return update / 1.0, count / count_height(clip_norm=1.0, count_share=SHARE)


def test_the_split_as_drawn_costs_what_one_gaussian_costs_and_a_wrong_one_is_caught():
    right = measured(joint_norm(clip_norm=1.0, count_share=SHARE))
    assert right == (
        pytest.approx(NOISE / math.sqrt(1 - SHARE), rel=0.03),
        pytest.approx(NOISE / math.sqrt(SHARE), rel=0.03),
    )
    assert spent(right) == pytest.approx(spent([NOISE]), rel=0.04)
    wrong = measured(1.0)  # the update's noise as if the count cost nothing
    assert spent(wrong) > 1.1 * spent([NOISE])


def test_the_charges_of_update_and_count_add_up_to_that_of_the_release_exactly():
    parts = [NOISE / math.sqrt(1 - SHARE), NOISE / math.sqrt(SHARE)]
    assert spent(parts) == pytest.approx(spent([NOISE]), rel=1e-9)
