"""What do more people cost a simulation? Cohorts of 100 out of 100, 1,000 and 10,000 drawn people, and smaller ones: seconds, memory."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from scripts.bench import bar

sys.path.insert(0, str(Path(__file__).parents[1] / "005-speed"))
from contest import memory_mb

PEOPLE, COHORTS, COHORT = (100, 1_000, 10_000), (25, 50), 100
ROUNDS, FRESH_ROUNDS = 3, 6
NOTHING_KEPT = (
    "engine.cache_mb=1"  # everybody's windows are drawn and seen by the trunk anew, however many people there are
)
MOST_MB = 1_500
SLACK = 1.25  # that a machine's other work may add to a time


def bars(*, quick: bool) -> Iterator[dict[str, Any]]:
    sizes = (PEOPLE[0], PEOPLE[2]) if quick else PEOPLE
    for people in sizes:
        seconds, held = _run(people, COHORT, rounds=ROUNDS)
        what = f"{people:,} people, {COHORT} a round"
        yield bar(f"{what}: first round", seconds[0], "s")
        yield bar(f"{what}: peak memory, all processes, shared pages once", held, "MB", goal=MOST_MB)
    fresh = {people: _later(people, COHORT) for people in sizes}
    for people in sizes[1:]:
        least = fresh[sizes[0]]
        what = f"{people:,} people, {COHORT} a round, nothing kept: a later round, beside one of {sizes[0]} people"
        yield bar(what, fresh[people], "s", peer=least, goal=SLACK * least)
    for cohort in COHORTS[:1] if quick else COHORTS:
        linear = fresh[PEOPLE[-1]] * cohort / COHORT
        what = f"{PEOPLE[-1]:,} people, {cohort} a round, nothing kept: a later round, beside {cohort}/{COHORT} of one of {COHORT}"
        yield bar(what, _later(PEOPLE[-1], cohort), "s", peer=linear, goal=SLACK * linear)


def _later(people: int, cohort: int) -> float:
    """Median seconds of all rounds but the first, which holds the workers' start."""
    seconds, _ = _run(people, cohort, NOTHING_KEPT, rounds=FRESH_ROUNDS)
    return median(seconds[1:])


def _run(people: int, cohort: int, *more: str, rounds: int) -> tuple[list[float], float]:
    """Seconds of each round, and peak memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["data=drawn", f"data.people={people}", "server=cohorts", f"server.cohort={cohort}"]
        words += [*more, f"server.rounds={rounds}", f"hydra.run.dir={folder}"]
        process = subprocess.Popen([sys.executable, "-m", "reticent.cli", "train", *words], stdout=subprocess.DEVNULL)
        held = 0.0
        while process.poll() is None:
            held = max(held, memory_mb(process.pid))
            time.sleep(0.25)
        if process.returncode:
            raise SystemExit(f"reticent train ended with {process.returncode}")
        lines = [json.loads(line) for line in (Path(folder) / "rounds.jsonl").read_text().splitlines()]
    return [line["seconds_train"] for line in lines if line["status"] == "applied"], held
