"""What do more people and a larger epsilon bring? Office people in simulation, from two public starts, three seeds each.

.venv/bin/python experiments/002-simulated-people/accuracy.py > experiments/002-simulated-people/accuracy.csv
"""

import csv
import math
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "012-starts"))  # workers import the trunk's module from there, too
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (sys.path[0], os.environ.get("PYTHONPATH"))))

import starts

import reticent
from reticent.model import catalogue
from reticent.privacy.calibration import noise_multiplier

SEEDS = (0, 1, 2)
METRICS = ("top1", "perplexity", "cell_top1")
NOISELESS = 1_000  # an epsilon that stands for no employee-level noise worth the name
PEOPLE, DELTA = (8, 24, 49), 1e-6
NOISE_LENGTH = 14.4  # of all rounds together, that heads of this size bear: experiments/004-clip-norm
LONGEST = 0.5  # clip norm where next to no noise sets none
EMPLOYEE_ONLY = ("learn=plain", "server.rounds=40")
BOTH = ("learn=heads", "privacy.epsilon_example=8", "server.rounds=10")
CELLS = (  # start, levels that add noise, people, epsilon
    *(("drawn-60k", EMPLOYEE_ONLY, people, epsilon) for people in PEOPLE for epsilon in (2, 8, NOISELESS)),
    *(("drawn-60k", BOTH, 49, epsilon) for epsilon in (8, NOISELESS)),
    *(("office-60k", EMPLOYEE_ONLY, 49, epsilon) for epsilon in (2, 8, NOISELESS)),
)


def main() -> None:
    rows = csv.DictWriter(sys.stdout, ["start", "levels", "people", "epsilon", "seeds", *_columns()])
    rows.writeheader()
    with tempfile.TemporaryDirectory() as folder:
        reticent.register("drawn-60k", starts.of_drawn(Path(folder) / "drawn.safetensors", Path()))
        for row in cells(Path(folder)):
            rows.writerow(row)
            sys.stdout.flush()


def cells(folder: Path) -> Iterator[dict[str, object]]:
    for start, words, people, epsilon in CELLS:
        found = [_run(folder, start, words, people, epsilon, seed) for seed in SEEDS]
        row: dict[str, object] = {"start": start, "levels": "both" if words is BOTH else "employee"}
        row.update(people=people, epsilon=epsilon, seeds=len(SEEDS))
        for name in METRICS:
            values = [one[name] for one in found]
            row[f"start_{name}"] = f"{found[0]['start'][name]:.4f}"
            row[name] = f"{statistics.mean(values):.4f}"
            row[f"{name}_sd"] = f"{statistics.stdev(values):.4f}"
        yield row


def _columns() -> list[str]:
    return [column for name in METRICS for column in (f"start_{name}", name, f"{name}_sd")]


def _clip_norm(people: int, epsilon: int, *, rounds: int) -> float:
    """At which all rounds' noise, in the mean of so many people, is NOISE_LENGTH long."""
    noise = noise_multiplier(epsilon=epsilon, delta=DELTA, steps=rounds)
    parameters = catalogue.parameters("office-60k", "heads")
    return round(min(LONGEST, NOISE_LENGTH * people / (noise * math.sqrt(parameters * rounds))), 4)


def _run(folder: Path, start: str, words: tuple[str, ...], people: int, epsilon: int, seed: int) -> dict[str, Any]:
    name = "-".join(str(part) for part in (start, words[0], people, epsilon, seed)).replace("=", "-")
    settings = (f"model.name={start}", "privacy=secure_eps8", f"privacy.delta={DELTA}", f"data.people={people}")
    norm = _clip_norm(people, epsilon, rounds=int(words[-1].partition("=")[2]))
    budget = (f"privacy.epsilon={epsilon}", f"privacy.clip_norm={norm}", f"seed={seed}")
    return reticent.run(*settings, *words, *budget, folder=folder / name).results


if __name__ == "__main__":
    main()
