"""What do more people cost a simulation? Cohorts of 100 out of 100, 1,000 and 10,000 drawn people: seconds and memory."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.bench import bar

PEOPLE = (100, 1_000, 10_000)
ROUNDS = 3


def bars(*, quick: bool) -> Iterator[dict[str, Any]]:
    for people in PEOPLE[:2] if quick else PEOPLE:
        with tempfile.TemporaryDirectory() as folder:
            words = ["data=drawn", f"data.people={people}", "server=cohorts", f"server.rounds={ROUNDS}"]
            command = [sys.executable, "-m", "reticent.cli", "train", *words, f"hydra.run.dir={folder}"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            results = json.loads((Path(folder) / "results.json").read_text())
            lines = [json.loads(line) for line in (Path(folder) / "rounds.jsonl").read_text().splitlines()]
        seconds = [line["seconds_train"] for line in lines if line["status"] == "applied"]
        yield bar(f"{people:,} people, 100 a round: first round", seconds[0], "s")
        yield bar(f"{people:,} people, 100 a round: median round", results["seconds_per_round"], "s")
        yield bar(
            f"{people:,} people, 100 a round: peak memory, all processes", results["peak_rss_mb"], "MB", goal=4_000
        )
