"""Counts at the same epsilon: one bounded, noised release a person, and a comparison that is not made to lose."""

import numpy as np
import pytest

from reticent.actions.pool import Pool
from reticent.errors import SettingError
from reticent.evaluate.baselines import baselines
from reticent.evaluate.private_counts import FAMILY, PrivateCounts
from reticent.model.pools import together
from reticent.privacy.noise import SeededNoise
from reticent.recordings import source

PEOPLE = [source.pool("office", person) for person in source.split("office").client[:12]]


def released(*pools, noise_multiplier, seed=0):
    counts = PrivateCounts(noise_multiplier=noise_multiplier, noise=SeededNoise(seed))
    for pool in pools:
        counts.add(pool)
    return counts


def sums(counts, member):
    """What was summed, in windows."""
    return counts._sums[member] * counts._grid(member)


@pytest.mark.parametrize("member", FAMILY)
def test_one_person_moves_the_sum_by_the_clip_norm_at_most_however_much_they_did(member):
    much = together([PEOPLE[0]] * 40)
    quiet = sums(released(much, noise_multiplier=1e-6), member)
    assert np.linalg.norm(member.counts(much)) > 2 * member.clip_norm
    assert 0.98 * member.clip_norm < np.linalg.norm(quiet) < 1.001 * member.clip_norm
    assert np.linalg.norm(sums(released(Pool.empty(), noise_multiplier=1e-6), member)) < 1e-2


@pytest.mark.parametrize(("scale", "right"), [(1, True), (2 / 3, False), (3 / 2, False)])
def test_the_noise_of_the_sum_is_everybody_s_and_another_scale_would_be_seen(scale, right):
    member, people = FAMILY[0], 5
    found = sums(released(*[Pool.empty()] * people, noise_multiplier=0.7 * scale), member).std()
    expected = 0.7 * member.clip_norm * people**0.5
    assert bool(abs(found / expected - 1) < 5 / (2 * member.counts(Pool.empty()).size) ** 0.5) is right


def test_with_hardly_any_noise_it_beats_the_commonest_and_with_much_it_is_worse():
    train, tune, test = PEOPLE[:8], together(PEOPLE[8:10]), together(PEOPLE[10:])
    _, clear = released(*train, noise_multiplier=1e-4).best(tune, test)
    _, noisy = released(*train, noise_multiplier=20.0).best(tune, test)
    commonest = baselines(together(train), test)["majority"]
    assert clear.top1 > commonest.top1 + 0.1
    assert clear.cell_top1 > commonest.cell_top1
    assert noisy.top1 < clear.top1


def test_the_member_is_chosen_on_others_than_it_is_scored_on():
    counts = released(*PEOPLE[:8], noise_multiplier=0.05)
    tune, test = together(PEOPLE[8:10]), together(PEOPLE[10:])
    member, figures = counts.best(tune, test)
    rated = {one: counts._score(one, tune).top1 for one in FAMILY}
    assert rated[member] == max(rated.values())
    assert figures == counts._score(member, test)


def test_without_anybody_there_is_nothing_to_predict():
    with pytest.raises(SettingError):
        released(noise_multiplier=1.0).best(PEOPLE[0], PEOPLE[1])
