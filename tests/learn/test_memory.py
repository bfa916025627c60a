"""Remembering features saves time and changes nothing else; what is gone from the pool is gone from memory."""

import numpy as np
import pytest

from reticent.actions.pool import Pool
from reticent.learn import memory as module
from reticent.learn import train
from reticent.learn.memory import Memory
from reticent.learn.train import Learn, local_update
from reticent.model import catalogue
from reticent.model.pools import take, together
from reticent.model.public import initial
from reticent.model.tensors import Floats
from reticent.privacy.noise import SeededNoise
from reticent.records.plan import LocalTraining
from tests.model.random_pools import random_pool

MODEL = "office-10k"
TRAINING = LocalTraining(
    sampling_rate=0.7, expected_batch=16, steps=2, learning_rate=1.0, clip_norm=1.0, noise_multiplier=1.0
)


def update(learn: Learn, pool: Pool, *, seed: int = 0, model: str = MODEL, trainable: str = "heads") -> Floats:
    weights = initial(model, trainable)
    return learn(pool, weights, model=model, trainable=trainable, training=TRAINING, noise=SeededNoise(seed))


def some(pool: Pool, *rows: int) -> Pool:
    return take(pool, np.array(rows, dtype=np.int64), size=len(rows))


@pytest.mark.parametrize("model", catalogue.names())
def test_rounds_that_remember_give_the_bits_of_rounds_that_do_not_whatever_the_pool_becomes(model: str) -> None:
    memory, first = Memory(), random_pool(40)
    grown = together([first, random_pool(7, seed=1)])
    shuffled = take(grown, np.arange(len(grown))[::-1].copy(), size=len(grown))
    relabelled = random_pool(40)
    relabelled.next_kind[:] = 3
    repeated = together([first, first])
    redrawn, moved, hidden = random_pool(40), random_pool(40), random_pool(40)
    redrawn.frames[:, 20:30] = 255  # the same actions before another screen
    moved.patches[:] = 7
    hidden.has_patch[:] = False
    for seed, pool in enumerate(
        [
            first,
            first,
            grown,
            shuffled,
            some(grown, 45, 2),
            Pool.empty(),
            repeated,
            relabelled,
            hidden,
            first,
            redrawn,
            first,
            moved,
        ]
    ):
        expected = update(local_update, pool, seed=seed, model=model)
        np.testing.assert_array_equal(update(memory.update, pool, seed=seed, model=model), expected)


def test_another_model_or_choice_starts_afresh() -> None:
    memory, pool = Memory(), random_pool(20)
    for model, trainable in ((MODEL, "heads"), ("office-60k", "heads"), (MODEL, "all"), (MODEL, "heads")):
        ours = update(memory.update, pool, model=model, trainable=trainable)
        np.testing.assert_array_equal(ours, update(local_update, pool, model=model, trainable=trainable))


def test_only_examples_that_are_new_pass_through_the_trunk(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    original = train.freeze

    def counted(network: train.Network, pool: Pool) -> train.Frozen:
        seen.append(len(pool))
        return original(network, pool)

    monkeypatch.setattr(train, "freeze", counted)
    memory, pool = Memory(), random_pool(50)
    for rows in (30, 30, 50):
        update(memory.update, take(pool, np.arange(rows), size=rows))
    assert seen == [30, 0, 20]


def test_what_left_the_pool_is_not_remembered() -> None:
    memory, pool = Memory(), random_pool(30)
    update(memory.update, pool)
    update(memory.update, some(pool, 1, 2))
    assert len(memory) == 2
    memory.forget()
    assert len(memory) == 0


def test_more_examples_than_the_bound_are_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_EXAMPLES", 29)
    memory, pool = Memory(), random_pool(30)
    np.testing.assert_array_equal(update(memory.update, pool), update(local_update, pool))
    assert len(memory) == 0


def test_a_failure_leaves_nothing_behind_and_the_next_round_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    memory, pool = Memory(), random_pool(30)
    update(memory.update, pool)
    with monkeypatch.context() as broken:
        broken.setattr(module, "_gathered", None)
        with pytest.raises(TypeError):
            update(memory.update, random_pool(31, seed=2))
    assert len(memory) == 0
    np.testing.assert_array_equal(update(memory.update, pool), update(local_update, pool))
