#!/usr/bin/env python3
"""What do private counts of cells alone give, with the whole budget for them? Test people, epsilon 4, mode secure.

    python experiments/003-human-accuracy/cells.py RECORDING [--out cells.csv]

RECORDING: as for accuracy.py. Three kinds of counts: a histogram of cells, each cell after the last one, and both. The clip norm of
each is chosen on validation people. A row that the file has already is not counted again.
"""

import argparse
import math
import sys
from itertools import product
from pathlib import Path

import numpy as np

from reticent.actions.pool import Pool
from reticent.actions.vocabulary import CELLS
from reticent.model.pools import together
from reticent.privacy.calibration import noise_multiplier
from reticent.privacy.mechanism import grid_for, release_vector
from reticent.privacy.noise import SeededNoise
from reticent.recordings import source

sys.path.insert(0, str(Path(__file__).parents[1]))
from kept import append, rows

SEEDS, PEOPLE, EPSILON, DELTA = (0, 1, 2), (200, 500, 1_000), 4.0, 1e-5
CLIP_NORMS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
COUNTS = {"histogram": (True, False), "after the last": (False, True), "both": (True, True)}
BACKING = 5.0  # as `evaluate.private_counts`: sightings that a shorter history weighs as much as, beside one deviation of noise


def main() -> None:
    out, clients, chosen_on, scored = asked(__doc__.partition("\n")[0], out="cells.csv")
    done = {(row["counts"], row["people"], row["seed"]) for row in rows(out)}
    for name, people, seed in product(COUNTS, PEOPLE, SEEDS):
        if (name, str(people), str(seed)) in done:
            continue
        tables = {norm: _released(clients[:people], COUNTS[name], clip_norm=norm, seed=seed) for norm in CLIP_NORMS}
        best = max(CLIP_NORMS, key=lambda norm: _top1(tables[norm], chosen_on))
        found = {"clip_norm": best, "cell_top1": f"{_top1(tables[best], scored):.4f}"}
        append(out, {"counts": name, "people": people, "seed": seed, **found})


def asked(what: str, *, out: str) -> tuple[Path, list[Pool], Pool, Pool]:
    """What the command line says: the file for results, what each client counts, the examples to choose by and those to score."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / out)
    arguments = parser.parse_args()
    data = source.of_file(arguments.recording)
    split = source.split(data)
    clients = [source.split_time(data, person).earlier for person in split.client[: max(PEOPLE)]]
    chosen_on, scored = (
        together([source.pool(data, person) for person in part]) for part in (split.validation, split.test)
    )
    return arguments.out, clients, chosen_on, scored


def _released(clients: list[Pool], counts: tuple[bool, bool], *, clip_norm: float, seed: int) -> np.ndarray:
    """Shape (contexts, CELLS), rows positive: the sum of everybody's clipped and noised share, less one deviation of noise; the longer
    history is backed by the histogram where there is one."""
    share = noise_multiplier(epsilon=EPSILON, delta=DELTA, steps=1) / math.sqrt(len(clients))
    size = len(_counts(Pool.empty(), counts))
    scale = {"clip_norm": clip_norm, "noise_multiplier": share}
    grid, noise, total = grid_for(**scale, parameters=size), SeededNoise(seed), np.zeros(size, dtype=np.int64)
    for pool in clients:
        total += release_vector(_counts(pool, counts), **scale, grid=grid, noise=noise)
    deviation = share * clip_norm * math.sqrt(len(clients))
    counted: np.ndarray = np.maximum(total * grid - deviation, 0.0)
    histogram = (counted[:CELLS] if counts[0] else 0.0) + np.full(CELLS, BACKING + deviation)
    backed: np.ndarray = (histogram / histogram.sum())[None]
    if not counts[1]:
        return backed
    pairs: np.ndarray = counted[-(CELLS + 1) * CELLS :].reshape(CELLS + 1, CELLS)
    return pairs + (BACKING + deviation) * backed


def _counts(pool: Pool, counts: tuple[bool, bool]) -> np.ndarray:
    """One person's: of each cell, and of each pair of the last cell and the next, as far as they are asked for."""
    alone = np.bincount(pool.next_cell, minlength=CELLS)
    pairs = np.bincount(pool.cells[:, -1] * CELLS + pool.next_cell, minlength=(CELLS + 1) * CELLS)
    return np.concatenate([one for one, asked in zip((alone, pairs), counts, strict=True) if asked]).astype(np.float64)


def _top1(table: np.ndarray, pool: Pool) -> float:
    """How often the likeliest cell is the true one; of equal ones the first."""
    context = pool.cells[:, -1] if len(table) > 1 else np.zeros(len(pool), dtype=np.int64)
    return float((table[context].argmax(axis=1) == pool.next_cell).mean())


if __name__ == "__main__":
    main()
