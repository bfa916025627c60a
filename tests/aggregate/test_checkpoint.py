"""Checkpoints: whole or not there, and never the wrong one."""

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save

from reticent.aggregate.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from reticent.aggregate.optimiser import Adam, Momentum, ServerState
from reticent.errors import FormatError, IntegrityError, NewerFormatError, ReticentError, StateError
from reticent.records.canonical import digest

PLAN = "ab" * 32
MOMENTUM = Momentum()


def a_checkpoint(number, clip_norm=None):
    weights = np.arange(5, dtype=np.float32) + number
    return Checkpoint(
        plan_id=PLAN,
        round=number,
        state=ServerState(weights, {"velocity": weights.astype(np.float64) / 3}, clip_norm),
        line={"round": number},
    )


def read(folder, *, plan_id=PLAN, parameters=5, optimiser=MOMENTUM):
    return read_checkpoint(folder, plan_id=plan_id, parameters=parameters, optimiser=optimiser)


def test_the_newest_comes_back_exactly_and_two_are_kept(tmp_path):
    assert read(tmp_path / "checkpoint") is None
    for number in range(-1, 12):
        write_checkpoint(tmp_path / "checkpoint", a_checkpoint(number))
    got, put = read(tmp_path / "checkpoint"), a_checkpoint(11)
    assert (got.plan_id, got.round, got.line) == (PLAN, 11, {"round": 11})
    np.testing.assert_array_equal(got.state.weights, put.state.weights)
    np.testing.assert_array_equal(got.state.moments["velocity"], put.state.moments["velocity"])
    assert (got.state.weights.dtype, got.state.moments["velocity"].dtype) == (np.float32, np.float64)
    assert sorted(path.name for path in (tmp_path / "checkpoint").iterdir()) == ["applied-0000011", "applied-0000012"]


@pytest.mark.parametrize("optimiser", [Momentum(average_from=0.5), Adam(), Adam(average_from=0.0)])
def test_every_moment_of_every_optimiser_and_the_clip_norm_come_back_to_the_bit(tmp_path, optimiser):
    state = optimiser.start(np.ones(5, np.float32))
    for step in range(3):
        state = optimiser.step(state, np.arange(5) / 7, step=step, steps=3)
    state = replace(state, clip_norm=1 / 3)
    write_checkpoint(tmp_path, replace(a_checkpoint(2), state=state, optimiser=optimiser))
    got = read(tmp_path, optimiser=optimiser).state
    assert got.moments.keys() == state.moments.keys()
    for name, moment in state.moments.items():
        np.testing.assert_array_equal(got.moments[name], moment)
    np.testing.assert_array_equal(got.weights, state.weights)
    assert got.clip_norm == 1 / 3


def test_a_run_goes_on_with_its_own_optimiser_only(tmp_path):
    write_checkpoint(tmp_path, a_checkpoint(0))
    for other in (Momentum(momentum=0.5), Momentum(average_from=0.5), Adam()):
        with pytest.raises(IntegrityError, match="another optimiser"):
            read(tmp_path, optimiser=other)


def test_a_checkpoint_of_version_1_goes_on_with_the_optimiser_that_there_was(tmp_path):
    write_checkpoint(tmp_path, a_checkpoint(0))
    path = tmp_path / "applied-0000001" / "checkpoint.json"
    facts = json.loads(path.read_text()) | {"version": 1}
    del facts["optimiser"], facts["clip_norm"]
    path.write_text(json.dumps(facts))
    np.testing.assert_array_equal(read(tmp_path).state.weights, a_checkpoint(0).state.weights)
    with pytest.raises(IntegrityError, match="another optimiser"):
        read(tmp_path, optimiser=Momentum(momentum=0.5))


def test_a_round_is_applied_once(tmp_path):
    write_checkpoint(tmp_path, a_checkpoint(0))
    with pytest.raises(StateError, match="applied before"):
        write_checkpoint(tmp_path, a_checkpoint(0))


def test_a_checkpoint_of_another_plan_or_shape_is_refused(tmp_path):
    write_checkpoint(tmp_path, a_checkpoint(0))
    with pytest.raises(IntegrityError, match="another plan"):
        read(tmp_path, plan_id="cd" * 32)
    with pytest.raises(FormatError, match="6 finite weights"):
        read(tmp_path, parameters=6)


def rewrite(folder, tensors):
    state = save(tensors)
    facts = json.loads((folder / "checkpoint.json").read_text())
    (folder / "state.safetensors").write_bytes(state)
    (folder / "checkpoint.json").write_text(json.dumps(facts | {"state_hash": digest(state)}))


@pytest.mark.parametrize(
    "tensors",
    [
        {"weights": np.zeros(5, np.float32)},
        {"weights": np.zeros(5, np.float32), "velocity": np.zeros(5), "more": np.zeros(1)},
        {"weights": np.zeros(5, np.float64), "velocity": np.zeros(5)},
        {"weights": np.zeros(5, np.float32), "velocity": np.zeros(1)},
        {"weights": np.zeros((5, 1), np.float32), "velocity": np.zeros(5)},
        {"weights": np.full(5, np.nan, np.float32), "velocity": np.zeros(5)},
        {"weights": np.zeros(5, np.float32), "velocity": np.full(5, np.inf)},
    ],
)
def test_tensors_that_are_not_a_state_are_refused(tmp_path, tensors):
    write_checkpoint(tmp_path, a_checkpoint(0))
    rewrite(tmp_path / "applied-0000001", tensors)
    with pytest.raises(FormatError, match="5 finite weights"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"version": 3}, NewerFormatError),
        ({"version": 1}, FormatError),
        ({"version": 0}, FormatError),
        ({"clip_norm": 0.0}, FormatError),
        ({"clip_norm": -1.0}, FormatError),
        ({"clip_norm": "1"}, FormatError),
        ({"optimiser": {"name": "adam"}}, IntegrityError),
        ({"round": 7}, IntegrityError),
        ({"round": "0"}, IntegrityError),
        ({"line": 3}, FormatError),
        ({"more": 3}, FormatError),
        ({"state_hash": "00"}, IntegrityError),
    ],
)
def test_facts_that_don_t_hold_are_refused(tmp_path, changes, error):
    write_checkpoint(tmp_path, a_checkpoint(0))
    path = tmp_path / "applied-0000001" / "checkpoint.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(error):
        read(tmp_path)


@pytest.mark.parametrize("name", ["checkpoint.json", "state.safetensors"])
@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-3], lambda data: b"[" * 9, None])
def test_a_damaged_checkpoint_is_never_passed_over_for_an_older_one(tmp_path, name, damage):
    write_checkpoint(tmp_path, a_checkpoint(0))
    write_checkpoint(tmp_path, a_checkpoint(1))
    path = tmp_path / "applied-0000002" / name
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ReticentError, match="nothing was applied or changed"):
        read(tmp_path)


def test_what_a_stopped_write_left_behind_is_neither_read_nor_in_the_way(tmp_path):
    write_checkpoint(tmp_path, a_checkpoint(0))
    (tmp_path / ".applied-0000002.new").mkdir()
    (tmp_path / ".applied-0000002.new" / "state.safetensors").write_bytes(b"half")
    assert read(tmp_path).round == 0
    write_checkpoint(tmp_path, a_checkpoint(1))
    assert read(tmp_path).round == 1
