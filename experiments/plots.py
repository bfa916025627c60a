#!/usr/bin/env python3
"""The pictures of studies whose results a sweep doesn't draw, from the results that lie beside them: python experiments/plots.py"""

import csv
import json
import statistics
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from reticent.audit.report.page import style
from reticent.audit.report.plots import Line, Measured, alone, measured, ranked

HERE = Path(__file__).parent
RIGHT = "next action right"
FAR = 1.5  # times a bar
SHORTER = {
    "the shipped model's heads, example level, 100 clients, 50 a round: ": "heads, 100: ",
    "all of the shipped model, example level, 100 clients, 50 a round: ": "all, 100: ",
    "all of the shipped model, example level, 1,000 clients, 100 a round: ": "all, 1,000: ",
    "100 clients, 50 a round: ": "100: ",
    "1,000 clients, 100 a round: ": "1,000: ",
    "real model, both levels, 49 people: ": "real model: ",
    "real model, both levels: ": "real model: ",
    "reticent train: first finished round": "command to 1st round",
    "reticent train engine.workers=1: first finished round": "the same, one worker",
    "reticent train engine.workers=2: first finished round": "the same, two workers",
    "a round, one process, beside": "one,",
    "a round, two processes, beside": "two,",
    "Flower, two actors": "Flower",
    "first round, start included, beside": "1st round,",
    "a round, beside": "round,",
    "memory, two processes, beside": "memory,",
    "memory, beside": "memory,",
    "check and add one release, beside": "check+add,",
    "add one release, beside": "add,",
    "a copy of it": "copy",
    "a copy that touches as many bytes": "wide copy",
    "Flower's helper (50 held)": "Flower's",
}


def people_and_epsilon(folder: Path) -> str:
    rows = [row for row in table(folder / "accuracy.csv") if (row["start"], row["levels"]) == ("drawn-60k", "employee")]
    lines = [
        Measured(
            label=f"ε = {float(epsilon):,g}",
            points=tuple(
                (float(row["people"]), float(row["top1"]), float(row["top1_sd"]))
                for row in rows
                if row["epsilon"] == epsilon
            ),
            style=place,
        )
        for place, epsilon in enumerate(distinct(row["epsilon"] for row in rows))
    ]
    start = level("public start, no training", float(rows[0]["start_top1"]), lines, style=3)
    return drawn(folder, lines, [start], xlabel="people", ylabel=RIGHT)


def beside_their_bars(folder: Path) -> str:
    """How far each figure comes to its bar: 1 is the bar, more is better; what is beyond FAR stands there with its figure."""
    rows: list[tuple[str, float, float | None]] = []
    for line in (folder / "results.jsonl").read_text().splitlines():
        one = json.loads(line)
        if one["goal"] is not None and one["unit"] in ("s", "ms", "MB"):
            label = one["name"]
            for long, short in SHORTER.items():
                label = label.replace(long, short)
            far = one["goal"] / one["ours"]
            rows.append((label if far <= FAR else f"{label} ({far:.1f})", min(far, FAR), None))
    return named(folder, rows, [("the bar", 1.0)], xlabel="bar over figure")


def private_steps(folder: Path) -> str:
    """CPU time beside that of ours, by model and batch."""
    found = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    steps = [one for one in found if ": a private step, against " in one["name"]]
    rows: list[tuple[str, float, float | None]] = []
    for one in steps:
        model, _, peer = one["name"].partition(": a private step, against ")
        label = peer.removesuffix(", its best").replace("one without", "without")
        rows.append(
            (f"{model.replace('office-', '').replace('all, batch ', '')}: {label}", one["peer"] / one["ours"], None)
        )
    return named(folder, rows, [("ours", 1.0), ("the bar for Opacus' best", 1.5)], xlabel="step over ours")


def cohorts(folder: Path) -> str:
    lines = []
    for place, people in enumerate(("500", "150", "50")):
        for kind, name in enumerate(("scaled.csv", "results.csv")):
            rows = [row for row in table(folder / name) if row["server.cohort"] == people]
            points = sorted(
                (float(row["server.rounds"]), float(row["top1_mean"]), float(row["top1_sd"])) for row in rows
            )
            label = f"{people} a round, {'scaled clip norm' if kind == 0 else 'clip norm .75'}"
            lines.append(Measured(label=label, points=tuple(points), style=2 * place + kind))
    return drawn(folder, lines, [], xlabel="rounds (log scale)", ylabel=RIGHT)


