"""What does a recording hold? The figures for its datasheet."""

from collections import Counter
from pathlib import Path
from typing import Any

from reticent.actions.vocabulary import ActionKind
from reticent.recordings.archive import read_archive, session


def describe(path: Path) -> str:
    """Markdown: actions a kind, people, sessions, events, frames, bytes."""
    archive = read_archive(path)
    kinds: Counter[ActionKind] = Counter()
    cells: Counter[int] = Counter()
    people, sessions, events, milliseconds = [], 0, 0, 0
    for person in archive.people:
        count = 0
        for recorded in archive.sessions(person):
            actions = session(recorded).actions
            kinds.update(action.kind for action in actions)
            cells.update(action.cell for action in actions)
            count += len(actions)
            sessions += 1
            events += len(recorded.events)
            milliseconds += recorded.events[-1].t_ms
        people.append(count)
    total = sum(people)
    frames = sum(archive.counts(person).thumbnails for person in archive.people)
    rows = [
        f"| {kind.name.lower().replace('_', ' ')} | {kinds[kind]} | {kinds[kind] / total:.1%} |" for kind in ActionKind
    ]
    return "\n".join(
        [
            f"{len(people)} people, {sessions} sessions, {total:,} actions ({min(people)} to {max(people)} a person), "
            f"{events:,} input events, {frames:,} different thumbnails, {milliseconds / 60_000:.0f} minutes, "
            f"{len(cells)} of 192 cells used, {archive.file_bytes:,} bytes",
            "",
            "| kind | actions | share |",
            "|---|---|---|",
            *rows,
        ]
    )


def personas(tallies: list[dict[str, Any]]) -> str:
    """Markdown: one row a person."""
    names = [name for name in tallies[0]["persona"] if name not in ("seed", "name")]
    head = ["person", *names, "tasks solved", "steps failed"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for tally in tallies:
        values = [_shown(tally["persona"][name]) for name in names]
        solved = f"{tally['solved']} of {tally['tried']}"
        lines.append(f"| {' | '.join([tally['persona']['name'], *values, solved, str(tally['failed'])])} |")
    return "\n".join(lines)


def _shown(value: object) -> str:
    return "×".join(str(part) for part in value) if isinstance(value, list) else str(value)
