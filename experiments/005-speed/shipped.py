"""The shipped model's private step as the peers take it: Opacus, in float64 as ours. And the numbers that all take for random.

What a client draws of its windows in a round, and the noise of its step, are functions of seeds, so that every engine comes
to the same weights up to rounding. Where heads alone train, everybody is given the features of a frozen trunk, once a client.
"""

import warnings
from collections import deque
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import workload
from opacus.grad_sample.utils import get_gsm_class
from opacus.optimizers import DPOptimizer
from torch import Tensor, nn
from workload import SEED, SHIPPED, WINDOWS

from reticent.actions.pool import Pool
from reticent.model.frozen import Frozen, freeze
from reticent.model.heads import summed_loss
from reticent.model.inputs import Inputs, inputs
from reticent.model.network import load, set_vector
from reticent.model.pools import take
from reticent.model.trunk import Features
from tests.model.random_pools import random_pool

RATE, EXPECTED, LEARNING_RATE, CLIP_NORM, NOISE_MULTIPLIER = 0.35, 16, 0.1, 1.0, 1.0
_FRAMES, _FEATURES = (
    ("frames", "patches", "has_patch", "history", "planes", "facts", "last", "spots"),
    ("kind", "grid", "place"),
)


class StepNoise:
    """What one client draws in one round, as `reticent.privacy.noise.NoiseSource`."""

    def __init__(self, number: int, client: int) -> None:
        self._key = (SEED, number, client)

    def uniform(self, n: int, /) -> np.ndarray:
        return np.random.default_rng([*self._key, 0]).random(n)

    def normal(self, n: int, /) -> np.ndarray:
        return np.random.default_rng([*self._key, 1]).standard_normal(n)

    def discrete_gaussian(self, n: int, /, *, sigma: float) -> np.ndarray:
        raise NotImplementedError


@lru_cache(maxsize=2_048)
def pool(client: int) -> Pool:
    """One client's windows."""
    return random_pool(WINDOWS, seed=client)


class Shipped:
    """What the peers' programs ask of a task, as `cnn` has it. trains: heads or all."""

    BATCH, LEARNING_RATE = WINDOWS, LEARNING_RATE  # a batch is what was drawn, whole

    def __init__(self, trains: str) -> None:
        torch.set_num_threads(1)
        self._trains = trains
        self._network = load(SHIPPED).double().requires_grad_(False)
        self._kept = lru_cache(maxsize=2_048)(lambda client: freeze(self._network, pool(client)))
        self._drawn: deque[tuple[int, int]] = deque()

    def model(self) -> nn.Module:
        """With Opacus' hooks, which its documentation takes first and which were its fastest mode here."""
        network = load(SHIPPED).double()
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
        rows = np.flatnonzero(StepNoise(number, client).uniform(WINDOWS) < RATE)
        if self._trains == "heads":
            kept: Frozen = self._kept(client)
            seen = [getattr(kept.seen, name)[torch.from_numpy(rows)].double() for name in _FEATURES]
            labels = [kept.next_kind[rows], kept.next_cell[rows]]
        else:
            some = take(pool(client), rows, size=len(rows))
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
        normal = torch.from_numpy(StepNoise(*self._drawn.popleft()).normal(sum(one.numel() for one in in_order)))
        parts = torch.split(normal, [one.numel() for one in in_order])
        return _Drawn(torch.optim.SGD(parameters, lr=lr), dict(zip(in_order, parts, strict=True)))


class _Drawn(DPOptimizer):  # type: ignore[misc]  # Opacus has no types
    """Opacus' own, which adds the given numbers where it would draw some."""

    def __init__(self, sgd: torch.optim.Optimizer, normal: dict[Any, Tensor]) -> None:
        super().__init__(sgd, noise_multiplier=NOISE_MULTIPLIER, max_grad_norm=CLIP_NORM, expected_batch_size=EXPECTED)
        self._normal = normal

    def add_noise(self) -> None:
        for parameter in self.params:
            noise = self._normal[parameter].view_as(parameter) * (self.noise_multiplier * self.max_grad_norm)
            parameter.grad = parameter.summed_grad + noise
