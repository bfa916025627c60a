"""Stacked or one after another, a simulation is the same; what isn't there is refused before any work."""

import numpy as np
import pytest
import torch

from reticent.errors import SettingError
from reticent.learn import train
from reticent.model import catalogue
from reticent.model.public import initial
from reticent.sim import stacking
from reticent.sim.stacking import chosen_device
from tests.sim.world import MODEL, a_plan, make_worker

ROUNDING = 1  # grid units: float32 updates that differ in the last bit may round to neighbours
all_plan = {"trainable": "all", "parameters": catalogue.parameters(MODEL, "all")}


@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here")
        ),
    ],
)
def test_a_stacked_worker_gives_the_sum_of_one_by_one(device):
    start, plan = initial(MODEL, "heads"), a_plan()
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
    assert chosen_device("auto", a_plan()) == chosen_device("cpu", a_plan()) == "cpu"
    with pytest.raises(SettingError, match="torch finds no CUDA device here; nothing was trained"):
        chosen_device("cuda", a_plan())


def test_cuda_for_everything_is_refused():
    with pytest.raises(SettingError, match=r"stacks people whose heads train.*nothing was trained"):
        chosen_device("cuda", a_plan(**all_plan))


def test_auto_takes_what_a_trial_finds_faster(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(stacking, "_TRIED_PEOPLE", 2)
    seconds = iter([1.0, 2.0, 2.0, 1.0])
    asked = []
    monkeypatch.setattr(stacking, "_seconds", lambda work: work() or next(seconds))
    monkeypatch.setattr(stacking, "stacked_updates", lambda *_, device, **__: asked.append(device))
    assert [chosen_device("auto", a_plan()) for _ in range(2)] == ["cuda", "cpu"]
    assert set(asked) == {"cuda"}
    assert chosen_device("auto", a_plan(**all_plan)) == "cpu"
