"""The workload's model and what it learns from, in torch."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
import workload
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, max_pool2d, relu
from workload import BATCH, CLASSES, EXAMPLES, PARAMETERS, SEED, SIDE

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


def start() -> tuple[Cnn, np.ndarray]:
    """The model, and its weights as one float32 vector in the order of its parameters."""
    torch.set_num_threads(1)
    model, weights = Cnn(), workload.weights()
    torch.nn.utils.vector_to_parameters(torch.from_numpy(weights.copy()), model.parameters())
    if weights.shape != (PARAMETERS,):
        raise SystemExit(f"the model has {len(weights)} parameters, not {PARAMETERS}")
    return model, weights


@lru_cache(maxsize=1)
def _images() -> tuple[Tensor, Tensor]:
    random = np.random.default_rng(SEED)
    images = random.standard_normal((_IMAGES, 1, SIDE, SIDE), dtype=np.float32)
    return torch.from_numpy(images), torch.from_numpy(random.integers(0, CLASSES, _IMAGES))


@lru_cache(maxsize=2_048)
def _rows(client: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng([SEED, client]).integers(0, _IMAGES, EXAMPLES))


def data(client: int) -> tuple[Tensor, Tensor]:
    """One client's examples: (EXAMPLES, 1, 32, 32) and labels (EXAMPLES,)."""
    images, labels = _images()
    rows = _rows(client)
    return images[rows], labels[rows]


def local_loss(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Of one batch."""
    return cross_entropy(model(images), labels)


def batches(images: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """In order: every engine sees the same."""
    yield from zip(torch.split(images, BATCH), torch.split(labels, BATCH), strict=True)
