"""What does every importer give, what does it count, and how does a foreign clock become ours?"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from reticent.errors import FormatError
from reticent.recordings.recorded import RecordedSession

_END_MS = 2**31  # where an archive's times end, 24 days


@dataclass(slots=True)
class Tally:
    """What was met and what of it was left out, by reason.

    unit: what is taken or skipped as a whole. skipped: units; left_out: smaller things, whose unit was taken.
    """

    unit: str
    seen: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def skip(self, reason: str, count: int = 1) -> None:
        self.seen += count
        self.skipped[reason] += count

    def sentences(self) -> list[str]:
        """Nothing where nothing was left out."""
        said = []
        if total := sum(self.skipped.values()):
            said.append(f"skipped {total:,} of {self.seen:,} {self.unit}: {_counts(self.skipped)}")
        if self.left_out:
            said.append(f"left out, or mended, in those that were taken: {_counts(self.left_out)}")
        return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A source that is there; nothing but names and sizes has been looked at.

    size: the most people that may come. people: each with all their sittings, one person at a time; the tally grows as they are
    read. made: for the datasheet.
    """

    title: str
    made: str
    size: int
    people: Iterator[tuple[str, list[RecordedSession]]]
    tally: Tally


class Clock:
    """A foreign clock in milliseconds. Where it runs backwards, or begins below 0, ours stands still for that step only."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._before_ms = self._now_ms = 0.0

    def at(self, t_ms: float) -> int:
        """Raises FormatError for what is no time, or more than an archive holds."""
        if not math.isfinite(t_ms):
            raise FormatError("a time that is no number")
        if t_ms < self._before_ms:
            self._tally.left_out["steps back in time"] += 1
        self._now_ms += max(0.0, t_ms - self._before_ms)
        self._before_ms = t_ms
        if self._now_ms >= _END_MS:
            raise FormatError("a time beyond 24 days")
        return int(self._now_ms)


def datasheet(opened: Opened, *, people: int, public: bool) -> str:
    """The page that lies in the archive."""
    may = (
        "The importer was told that some of these people may be public, whom models learn from without privacy."
        if public
        else "Nobody in it is public: no model may be fitted to these people without privacy."
    )
    left = "".join(f"{sentence}.\n" for sentence in opened.tally.sentences()) or "Nothing was left out.\n"
    return f"{opened.title}\n\n{people:,} people. {may}\n\n{opened.made}\n{left}"


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in counter.most_common())
