"""What does a recording hold? Every figure of its datasheet, counted."""

import csv
import io
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

from reticent.actions.action import Grey
from reticent.actions.events import EventKind, InputEvent, KeyClass
from reticent.actions.vocabulary import ActionKind
from reticent.recordings import contact_sheet
from reticent.recordings.archive import Archive, session
from reticent.recordings.source import held_out

LISTED = ("sessions", "actions", "held_out", "tried", "solved", "failed", "helped")  # beside what a persona has
_ONE_HAND_MS = 1_000  # two letters farther apart than this are not one word's rhythm


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was counted. people: a row a person, the persona's fields and then LISTED.

    rhythm: the correlation, over people, of a persona's drawn gap between keys with the median gap that was recorded.
    rhythm_extra_ms: by how much the recorded gap is longer, the median over people.
    """

    people: list[dict[str, Any]]
    kinds: Counter[ActionKind]
    cells: int
    events: int
    frames: int
    thumbnails: int
    patches: int
    minutes: float
    rhythm: float
    rhythm_extra_ms: float
    sheet: list[Grey]

    def total(self, column: str) -> int:
        return sum(person[column] for person in self.people)

    def spread(self, column: str) -> str:
        """Lowest, middle and highest value."""
        values = [person[column] for person in self.people]
        return f"{min(values):,} to {max(values):,}, median {median(values):,g}"


def count(archive: Archive, tallies: list[dict[str, Any]]) -> Figures:
    """Everything, one person at a time. tallies: what each person's sitter wrote, in the archive's order."""
    kinds: Counter[ActionKind] = Counter()
    cells: set[int] = set()
    people: list[dict[str, Any]] = []
    sheet: list[Grey] = []
    gaps: list[tuple[float, float]] = []
    events = frames = thumbnails = patches = 0
    milliseconds = 0
    for person, tally, room in zip(archive.people, tallies, contact_sheet.spread(len(archive.people)), strict=True):
        recorded = archive.sessions(person)
        theirs = [session(one) for one in recorded]
        sizes = [len(one.actions) for one in theirs]
        for one in theirs:
            kinds.update(action.kind for action in one.actions)
            cells.update(action.cell for action in one.actions)
        sheet += contact_sheet.pick([frame.thumbnail for one in theirs for frame in one.frames], count=room)
        of_blocks = archive.counts(person)
        events, frames = events + of_blocks.events, frames + of_blocks.frames
        thumbnails, patches = thumbnails + of_blocks.thumbnails, patches + of_blocks.patches
        milliseconds += sum(one.events[-1].t_ms for one in recorded if one.events)
        gap_ms = _gap_ms([one.events for one in recorded])
        if gap_ms is not None:
            gaps.append((tally["persona"]["key_gap_ms"], gap_ms))
        counted = {
            "sessions": len(theirs),
            "actions": sum(sizes),
            "held_out": sum(sizes[len(sizes) - held_out(theirs) :]),
        }
        people.append({**tally["persona"], **counted, **{name: tally[name] for name in LISTED[3:]}})
    drawn, seen = np.array(gaps).T
    return Figures(
        people=people,
        kinds=kinds,
        cells=len(cells),
        events=events,
        frames=frames,
        thumbnails=thumbnails,
        patches=patches,
        minutes=milliseconds / 60_000,
        rhythm=float(np.corrcoef(drawn, seen)[0, 1]),
        rhythm_extra_ms=float(np.median(seen - drawn)),
        sheet=sheet,
    )


def _gap_ms(sessions: list[tuple[InputEvent, ...]]) -> float | None:
    """The median time between two letters typed one after the other; None for somebody who typed fewer than ten."""
    gaps = []
    for events in sessions:
        keys = [event for event in events if event.kind == EventKind.KEY_DOWN]
        for first, second in pairwise(keys):
            if first.key == second.key == KeyClass.LETTER and second.t_ms - first.t_ms < _ONE_HAND_MS:
                gaps.append(second.t_ms - first.t_ms)
    return median(gaps) if len(gaps) >= 10 else None


def table(figures: Figures) -> str:
    """The people as CSV, a row each; a screen's size is written 1280x800."""
    written = io.StringIO()
    names = [name for name in figures.people[0] if name != "seed"]
    rows = csv.DictWriter(written, ["person", *names[1:]], lineterminator="\n")
    rows.writeheader()
    for person in figures.people:
        row = {name: "x".join(map(str, value)) if isinstance(value, list) else value for name, value in person.items()}
        row["person"] = row.pop("name")
        del row["seed"]
        rows.writerow(row)
    return written.getvalue()
