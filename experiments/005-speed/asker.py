"""The workload through reticent's own seam: workers, grid, round and server step; the local step is that of `kernel`."""

from functools import partial
from typing import Any

import workload
from ours import make_worker

from reticent.aggregate.attempt import Tally, weights_bytes
from reticent.aggregate.optimiser import Momentum, ServerState
from reticent.privacy.events import Mode
from reticent.records.plan import LocalTraining, Plan, Release
from reticent.sim.grid import WorkerGrid
from reticent.sim.rounds import SimulatedRound
from reticent.sim.workers import local_workers


class CentralNoise:
    """A server's optimiser that adds the workload's noise first; the learning rate stays 1."""

    def __init__(self, cohort: int) -> None:
        self._cohort = cohort
        self._optimiser = Momentum(momentum=0.0)

    def step(self, state: ServerState, mean_update: Any, *, step: int, steps: int) -> ServerState:
        return self._optimiser.step(
            state, mean_update + workload.noise(step, len(mean_update)) / self._cohort, step=0, steps=1
        )


def main() -> None:
    """Play the rounds that the command line asks for."""
    asked = workload.asked()
    weights = workload.weights(asked.task)
    plan = Plan(
        purpose="speed",
        model="cnn",
        parameters=len(weights),
        trainable="all",
        training=LocalTraining(
            sampling_rate=1.0, expected_batch=16, steps=1, learning_rate=0.05, clip_norm=1.0, noise_multiplier=1.0
        ),
        release=Release(mode=Mode.SECURE, clip_norm=workload.CLIP_NORM, noise_multiplier=1.0, grid=workload.GRID),
        min_cohort=asked.cohort,
        rounds=asked.rounds,
        issued_at=0,
        expires_at=1,
    )
    state, told = Momentum().start(weights), workload.Told()
    with WorkerGrid(local_workers(partial(make_worker, asked.task), workers=asked.workers)) as grid:
        play = SimulatedRound(
            grid=grid,
            plan=plan,
            people=asked.clients,
            size=asked.cohort,
            seed=workload.SEED,
            optimiser=CentralNoise(asked.cohort),  # type: ignore[arg-type]  # an optimiser by form
        )
        for number in range(asked.rounds):
            state = play(number, state, weights_bytes(state.weights), Tally())
            told.round()
    told.end(state.weights, asked.weights)
