"""A plan that measures changes no weights, and ends with what its people's releases say together."""

import json
from dataclasses import replace

import numpy as np
import pytest

from reticent.aggregate.attempt import MEASURED
from reticent.errors import RoundAborted
from reticent.evaluate.shares import longest_share
from reticent.records.plan import MEASURES
from tests.aggregate.scripted import QUICK, ScriptedDevice, World, a_plan

SHARES = np.array([[1.0, 0.5, 0.8, 0.25, 0.5, 0.2], [1.0, 0.7, 0.9, 0.35, 0.6, 0.3], [0.5, 0.3, 0.4, 0.1, 0.2, 0.2]])


class Measures(ScriptedDevice):
    """Gives its row of SHARES without noise."""

    def values(self, round_number):
        plan = a_measuring_plan()
        scaled = SHARES[self.node_id - 1] * longest_share(plan.release.clip_norm) / plan.release.grid
        return np.rint(scaled).astype(np.int32)


def a_measuring_plan(**changes):
    return a_plan(version=2, training=None, parameters=len(MEASURES), rounds=1, **changes)


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path, [Measures(node) for node in (1, 2, 3)], plan=a_measuring_plan())
    made.initial = np.linspace(-1, 1, 50, dtype=np.float32)  # of another length than a release
    return made


def test_it_reads_the_mean_as_shares_and_leaves_the_weights(world):
    np.testing.assert_array_equal(world.run(), world.initial)
    found = json.loads((world.run_folder / MEASURED).read_text())
    total = SHARES.sum(axis=0)
    assert found["people"] == 3
    assert found["deviation"] is None  # three people under noise 1: nothing is clear
    assert found["top1"] is None
    assert [line["status"] for line in world.lines()] == ["start", "applied"]
    assert (total[1:] <= total[0]).all()


def test_with_little_noise_the_figures_are_those_of_all_people_together(tmp_path):
    plan = a_measuring_plan()
    quiet = plan.model_copy(update={"release": plan.release.model_copy(update={"noise_multiplier": 0.05})})
    world = World(tmp_path, [Measures(node) for node in (1, 2, 3)], plan=quiet)
    world.initial = np.linspace(-1, 1, 50, dtype=np.float32)
    world.run()
    found, total = json.loads((world.run_folder / MEASURED).read_text()), SHARES.sum(axis=0)
    for place, name in enumerate(("top1", "top3", "cell_top1", "cell_top3"), start=1):
        assert found[name] == pytest.approx(total[place] / total[0], abs=1e-3)
    assert found["perplexity"] == pytest.approx(np.exp(5 * total[5] / total[0]), rel=1e-2)
    again = (world.run_folder / MEASURED).read_bytes()
    world.run()  # a second start of the same plan asks nobody
    assert (world.run_folder / MEASURED).read_bytes() == again


def test_too_few_answers_measure_nothing(world):
    world.devices[0].scripts["train"] = lambda device, genuine, message: None
    world.pace = replace(QUICK, train_s=1)
    with pytest.raises(RoundAborted):
        world.run()
    assert not (world.run_folder / MEASURED).exists()


def test_a_release_of_the_weights_length_is_dropped(world):
    world.devices[0].scripts["train"] = lambda device, genuine, message: bytes(genuine)[:-4]
    with pytest.raises(RoundAborted):
        world.run()
    assert world.lines()[-1]["dropped"] == {"not_a_reply": 1}
