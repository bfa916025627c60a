"""What does one person's pool teach the model without an example level? Plain SGD, for research in simulations only.

No device does this: a window is protected by what the employee level implies for it, and by nothing where that fails.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from reticent.actions.pool import Ints, Pool
from reticent.actions.vocabulary import CELLS, KINDS
from reticent.learn.threads import one_thread
from reticent.learn.train import Learner, Prepared
from reticent.model.frozen import Frozen, freeze
from reticent.model.heads import summed_loss
from reticent.model.inputs import inputs
from reticent.model.network import load, trained
from reticent.model.pools import take
from reticent.model.tensors import Floats
from reticent.model.trunk import Features
from reticent.privacy.noise import NoiseSource
from reticent.records.plain import PlainPlan, PlainTraining
from reticent.records.plan import Plan

KEPT_EXAMPLES = 16_384  # features of so many of one person's are computed once: about 700 MB
_AT_ONCE = 2_048  # examples whose gradient is computed together


class AnyLearner(Protocol):
    """A learner of a device's plan, or of a plan without an example level."""

    def prepare(self, pool: Pool) -> Prepared: ...

    def update(self, prepared: Prepared, weights: Floats, *, training: Any, noise: NoiseSource) -> Floats: ...


def learner_of(plan: Plan) -> AnyLearner:
    """Which of the two a plan takes. Raises SettingError for an unknown model."""
    kind = PlainLearner if isinstance(plan, PlainPlan) else Learner
    return kind(plan.model, plan.trainable)


class InPlace:
    """Parameters of one module as parts of a single flat vector, their gradients of another: setting, stepping and reading
    cost one pass over it. The module keeps them, so another use of it must not replace them."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        """parameters: float32, in the order of the flat vector."""
        sizes = [parameter.numel() for parameter in parameters]
        self._weights, self._gradient = torch.empty(sum(sizes)), torch.zeros(sum(sizes))
        flat = zip(parameters, torch.split(self._weights, sizes), torch.split(self._gradient, sizes), strict=True)
        for parameter, weights, gradient in flat:
            weights.copy_(parameter.detach().flatten())
            parameter.data, parameter.grad = weights.view_as(parameter), gradient.view_as(parameter)

    def update(
        self, weights: Floats, steps: Iterable[Iterable[Callable[[], Tensor]]], *, learning_rate: float
    ) -> Floats:
        """Steps of SGD from `weights`, each along the gradient of the sum of its losses: new minus old, shape (P,), float32."""
        with torch.no_grad():
            self._weights.copy_(torch.from_numpy(weights))
        for losses in steps:
            self._gradient.zero_()
            for loss in losses:
                torch.autograd.backward(loss())
            with torch.no_grad():
                self._weights.add_(self._gradient, alpha=-learning_rate)
        moved: Floats = self._weights.numpy() - weights
        return moved


def batches(examples: int, training: PlainTraining, noise: NoiseSource) -> Iterator[Ints | slice]:
    """The rows of each step: every epoch all of them once, in an order of its own; all at once as a slice, which copies nothing."""
    if examples == 0:
        return
    for _ in range(training.epochs):
        if training.batch is None:
            yield slice(examples)
            continue
        order = np.argsort(noise.uniform(examples), kind="stable")
        for start in range(0, examples, training.batch):
            yield order[start : start + training.batch].astype(np.int64)


class PlainLearner:
    """One float32 network in place, for any number of people and rounds; not for two threads at once.

    An update depends on its arguments alone. It computes with one thread, so that every engine gives the same bits.
    """

    def __init__(self, model: str, trainable: str) -> None:
        """Raises SettingError for an unknown model or choice."""
        self._model, self._trainable = model, trainable
        self._network = load(model).requires_grad_(False)
        parameters = [parameter for _, parameter in trained(self._network, trainable)]
        for parameter in parameters:
            parameter.requires_grad_()
        self._in_place = InPlace(parameters)

    def prepare(self, pool: Pool) -> Prepared:
        """With `heads`, the features of all examples, for up to KEPT_EXAMPLES of them."""
        keeps = self._trainable == "heads" and len(pool) <= KEPT_EXAMPLES
        with one_thread():
            examples = freeze(self._network, pool) if keeps else pool
        return Prepared(model=self._model, trainable=self._trainable, examples=examples)

    def update(self, prepared: Prepared, weights: Floats, *, training: PlainTraining, noise: NoiseSource) -> Floats:
        """SGD on `prepared` from `weights`: new weights minus old, shape (P,), float32; zero where there is no example.

        noise: draws the order of the examples, and nothing else. May give non-finite numbers: a release counts them as zero.
        """
        drawn = batches(len(prepared), training, noise)
        with one_thread():
            return self._in_place.update(
                weights,
                (self._losses(prepared.examples, rows) for rows in drawn),
                learning_rate=training.learning_rate,
            )

    def _losses(self, examples: Frozen | Pool, rows: Ints | slice) -> Iterator[Callable[[], Tensor]]:
        """Of the parts of a batch, at most _AT_ONCE examples each; their sum is the batch's mean."""
        size = len(examples) if isinstance(rows, slice) else len(rows)
        parts: Sequence[Ints | slice] = [rows]
        if size > _AT_ONCE:
            parts = np.split(np.arange(len(examples))[rows], range(_AT_ONCE, size, _AT_ONCE))
        for part in parts:
            yield partial(self._loss, examples, part, batch=size)

    def _loss(self, examples: Frozen | Pool, rows: Ints | slice, *, batch: int) -> Tensor:
        """Summed over `rows`, and divided by the size of their batch. Labels outside the vocabulary count as the nearest inside."""
        if isinstance(examples, Frozen):
            places = rows if isinstance(rows, slice) else torch.from_numpy(rows)
            seen = examples.seen
            kind, cell = self._network.heads(
                Features(kind=seen.kind[places], grid=seen.grid[places], place=seen.place[places])
            )
        else:
            some = examples if isinstance(rows, slice) else take(examples, rows, size=len(rows))
            kind, cell = self._network(inputs(some))
        next_kind = torch.from_numpy(examples.next_kind[rows].clip(0, KINDS - 1))
        next_cell = torch.from_numpy(examples.next_cell[rows].clip(0, CELLS - 1))
        return summed_loss(kind, cell, next_kind=next_kind, next_cell=next_cell) / batch
