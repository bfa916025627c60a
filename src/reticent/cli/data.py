"""What do recorded sessions hold? `reticent data describe`."""

import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import click

from reticent.actions.action import Session
from reticent.actions.vocabulary import ActionKind
from reticent.errors import StateError
from reticent.recordings import source
from reticent.recordings.archive import Archive, read_archive, session
from reticent.records.files import naming


@click.group("data")
def data() -> None:
    """Recorded sessions.

    Example: reticent data describe office
    """


@data.command()
@click.argument("name_or_path")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def describe(name_or_path: str, as_json: bool) -> None:
    """Count what a source (office, drawn) or a recording file holds; nothing of its content is shown.

    \b
    Examples:
      reticent data describe office
      reticent data describe ~/pilot.recording --json
    """
    if name_or_path in source.names():
        found = _count(_named(name_or_path))
    else:
        with naming(Path(name_or_path)):
            found = _count(_file(Path(name_or_path)))
    click.echo(json.dumps(found, sort_keys=True) if as_json else _table(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recording:
    """Where to read what is described; everything but `people` and `sessions` is printed as it is."""

    facts: dict[str, Any]
    people: tuple[str, ...]
    sessions: Callable[[str], tuple[Session, ...]]


def _named(name: str) -> _Recording:
    people, groups = source.people(name), source.split(name)
    facts = {
        "name": name,
        "title": f"the built-in source '{name}'",
        "split": {"public": len(groups.public), "device": len(groups.device), "test": len(groups.test)},
        "file_bytes": source.OFFICE.stat().st_size if name == "office" else None,
    }
    return _Recording(facts=facts, people=people, sessions=lambda person: source.sessions(name, person))


def _file(path: Path) -> _Recording:
    if not path.is_file():
        raise StateError(
            f"there is no file {path} and no source of that name; the sources are {', '.join(source.names())}; "
            "nothing was read"
        )
    archive: Archive = read_archive(path)
    facts = {"name": path.name, "title": archive.title, "split": None, "file_bytes": archive.file_bytes}
    return _Recording(
        facts=facts,
        people=archive.people,
        sessions=lambda person: tuple(session(recorded) for recorded in archive.sessions(person)),
    )


def _count(recording: _Recording) -> dict[str, Any]:
    kinds: Counter[ActionKind] = Counter()
    frames: set[bytes] = set()
    actions: list[int] = []
    sessions = with_patch = 0
    with click.progressbar(recording.people, file=sys.stderr, hidden=not sys.stderr.isatty()) as people:
        for person in people:
            theirs = recording.sessions(person)
            sessions += len(theirs)
            actions.append(sum(len(one.actions) for one in theirs))
            for one in theirs:
                kinds.update(action.kind for action in one.actions)
                frames.update(frame.thumbnail.tobytes() for frame in one.frames)
                with_patch += sum(frame.patch is not None for frame in one.frames)
    spread = {"min": min(actions), "median": median(actions), "max": max(actions)} if actions else None
    return {
        **recording.facts,
        "people": len(recording.people),
        "sessions": sessions,
        "actions": sum(actions),
        "actions_per_person": spread,
        "kinds": {kind.name.lower(): kinds[kind] for kind in ActionKind},
        "distinct_frames": len(frames),
        "frames_with_patch": with_patch,
    }


def _table(found: dict[str, Any]) -> str:
    spread, split, size = found["actions_per_person"], found["split"], found["file_bytes"]
    total = max(1, found["actions"])
    rows = [
        ("people", f"{found['people']:,}"),
        ("sessions", f"{found['sessions']:,}"),
        ("actions", f"{found['actions']:,}"),
    ]
    if spread is not None:
        rows.append(("a person", f"{spread['min']:,} to {spread['max']:,} actions, median {spread['median']:,}"))
    rows.append(
        ("frames", f"{found['distinct_frames']:,} distinct, {found['frames_with_patch']:,} actions with a patch")
    )
    if split is not None:
        rows.append(("split", f"{split['public']} public, {split['device']} at devices, {split['test']} for testing"))
    rows.append(("file", "none: made when asked for" if size is None else f"{size / 1e6:.1f} MB"))
    lines = [found["title"], *(f"  {name:<10}{value}" for name, value in rows), "  kinds"]
    for kind, count in sorted(found["kinds"].items(), key=lambda item: -item[1]):
        lines.append(f"    {kind:<14}{count:>10,}{count / total:>8.1%}")
    return "\n".join(lines)
