"""Many people's heads at once learn what each would learn alone."""

import numpy as np
import pytest
import torch

from reticent.learn import stacked
from reticent.learn.plain import PlainLearner
from reticent.learn.stacked import stacked_updates
from reticent.learn.train import Learner
from reticent.model import catalogue
from reticent.model.frozen import Frozen
from reticent.model.public import initial
from reticent.model.tensors import Floats
from reticent.privacy.noise import SeededNoise
from reticent.records.plain import PlainTraining
from reticent.records.plan import LocalTraining
from tests.learn.recorded_noise import RecordedNoise
from tests.model.random_pools import random_pool

PEOPLE = (40, 3, 0, 25)
cuda = pytest.param(
    "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here")
)


def training(steps: int) -> LocalTraining:
    return LocalTraining(
        sampling_rate=0.6, expected_batch=16, steps=steps, learning_rate=2.0, clip_norm=0.7, noise_multiplier=0.3
    )


def frozen(learner: Learner) -> list[Frozen]:
    made = [learner.prepare(random_pool(examples, seed=examples)).examples for examples in PEOPLE]
    return [one for one in made if isinstance(one, Frozen)]


def together(
    model: str, people: list[Frozen], weights: Floats, *, steps: int, device: str = "cpu", scale: float = 1.0
) -> list[Floats]:
    noise = [RecordedNoise(seed, scale=scale) for seed in range(len(people))]
    return stacked_updates(people, weights, model=model, training=training(steps), noise=noise, device=device)


@pytest.mark.parametrize("device", ["cpu", cuda])
@pytest.mark.parametrize("scale", [1.0, 0.0])
@pytest.mark.parametrize("model", catalogue.names())
def test_everybodys_update_is_their_own_with_noise_and_without(model: str, scale: float, device: str) -> None:
    learner, weights = Learner(model, "heads"), initial(model, "heads")
    updates = together(model, frozen(learner), weights, steps=3, device=device, scale=scale)
    for seed, (examples, ours) in enumerate(zip(PEOPLE, updates, strict=True)):
        prepared = learner.prepare(random_pool(examples, seed=examples))
        noise = RecordedNoise(seed, scale=scale)
        alone = learner.update(prepared, weights, training=training(3), noise=noise)
        assert np.linalg.norm(ours - alone) <= 1e-5 * np.linalg.norm(alone)
        assert ours.dtype == np.float32


@pytest.mark.parametrize("poison", [np.nan, np.inf, 3e38])
def test_a_poisoned_example_counts_as_in_a_round_alone_and_nobody_else_notices(poison: float) -> None:
    learner, weights = Learner("office-10k", "heads"), initial("office-10k", "heads")
    prepared = [learner.prepare(random_pool(examples, seed=examples)) for examples in PEOPLE]
    people = [one.examples for one in prepared if isinstance(one.examples, Frozen)]
    people[0].seen.kind[:5] = poison
    for seed, (ready, ours) in enumerate(
        zip(prepared, together("office-10k", people, weights, steps=1, scale=0.0), strict=True)
    ):
        noise = RecordedNoise(seed, scale=0.0)
        alone = learner.update(ready, weights, training=training(1), noise=noise)
        assert np.isfinite(ours).all()
        np.testing.assert_allclose(ours, alone, rtol=1e-5, atol=1e-7)


PLAIN = {
    "all at once": PlainTraining(epochs=2, batch=None, learning_rate=2.0),
    "in batches, of which some people have fewer": PlainTraining(epochs=2, batch=7, learning_rate=0.5),
}


@pytest.mark.parametrize("device", ["cpu", cuda])
@pytest.mark.parametrize("plain", PLAIN.values(), ids=PLAIN)
@pytest.mark.parametrize("model", catalogue.names())
@pytest.mark.parametrize("together", [4_096, 30], ids=["one stack", "stacks of one, of parts"])
def test_without_an_example_level_everybodys_update_is_their_own_too(
    together: int, model: str, plain: PlainTraining, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacked, "_ROWS_AT_ONCE", together)
    learner, weights = PlainLearner(model, "heads"), initial(model, "heads")
    prepared = [learner.prepare(random_pool(examples, seed=examples)) for examples in PEOPLE]
    people = [one.examples for one in prepared if isinstance(one.examples, Frozen)]
    people[1].seen.kind[0] = np.nan  # whoever this is has no update, and others have theirs
    noise = [SeededNoise(seed) for seed in range(len(people))]
    updates = stacked.stacked_updates(people, weights, model=model, training=plain, noise=noise, device=device)
    for seed, (ready, ours, left) in enumerate(zip(prepared, updates, noise, strict=True)):
        own = SeededNoise(seed)
        alone = learner.update(ready, weights, training=plain, noise=own)
        assert ours.dtype == np.float32
        assert np.isfinite(ours).all() == np.isfinite(alone).all() == (seed != 1)
        if seed != 1:
            assert np.linalg.norm(ours - alone) <= 1e-5 * np.linalg.norm(alone)
        np.testing.assert_array_equal(left.uniform(3), own.uniform(3))


def test_draws_are_those_of_a_round_alone_in_the_same_order() -> None:
    learner, weights = Learner("history", "heads"), initial("history", "heads")
    noise = [SeededNoise(seed) for seed in range(len(PEOPLE))]
    stacked_updates(frozen(learner), weights, model="history", training=training(2), noise=noise, device="cpu")
    for seed, (examples, left) in enumerate(zip(PEOPLE, noise, strict=True)):
        own = SeededNoise(seed)
        learner.update(learner.prepare(random_pool(examples)), weights, training=training(2), noise=own)
        np.testing.assert_array_equal(left.uniform(3), own.uniform(3))


def test_nobody_at_all_is_no_error() -> None:
    assert together("history", [], initial("history", "heads"), steps=1) == []
