"""sweep.csv, sweep.svg and sweep.html of a sweep's folder: the table and one plot over it."""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from markupsafe import Markup

from reticent.audit.report.page import environment, style, verbatim
from reticent.audit.report.pictures import Key, Picture
from reticent.audit.report.plots import SERIES, Line, Measured, alone, dashes, measured, ranked
from reticent.audit.report.wording import BASELINES
from reticent.records.files import replace_private
from reticent.train.sweep import Row, Sweep, csv_text, shown, spread

_EPSILON = "privacy.epsilon"
_AXES = {_EPSILON: "ε (employee level, against the server)"}
_CHOSEN = {
    True: "The best of many was chosen on the validation people whom it is scored on: run it once with evaluate.part=test for a figure to report.",
    False: "The best of many was chosen on the very people it is scored on.",
}
_YLABEL = "next action right"
_CAPTION = "Next action right on {part} people: mean over seeds, bars of one standard deviation. Higher is better."


def write_sweep(root: Path, sweep: Sweep) -> tuple[str, ...]:
    """Write the files; returns their names. Without any results there is no plot."""
    files = {"sweep.csv": csv_text(sweep), "sweep.html": _page(sweep, _picture(sweep) if sweep.rows else None)}
    if sweep.rows:
        files["sweep.svg"] = alone(_picture(sweep, keyed=True).svg, style())
    for name, text in files.items():
        replace_private(root / name, text.encode())
    return tuple(sorted(files))


def _page(sweep: Sweep, picture: Picture | None) -> str:
    return (
        environment()
        .get_template("sweep.html.j2")
        .render(
            sweep=sweep,
            names=", ".join(sweep.settings),
            runs=sum(len(row.seeds) for row in sweep.rows),
            best=_best(sweep),
            picture=picture,
            titles=("next action right", "perplexity", "place right", "ε"),
            baseline=_named(sweep.baseline),
            shown=shown,
            spread=spread,
            common=verbatim("\n".join(f"{name}: {shown(value)}" for name, value in sweep.common.items())),
            style=Markup(style()),  # noqa: S704  # a file of this package
        )
    )


def _best(sweep: Sweep) -> str:
    """What a reader wants to know first, with the baseline beside it."""
    if not sweep.rows:
        return ""
    row = max(sweep.rows, key=lambda one: one.figures["top1"].mean)
    figures = (
        f"the next action was right in {spread('top1', row.figures['top1'])}, ε {spread('epsilon', row.figures['epsilon'])}; "
        f"{_named(sweep.baseline)}: {row.baseline:.3f}."
    )
    if len(sweep.rows) == 1:
        return f"T{figures[1:]}"
    where = _label(sweep.settings, row)
    return f"At best ({where}) {figures} {_CHOSEN[sweep.part == 'validation']}"


def _picture(sweep: Sweep, *, keyed: bool = False) -> Picture:
    axis = _axis(sweep)
    against = _named(sweep.baseline)
    title = "Next action right" + (" (simulated)" if sweep.simulated else "")
    if axis is None:
        rows = [(_label(sweep.settings, row) or "all seeds", *_top1(row)) for row in sweep.rows]
        level = fmean(row.baseline for row in sweep.rows)
        svg = ranked("sweep", rows, (against, level), xlabel=_YLABEL, keyed=keyed)
        return Picture(title=title, svg=svg, keys=(_key(against, 1),), caption=_CAPTION.format(part=sweep.part))
    lines, joined, more = _lines(sweep, axis)
    name, style = sweep.settings[axis], len(lines)
    floor = {x: fmean(row.baseline for row in sweep.rows if row.values[axis] == x) for x in _places(sweep, axis)}
    baseline = Line(label=against, points=tuple(floor.items()), style=style)
    xlabel = _AXES.get(name, name)
    svg = measured("sweep", lines, baseline, xlabel=xlabel, ylabel=_YLABEL, joined=joined, keyed=keyed)
    keys = (*(_key(line.label, line.style) for line in lines), _key(against, style))
    return Picture(title=f"{title} against {name}", svg=svg, keys=keys, caption=_CAPTION.format(part=sweep.part) + more)


def _places(sweep: Sweep, axis: int) -> list[float]:
    return sorted({row.values[axis] for row in sweep.rows})


def _axis(sweep: Sweep) -> int | None:
    """Which setting goes along the bottom: ε if it was varied, else the first that is a number in every run."""
    numbers = [place for place in range(len(sweep.settings)) if all(_number(row.values[place]) for row in sweep.rows)]
    for place in numbers:
        if sweep.settings[place] == _EPSILON:
            return place
    return numbers[0] if numbers else None


def _lines(sweep: Sweep, axis: int) -> tuple[list[Measured], bool, str]:
    """A line for each of the other settings; where there are too many to tell apart, dots without lines."""
    others = [place for place in range(len(sweep.settings)) if place != axis]
    names = [sweep.settings[place] for place in others]
    groups: dict[str, list[tuple[float, float, float | None]]] = {}
    for row in sweep.rows:
        label = ", ".join(f"{name}={shown(row.values[at])}" for name, at in zip(names, others, strict=True))
        groups.setdefault(label or "this model", []).append((row.values[axis], *_top1(row)))
    if len(groups) < SERIES:
        lines = [
            Measured(label=label, points=tuple(sorted(points)), style=style)
            for style, (label, points) in enumerate(groups.items())
        ]
        return lines, True, ""
    every = tuple(sorted(point for points in groups.values() for point in points))
    return (
        [Measured(label="this model", points=every, style=0)],
        False,
        f" Varied too, see the table: {', '.join(names)}.",
    )


def _top1(row: Row) -> tuple[float, float | None]:
    return row.figures["top1"].mean, row.figures["top1"].sd


def _label(names: Sequence[str], row: Row) -> str:
    if len(names) == 1:
        return shown(row.values[0])
    return ", ".join(f"{name}={shown(value)}" for name, value in zip(names, row.values, strict=True))


def _named(baseline: str) -> str:
    return BASELINES.get(baseline, baseline)


def _key(label: str, style: int) -> Key:
    return Key(label, style, dashes(style))


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
