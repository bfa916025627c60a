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
ROUNDS = 3
MOST_MB = 1_500
SLACK = 1.25  # that a machine's other work may add to a time


def bars(*, quick: bool) -> Iterator[dict[str, Any]]:
    asked_first: dict[int, float] = {}
    for people in (PEOPLE[0], PEOPLE[2]) if quick else PEOPLE:
        seconds, held = _run(people, COHORT)
        what = f"{people:,} people, {COHORT} a round"
        asked_first[people] = seconds[0]
        least = asked_first[PEOPLE[0]]
        yield bar(f"{what}: first round, beside that of 100 people", seconds[0], "s", peer=least, goal=SLACK * least)
        yield bar(f"{what}: median round", median(seconds), "s")
        yield bar(f"{what}: peak memory, all processes, shared pages once", held, "MB", goal=MOST_MB)
    for cohort in COHORTS[:1] if quick else COHORTS:
        seconds, _ = _run(PEOPLE[1], cohort)
        linear = asked_first[PEOPLE[0]] * cohort / COHORT
        what = f"{PEOPLE[1]:,} people, {cohort} a round: median round, beside {cohort}/{COHORT} of one of {COHORT}"
        yield bar(what, median(seconds), "s", peer=linear, goal=SLACK * linear)


def _run(people: int, cohort: int) -> tuple[list[float], float]:
    """Seconds of each round, and peak memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["data=drawn", f"data.people={people}", "server=cohorts", f"server.cohort={cohort}"]
        words += [f"server.rounds={ROUNDS}", f"hydra.run.dir={folder}"]
        process = subprocess.Popen([sys.executable, "-m", "reticent.cli", "train", *words], stdout=subprocess.DEVNULL)
        held = 0.0
        while process.poll() is None:
            held = max(held, memory_mb(process.pid))
            time.sleep(0.25)
        if process.returncode:
            raise SystemExit(f"reticent train ended with {process.returncode}")
        lines = [json.loads(line) for line in (Path(folder) / "rounds.jsonl").read_text().splitlines()]
    return [line["seconds_train"] for line in lines if line["status"] == "applied"], held
