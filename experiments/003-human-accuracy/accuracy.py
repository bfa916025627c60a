#!/usr/bin/env python3
"""Top-1 on human web tasks against epsilon, people and mode: every run is a plain `reticent train`, scored on test people.

    python experiments/003-human-accuracy/accuracy.py RECORDING [--out accuracy.csv] [--only secure,1000,4] [--keep FOLDER]

RECORDING: what `reticent data import miniwob CLONE RECORDING` wrote. A row that the file has already is not run again. --keep: leaves the
runs in FOLDER/MODE-PEOPLE-EPSILON/SEED, for people.py and fresh.py.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import reticent

sys.path.insert(0, str(Path(__file__).parents[1]))
from kept import append, rows

HERE = Path(__file__).parent
SEEDS = (0, 1, 2)
BARS = (
    ("secure", 1000, 4.0),
    ("secure", 500, 8.0),
    ("secure", 200, 4.0),
)
MORE = (
    ("secure", 1000, 8.0),
    ("secure", 1000, 2.0),
    ("secure", 500, 4.0),
    ("secure", 500, 2.0),
    ("secure", 200, 8.0),
    ("secure", 200, 2.0),
)
LOCAL = tuple(("local", people, epsilon) for people in (1000, 500, 200) for epsilon in (32.0, 128.0, 8.0))
ROUNDS, PARAMETERS = 80, 12_354  # of the experiment's model and heads
METRICS = ("top1", "top3", "perplexity", "cell_top1", "cell_top3")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recording", type=Path)
    parser.add_argument("--out", type=Path, default=HERE / "accuracy.csv")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--only", help="one cell, as mode,people,epsilon")
    arguments = parser.parse_args()
    done = {key(row) for row in rows(arguments.out)}
    for cells in (BARS, MORE, LOCAL):
        for seed, (mode, people, epsilon) in product(SEEDS, cells):
            one: dict[str, Any] = {"mode": mode, "people": people, "epsilon": epsilon, "seed": seed}
            wanted = arguments.only in (None, f"{mode},{people},{epsilon:g}")
            if wanted and key(one) not in done:
                with tempfile.TemporaryDirectory() as folder:
                    place = (arguments.keep or Path(folder)) / f"{mode}-{people}-{epsilon:g}" / f"{seed}"
                    append(arguments.out, one | run(arguments.recording.resolve(), place, **one))


def clip_norm(mode: str, people: int, epsilon: float) -> float:
    """Chosen on validation people, for mode secure: the less noise, the longer a step may be.

    For mode local the same total length of noise: it is what the chosen ones for epsilon 4 have in common, .19.
    """
    if mode == "secure":
        return 1.5 * people / 1000 * {2.0: 0.7, 4.0: 1.0, 8.0: 1.4}[epsilon]
    noise = reticent.calibrate(epsilon=epsilon, delta=1e-5, steps=ROUNDS)
    return 0.19 / (noise * math.sqrt(PARAMETERS / (people * ROUNDS)))


def run(recording: Path, folder: Path, *, mode: str, people: int, epsilon: float, seed: int) -> dict[str, float]:
    """What one run leaves in results.json, and the private counts beside it."""
    words = [
        "+experiment=miniwob_secure_eps4",
        f"server.rounds={ROUNDS}",
        f"data.path={recording}",
        f"data.people={people}",
        f"privacy.mode={mode}",
        f"privacy.epsilon={epsilon}",
        f"privacy.clip_norm={clip_norm(mode, people, epsilon):.4g}",
        f"seed={seed}",
        f"hydra.run.dir={folder}",
    ]
    subprocess.run([sys.executable, "-m", "reticent.cli", "train", *words], check=True, stdout=subprocess.DEVNULL)
    results = json.loads((folder / "results.json").read_text())
    first = json.loads((folder / "rounds.jsonl").read_text().splitlines()[0])["metrics"]
    counts, markov = results["baselines"]["private_ngram"], results["baselines"]["markov3"]
    return (
        {"clip_norm": clip_norm(mode, people, epsilon)}
        | {name: round(results[name], 4) for name in METRICS}
        | {f"start_{name}": round(first[name], 4) for name in METRICS}
        | {f"private_ngram_{name}": round(counts[name], 4) for name in ("top1", "perplexity", "cell_top1")}
        | {f"markov3_{name}": round(markov[name], 4) for name in ("top1", "perplexity", "cell_top1")}
    )


def key(row: Mapping[str, object]) -> tuple[str, int, float, int]:
    return str(row["mode"]), int(str(row["people"])), float(str(row["epsilon"])), int(str(row["seed"]))


if __name__ == "__main__":
    main()
