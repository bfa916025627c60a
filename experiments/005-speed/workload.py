"""The work that every engine is given: one small CNN, made-up clients, clipped updates, central noise. Needs numpy and torch only.

What a client does, which clients are asked in a round, and what noise is added are functions of numbers alone, so that every
engine comes to the same weights up to rounding.
"""

import argparse
import math
import time
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, max_pool2d, relu

PARAMETERS = 138_698
EXAMPLES, BATCH, CLASSES, SIDE = 64, 16, 10, 32
LEARNING_RATE, CLIP_NORM, NOISE_MULTIPLIER, SEED = 0.05, 0.5, 0.5, 7
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
    torch.manual_seed(SEED)
    model = Cnn()
    weights = np.concatenate([parameter.detach().flatten().numpy() for parameter in model.parameters()])
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


def cohort(number: int, *, clients: int, size: int) -> list[int]:
    """Who is asked in a round, as `reticent.sim.cohorts.cohort` has it."""
    epoch, place = divmod(number, clients // size)
    order = np.random.default_rng([SEED, epoch]).permutation(clients)
    return sorted(order[place * size : (place + 1) * size].tolist())


def noise(number: int) -> np.ndarray:
    """What is added to the sum of a round's updates, float32 (P,)."""
    random = np.random.default_rng([SEED, number, 1])
    return random.standard_normal(PARAMETERS, dtype=np.float32) * np.float32(NOISE_MULTIPLIER * CLIP_NORM)


def local_loss(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Of one batch."""
    return cross_entropy(model(images), labels)


def factor(norm: float) -> float:
    """What an update of this L2 norm is multiplied by."""
    return min(1.0, CLIP_NORM / norm) if norm > 0 and math.isfinite(norm) else 1.0


def asked() -> argparse.Namespace:
    """What an engine is asked for on its command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, required=True)
    parser.add_argument("--cohort", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--weights", required=True, help="where the last weights go")
    return parser.parse_args()


class Told:
    """Tells the caller of an engine how long each round took, on standard output."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def round(self) -> None:
        """A round has ended, and the next begins."""
        now = time.monotonic()
        print(f"round {now - self._began:.6f}", flush=True)
        self._began = time.monotonic()

    def end(self, weights: np.ndarray, path: str) -> None:
        """Leave the last weights for a comparison."""
        np.save(path, weights.astype(np.float32))


def batches(images: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """In order: every engine sees the same."""
    yield from zip(images.split(BATCH), labels.split(BATCH), strict=True)
