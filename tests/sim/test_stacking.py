"""Stacked or one after another, a simulation is the same; what isn't there is refused before any work."""

import numpy as np
import pytest
import torch

from reticent.errors import SettingError
from reticent.learn import train
from reticent.learn.train import Learner
from reticent.model import catalogue
from reticent.model.public import initial
from reticent.sim import stacking
from reticent.sim.stacking import chosen_device
from tests.learn.recorded_noise import RecordedNoise
from tests.sim.world import MODEL, a_plan, make_worker

ROUNDING = 1  # grid units: float32 updates that differ in the last bit may round to neighbours


@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here")
        ),
    ],
)
@pytest.mark.parametrize("trainable", catalogue.TRAINABLE)
def test_a_stacked_worker_gives_the_sum_of_one_by_one(trainable, device):
    start = initial(MODEL, trainable)
    plan = a_plan(trainable=trainable, parameters=len(start))
    alone = make_worker(plan)().answer(0, range(4), start)
    stacked = make_worker(plan, stacked_on=device)().answer(0, range(4), start)
    assert np.abs(stacked.values - alone.values).max() <= 4 * ROUNDING
    assert stacked.released == alone.released == 4


def test_whose_features_are_not_prepared_learn_alone(monkeypatch):
    start, plan = initial(MODEL, "heads"), a_plan()
    alone = make_worker(plan)().answer(0, range(2), start)
    monkeypatch.setattr(train, "KEPT_EXAMPLES", 0)
    monkeypatch.setattr(stacking, "stacked_updates", lambda people, *_, **__: [] if not people else 1 / 0)
    stacked = make_worker(plan, stacked_on="cpu")().answer(0, range(2), start)
    assert np.abs(stacked.values - alone.values).max() <= 2 * ROUNDING


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_without_cuda_auto_is_the_cpu_and_cuda_is_one_sentence():
    assert chosen_device("auto", a_plan(), cores=2) == chosen_device("cpu", a_plan(), cores=2) == "cpu"
    with pytest.raises(SettingError, match="torch finds no CUDA device here; nothing was trained"):
        chosen_device("cuda", a_plan(), cores=2)


@pytest.mark.parametrize("trainable", catalogue.TRAINABLE)
def test_auto_takes_what_a_trial_finds_faster_than_all_cores_together(trainable, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(stacking, "_TRIED_ALONE", 3)
    monkeypatch.setattr(stacking, "_TRIED_PEOPLE", 2)
    asked = []
    monkeypatch.setattr(stacking, "stacked_updates", lambda *_, device, **__: asked.append(device))
    plan = a_plan(trainable=trainable, parameters=catalogue.parameters(MODEL, trainable))

    def chosen(*, there, here, cores):
        seconds = iter([there, here])
        monkeypatch.setattr(stacking, "_seconds", lambda work: work() or next(seconds))
        return chosen_device("auto", plan, cores=cores)

    assert chosen(there=3.0, here=6.0, cores=1) == "cuda"  # two people there, three here
    assert chosen(there=3.0, here=6.0, cores=2) == "cpu"
    assert chosen(there=3.0, here=3.0, cores=1) == "cpu"
    assert chosen(there=1.0, here=6.0, cores=2) == "cuda"
    assert set(asked) == {"cuda"}


def test_a_trial_is_of_one_step_with_one_thread_and_as_many_examples_as_a_step_expects(monkeypatch):
    steps, sizes, threads = [], [], []
    update = Learner.update

    class Watched(RecordedNoise):
        def normal(self, n):
            threads.append(torch.get_num_threads())
            return super().normal(n)

    def alone(self, prepared, weights, *, training, noise):
        steps.append(training.steps)
        return update(self, prepared, weights, training=training, noise=noise)

    def there(people, *_, training, **__):
        steps.append(training.steps)
        sizes.extend(map(len, people))

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(stacking, "stacked_updates", there)
    monkeypatch.setattr(stacking, "SeededNoise", Watched)
    monkeypatch.setattr(Learner, "update", alone)
    plan = a_plan()
    many = plan.training.model_copy(update={"steps": 500, "sampling_rate": 0.1, "expected_batch": 16})
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        chosen_device("auto", plan.model_copy(update={"training": many}), cores=1)
    finally:
        torch.set_num_threads(before)
    assert set(steps) == {1}
    assert set(sizes) == {160}
    assert set(threads) == {1}


def test_what_cannot_be_stacked_is_left_to_the_cores_or_refused_with_the_reason(monkeypatch):
    def stacked_updates(*_, **__):
        raise RuntimeError("no batching rule\nand much more")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(stacking, "stacked_updates", stacked_updates)
    assert chosen_device("auto", a_plan(), cores=2) == "cpu"
    with pytest.raises(SettingError, match="office-60k can't be stacked there: no batching rule; nothing was trained"):
        chosen_device("cuda", a_plan(), cores=2)


def test_a_device_with_too_little_memory_is_one_sentence(monkeypatch):
    def stacked_updates(*_, **__):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(stacking, "stacked_updates", stacked_updates)
    with pytest.raises(SettingError, match=r"too little memory for these people, stacked; engine\.device=cpu"):
        make_worker(a_plan(), stacked_on="cpu")().answer(0, range(2), initial(MODEL, "heads"))
