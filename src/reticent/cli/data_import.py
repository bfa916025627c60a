"""`reticent data import`: recordings that others made of people become an archive of this project."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from reticent.errors import FormatError, StateError, printable
from reticent.recordings.archive import PackedPerson, pack_person, write_packed
from reticent.recordings.imported.taken import Opened, datasheet

_OUT = click.argument("out", type=click.Path(path_type=Path))
_SOURCE = click.argument("source", type=click.Path(path_type=Path))
_PUBLIC = click.option(
    "--public",
    is_flag=True,
    help="Every second person who doesn't test is public: models may be fitted to them without privacy.",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of sentences.")


@click.group("import")
def importing() -> None:
    """Make a recording of people's data that was published elsewhere.

    Nobody in it is public unless you say so: models are fitted to these people under differential privacy only.

    Example: reticent data import miniwob miniwob-plusplus-demos miniwob.recording
    """


@importing.command()
@_SOURCE
@_OUT
@_PUBLIC
@_JSON
def miniwob(source: Path, out: Path, public: bool, as_json: bool) -> None:
    """Human demonstrations on web tasks, sessions as clients.

    SOURCE is a clone of github.com/stanfordnlp/miniwob-plusplus-demos, or a folder with the tables demos.parquet,
    events.parquet and frames.npz made of it. OUT is the recording to write.

    \b
    Example:
      reticent data import miniwob miniwob-plusplus-demos miniwob.recording
      reticent data describe miniwob.recording
    """
    from reticent.recordings.imported import shapes

    _make(source, out, shapes.miniwob, public=public, as_json=as_json)


@importing.command()
@_SOURCE
@_OUT
@_PUBLIC
@_JSON
def balabit(source: Path, out: Path, public: bool, as_json: bool) -> None:
    """The mice of administrators over remote desktop: no screen, no keys.

    SOURCE is a clone of github.com/balabit/Mouse-Dynamics-Challenge, or a folder with the table actions.parquet made of it.
    OUT is the recording to write.

    \b
    Example:
      reticent data import balabit Mouse-Dynamics-Challenge balabit.recording
      reticent train data=files data.path=balabit.recording model=history
    """
    from reticent.recordings.imported import shapes

    _make(source, out, shapes.balabit, public=public, as_json=as_json)


def _make(source: Path, out: Path, opened: Callable[[Path], Opened], *, public: bool, as_json: bool) -> None:
    if out.exists() or out.is_symlink():
        raise StateError(f"{out} exists already; name another file; nothing was written")
    if not out.parent.is_dir():
        raise StateError(f"there is no folder {out.parent} to write {out.name} into; nothing was written")
    if not source.is_dir():
        raise StateError(f"there is no folder {source}; nothing was written")
    found = opened(source)
    people: list[PackedPerson] = []
    with click.progressbar(found.people, length=found.size, file=sys.stderr, hidden=not sys.stderr.isatty()) as each:
        people += (pack_person(person, sittings) for person, sittings in each if sittings)
    left = found.tally.sentences()
    if not people:
        raise FormatError(
            f"{source} holds nobody who did anything ({'; '.join(left) or 'it is empty'}); nothing was written"
        )
    write_packed(
        out, people, title=found.title, datasheet=datasheet(found, people=len(people), public=public), public=public
    )
    made = {
        "path": str(out),
        "bytes": out.stat().st_size,
        "public": public,
        "people": len(people),
        "sittings": sum(len(person.counts.sessions) for person in people),
        "events": sum(person.counts.events for person in people),
        "actions": sum(person.counts.frames for person in people),
        "skipped": dict(found.tally.skipped),
        "left_out": dict(found.tally.left_out),
    }
    click.echo(json.dumps(made, sort_keys=True) if as_json else _sentences(made, left))


def _sentences(made: dict[str, Any], left: list[str]) -> str:
    size = f"{made['actions']:,} actions in {made['sittings']:,} sittings of {made['people']:,} people"
    whom = "some of them are public" if made["public"] else "none of them is public"
    lines = [f"wrote {printable(made['path'])}: {size}, {made['bytes'] / 1e6:.1f} MB; {whom}", *left]
    return "\n".join((*lines, f"what is in it: reticent data describe {printable(made['path'])}"))
