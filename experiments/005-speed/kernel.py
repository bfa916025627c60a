"""A client's local work as this package does it, and a worker of this package's seam that takes it."""

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Protocol

import cnn
import numpy as np
import torch
import windows
import workload

from reticent.learn.plain import InPlace
from reticent.learn.train import Learner, Prepared
from reticent.records.plan import LocalTraining
from reticent.sim.worker import PartialSum, peak_rss_mb


class Kernel(Protocol):
    """How a client's update comes about."""

    def moved(self, weights: np.ndarray, number: int, client: int) -> np.ndarray:
        """New minus old weights of one client in one round, float32 (P,)."""
        ...


class OfCnn:
    """Plain SGD: that of `learn.plain`."""

    def __init__(self) -> None:
        self._model = cnn.model()
        self._in_place = InPlace(list(self._model.parameters()))

    def moved(self, weights: np.ndarray, number: int, client: int) -> np.ndarray:
        images, labels = cnn.data(number, client)
        images = images.as_strided(images.size(), (cnn.SIDE**2, 1, cnn.SIDE, 1))  # channels last
        steps = ([partial(cnn.local_loss, self._model, *batch)] for batch in cnn.batches(images, labels))
        return self._in_place.update(weights, steps, learning_rate=cnn.LEARNING_RATE)


class OfShipped:
    """A private step: that of `learn.train`, as devices take it."""

    def __init__(self, trains: str) -> None:
        torch.set_num_threads(1)
        self._learner = Learner(windows.MODEL, trains)
        self._prepared = lru_cache(maxsize=2_048)(self._prepare)
        self._training = LocalTraining(
            sampling_rate=windows.RATE,
            expected_batch=windows.EXPECTED,
            steps=1,
            learning_rate=windows.LEARNING_RATE,
            clip_norm=windows.CLIP_NORM,
            noise_multiplier=windows.NOISE_MULTIPLIER,
        )

    def _prepare(self, client: int) -> Prepared:
        return self._learner.prepare(windows.pool(client))

    def moved(self, weights: np.ndarray, number: int, client: int) -> np.ndarray:
        noise = windows.StepNoise(number, client)
        return self._learner.update(self._prepared(client), weights, training=self._training, noise=noise)


def kernel(task: str) -> Kernel:
    return OfCnn() if task == "cnn" else OfShipped(task)


def factor(moved: np.ndarray) -> float:
    """By what to multiply an update, so that it isn't longer than the clip norm."""
    return workload.factor(float(np.sqrt(np.dot(moved, moved))))


class SpeedWorker:
    """As `reticent.sim.worker.Worker`, for the workload."""

    def __init__(self, task: str) -> None:
        self._kernel = kernel(task)

    def answer(
        self, number: int, people: Sequence[int], weights: np.ndarray, clip_norm: float | None = None
    ) -> PartialSum:
        total = torch.zeros(len(weights))
        for person in people:
            moved = self._kernel.moved(weights, number, person)
            total.add_(torch.from_numpy(moved), alpha=factor(moved))
        values = np.rint(total.numpy().astype(np.float64) / workload.GRID).astype(np.int64)
        return PartialSum(values=values, released=len(people), peak_rss_mb=peak_rss_mb(), process="")
