"""The workload's local step, that of `learn.plain`, and a worker of this package's seam that takes it."""

from collections.abc import Sequence
from functools import partial

import cnn
import numpy as np
import torch
import workload

from reticent.learn.plain import InPlace
from reticent.sim.worker import PartialSum, peak_rss_mb


class Kernel:
    """The local step, and what is made of it."""

    def __init__(self) -> None:
        self._model, _ = cnn.start()
        self._in_place = InPlace(list(self._model.parameters()))

    def update(self, weights: np.ndarray, client: int) -> tuple[np.ndarray, float]:
        """New minus old weights, float32 (P,), and by what to multiply them."""
        images, labels = cnn.data(client)
        images = images.as_strided(images.size(), (workload.SIDE**2, 1, workload.SIDE, 1))  # channels last
        steps = ([partial(cnn.local_loss, self._model, *batch)] for batch in cnn.batches(images, labels))
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
        values = np.rint(total.numpy().astype(np.float64) / workload.GRID).astype(np.int64)
        return PartialSum(values=values, released=len(people), peak_rss_mb=peak_rss_mb(), process="")
