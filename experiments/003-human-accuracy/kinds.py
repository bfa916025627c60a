#!/usr/bin/env python3
"""What do private counts of kinds alone give, with the whole budget for them? Test people, mode secure.

    python experiments/003-human-accuracy/kinds.py RECORDING [--out kinds.csv]

RECORDING: as for accuracy.py. Each kind after its last 0 to `order` kinds, as one clipped vector that has no cells in it. Order and clip norm are chosen on
validation people, for each row anew. A row that the file has already is not counted again.
"""

import math
import sys
from itertools import product
from pathlib import Path

import numpy as np

from reticent.actions.pool import Pool
from reticent.actions.vocabulary import KINDS
from reticent.evaluate.private_counts import _BACKING, _predicted, _table
from reticent.privacy.calibration import noise_multiplier
from reticent.privacy.mechanism import grid_for, release_vector
from reticent.privacy.noise import SeededNoise

sys.path.insert(0, str(Path(__file__).parents[1]))
from cells import DELTA, PEOPLE, SEEDS, asked
from kept import append, rows

EPSILONS = (4.0, 8.0)
ORDERS, CLIP_NORMS = (1, 2, 3), (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


def main() -> None:
    out, clients, chosen_on, scored = asked(__doc__.partition("\n")[0], out="kinds.csv")
    counted = {order: [_counts(pool, order) for pool in clients] for order in ORDERS}
    done = {(row["people"], row["epsilon"], row["seed"]) for row in rows(out)}
    for people, epsilon, seed in product(PEOPLE, EPSILONS, SEEDS):
        if (str(people), f"{epsilon:g}", str(seed)) in done:
            continue
        found = []
        for order, norm in product(ORDERS, CLIP_NORMS):
            levels, backing = _released(counted[order][:people], order, clip_norm=norm, epsilon=epsilon, seed=seed)
            found.append((_scores(levels, backing, chosen_on), order, norm, levels, backing))
        _, order, norm, levels, backing = max(found, key=lambda one: one[0])
        top1, log_loss = _scores(levels, backing, scored)
        row = {"people": people, "epsilon": f"{epsilon:g}", "seed": seed, "order": order, "clip_norm": norm}
        append(out, row | {"top1": f"{top1:.4f}", "perplexity": f"{math.exp(-log_loss):.4f}"})


def _counts(pool: Pool, order: int) -> np.ndarray:
    """One person's, the shortest history first."""
    tables = [_table(pool.kinds, pool.next_kind, length, symbols=KINDS) for length in range(order + 1)]
    return np.concatenate([table.ravel() for table in tables])


def _released(
    counts: list[np.ndarray], order: int, *, clip_norm: float, epsilon: float, seed: int
) -> tuple[list[np.ndarray], float]:
    """The sum of everybody's clipped and noised share as a table for each length, less one deviation of noise, and what backs a longer one."""
    share = noise_multiplier(epsilon=epsilon, delta=DELTA, steps=1) / math.sqrt(len(counts))
    scale = {"clip_norm": clip_norm, "noise_multiplier": share}
    size = len(counts[0])
    grid, noise, total = grid_for(**scale, parameters=size), SeededNoise(seed), np.zeros(size, dtype=np.int64)
    for one in counts:
        total += release_vector(one, **scale, grid=grid, noise=noise)
    deviation = share * clip_norm * math.sqrt(len(counts))
    left = np.maximum(total * grid - deviation, 0.0)
    shapes = [((KINDS + 1) ** length, KINDS) for length in range(order + 1)]
    parts = np.split(left, np.cumsum([rows * columns for rows, columns in shapes])[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)], _BACKING + deviation


def _scores(levels: list[np.ndarray], backing: float, pool: Pool) -> tuple[float, float]:
    """Top-1, and the mean log of what was given to the true kind."""
    likely = _predicted(levels, pool.kinds, symbols=KINDS, backing=backing)
    true = likely[np.arange(len(pool)), pool.next_kind]
    return float((likely.argmax(axis=1) == pool.next_kind).mean()), float(np.log(true).mean())


if __name__ == "__main__":
    main()
