"""The folder of a sweep as its jobs leave it, without training anything."""

import json
from pathlib import Path
from random import Random
from typing import Any

import yaml

from tests.train.samples import values


def job(folder: Path, *, top1: float, seed: int = 0, epsilon: float | None = 4.0, **changes: Any) -> None:
    """A finished run of these settings that came to `top1`."""
    folder.mkdir(parents=True)
    if epsilon is not None:
        changes["privacy__epsilon"] = epsilon
    (folder / "config.yaml").write_text(yaml.safe_dump(values(seed=seed, **changes)))
    results = {
        "engine": "inprocess",
        "seed": seed,
        "scored": {"part": "validation", "people": 20, "examples": 900},
        "top1": top1,
        "perplexity": 2 + 2 * (1 - top1),
        "start": {"top1": 0.45},
        "cell_top1": top1 / 2,
        "epsilon": {"employee": {"server": {"zero_out": epsilon or 7.5}}},
        "baselines": {
            "majority": {"top1": 0.3},
            "markov3": {"top1": 0.5},
            "private_ngram": {"top1": 0.4 + (epsilon or 0) / 100},
        },
    }
    (folder / "results.json").write_text(json.dumps(results))


def sweep_over_epsilon(root: Path) -> Path:
    """Four values of ε, two modes, three seeds; and one job that failed."""
    random, number = Random(0), 0
    for mode, lift in (("secure", 0.08), ("local", -0.04)):
        for epsilon in (1.0, 2.0, 4.0, 8.0):
            for seed in range(3):
                top1 = 0.45 + lift + 0.02 * epsilon**0.5 + random.gauss(0, 0.008)
                job(root / str(number), top1=top1, seed=seed, epsilon=epsilon, privacy__mode=mode)
                number += 1
    failed = root / str(number)
    failed.mkdir()
    sentence = "in this run, privacy.epsilon must be 1e-06 at least; nothing was trained"
    kept = {"words": "data=drawn privacy.epsilon=-1 seed=0", "sentence": sentence, "exit_code": 2}
    (failed / "failed.json").write_text(json.dumps(kept))
    return root
