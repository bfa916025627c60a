"""How long is it from the command to the first finished round? `reticent train` on the embedded data, in a fresh process."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.bench import bar

GOAL_S = 6.0


def bars(*, quick: bool) -> Iterator[dict[str, Any]]:
    for words in ((), ("engine.workers=1",), ("engine.workers=2",)):
        _first_round(words)  # so that what is read from the disk lies in memory
        seconds = statistics.median(_first_round(words) for _ in range(1 if quick else 5))
        yield bar(" ".join(["reticent train", *words]) + ": first finished round", seconds, "s", goal=GOAL_S)


def _first_round(words: tuple[str, ...]) -> float:
    """Seconds until rounds.jsonl says that a round was applied; the run is stopped then."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "out"
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "reticent.cli", "train", *words, f"hydra.run.dir={root}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while '"applied"' not in ((root / "rounds.jsonl").read_text() if (root / "rounds.jsonl").exists() else ""):
                if process.poll() is not None:
                    raise SystemExit(f"reticent train ended with {process.returncode} before a round was applied")
                time.sleep(0.01)
            return time.monotonic() - began
        finally:
            process.send_signal(2)
            process.wait()
