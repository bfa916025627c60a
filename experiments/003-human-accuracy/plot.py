#!/usr/bin/env python3
"""accuracy.csv as a picture: python experiments/003-human-accuracy/plot.py"""

import csv
import statistics
from pathlib import Path

from reticent.audit.report.page import style
from reticent.audit.report.plots import Line, Measured, alone, measured

HERE = Path(__file__).parent
LINES = (("secure", "1000"), ("secure", "500"), ("secure", "200"), ("local", "1000"))


def main() -> None:
    with (HERE / "accuracy.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = []
    for place, (mode, people) in enumerate(LINES):
        chosen = [row for row in rows if (row["mode"], row["people"]) == (mode, people)]
        points = [(epsilon, *over_seeds(chosen, epsilon, "top1")) for epsilon in epsilons(chosen)]
        lines.append(Measured(label=f"{int(people):,} people, {mode}", points=tuple(points), style=place))
    whole = [row for row in rows if (row["mode"], row["people"]) == LINES[0]]
    counts = [(epsilon, over_seeds(whole, epsilon, "private_ngram_top1")[0]) for epsilon in epsilons(whole)]
    last = max(epsilons(rows))
    markov = float(rows[0]["markov3_top1"])
    levels = [
        Line(label="private counts of 1,000 people, secure", points=tuple(counts), style=4),
        Line(label="Markov-3 without privacy", points=((min(epsilons(rows)), markov), (last, markov)), style=5),
    ]
    picture = measured("accuracy", lines, levels, xlabel="ε (log scale)", ylabel="next action right", keyed=True)
    (HERE / "accuracy.svg").write_text(alone(picture, style()))


def epsilons(rows: list[dict[str, str]]) -> list[float]:
    return sorted({float(row["epsilon"]) for row in rows})


def over_seeds(rows: list[dict[str, str]], epsilon: float, name: str) -> tuple[float, float | None]:
    values = [float(row[name]) for row in rows if float(row["epsilon"]) == epsilon]
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


if __name__ == "__main__":
    main()