def persons(folder: Path) -> str:
    rows = table(folder / "results.csv")
    shown = {
        "Markov-3, own counts": ("markov3, own counts", ""),
        "together, no noise": ("together", "100000.0"),
        "each alone": ("alone, nothing leaves", ""),
        "together, ε = 32": ("together", "32.0"),
        "public start": ("public start", ""),
        "together, ε = 4": ("together", "4.0"),
    }
    lines = []
    for place, (label, key) in enumerate(shown.items()):
        theirs = [row for row in rows if (row["what"], row["epsilon"]) == key]
        persons = distinct(row["person"] for row in theirs)
        points = [(float(one), *spread(row["top1"] for row in theirs if row["person"] == one)) for one in persons]
        lines.append(Measured(label=label, points=tuple(points), style=place))
    return drawn(folder, lines, [], xlabel="person, by the public start's top-1", ylabel=RIGHT)


def centres(folder: Path) -> str:
    """A tenth is hostile; the worse of the two attacks."""
    rows = [row for row in table(folder / "centres.csv") if row["hostile"] == "0.1"]
    lines: list[Measured] = []
    for norm in ("0.5", "10.0"):
        for centre in ("mean", "median", "trimmed_mean"):
            theirs = [row for row in rows if float(row["clip_norm"]) == float(norm)]
            lengths = sorted({float(row["noise_length"]) for row in theirs})
            points = [
                (length, min(float(row[centre]) for row in theirs if float(row["noise_length"]) == length), None)
                for length in lengths
            ]
            label = f"{centre.replace('_', ' ')}, clip norm {float(norm):g}"
            lines.append(Measured(label=label, points=tuple(points), style=len(lines)))
    xlabel = "noise of one release, in clip norms (log scale)"
    return drawn(folder, lines, [], xlabel=xlabel, ylabel="cosine to the honest mean")


def starts(folder: Path) -> str:
    rows = table(folder / "accuracy.csv")
    found: list[tuple[str, float, float | None]] = []
    for start in distinct(row["start"] for row in rows):
        theirs = [row for row in rows if row["start"] == start]
        name = start.removesuffix(", heads")
        found += [(f"{name}, before", float(theirs[0]["start_top1"]), None)]
        found += [(f"{name}, after", *spread(row["top1"] for row in theirs))]
    whole = table(folder.parent / "003-human-accuracy" / "accuracy.csv")[0]
    central = (folder.parent / "003-human-accuracy" / "ceiling.jsonl").read_text().splitlines()
    top = statistics.fmean(one["top1"] for one in map(json.loads, central) if one["trainable"] == "all")
    levels = [("Markov-3 without privacy", float(whole["markov3_top1"])), ("trained centrally without privacy", top)]
    return named(folder, found, levels, xlabel=RIGHT)


def unusual(folder: Path) -> str:
    rows = table(folder / "unusual.csv")
    lines: list[Measured] = []
    for people in distinct(row["people"] for row in rows):
        theirs = [row for row in rows if row["people"] == people]
        for label, name, sd in (
            ("no noise", "clear", None),
            ("ε = 4", "private", "private_sd"),
            ("start", "start", None),
        ):
            points = [(float(row["part"]), float(row[name]), float(row[sd]) if sd else None) for row in theirs]
            lines.append(Measured(label=f"{people}: {label}", points=tuple(points), style=len(lines)))
    return drawn(folder, lines, [], xlabel="fifth of people, from usual to unusual", ylabel=RIGHT)


STUDIES: Mapping[str, Callable[[Path], str]] = {
    "002-simulated-people": people_and_epsilon,
    "005-speed": beside_their_bars,
    "006-private-step": private_steps,
    "007-people-per-round": cohorts,
    "009-balabit": persons,
    "010-robust-centres": centres,
    "012-starts": starts,
    "014-unusual-people": unusual,
}


def main() -> None:
    for name, draw in STUDIES.items():
        (HERE / name / "results.svg").write_text(draw(HERE / name))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def spread(values: Iterable[str]) -> tuple[float, float | None]:
    numbers = [float(value) for value in values]
    return statistics.fmean(numbers), statistics.stdev(numbers) if len(numbers) > 1 else None


def level(label: str, value: float, beside: Iterable[Measured], *, style: int) -> Line:
    places = [x for line in beside for x, _, _ in line.points]
    return Line(label=label, points=((min(places), value), (max(places), value)), style=style)


def drawn(folder: Path, lines: list[Measured], levels: list[Line], *, xlabel: str, ylabel: str) -> str:
    picture = measured(folder.name, lines, levels, xlabel=xlabel, ylabel=ylabel, keyed=True)
    return alone(picture, style())


def named(
    folder: Path, rows: list[tuple[str, float, float | None]], levels: list[tuple[str, float]], *, xlabel: str
) -> str:
    return alone(ranked(folder.name, rows, levels, xlabel=xlabel, keyed=True), style())


if __name__ == "__main__":
    main()
