"""Plain SGD is what a loop over torch's own optimiser does, whatever ran before and with however many threads."""

from itertools import chain

import numpy as np
import pytest
import torch

from reticent.actions.pool import Pool
from reticent.errors import FormatError
from reticent.learn import plain
from reticent.learn.plain import PlainLearner, batches
from reticent.model.frozen import Frozen
from reticent.model.heads import summed_loss
from reticent.model.inputs import inputs
from reticent.model.network import load, set_vector, trained, vector
from reticent.model.pools import take
from reticent.model.public import initial
from reticent.privacy.noise import SeededNoise
from reticent.records.plain import PlainPlan, PlainTraining
from reticent.records.plan import Plan
from tests.model.random_pools import random_pool
from tests.sim.world import a_plan

MODEL = "office-10k"
TRAININGS = {
    "batches": PlainTraining(epochs=2, batch=5, learning_rate=0.05),
    "whole": PlainTraining(epochs=3, batch=None, learning_rate=0.05),
}


def by_torch(pool: Pool, weights: np.ndarray, trainable: str, training: PlainTraining, seed: int) -> np.ndarray:
    network = load(MODEL)
    set_vector(network, trainable, weights)
    parameters = [parameter.requires_grad_() for _, parameter in trained(network, trainable)]
    optimiser = torch.optim.SGD(parameters, lr=training.learning_rate)
    for drawn in batches(len(pool), training, SeededNoise(seed)):
        rows = np.arange(len(pool))[drawn]
        some = take(pool, rows, size=len(rows))
        kind, cell = network(inputs(some))
        labels = {name: torch.from_numpy(getattr(some, name)) for name in ("next_kind", "next_cell")}
        optimiser.zero_grad()
        torch.autograd.backward(summed_loss(kind, cell, **labels) / len(rows))
        optimiser.step()
    return vector(network, trainable) - weights


@pytest.mark.parametrize("trainable", ["heads", "all"])
@pytest.mark.parametrize("name", TRAININGS)
def test_an_update_is_that_of_torch_s_own_sgd(trainable: str, name: str) -> None:
    pool, weights, training = random_pool(17), initial(MODEL, trainable), TRAININGS[name]
    learner = PlainLearner(MODEL, trainable)
    prepared = learner.prepare(pool)
    learner.update(
        learner.prepare(random_pool(3)), weights * 2, training=training, noise=SeededNoise(9)
    )  # leaves nothing
    ours = learner.update(prepared, weights, training=training, noise=SeededNoise(1))
    theirs = by_torch(pool, weights, trainable, training, 1)
    assert np.linalg.norm(theirs) > 0
    assert np.linalg.norm(ours - theirs) < 1e-5 * np.linalg.norm(theirs) + 1e-6
    with_two = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        again = learner.update(learner.prepare(pool), weights, training=training, noise=SeededNoise(1))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(with_two)
    np.testing.assert_array_equal(ours, again)


@pytest.mark.parametrize("trainable", ["heads", "all"])
@pytest.mark.parametrize("name", TRAININGS)
def test_a_batch_that_is_too_large_for_memory_is_gone_through_in_parts(
    trainable: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, weights, training = random_pool(17), initial(MODEL, trainable), TRAININGS[name]
    whole = PlainLearner(MODEL, trainable)
    at_once = whole.update(whole.prepare(pool), weights, training=training, noise=SeededNoise(1))
    most = 0

    def noting(self: PlainLearner, examples: Frozen | Pool, rows: np.ndarray | slice, *, batch: int) -> torch.Tensor:
        nonlocal most
        most = max(most, len(np.arange(17)[rows]))
        return loss(self, examples, rows, batch=batch)

    loss = PlainLearner._loss
    monkeypatch.setattr(plain, "_AT_ONCE", 4)
    monkeypatch.setattr(PlainLearner, "_loss", noting)
    in_parts = PlainLearner(MODEL, trainable)
    parts = in_parts.update(in_parts.prepare(pool), weights, training=training, noise=SeededNoise(1))
    assert most == 4
    assert np.linalg.norm(parts - at_once) < 1e-5 * np.linalg.norm(at_once)


def test_every_epoch_takes_every_window_once_and_an_empty_pool_moves_nothing() -> None:
    rows = [np.arange(12)[part].tolist() for part in batches(12, TRAININGS["batches"], SeededNoise(0))]
    assert [len(part) for part in rows] == [5, 5, 2] * 2
    assert sorted(chain(*rows[:3])) == sorted(chain(*rows[3:])) == list(range(12))
    assert rows[:3] != rows[3:]
    learner, weights = PlainLearner(MODEL, "heads"), initial(MODEL, "heads")
    none = learner.prepare(Pool.empty())
    assert not learner.update(none, weights, training=TRAININGS["batches"], noise=SeededNoise(0)).any()


def test_to_a_device_a_plain_plan_is_no_plan() -> None:
    values = {name: getattr(a_plan(), name) for name in Plan.model_fields}
    plain = PlainPlan(**values | {"training": TRAININGS["whole"]})
    assert [event.unit for event in plain.events()] == ["employee"]
    with pytest.raises(FormatError, match="not a plan"):
        Plan.from_bytes(plain.to_bytes())
