"""The shipped model's private step as peers take it: Opacus, in float64 as ours.

Where heads alone train, peers too are given the features of a frozen trunk once a client.
"""

import warnings
from collections import deque
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import windows
import workload
from opacus.grad_sample.utils import get_gsm_class
from opacus.optimizers import DPOptimizer
from torch import Tensor, nn

from reticent.model.frozen import Frozen, freeze
from reticent.model.heads import summed_loss
from reticent.model.inputs import Inputs, inputs
from reticent.model.network import load, set_vector
from reticent.model.pools import take
from reticent.model.trunk import Features

_FRAMES, _FEATURES = (
    ("frames", "patches", "has_patch", "history", "planes", "facts", "last", "spots"),
    ("kind", "grid", "place"),
)


class Shipped:
    """What the peers' programs ask of a task, as `cnn` has it. trains: heads or all."""

    BATCH, LEARNING_RATE = windows.WINDOWS, windows.LEARNING_RATE  # a batch is what was drawn, whole

    def __init__(self, trains: str) -> None:
        torch.set_num_threads(1)
        self._trains = trains
        self._network = load(windows.MODEL).double().requires_grad_(False)
        self._kept = lru_cache(maxsize=2_048)(lambda client: freeze(self._network, windows.pool(client)))
        self._drawn: deque[tuple[int, int]] = deque()

    def model(self) -> nn.Module:
        """With Opacus' hooks, which its documentation takes first and which were its fastest mode here."""
        network = load(windows.MODEL).double()
        set_vector(network, self._trains, workload.weights(self._trains))
        network.requires_grad_()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about hooks
            made: nn.Module = get_gsm_class("hooks")(
                network.heads if self._trains == "heads" else network, loss_reduction="mean"
            )
        return made

    def parameters(self, model: Any) -> list[tuple[str, nn.Parameter]]:
        """By their names in `model`, in the order of the flat vector."""
        return sorted(model.named_parameters(), key=lambda one: one[0])

    def data(self, number: int, client: int) -> list[Tensor]:
        """What the client draws in this round, and its labels. The next optimiser is for this client's step."""
        self._drawn.append((number, client))
        rows = np.flatnonzero(windows.StepNoise(number, client).uniform(windows.WINDOWS) < windows.RATE)
        if self._trains == "heads":
            kept: Frozen = self._kept(client)
            seen = [getattr(kept.seen, name)[torch.from_numpy(rows)].double() for name in _FEATURES]
            labels = [kept.next_kind[rows], kept.next_cell[rows]]
        else:
            some = take(windows.pool(client), rows, size=len(rows))
            made = inputs(some, dtype=torch.float64)
            seen = [getattr(made, name) for name in _FRAMES]
            labels = [some.next_kind, some.next_cell]
        return [*seen, *map(torch.from_numpy, labels)]

    def local_loss(self, model: nn.Module, *batch: Tensor) -> Tensor:
        """Mean over a batch."""
        *seen, next_kind, next_cell = batch
        names = _FEATURES if self._trains == "heads" else _FRAMES
        kind, cell = model((Features if self._trains == "heads" else Inputs)(**dict(zip(names, seen, strict=True))))
        return summed_loss(kind, cell, next_kind=next_kind, next_cell=next_cell) / len(next_kind)

    def optimiser(self, model: Any, parameters: Any, lr: float) -> DPOptimizer:
        """For one client's one step."""
        in_order = [parameter for _, parameter in self.parameters(model)]
        normal = torch.from_numpy(
            windows.StepNoise(*self._drawn.popleft()).normal(sum(one.numel() for one in in_order))
        )
        parts = torch.split(normal, [one.numel() for one in in_order])
        return _Drawn(torch.optim.SGD(parameters, lr=lr), dict(zip(in_order, parts, strict=True)))


class _Drawn(DPOptimizer):  # type: ignore[misc]  # Opacus has no types
    """Opacus' own, which adds the given numbers where it would draw some."""

    def __init__(self, sgd: torch.optim.Optimizer, normal: dict[Any, Tensor]) -> None:
        super().__init__(
            sgd,
            noise_multiplier=windows.NOISE_MULTIPLIER,
            max_grad_norm=windows.CLIP_NORM,
            expected_batch_size=windows.EXPECTED,
        )
        self._normal = normal

    def add_noise(self) -> None:
        for parameter in self.params:
            noise = self._normal[parameter].view_as(parameter) * (self.noise_multiplier * self.max_grad_norm)
            parameter.grad = parameter.summed_grad + noise
