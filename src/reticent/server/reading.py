"""What does a person read while a run goes on?"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reticent.aggregate.standing import RunStatus, read_report

CALM_S = 30.0  # between two sentences on whom a run waits for


def describe(line: Mapping[str, Any]) -> str:
    """One line of the journal as a person reads it."""
    metrics = line.get("metrics") or {}
    scores = "".join(
        f", {name} {value:.3f}" for name, value in metrics.items() if name == "top1" and isinstance(value, float)
    )
    if line.get("status") == "start":
        return f"start    the public weights{scores}"
    number = line["round"] + 1
    if line.get("status") == "resumed":
        return f"resumed  with round {number}: {line.get('reason')}"
    counts = f"{line.get('released', 0)} of {line.get('asked', 0)} devices"
    if line.get("status") == "applied":
        return f"round {number}  {counts}, {line.get('seconds', 0.0):.1f} s{scores}"
    return f"round {number}  not applied: {line.get('reason')}"


class CalmVoice:
    """Says a sentence when there is one to say, then no more often than every `CALM_S` seconds until there is none."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._due: float | None = None

    def say(self, sentence: str | None, *, now: float) -> None:
        if sentence is None:
            self._due = None
        elif self._due is None or now >= self._due:
            self._say(sentence)
            self._due = now + CALM_S


def waiting(folder: Path) -> str | None:
    """Whom the ServerApp waits for, in its words; None where it doesn't."""
    report = read_report(folder)
    return report.reason if report is not None and report.status is RunStatus.WAITING else None
