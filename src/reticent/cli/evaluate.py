"""`reticent evaluate`: how good is a checkpoint, beside simple counts?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reticent.errors import SettingError, printable
from reticent.model import catalogue
from reticent.model.checkpoint_file import NO_PLAN, SavedWeights, read_weights
from reticent.records.files import naming

if TYPE_CHECKING:
    from reticent.evaluate.metrics import Metrics

_COLUMNS = {
    "top1": "top-1",
    "top3": "top-3",
    "perplexity": "perplexity",
    "cell_top1": "cell top-1",
    "cell_top3": "cell top-3",
    "cell_distance": "cells off",
    "cell_distance_median": "median",
}


@click.command("evaluate")
@click.argument("checkpoint")
@click.option(
    "--data",
    "data",
    required=True,
    metavar="NAME",
    help="Recorded sessions, or the path of a recording; scored on their test people.",
)
@click.option("--per-person", is_flag=True, help="Also each person's held-out time, by number: sorted, never named.")
@click.option("--json", "as_json", is_flag=True, help="Machine output.")
def evaluate(checkpoint: str, data: str, per_person: bool, as_json: bool) -> None:
    """Metrics of CHECKPOINT, and of baselines counted on public people (or clients), on the test people of NAME.

    CHECKPOINT is a run's model.safetensors, or the name of a model for its public start.

    With --per-person also of every person's last third of sessions, which nobody trained on, with the simplest baseline for each: the Markov
    chain that their own earlier sessions would give. It is for recordings of people who agreed to be in one.

    Example: reticent evaluate office-60k --data office
    """
    from reticent.evaluate.baselines import baselines
    from reticent.evaluate.metrics import score
    from reticent.model.pools import together
    from reticent.recordings import source

    saved = _checkpoint(checkpoint)
    name = source.named(data)
    split = source.split(name)
    tested = together(source.pool(name, person) for person in split.test)
    whom = source.counted(name)
    of = data if whom.source == name else whom.source
    counted = together(source.pool(whom.source, person) for person in whom.people)
    rows = {"model": score(saved.model, saved.trainable, saved.weights, tested), **baselines(counted, tested)}
    theirs = _each(saved, name) if per_person else None
    if as_json:
        report = {
            "data": data,
            "test_people": len(split.test),
            "baselines_counted_on": of if whom.public else f"{of} (clients)",
        }
        each = {} if theirs is None else {"per_person": theirs}
        click.echo(json.dumps({**_identity(saved), **report, **_figures(rows), **each}, indent=2))
    else:
        told = (
            f"public people of {of}" if whom.public else f"the clients of {of}, without privacy: nobody there is public"
        )
        click.echo(_table(saved, f"{len(split.test)} test people of {data}", rows, counted=told))
        if theirs is not None:
            click.echo(_numbered(theirs))


def _each(saved: SavedWeights, name: str) -> list[dict[str, float | int | str]]:
    """Everybody's held-out time, the lowest top-1 first. own: top-1 of the Markov chain that their earlier sessions give."""
    from reticent.evaluate.baselines import baselines
    from reticent.evaluate.metrics import score
    from reticent.recordings import source

    groups, found = source.split(name), []
    for part in groups.__slots__:
        for person in getattr(groups, part):
            time = source.split_time(name, person)
            if len(time.earlier) and len(time.later):
                figures = score(saved.model, saved.trainable, saved.weights, time.later)
                own = baselines(time.earlier, time.later)["markov3"].top1
                found.append({"part": part, **figures.as_dict(), "own": own})
    found.sort(key=lambda one: float(one["top1"]))
    return [{"person": number, **one} for number, one in enumerate(found, start=1)]


def _numbered(rows: Sequence[Mapping[str, float | int | str]]) -> str:
    """Nobody's name: numbers by rank."""
    lines = [
        "",
        f"{'person':>6}  {'part':10}{'actions':>8}{'top-1':>8}{'perplexity':>12}{'cell top-1':>12}{'own counts':>12}",
    ]
    lines += [
        f"{one['person']:>6}  {one['part']:10}{one['examples']:8}{one['top1']:8.3f}{one['perplexity']:12.3f}"
        f"{one['cell_top1']:12.3f}{one['own']:12.3f}"
        for one in rows
    ]
    return "\n".join(
        [
            *lines,
            "",
            "Held-out time of each, lowest top-1 first. Own counts: top-1 of the Markov chain of their earlier time.",
        ]
    )


def _checkpoint(checkpoint: str) -> SavedWeights:
    """A file's weights, or the public start of the model that is named. Raises SettingError for neither."""
    from reticent.model.public import initial

    path = Path(checkpoint)
    if path.is_file():
        with naming(path):
            return read_weights(path)
    if checkpoint not in catalogue.names():
        raise SettingError(
            f"{printable(checkpoint)} is neither a file nor a model; the models are {', '.join(catalogue.names())}; "
            "nothing was scored"
        )
    return SavedWeights(
        model=checkpoint, trainable="heads", plan_id=NO_PLAN, round=0, weights=initial(checkpoint, "heads")
    )


def _identity(saved: SavedWeights) -> dict[str, object]:
    plan_id = None if saved.plan_id == NO_PLAN else saved.plan_id
    return {"model": saved.model, "trainable": saved.trainable, "plan_id": plan_id, "round": saved.round}


def _figures(rows: Mapping[str, Metrics]) -> dict[str, object]:
    others = {name: row.as_dict() for name, row in rows.items() if name != "model"}
    return {**rows["model"].as_dict(), "baselines": others}


def _table(saved: SavedWeights, whom: str, rows: Mapping[str, Metrics], *, counted: str) -> str:
    what = "public start" if saved.plan_id == NO_PLAN else f"after {saved.round} rounds of plan {saved.plan_id[:12]}"
    lines = [
        f"{saved.model}, {what}, on {rows['model'].examples} actions of {whom}",
        "",
        "".join([" " * 10, *(f"{title:>12}" for title in _COLUMNS.values())]),
    ]
    for name, row in rows.items():
        figures = row.as_dict()
        lines.append("".join([f"{name:10}", *(f"{figures[column]:12.3f}" for column in _COLUMNS)]))
    lines += [
        "",
        f"Distances are in cells of the 16 x 12 frame. The baselines are counted on {counted}.",
    ]
    return "\n".join(lines)
