"""The work that every engine is given: a small CNN (`cnn.py`) or the shipped model under example-level privacy (`shipped.py`),
made-up clients, clipped updates, central noise. Needs no torch.

What a client does, which clients are asked in a round, and what noise is added are functions of numbers alone, so that every
engine comes to the same weights up to rounding.
"""

import argparse
import math
import time
from typing import Any

import numpy as np

TASKS = ("cnn", "heads", "all")  # the two last are of the shipped model: what of it trains
CLIP_NORM, NOISE_MULTIPLIER, SEED = 0.5, 0.5, 7
GRID = 2.0**-39  # so fine that a sum on it is a float's
_LAYERS = ((16, 9), (32, 144), (256, 512), (10, 256))  # outputs, and what each sees


def weights(task: str) -> np.ndarray:
    """Where training begins, float32 (P,), in the order of the model's parameters; of the CNN uniform, by how many numbers a unit sees."""
    if task != "cnn":
        from windows import MODEL

        from reticent.model.public import initial

        return initial(MODEL, task)
    random, parts = np.random.default_rng([SEED, 0, 2]), []
    for outputs, seen in _LAYERS:
        reach = 1 / math.sqrt(seen)
        parts += [random.uniform(-reach, reach, outputs * seen), random.uniform(-reach, reach, outputs)]
    return np.concatenate(parts).astype(np.float32)


def torch_side(task: str) -> Any:
    """The task's model, data and optimiser, as peers take them: `cnn`, or a `shipped.Shipped`."""
    if task == "cnn":
        import cnn

        return cnn
    from shipped import Shipped

    return Shipped(task)


def cohort(number: int, *, clients: int, size: int) -> list[int]:
    """Who is asked in a round, as `reticent.sim.cohorts.cohort` has it."""
    epoch, place = divmod(number, clients // size)
    order = np.random.default_rng([SEED, epoch]).permutation(clients)
    return sorted(order[place * size : (place + 1) * size].tolist())


def noise(number: int, parameters: int) -> np.ndarray:
    """What is added to the sum of a round's updates, float32 (P,)."""
    random = np.random.default_rng([SEED, number, 1])
    return random.standard_normal(parameters, dtype=np.float32) * np.float32(NOISE_MULTIPLIER * CLIP_NORM)


def factor(norm: float) -> float:
    """What an update of this L2 norm is multiplied by."""
    return min(1.0, CLIP_NORM / norm) if norm > 0 and math.isfinite(norm) else 1.0


def asked() -> argparse.Namespace:
    """What an engine is asked for on its command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--task", choices=TASKS, required=True)
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
