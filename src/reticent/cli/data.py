"""What do recorded sessions hold? `reticent data describe`, and `import` beside it."""

import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from statistics import median
from typing import Any

import click

from reticent.actions.action import Grey, Session
from reticent.actions.vocabulary import ActionKind
from reticent.cli.data_import import importing
from reticent.errors import StateError
from reticent.recordings import contact_sheet, source
from reticent.recordings.archive import Archive, read_archive, session
from reticent.records.files import naming

_BINS, _BAR = 8, 40  # of the histogram: its lines, and the characters of the longest


@click.group("data")
def data() -> None:
    """Recorded sessions.

    Example: reticent data describe office
    """


data.add_command(importing)


@data.command()
@click.argument("name_or_path")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.option(
    "--contact-sheet",
    "sheet",
    is_flag=False,
    flag_value="",
    metavar="[PNG]",
    help="Write some of the recorded screens side by side into a picture; without a name, NAME-frames.png here.",
)
def describe(name_or_path: str, as_json: bool, sheet: str | None) -> None:
    """Count what a source (office, web, drawn, drawn-web) or a recording file holds.

    Nothing of its content is shown, unless a contact sheet is asked for.

    \b
    Examples:
      reticent data describe office
      reticent data describe office --contact-sheet
      reticent data describe ~/pilot.recording --json
    """
    if name_or_path in source.names():
        found, thumbnails = _count(_named(name_or_path))
    else:
        with naming(Path(name_or_path)):
            found, thumbnails = _count(_file(Path(name_or_path)))
    if sheet is not None:
        found["contact_sheet"] = str(_write(Path(sheet or f"{Path(found['name']).stem}-frames.png"), thumbnails))
    click.echo(json.dumps(found, sort_keys=True) if as_json else _table(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recording:
    """Where to read what is described; everything but `people` and `sessions` is printed as it is."""

    facts: dict[str, Any]
    people: tuple[str, ...]
    sessions: Callable[[str], tuple[Session, ...]]


def _named(name: str) -> _Recording:
    people = source.people(name)
    path = source.embedded(name)
    sheet = source.contact_sheet_of(path) if path else None
    facts = {
        "name": name,
        "title": f"the built-in source '{name}'",
        "datasheet": None,
        "split": _sizes(source.split(name)),
        "file_bytes": path.stat().st_size if path else None,
        "contact_sheet": str(sheet) if sheet and sheet.is_file() else None,
    }
    return _Recording(facts=facts, people=people, sessions=lambda person: source.sessions(name, person))


def _file(path: Path) -> _Recording:
    if not path.is_file():
        raise StateError(
            f"there is no file {path} and no source of that name; the sources are {', '.join(source.names())}; "
            "nothing was read"
        )
    archive: Archive = read_archive(path)
    facts = {
        "name": path.name,
        "title": archive.title,
        "datasheet": archive.datasheet,
        "split": _sizes(source.split_people(tuple(sorted(archive.people)), public=archive.public)),
        "file_bytes": archive.file_bytes,
        "contact_sheet": None,
    }
    return _Recording(
        facts=facts,
        people=archive.people,
        sessions=lambda person: tuple(session(recorded) for recorded in archive.sessions(person)),
    )


def _sizes(groups: source.Split) -> dict[str, int]:
    return {name: len(getattr(groups, name)) for name in groups.__slots__}


def _count(recording: _Recording) -> tuple[dict[str, Any], list[Grey]]:
    """What is there, and thumbnails for a contact sheet; one person is held at a time."""
    kinds: Counter[ActionKind] = Counter()
    frames: set[bytes] = set()
    by_person: dict[str, int] = {}
    thumbnails: list[Grey] = []
    sessions = with_patch = later = 0
    cells = contact_sheet.spread(len(recording.people))
    with click.progressbar(recording.people, file=sys.stderr, hidden=not sys.stderr.isatty()) as people:
        for person in people:
            theirs = recording.sessions(person)
            sizes = [len(one.actions) for one in theirs]
            sessions += len(theirs)
            by_person[person] = sum(sizes)
            later += sum(sizes[len(sizes) - source.held_out(theirs) :])
            shown = [frame.thumbnail for one in theirs for frame in one.frames]
            thumbnails += contact_sheet.pick(shown, count=cells[len(by_person) - 1])
            frames.update(blake2b(thumbnail.tobytes(), digest_size=16).digest() for thumbnail in shown)
            for one in theirs:
                kinds.update(action.kind for action in one.actions)
                with_patch += sum(frame.patch is not None for frame in one.frames)
    actions = by_person.values()
    spread = {"min": min(actions), "median": median(actions), "max": max(actions)} if actions else None
    found = {
        **recording.facts,
        "people": len(recording.people),
        "sessions": sessions,
        "actions": sum(actions),
        "actions_held_out_in_time": later,
        "actions_per_person": spread,
        "actions_by_person": by_person,
        "kinds": {kind.name.lower(): kinds[kind] for kind in ActionKind},
        "distinct_frames": len(frames),
        "frames_with_patch": with_patch,
    }
    return found, thumbnails


def _write(path: Path, thumbnails: list[Grey]) -> Path:
    try:
        path.write_bytes(contact_sheet.render(thumbnails))
    except OSError as error:
        raise StateError(
            f"the contact sheet cannot be written to {path} ({error.strerror}); name another file; "
            "the recording is unchanged"
        ) from None
    return path


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
    rows.append(("pictures", found["contact_sheet"] or "none; --contact-sheet writes one"))
    rows.append(
        (
            "split",
            f"{split['public']:,} public, {split['client']:,} clients, {split['validation']:,} for tuning, {split['test']:,} for testing",
        )
    )
    rows.append(("in time", f"{found['actions_held_out_in_time']:,} actions held out, of everybody's last sessions"))
    rows.append(("file", "none: made when asked for" if size is None else f"{size / 1e6:.1f} MB"))
    lines = [found["title"], *(f"  {name:<10}{value}" for name, value in rows)]
    lines += ["  actions a person", *_histogram(list(found["actions_by_person"].values())), "  kinds"]
    for kind, count in sorted(found["kinds"].items(), key=lambda item: -item[1]):
        lines.append(f"    {kind:<14}{count:>10,}{count / total:>8.1%}")
    return "\n".join(lines)


def _histogram(sizes: list[int]) -> list[str]:
    """How many people have how many actions, a line for each of at most _BINS ranges."""
    if not sizes:
        return ["    nobody"]
    low = min(sizes)
    width = -(-(max(sizes) - low + 1) // _BINS)
    counts = Counter((size - low) // width for size in sizes)
    most = max(counts.values())
    lines = []
    for place in range(max(counts) + 1):
        first = low + place * width
        bar = "#" * -(-_BAR * counts[place] // most)
        lines.append(f"    {f'{first:,} to {first + width - 1:,}':<18}{counts[place]:>6,}  {bar}".rstrip())
    return lines
