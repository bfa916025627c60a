"""The workload's model and what it learns from, in torch."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import workload
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, max_pool2d, relu
from workload import SEED

EXAMPLES, BATCH, CLASSES, SIDE, LEARNING_RATE = 64, 16, 10, 32, 0.05
_IMAGES = 4_096


class Cnn(nn.Module):
    """Two convolutions and two dense layers: 138,698 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 16, 3, stride=2, padding=1)
        self.second = nn.Conv2d(16, 32, 3, padding=1)
        self.wide = nn.Linear(512, 256)
        self.last = nn.Linear(256, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """images: (n, 1, 32, 32). Returns: logits (n, CLASSES)."""
        seen = max_pool2d(relu(self.first(images)), 2)
        seen = max_pool2d(relu(self.second(seen)), 2)
        out: Tensor = self.last(relu(self.wide(seen.flatten(1))))
        return out


def model() -> Cnn:
    """With the weights where training begins."""
    torch.set_num_threads(1)
    made = Cnn()
    torch.nn.utils.vector_to_parameters(torch.from_numpy(workload.weights("cnn")), made.parameters())
    return made


def parameters(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """By their names, in the order of the flat vector."""
    return list(model.named_parameters())


@lru_cache(maxsize=1)
def _images() -> tuple[Tensor, Tensor]:
    random = np.random.default_rng(SEED)
    images = random.standard_normal((_IMAGES, 1, SIDE, SIDE), dtype=np.float32)
    return torch.from_numpy(images), torch.from_numpy(random.integers(0, CLASSES, _IMAGES))


@lru_cache(maxsize=2_048)
def _rows(client: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng([SEED, client]).integers(0, _IMAGES, EXAMPLES))


def data(number: int, client: int) -> list[Tensor]:
    """One client's examples, the same in each round: (EXAMPLES, 1, 32, 32) and labels (EXAMPLES,)."""
    images, labels = _images()
    rows = _rows(client)
    return [images[rows], labels[rows]]


def local_loss(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Of one batch."""
    return cross_entropy(model(images), labels)


def optimiser(model: nn.Module, parameters: Any, lr: float) -> torch.optim.Optimizer:
    """For one client's steps."""
    return torch.optim.SGD(parameters, lr=lr)


def batches(images: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """In order: every engine sees the same."""
    yield from zip(torch.split(images, BATCH), torch.split(labels, BATCH), strict=True)
