"""What do more people cost a simulation? Cohorts of 100 out of 100, 1,000 and 10,000 drawn people, and smaller ones: seconds, memory."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
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
REPEATS = 3  # a machine's speed moves within minutes
SLACK = 1.25  # that a machine's other work may add to a time


def bars(*, quick: bool) -> Iterator[dict[str, Any]]:
    sizes = (PEOPLE[0], PEOPLE[2]) if quick else PEOPLE
    for people in sizes:
        seconds, held = _run(people, COHORT, rounds=ROUNDS)
        what = f"{people:,} people, {COHORT} a round"
        yield bar(f"{what}: first round", seconds[0], "s")
        yield bar(f"{what}: peak memory, all processes, shared pages once", held, "MB", goal=MOST_MB)
    fewer = [(PEOPLE[-1], cohort) for cohort in (COHORTS[:1] if quick else COHORTS)]
    fresh = _later([*((people, COHORT) for people in sizes), *fewer], repeats=1 if quick else REPEATS)
    for people in sizes[1:]:
        least = fresh[sizes[0], COHORT]
        what = f"{people:,} people, {COHORT} a round, nothing kept: a later round, beside one of {sizes[0]} people"
        yield bar(what, fresh[people, COHORT], "s", peer=least, goal=SLACK * least)
    for people, cohort in fewer:
        linear = fresh[people, COHORT] * cohort / COHORT
        what = f"{people:,} people, {cohort} a round, nothing kept: a later round, beside {cohort}/{COHORT} of one of {COHORT}"
        yield bar(what, fresh[people, cohort], "s", peer=linear, goal=SLACK * linear)


def _later(each: Sequence[tuple[int, int]], *, repeats: int) -> dict[tuple[int, int], float]:
    """By people and cohort, which take turns: median seconds of all rounds but the first of a run, which holds the workers' start."""
    seconds: dict[tuple[int, int], list[float]] = {one: [] for one in each}
    for _ in range(repeats):
        for people, cohort in each:
            seconds[people, cohort] += _run(people, cohort, NOTHING_KEPT, rounds=FRESH_ROUNDS)[0][1:]
    return {one: median(found) for one, found in seconds.items()}


def _run(people: int, cohort: int, *more: str, rounds: int) -> tuple[list[float], float]:
    """Seconds of each round, and peak memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["data=drawn", f"data.people={people}", "learn=heads", "server=cohorts", f"server.cohort={cohort}"]
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
