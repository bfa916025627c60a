"""Whoever follows a run while it goes on: the live line, a tracker. None of them can change it."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from reticent.aggregate.journal import Status
from reticent.privacy.events import Adjacency, Unit
from reticent.privacy.guarantees import guarantees
from reticent.sim.cohorts import most_rounds
from reticent.train.planning import Planned


class Watch:
    """Hears what rounds.jsonl and results.json get, and nothing about a single person. Does nothing with it here."""

    def begin(self, made: Planned, earlier: Sequence[Mapping[str, Any]]) -> None:
        """Once, before the first round that this process waits for. earlier: the lines of rounds.jsonl so far, on a resume."""

    def line(self, line: Mapping[str, Any]) -> None:
        """Each line of rounds.jsonl, as it is written."""

    def end(self, results: Mapping[str, Any]) -> None:
        """Once every file of the folder is written. Not called where the run was stopped."""

    def close(self) -> None:
        """Always, at last."""


def counts(line: Mapping[str, Any]) -> bool:
    """Whether a line gives figures after a round: the public start or an applied one. Its step is its round + 1."""
    return line["status"] in (Status.START, Status.APPLIED)


def people_per_second(line: Mapping[str, Any]) -> float | None:
    """Of an applied round; None for others."""
    seconds = line["seconds_join"] + line["seconds_train"]
    return line["released"] / seconds if line["status"] == Status.APPLIED and seconds > 0 else None


def spent(made: Planned, rounds: int) -> float:
    """Epsilon of the person charged most often after so many rounds: employee level, against the server, zero-out."""
    return _spent(made, most_rounds(rounds, people=made.people, size=made.cohort)) if rounds else 0.0


@lru_cache(maxsize=4096)
def _spent(made: Planned, rounds_of_one: int) -> float:
    events = [event for event in made.events(rounds_of_one) if event.unit is Unit.EMPLOYEE]
    found = guarantees(events, delta=made.settings.privacy.delta, honest_devices=made.plan.min_cohort)
    return next(one.epsilon for one in found if one.adversary == "server" and one.adjacency is Adjacency.ZERO_OUT)
