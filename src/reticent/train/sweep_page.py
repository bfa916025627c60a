"""sweep.csv, sweep.svg and sweep.html of a sweep's folder: the table and one plot over it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from markupsafe import Markup

from reticent.audit.report.page import environment, style, verbatim
from reticent.audit.report.pictures import Key, Picture
from reticent.audit.report.plots import SERIES, Line, Measured, alone, dashes, measured, ranked
from reticent.audit.report.wording import BASELINES
from reticent.records.files import replace_private
from reticent.train.sweep import PRIVATE, Row, Sweep, condensed, csv_text, shown, spread, told_along

_EPSILON = "privacy.epsilon"
_AXES = {_EPSILON: "ε (employee level, against the server)"}
_CHOSEN = {
    True: "The best of many was chosen on the validation people whom it is scored on: run it once with evaluate.part=test for a figure to report.",
    False: "The best of many was chosen on the very people it is scored on.",
}
_LONGEST = 26  # letters of a label beside a plot, the last ones of a longer
_START = "public start, no training"
_YLABEL = "next action right"
_CAPTION = "Next action right on {part} people: mean over seeds, bars of one standard deviation. Higher is better."


def write_sweep(root: Path, sweep: Sweep) -> tuple[str, ...]:
    """Write the files; returns their names. Without any results there is no plot."""
    whole, sweep = sweep, condensed(sweep)
    files = {"sweep.csv": csv_text(whole), "sweep.html": _page(sweep, _picture(sweep) if sweep.rows else None)}
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
            along=" ".join(told_along(sweep)),
            runs=sum(len(row.seeds) for row in sweep.rows),
            best=_best(sweep),
            picture=picture,
            titles=("next action right", "perplexity", "place right", "ε"),
            baseline=_named(sweep.baseline),
            private=any(row.private is not None for row in sweep.rows),
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
    if not sweep.comparable:
        return "Runs were scored on different people, so none of them is called the best."
    private = "" if row.private is None else f"; {_named(PRIVATE)}: {spread(PRIVATE, row.private)}"
    figures = (
        f"the next action was right in {spread('top1', row.figures['top1'])}, ε {spread('epsilon', row.figures['epsilon'])}; "
        f"{_START}: {row.start:.3f}; {_named(sweep.baseline)}: {row.baseline:.3f}{private}."
    )
    harm = " No training did better than none." if all(_harmed(one) for one in sweep.rows) else ""
    if len(sweep.rows) == 1:
        return f"T{figures[1:]}{harm}"
    where = _label(sweep.settings, row)
    return f"At best ({where}) {figures}{harm} {_CHOSEN[sweep.part == 'validation']}"


def _harmed(row: Row) -> bool:
    return row.figures["top1"].mean <= row.start


def _picture(sweep: Sweep, *, keyed: bool = False) -> Picture:
    axis = _axis(sweep)
    title = "Next action right" + (" (simulated)" if sweep.simulated else "")
    if axis is None:
        return _by_name(sweep, title, keyed=keyed)
    lines, joined, more = _lines(sweep, axis)
    name = sweep.settings[axis]
    levels = [
        Line(
            label=label,
            points=tuple((x, figure) for x in sorted({row.values[axis] for row in sweep.rows})),
            style=style,
        )
        for style, (label, figure) in enumerate(_shared(sweep), start=len(lines))
    ]
    levels += _private_levels(sweep, axis, style=len(lines) + len(levels))
    xlabel = _AXES.get(name, name)
    svg = measured("sweep", lines, levels, xlabel=xlabel, ylabel=_YLABEL, joined=joined, keyed=keyed)
    keys = (*(_key(line.label, line.style) for line in lines), *(_key(one.label, one.style) for one in levels))
    return Picture(title=f"{title} against {name}", svg=svg, keys=keys, caption=_CAPTION.format(part=sweep.part) + more)


def _by_name(sweep: Sweep, title: str, *, keyed: bool) -> Picture:
    """Where nothing that was varied is a number."""
    rows = [(_lines_of(sweep.settings, row) or "all seeds", *_top1(row)) for row in sweep.rows]
    levels = _shared(sweep)
    private = {row.private.mean for row in sweep.rows if row.private is not None}
    if len(private) == 1:  # others stand in the table
        levels.append((_named(PRIVATE), private.pop()))
    svg = ranked("sweep", rows, levels, xlabel=_YLABEL, keyed=keyed)
    keys = tuple(_key(label, style) for style, (label, _) in enumerate(levels, start=1))
    return Picture(title=title, svg=svg, keys=keys, caption=_CAPTION.format(part=sweep.part))


def _shared(sweep: Sweep) -> list[tuple[str, float]]:
    """What is the same for all rows, where it is: the strongest count and the public start."""
    if not sweep.comparable:
        return []
    starts = {row.start for row in sweep.rows}
    return [(_named(sweep.baseline), sweep.rows[0].baseline), *((_START, one) for one in starts if len(starts) == 1)]


def _level(sweep: Sweep, axis: int, label: str, figures: Mapping[int, float], *, style: int) -> Line:
    """figures: by place in the sweep's rows. What stands at one place along the bottom is averaged."""
    found: dict[float, list[float]] = {}
    for place, figure in figures.items():
        found.setdefault(sweep.rows[place].values[axis], []).append(figure)
    return Line(label=label, points=tuple((x, fmean(found[x])) for x in sorted(found)), style=style)


