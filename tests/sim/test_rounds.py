"""Simulated rounds: the sum is exact, whoever computes it and wherever it was stopped."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial

import numpy as np
import psutil
import pytest
from flwr.app import ConfigRecord, Message

from reticent.aggregate.attempt import TRAIN_MESSAGE, Tally, weights_bytes
from reticent.aggregate.centre import Median
from reticent.aggregate.optimiser import Adam, Momentum
from reticent.aggregate.rounds import Course, run_course
from reticent.client import Task, answer
from reticent.errors import RoundAborted
from reticent.learn.train import Prepared
from reticent.model.public import initial
from reticent.privacy.mechanism import release_vector
from reticent.privacy.noise import SeededNoise
from reticent.records.canonical import digest
from reticent.records.plain import PlainPlan, PlainTraining
from reticent.records.plan import Plan
from reticent.sim.clipping import AdaptiveClip
from reticent.sim.cohorts import cohort
from reticent.sim.grid import WorkerGrid, decode_share, encode_slice
from reticent.sim.rounds import SimulatedRound
from reticent.sim.worker import _mixed
from reticent.sim.workers import Processes, local_workers
from tests.sim.world import MODEL, PARAMETERS, PEOPLE, a_plan, make_worker


def played(grid, plan, *, rounds=2, size=3, seed=7):
    play = SimulatedRound(grid=grid, plan=plan, people=len(PEOPLE), size=size, seed=seed, optimiser=Momentum())
    state = Momentum().start(initial(MODEL, "heads"))
    for number in range(rounds):
        state = play(number, state, weights_bytes(state.weights), Tally())
    return state.weights


def test_the_weights_are_the_sum_of_what_client_answer_gives_each_person():
    plan = a_plan()
    with WorkerGrid(local_workers(make_worker(plan), workers=1)) as grid:
        weights = played(grid, plan, rounds=1)
    start = initial(MODEL, "heads")
    total = np.zeros(PARAMETERS, dtype=np.int64)
    task = Task(plan=plan, plan_id=digest(plan.to_bytes()), round=0)
    for person in cohort(0, people=len(PEOPLE), size=3, seed=7).tolist():
        total += answer(task, start, partial(PEOPLE.pool, person), SeededNoise(_mixed(7, 0, person))).values
    np.testing.assert_array_equal(weights, (start + total * plan.release.grid / 3).astype(np.float32))


def test_two_workers_one_worker_and_an_empty_cache_give_the_same_bits():
    plan = a_plan()
    with WorkerGrid(local_workers(make_worker(plan), workers=2)) as grid:
        several = played(grid, plan)
    with WorkerGrid(local_workers(make_worker(plan, cache_bytes=0), workers=1)) as grid:
        alone = played(grid, plan)
    np.testing.assert_array_equal(several, alone)
    with WorkerGrid(local_workers(make_worker(plan, seed=8), workers=1)) as grid:
        assert not np.array_equal(played(grid, plan), alone)


def test_a_cache_that_is_too_small_keeps_those_whom_it_has(monkeypatch):
    """Everybody is asked every round: who is thrown out is who is asked next."""
    plan = a_plan()
    worker = make_worker(plan)()
    start = initial(MODEL, "heads")
    worker.answer(0, range(2), start)
    two = sum(worker._held(person).nbytes for person in range(2))
    worker, prepared = make_worker(plan, cache_bytes=two)(), []
    prepare = worker._learner.prepare
    monkeypatch.setattr(worker._learner, "prepare", lambda pool: prepared.append(pool) or prepare(pool))
    for number in range(3):
        worker.answer(number, range(4), start)
    assert len(prepared) == 4 + 2 + 2


@pytest.mark.parametrize(
    ("optimiser", "clip"), [(Momentum(), None), (Adam(average_from=0.0), AdaptiveClip(count_share=0.3))]
)
def test_a_stopped_simulation_goes_on_to_the_same_state(tmp_path, optimiser, clip):
    plan, first = a_plan(), 0.01

    def course(folder, told=lambda line: None):
        folder.mkdir(exist_ok=True)
        return Course(
            plan_id=digest(plan.to_bytes()),
            terms=plan,
            run_folder=folder,
            score=lambda weights: None,
            publish=lambda rounds, weights: None,
            optimiser=optimiser,
            clip_norm=None if clip is None else first,
            told=told,
            now=lambda: 0,
        )

    def stop(line):
        if line["round"] == 1:
            raise KeyboardInterrupt

    with WorkerGrid(local_workers(make_worker(plan, clip=clip), workers=1)) as grid:
        play = SimulatedRound(
            grid=grid, plan=plan, people=4, size=3, seed=7, optimiser=optimiser, clip=clip, clip_norm=first
        )
        with pytest.raises(KeyboardInterrupt):
            run_course(course(tmp_path / "stopped", stop), initial(MODEL, "heads"), play)
        resumed = run_course(course(tmp_path / "stopped"), initial(MODEL, "heads"), play)
        whole = run_course(course(tmp_path / "whole"), initial(MODEL, "heads"), play)
    np.testing.assert_array_equal(resumed.weights, whole.weights)
    np.testing.assert_array_equal(resumed.published, whole.published)
    assert resumed.moments.keys() == whole.moments.keys()
    for name, moment in whole.moments.items():
        np.testing.assert_array_equal(resumed.moments[name], moment)
    assert resumed.clip_norm == whole.clip_norm
    lines = [json.loads(line) for line in (tmp_path / "stopped" / "rounds.jsonl").read_text().splitlines()]
    norms = [line["clip_norm"] for line in lines if line["status"] == "applied"]
    assert len(norms) == 3
    assert len(set(norms)) == (1 if clip is None else 3)
    assert norms[0] == (0.5 if clip is None else first)


def test_a_robust_centre_is_that_of_everybody_s_own_release_whichever_worker_gave_it():
    plan, releases = a_plan(), []
    start = initial(MODEL, "heads")
    for person in cohort(0, people=len(PEOPLE), size=3, seed=7).tolist():
        task = Task(plan=plan, plan_id=digest(plan.to_bytes()), round=0)
        releases.append(answer(task, start, partial(PEOPLE.pool, person), SeededNoise(_mixed(7, 0, person))).values)
    expected = start + np.median(releases, axis=0) * plan.release.grid
    with WorkerGrid(local_workers(make_worker(plan), workers=1)) as grid:
        play = SimulatedRound(
            grid=grid, plan=plan, people=4, size=3, seed=7, optimiser=Momentum(), aggregation=Median()
        )
        tally = Tally()
        weights = play(0, Momentum().start(start), weights_bytes(start), tally).weights
    np.testing.assert_array_equal(weights, expected.astype(np.float32))
    assert (tally.asked, tally.released, tally.bytes_received) == (3, 3, 3 * 4 * PARAMETERS)


@pytest.mark.parametrize("poison", [np.nan, np.inf, 0.0])
def test_an_update_that_is_not_finite_leaves_as_the_noise_of_an_update_of_zero_count_and_all(poison):
    plan, clip = a_plan(), AdaptiveClip()
    worker = make_worker(plan, clip=clip)()
    worker._learner = Broken(poison)
    release = clip.release(plan.release, clip_norm=0.01, parameters=PARAMETERS)
    alone = worker.answer(0, [1], initial(MODEL, "heads"), 0.01)
    scale = {"clip_norm": release.clip_norm, "noise_multiplier": release.noise_multiplier, "grid": release.grid}
    zero = release_vector(np.zeros(PARAMETERS + 1), **scale, noise=SeededNoise(_mixed(7, 0, 1)))
    np.testing.assert_array_equal(alone.values, zero)


class Broken:
    """A learner whose every update is the same number."""

    def __init__(self, number):
        self._number = number

    def prepare(self, pool):
        return Prepared(model=MODEL, trainable="heads", examples=pool)

    def update(self, prepared, weights, *, training, noise):
        return np.full(PARAMETERS, self._number, np.float32)


def test_a_round_that_was_begun_ahead_is_the_same_round_and_other_weights_are_asked_for_again():
    plan, start = a_plan(), initial(MODEL, "heads")
    with WorkerGrid(local_workers(make_worker(plan), workers=1)) as grid:
        play = SimulatedRound(grid=grid, plan=plan, people=len(PEOPLE), size=3, seed=7, optimiser=Momentum())
        state, weights = Momentum().start(start), weights_bytes(start)
        plain = play(0, state, weights, Tally())
        play.begin(0, weights, None)
        ahead = play(0, state, weights, tally := Tally())
        assert (tally.asked, tally.released) == (3, 3)
        play.begin(0, weights_bytes(start * 2), None)
        again = play(0, state, weights, Tally())
    np.testing.assert_array_equal(plain.weights, ahead.weights)
    np.testing.assert_array_equal(plain.weights, again.weights)


def test_plain_sgd_gives_the_same_bits_in_one_process_and_in_two():
    values = {name: getattr(a_plan(), name) for name in Plan.model_fields}
    plan = PlainPlan(**values | {"training": PlainTraining(epochs=2, batch=16, learning_rate=0.1)})
    with WorkerGrid(local_workers(make_worker(plan), workers=1)) as grid:
        alone = played(grid, plan, rounds=1)
    with WorkerGrid(local_workers(make_worker(plan), workers=2)) as grid:
        np.testing.assert_array_equal(played(grid, plan, rounds=1), alone)


def test_a_worker_that_dies_aborts_the_round_and_nothing_is_applied():
    plan = a_plan()
    with WorkerGrid(workers := Processes(make_worker(plan), workers=2)) as grid:
        victim = workers.processes()[0]
        os.kill(victim, signal.SIGKILL)
        with pytest.raises(RoundAborted, match="nothing was applied"):
            played(grid, plan, rounds=1)


def test_the_grid_speaks_flower():
    plan = a_plan()
    with WorkerGrid(local_workers(make_worker(plan), workers=1)) as grid:
        (node,) = grid.get_node_ids()
        weights = ConfigRecord({"weights": weights_bytes(initial(MODEL, "heads"))})
        message = Message(encode_slice(0, [1], weights), dst_node_id=node, message_type=TRAIN_MESSAGE, group_id="0")
        (identifier,) = grid.push_messages([message])
        (reply,) = grid.pull_messages([identifier])
        assert reply.metadata.reply_to_message_id == identifier
        assert decode_share(reply.content).released == 1
        assert list(grid.pull_messages([identifier])) == []


KILLED = """
import os, signal
from reticent.sim.workers import Processes
from tests.sim.world import a_plan, make_worker
with Processes(make_worker(a_plan()), workers=1) as workers:
    print(*workers.processes(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_simulation_leaves_no_worker_behind():
    found = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False, timeout=120)
    assert found.returncode == -signal.SIGKILL, found.stderr
    (worker,) = found.stdout.split()
    with suppress(psutil.NoSuchProcess):
        psutil.Process(int(worker)).wait(timeout=60)
