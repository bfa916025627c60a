#!/usr/bin/env python3
"""accuracy.csv as pictures, accuracy.svg and local.svg, and as the rows of the README's table: python experiments/003-human-accuracy/figures.py"""

import csv
import json
import statistics
from pathlib import Path

from reticent.audit.report.page import style
from reticent.audit.report.plots import Line, Measured, alone, measured

HERE = Path(__file__).parent
PICTURES = {"accuracy.svg": "secure", "local.svg": "local"}
PEOPLE = ("1000", "500", "200")


def main() -> None:
    with (HERE / "accuracy.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for name, mode in PICTURES.items():
        (HERE / name).write_text(picture([row for row in rows if row["mode"] == mode], mode))
    print("\n".join(table(rows)))


def picture(rows: list[dict[str, str]], mode: str) -> str:
    """Of one mode: a line for each number of people, and what it is to be held against."""
    lines = []
    for place, people in enumerate(PEOPLE):
        chosen = [row for row in rows if row["people"] == people]
        points = [(epsilon, *over_seeds(chosen, epsilon, "top1")) for epsilon in epsilons(chosen)]
        lines.append(Measured(label=f"{int(people):,} people, {mode}", points=tuple(points), style=place))
    most = [row for row in rows if row["people"] == PEOPLE[0]]
    counts = [(epsilon, over_seeds(most, epsilon, "private_ngram_top1")[0]) for epsilon in epsilons(most)]
    first, last = min(epsilons(rows)), max(epsilons(rows))
    markov, start = (float(rows[0][name]) for name in ("markov3_top1", "start_top1"))
    levels = [
        Line(label="public start, no training", points=((first, start), (last, start)), style=3),
        Line(label=f"private counts of 1,000 people, {mode}", points=tuple(counts), style=4),
        Line(label="Markov-3 without privacy", points=((first, markov), (last, markov)), style=5),
    ]
    drawn = measured(mode, lines, levels, xlabel="ε (log scale)", ylabel="next action right", keyed=True)
    return alone(drawn, style())


def table(rows: list[dict[str, str]]) -> list[str]:
    """A line for each mode, number of people and epsilon: mean over seeds, and its share of the way from Markov-3 to central training."""
    central = [json.loads(line) for line in (HERE / "ceiling.jsonl").read_text().splitlines()]
    top = {
        name: statistics.fmean(one[name] for one in central if one["trainable"] == "all")
        for name in ("top1", "perplexity")
    }
    cells = sorted({(row["mode"] != "secure", -int(row["people"]), float(row["epsilon"])) for row in rows})
    lines = []
    for local, people, epsilon in cells:
        mode = "local" if local else "secure"
        chosen = [row for row in rows if (row["mode"], -int(row["people"])) == (mode, people)]

        def mean(name: str, chosen: list[dict[str, str]] = chosen, epsilon: float = epsilon) -> float:
            return over_seeds(chosen, epsilon, name)[0]

        sd = over_seeds(chosen, epsilon, "top1")[1]
        gaps = [(mean(name) - mean(f"markov3_{name}")) / (top[name] - mean(f"markov3_{name}")) for name in top]
        gap = ", ".join(f"{share:.0%}" if share > 0 else "none" for share in gaps)
        number = sum(float(row["epsilon"]) == epsilon for row in chosen)
        lines.append(
            f"| {mode} | {-people:,} | {epsilon:g} | {number} | **{mean('top1'):.3f}**{'' if sd is None else f' ({sd:.3f})'} | {mean('perplexity'):.2f} | "
            f"{mean('cell_top1'):.3f} | {mean('private_ngram_top1'):.3f}, {mean('private_ngram_perplexity'):.2f}, "
            f"{mean('private_ngram_cell_top1'):.3f} | {gap} | {100 * (mean('top1') - mean('private_ngram_top1')):+.1f} |"
        )
    return lines


def epsilons(rows: list[dict[str, str]]) -> list[float]:
    return sorted({float(row["epsilon"]) for row in rows})


def over_seeds(rows: list[dict[str, str]], epsilon: float, name: str) -> tuple[float, float | None]:
    values = [float(row[name]) for row in rows if float(row["epsilon"]) == epsilon]
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


if __name__ == "__main__":
    main()