def _axis(sweep: Sweep) -> int | None:
    """Which setting goes along the bottom: ε if it was varied, else the first that is a number in every run."""
    numbers = [place for place in range(len(sweep.settings)) if all(_number(row.values[place]) for row in sweep.rows)]
    for place in numbers:
        if sweep.settings[place] == _EPSILON:
            return place
    return numbers[0] if numbers else None


def _private_levels(sweep: Sweep, axis: int, *, style: int) -> list[Line]:
    """Private counts: a line for each of the other settings where they differ between those and can be told apart; else one."""
    figures = {place: row.private.mean for place, row in enumerate(sweep.rows) if row.private is not None}
    groups: dict[str, dict[int, float]] = {}
    for place, figure in figures.items():
        groups.setdefault(_beside(sweep, axis, sweep.rows[place]), {})[place] = figure
    each = [
        _level(sweep, axis, f"{_named(PRIVATE)}: {label}", theirs, style=min(style + number, SERIES - 1))
        for number, (label, theirs) in enumerate(groups.items())
    ]
    if len({line.points for line in each}) <= 1:
        return [_level(sweep, axis, _named(PRIVATE), figures, style=style)] if figures else []
    return each if style + len(each) <= SERIES else []  # no one line stands for all of them: see the table


def _beside(sweep: Sweep, axis: int, row: Row) -> str:
    """A row's settings, but for the one along the bottom; empty where that is the only one."""
    named = zip(sweep.settings, row.values, strict=True)
    return ", ".join(f"{name}={shown(value)}" for at, (name, value) in enumerate(named) if at != axis)


def _lines(sweep: Sweep, axis: int) -> tuple[list[Measured], bool, str]:
    """A line for each of the other settings; where there are too many to tell apart, dots without lines."""
    groups: dict[str, list[tuple[float, float, float | None]]] = {}
    for row in sweep.rows:
        label = _beside(sweep, axis, row) or "this model"
        groups.setdefault(label, []).append((row.values[axis], *_top1(row)))
    if len(groups) < SERIES - 2:
        lines = [
            Measured(label=label, points=tuple(sorted(points)), style=style)
            for style, (label, points) in enumerate(groups.items())
        ]
        return lines, True, ""
    every = tuple(sorted(point for points in groups.values() for point in points))
    return (
        [Measured(label="this model", points=every, style=0)],
        False,
        f" Varied too, see the table: {', '.join(name for at, name in enumerate(sweep.settings) if at != axis)}.",
    )


def _top1(row: Row) -> tuple[float, float | None]:
    return row.figures["top1"].mean, row.figures["top1"].sd


def _lines_of(names: Sequence[str], row: Row) -> str:
    """A label beside a plot, a line for each setting, as short as tells them apart."""
    whole = [name.removesuffix(".name") for name in names]
    short = [name.rpartition(".")[2] for name in whole]
    used = short if len(set(short)) == len(short) else whole
    values = [shown(value) for value in row.values]
    said = values if len(names) == 1 else [f"{name}={value}" for name, value in zip(used, values, strict=True)]
    return "\n".join(one if len(one) <= _LONGEST else f"…{one[1 - _LONGEST :]}" for one in said)


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
