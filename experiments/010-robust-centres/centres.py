"""Up to which noise do a median and a trimmed mean withstand hostile clients? Real updates of 49 office people, three seeds.

.venv/bin/python experiments/010-robust-centres/centres.py > experiments/010-robust-centres/centres.csv
"""

import csv
import os
import sys
from itertools import product

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from reticent.aggregate.centre import Median, TrimmedMean, noise_length
from reticent.learn.train import local_update
from reticent.model import catalogue
from reticent.model.public import initial
from reticent.privacy.mechanism import grid_for, norm_bound, payload_bound, release_vector
from reticent.privacy.noise import SeededNoise
from reticent.records.plan import LocalTraining
from reticent.sim.population import population

MODEL, SEEDS = "office-60k", (0, 1, 2)
CLIP_NORMS = (0.5, 10.0)  # one that shortens most updates, and one that shortens none
# Of one release's noise, in clip norms; the last is that of a noise multiplier of 1.
LENGTHS = (1e-3, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 10.0, 111.0)
HOSTILE = (0.0, 0.1, 0.2, 0.3)
CENTRES = {
    "mean": lambda releases: releases.mean(axis=0, dtype=np.float64),
    "median": Median().of,
    "trimmed_mean": TrimmedMean(share=0.3).of,
}
TRAINING = LocalTraining(
    sampling_rate=1.0, expected_batch=32, steps=1, learning_rate=8.0, clip_norm=1.0, noise_multiplier=1e-6
)


def main() -> None:
    parameters = catalogue.parameters(MODEL, "heads")
    people, start = population("office", people=None), initial(MODEL, "heads")
    learnt = [
        local_update(people.pool(one), start, model=MODEL, trainable="heads", training=TRAINING, noise=SeededNoise(one))
        for one in range(len(people))
    ]
    rows = csv.writer(sys.stdout)
    print(
        f"lengths of updates: {np.quantile([np.linalg.norm(one) for one in learnt], [0, 0.5, 1]).round(2)}",
        file=sys.stderr,
    )
    rows.writerow(["clip_norm", "noise_length", "noise_multiplier", "hostile", "attack", *CENTRES])
    for clip_norm, length in product(CLIP_NORMS, LENGTHS):
        noise_multiplier = length / noise_length(noise_multiplier=1.0, parameters=parameters)
        for share in HOSTILE:
            for attack in ("against", "every coordinate") if share else ("none",):
                found = [cosines(learnt, clip_norm, noise_multiplier, share, attack, seed) for seed in SEEDS]
                means = np.mean(found, axis=0)
                rows.writerow(
                    [clip_norm, length, f"{noise_multiplier:.3g}", share, attack, *(f"{one:.3f}" for one in means)]
                )
                sys.stdout.flush()


def cosines(
    learnt: list[np.ndarray], clip_norm: float, noise_multiplier: float, share: float, attack: str, seed: int
) -> list[float]:
    """Of each centre to the mean of the honest people's clipped updates."""
    parameters = len(learnt[0])
    scale = {"clip_norm": clip_norm, "noise_multiplier": noise_multiplier}
    grid = grid_for(**scale, parameters=parameters)
    hostile = round(share * len(learnt))
    noise, order = SeededNoise(seed), np.random.default_rng(seed).permutation(len(learnt))
    honest = [learnt[one] for one in order[hostile:]]
    truth = np.mean([one * min(1, clip_norm / np.linalg.norm(one)) for one in honest], axis=0)
    releases = [release_vector(one, **scale, grid=grid, noise=noise) for one in honest]
    releases += [lie(truth, attack, grid=grid, **scale)] * hostile
    together = np.array(releases, dtype=np.int32)
    return [
        float(c @ truth / np.linalg.norm(c) / np.linalg.norm(truth)) for c in (of(together) for of in CENTRES.values())
    ]


def lie(truth: np.ndarray, attack: str, *, clip_norm: float, noise_multiplier: float, grid: float) -> np.ndarray:
    """The longest release that a server takes, away from the truth: along it, or in every coordinate alike."""
    scale = {"clip_norm": clip_norm, "noise_multiplier": noise_multiplier, "grid": grid}
    away = -truth if attack == "against" else -np.sign(truth)
    longest = norm_bound(**scale, parameters=len(truth)) * away / np.linalg.norm(away)
    bound = payload_bound(**scale)
    return np.clip(np.rint(longest), -bound, bound).astype(np.int32)


if __name__ == "__main__":
    main()
