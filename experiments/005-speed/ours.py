"""The workload through reticent's own seam: workers, grid, round and server step; the local step is that of `learn.plain`."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
import workload

from reticent.aggregate.attempt import Tally, weights_bytes
from reticent.aggregate.optimiser import Momentum, ServerState
from reticent.learn.plain import InPlace
from reticent.privacy.events import Mode
from reticent.records.plan import LocalTraining, Plan, Release
from reticent.sim.grid import WorkerGrid
from reticent.sim.rounds import SimulatedRound
from reticent.sim.worker import PartialSum, peak_rss_mb
from reticent.sim.workers import local_workers

GRID = 2.0**-39  # so fine that a sum on it is a float's


class Kernel:
    """The local step, and what is made of it."""

    def __init__(self) -> None:
        self._model, _ = workload.start()
        self._in_place = InPlace(list(self._model.parameters()))

    def update(self, weights: np.ndarray, client: int) -> tuple[np.ndarray, float]:
        """New minus old weights, float32 (P,), and by what to multiply them."""
        images, labels = workload.data(client)
        images = images.as_strided(images.size(), (workload.SIDE**2, 1, workload.SIDE, 1))  # channels last
        steps = ([partial(workload.local_loss, self._model, *batch)] for batch in workload.batches(images, labels))
        moved = self._in_place.update(weights, steps, learning_rate=workload.LEARNING_RATE)
        return moved, workload.factor(float(np.sqrt(np.dot(moved, moved))))


class CnnWorker:
    """As `reticent.sim.worker.Worker`, for the workload."""

    def __init__(self) -> None:
        self._kernel = Kernel()

    def answer(
        self, number: int, people: Sequence[int], weights: np.ndarray, clip_norm: float | None = None
    ) -> PartialSum:
        total = torch.zeros(workload.PARAMETERS)
        for person in people:
            moved, factor = self._kernel.update(weights, person)
            total.add_(torch.from_numpy(moved), alpha=factor)
        values = np.rint(total.numpy().astype(np.float64) / GRID).astype(np.int64)
        return PartialSum(values=values, released=len(people), peak_rss_mb=peak_rss_mb(), process="")


class CentralNoise:
    """A server's optimiser that adds the workload's noise first; the learning rate stays 1."""

    def __init__(self, cohort: int) -> None:
        self._cohort = cohort
        self._optimiser = Momentum(momentum=0.0)

    def step(self, state: ServerState, mean_update: Any, *, step: int, steps: int) -> ServerState:
        return self._optimiser.step(state, mean_update + workload.noise(step) / self._cohort, step=0, steps=1)


def main() -> None:
    asked = workload.asked()
    _, weights = workload.start()
    plan = Plan(
        purpose="speed",
        model="cnn",
        parameters=workload.PARAMETERS,
        trainable="all",
        training=LocalTraining(
            sampling_rate=1.0, expected_batch=16, steps=1, learning_rate=0.05, clip_norm=1.0, noise_multiplier=1.0
        ),
        release=Release(mode=Mode.SECURE, clip_norm=workload.CLIP_NORM, noise_multiplier=1.0, grid=GRID),
        min_cohort=asked.cohort,
        rounds=asked.rounds,
        issued_at=0,
        expires_at=1,
    )
    state, told = Momentum().start(weights), workload.Told()
    with WorkerGrid(local_workers(CnnWorker, workers=asked.workers)) as grid:  # type: ignore[arg-type]  # a worker by form
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


if __name__ == "__main__":
    main()
