"""What a device measures: shares of bounded length, in which one window hardly counts and nothing can be not finite."""

import numpy as np
import pytest

from reticent.actions.pool import Pool
from reticent.client import Task, answer
from reticent.evaluate.measure import measure
from reticent.evaluate.metrics import score
from reticent.evaluate.shares import longest_share, reading
from reticent.model import catalogue
from reticent.model.pools import take, together
from reticent.model.public import initial
from reticent.privacy.events import Unit
from reticent.privacy.noise import SeededNoise
from reticent.recordings import source
from reticent.records.plan import LEAST_WINDOWS, MEASURES
from tests.world import measuring_plan

MODEL = "history"
WEIGHTS = initial(MODEL, "heads")
POOLS = [source.pool("office", person) for person in source.split("office").client[:6]]
PLAN = measuring_plan(model=MODEL)


def shares(pool, weights=WEIGHTS):
    return measure(pool, weights, model=MODEL, trainable="heads")


def released(pool, *, seed=0, asked=PLAN, weights=WEIGHTS):
    task = Task(plan=asked, plan_id="ab" * 32, round=0)
    return answer(task, weights, lambda: pool, SeededNoise(seed)).values * asked.release.grid


def test_the_shares_are_the_metrics_of_a_person_with_windows_enough():
    pool = together(POOLS[:2])
    found, figures = dict(zip(MEASURES, shares(pool), strict=True)), score(MODEL, "heads", WEIGHTS, pool)
    assert found["windows"] == 1
    for name in ("top1", "top3", "cell_top1", "cell_top3"):
        assert found[name] == pytest.approx(getattr(figures, name), abs=1e-6)


def test_nobody_s_vector_is_longer_than_the_clip_norm_and_one_window_moves_it_by_what_is_charged():
    example = next(event for event in PLAN.events() if event.unit is Unit.EXAMPLE)
    clip_norm = PLAN.release.clip_norm
    for size in (0, 1, 7, LEAST_WINDOWS - 1, LEAST_WINDOWS, 90):
        pool = POOLS[0].newest(size)
        vector = shares(pool) * longest_share(clip_norm)
        assert np.linalg.norm(vector) <= clip_norm
        for one in POOLS[1:4]:
            more = together([pool, one.newest(1)])
            moved = np.linalg.norm(shares(more) * longest_share(clip_norm) - vector)
            assert moved <= clip_norm / LEAST_WINDOWS * 1.00001 < example.clip_norm
    assert example.noise_multiplier * example.clip_norm == pytest.approx(PLAN.release.noise_multiplier * clip_norm)


@pytest.mark.parametrize("pool", [Pool.empty(), POOLS[0], take(POOLS[0], np.arange(1), size=1)])
def test_whatever_the_data_the_answer_has_the_same_form_and_the_same_noise(pool):
    asked = released(pool, seed=3)
    exact = shares(pool) * longest_share(PLAN.release.clip_norm)
    quiet = released(Pool.empty(), seed=3)
    assert asked.shape == (len(MEASURES),)
    np.testing.assert_allclose(asked - exact, quiet, atol=0.011 * PLAN.release.clip_norm)  # rounding and its margin


def test_a_pool_that_can_t_be_read_and_absurd_weights_give_numbers_all_the_same():
    def broken():
        raise OSError("the disk")

    task = Task(plan=PLAN, plan_id="ab" * 32, round=0)
    np.testing.assert_array_equal(
        answer(task, WEIGHTS, broken, SeededNoise(1)).values,
        answer(task, WEIGHTS, Pool.empty, SeededNoise(1)).values,
    )
    absurd = np.full(catalogue.parameters(MODEL, "heads"), 3e38, dtype=np.float32)
    assert np.isfinite(shares(POOLS[0], absurd)).all()


@pytest.mark.parametrize(("scale", "right"), [(1.0, True), (2 / 3, False), (3 / 2, False)])
def test_the_noise_is_what_was_charged_and_another_scale_would_be_seen(scale, right):
    asked = measuring_plan(model=MODEL, noise_multiplier=PLAN.release.noise_multiplier * scale)
    found = np.concatenate([released(Pool.empty(), seed=seed, asked=asked) for seed in range(200)]).std()
    expected = PLAN.release.noise_multiplier * PLAN.release.clip_norm
    assert bool(abs(found / expected - 1) < 5 / (2 * 200 * len(MEASURES)) ** 0.5) is right


def test_the_mean_of_many_reads_as_their_average_and_noise_alone_as_nothing():
    asked = measuring_plan(model=MODEL, noise_multiplier=0.02)
    mean = np.mean([released(pool, seed=seed, asked=asked) for seed, pool in enumerate(POOLS)], axis=0)
    found = reading(mean, release=asked.release, released=len(POOLS))
    exact = np.mean([shares(pool) for pool in POOLS], axis=0)
    assert found["top1"] == pytest.approx(exact[1] / exact[0], abs=4 * found["deviation"])
    assert found["deviation"] == pytest.approx(0.02, rel=0.2)
    nothing = reading(np.zeros(len(MEASURES)), release=asked.release, released=len(POOLS))
    assert {nothing[name] for name in ("top1", "perplexity", "deviation")} == {None}
