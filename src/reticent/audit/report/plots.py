"""Curves as inline SVG: deterministic, text as text, colours left to the page's style sheet so that dark mode works."""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

WIDTH_IN, HEIGHT_IN = 5.0, 3.2  # at 72 units an inch: 360 units, a phone's width, so that text is read at its own size
MOST_POINTS = 200
CRUSHED = 8.0
"""Largest over smallest final value, beyond which a linear axis would press the small ones flat."""

SERIES = 7
_TICKED = 8  # so many places on an axis have room for their own number
_DASHES: tuple[tuple[float, ...], ...] = ((), (6, 2), (1.5, 1.5), (6, 2, 1.5, 2), (3, 3), (9, 2), (1, 3))
_MARKERS = "osD^vXP"
_INK, _GRID, _LIMIT = "#010203", "#010204", "#010205"
_COLOURS = tuple(f"#0102{16 + number:02x}" for number in range(SERIES))
"""Stand-ins, each replaced by a variable of the style sheet."""

_VARIABLES = {
    _INK: "var(--soft)",
    _GRID: "var(--line)",
    _LIMIT: "var(--bad)",
    **{colour: f"var(--s{number})" for number, colour in enumerate(_COLOURS)},
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.size": 12.0,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A curve. points: (x, y), x ascending. style: index of its colour and dashes, below SERIES; the page's key uses the same."""

    label: str
    points: tuple[tuple[float, float], ...]
    style: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A curve with its spread. points: (x, mean, standard deviation or None), x ascending. style: as in Line."""

    label: str
    points: tuple[tuple[float, float, float | None], ...]
    style: int


def dashes(style: int) -> str:
    """The dash pattern as SVG's stroke-dasharray, for the key beside a plot."""
    return " ".join(f"{part * 1.6:g}" for part in _DASHES[style]) or "none"


def curves(name: str, lines: Sequence[Line], *, ylabel: str, limit: float | None = None, share: bool = False) -> Markup:
    """The lines over rounds, with `limit` as a line of its own; log scale where one curve would crush the others.

    name: distinct on a page; letters, digits and hyphens. share: of a whole, from 0 to 1, which may be nearly nothing.
    """

    def draw(axes: Axes) -> None:
        ends = [line.points[-1][1] for line in lines if line.points and line.points[-1][1] > 0]
        if not share and ends and max(ends) > CRUSHED * min(ends):
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_minor_locator(NullLocator())
        for line in lines:
            shown = [(x, y) for x, y in _thinned(line.points) if axes.get_yscale() == "linear" or y > 0]
            if shown:
                axes.plot(
                    *zip(*shown, strict=True),
                    color=_COLOURS[line.style],
                    dashes=_DASHES[line.style] or (None, None),
                    linewidth=2.0,
                    marker=_MARKERS[line.style] if _marked(shown) else None,
                    markersize=4.5,
                )
        if limit is not None:
            axes.axhline(limit, color=_LIMIT, linewidth=1.5)
            axes.annotate(
                f"limit {limit:g}", (0, limit), xycoords=("axes fraction", "data"), xytext=(4, 3),
                textcoords="offset points", color=_LIMIT,
            )  # fmt: skip
        if axes.get_yscale() == "linear" and limit is not None:
            axes.set_ylim(0, 1.12 * max([limit, *ends]))
        if share:
            axes.set_ylim(-0.05, 1.05)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.set_xlabel("rounds")
        axes.set_ylabel(ylabel + (" (log scale)" if axes.get_yscale() == "log" else ""))

    return _svg(name, draw, height_in=HEIGHT_IN)


def measured(
    name: str,
    lines: Sequence[Measured],
    levels: Sequence[Line],
    *,
    xlabel: str,
    ylabel: str,
    joined: bool = True,
    keyed: bool = False,
) -> Markup:
    """Means with bars of one standard deviation over some number, and levels to compare with; log scale where it spans much
    in uneven steps.

    joined: by lines. keyed: with a key of its own, for a plot that stands without a page.
    """

    def draw(axes: Axes) -> None:
        places = sorted({x for line in lines for x, _, _ in line.points})
        few = len(places) <= _TICKED
        steps = [later - earlier for earlier, later in pairwise(places)]
        if places[0] > 0 and places[-1] >= CRUSHED * places[0] and max(steps) > 1.01 * min(steps):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if places[-1] > 100 * places[0] else (1.0, 2.0, 5.0)))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.xaxis.set_minor_locator(NullLocator())
        if few:
            axes.set_xticks(places, [f"{x:g}" for x in places])
        for line in lines:
            xs, means, deviations = zip(*line.points, strict=True)
            axes.errorbar(
                xs,
                means,
                yerr=_bars(deviations),
                color=_COLOURS[line.style],
                dashes=_DASHES[line.style] or (None, None),
                linewidth=2.0 if joined else 0.0,
                elinewidth=1.5,
                capsize=4,
                marker=_MARKERS[line.style],
                markersize=5.0,
                label=line.label,
            )
        for level in levels:
            axes.plot(
                *zip(*level.points, strict=True),
                color=_COLOURS[level.style],
                dashes=_DASHES[level.style] or (None, None),
                linewidth=2.0,
                marker=_MARKERS[level.style] if len(level.points) == 1 else None,
                label=level.label,
            )
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)

    return _svg(name, draw, height_in=HEIGHT_IN, keys=len(lines) + len(levels) if keyed else 0)


def ranked(
    name: str,
    rows: Sequence[tuple[str, float, float | None]],
    levels: Sequence[tuple[str, float]],
    *,
    xlabel: str,
    keyed: bool = False,
) -> Markup:
    """A mean with its bar for each label, which may have several lines, one below the other, and levels with their labels. keyed: as in `measured`."""

    def draw(axes: Axes) -> None:
        for place, (_, mean, deviation) in enumerate(rows):
            axes.errorbar([mean], [place], xerr=_bars([deviation]), color=_COLOURS[0], marker="o", capsize=4)
        for style, (label, value) in enumerate(levels, start=1):
            axes.axvline(value, color=_COLOURS[style], dashes=_DASHES[style], linewidth=2.0, label=label)
        axes.set_yticks(range(len(rows)), [label for label, _, _ in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel(xlabel)

    tallest = max((label.count("\n") for label, _, _ in rows), default=0)
    return _svg(name, draw, height_in=0.7 + (0.42 + 0.2 * tallest) * len(rows), keys=len(levels) if keyed else 0)


def _bars(deviations: Sequence[float | None]) -> list[float] | None:
    return None if all(one is None for one in deviations) else [one or 0.0 for one in deviations]


def alone(svg: Markup, style: str) -> str:
    """A plot as a file of its own, with the colours that `style`, a page's sheet, declares for light and dark."""
    colours = re.findall(r"(?:@media \(prefers-color-scheme: dark\) \{\s*)?:root \{[^}]*\}(?:\s*\})?", style)[:2]
    rules = (
        f"{' '.join(colours)} svg {{ background: var(--box); }} text {{ fill: var(--soft); font-family: sans-serif; }}"
    )
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups()  # type: ignore[union-attr]
    whole = str(svg).replace("<svg", f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"', 1)
    place = whole.index(">") + 1
    return f"{whole[:place]}\n<style>{rules}</style>{whole[place:]}"


def spread(name: str, rows: Mapping[str, Mapping[float, float]], *, xlabel: str) -> Markup:
    """Quantiles of several fractions: thin from the lowest to the highest, thick over the middle half, a dot at the median.

    rows: label → quantile → value.
    """

    def draw(axes: Axes) -> None:
        for place, quantiles in enumerate(rows.values()):
            values = list(quantiles.values())
            axes.hlines(place, min(values), max(values), color=_COLOURS[0], linewidth=1.5)
            if {0.25, 0.75} <= set(quantiles):
                axes.hlines(place, quantiles[0.25], quantiles[0.75], color=_COLOURS[0], linewidth=7)
            if 0.5 in quantiles:
                axes.plot([quantiles[0.5]], [place], "o", color=_COLOURS[1], markersize=8)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.set_xlabel(xlabel)

    return _svg(name, draw, height_in=0.7 + 0.42 * len(rows))


def cells(rows: Sequence[Sequence[float | None]]) -> Markup:
    """A fraction for each cell of the frame, the darker the higher; no square where there is none."""
    side, width = 20, 20 * max(map(len, rows))
    height = side * len(rows)
    parts = [
        _square(x * side, y * side, value, f"row {y + 1}, column {x + 1}: {100 * value:.0f} %")
        for y, row in enumerate(rows)
        for x, value in enumerate(row)
        if value is not None
    ]
    for step, value in enumerate((0.0, 0.25, 0.5, 0.75, 1.0)):
        parts.append(_square(56 * step, height + 12, value, ""))
        parts.append(f'<text x="{56 * step + side + 4}" y="{height + 26}" font-size="12">{100 * value:.0f} %</text>')
    frame = f'<rect width="{width}" height="{height}" fill="none" stroke="var(--line)" />'
    return Markup(  # noqa: S704  # drawn from numbers
        f'<svg viewBox="-1 -1 {width + 2} {height + 36}">{frame}{"".join(parts)}</svg>'
    )


def _square(x: float, y: float, value: float, title: str) -> str:
    said = f"<title>{title}</title>" if title else ""
    return (
        f'<rect x="{x + 1}" y="{y + 1}" width="18" height="18" rx="2" fill="var(--s0)" fill-opacity="{0.06 + 0.94 * value:.2f}" '
        f'stroke="var(--line)">{said}</rect>'
    )


def _marked(points: Sequence[tuple[float, float]]) -> bool:
    """Few measured points get marks; a level, drawn from end to end, gets none."""
    return len(points) == 1 or (len(points) <= 12 and len({y for _, y in points}) > 1)


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most MOST_POINTS of them, evenly, the first and the last among them."""
    if len(points) <= MOST_POINTS:
        return list(points)
    return [points[round(place * (len(points) - 1) / (MOST_POINTS - 1))] for place in range(MOST_POINTS)]


def _svg(name: str, draw: Callable[[Axes], None], *, height_in: float, keys: int = 0) -> Markup:
    """keys: how many rows a key above the plot needs."""
    with mpl.rc_context():
        mpl.rcdefaults()  # whatever somebody's matplotlibrc says, the same input gives the same bytes
        mpl.rcParams.update({**_STYLE, "svg.hashsalt": name})
        figure = Figure(figsize=(WIDTH_IN, height_in + 0.26 * keys), dpi=72, layout="constrained")
        axes = figure.add_subplot()
        axes.grid(visible=True, linewidth=0.8)
        axes.set_axisbelow(True)
        draw(axes)
        if keys:
            figure.legend(loc="outside upper left", frameon=False, handlelength=3)
        target = io.StringIO()
        figure.savefig(target, format="svg", metadata={"Date": None})
    return _inlined(target.getvalue())


def _inlined(text: str) -> Markup:
    """One <svg> without prolog, metadata, namespaces and names that nothing refers to; colours and fonts are the page's."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\s+xmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href", "href")
    text = re.sub(
        r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1), count=1
    )
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)  # the page's own sheet says the same
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", text)
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", text)
    for stand_in, variable in _VARIABLES.items():
        text = text.replace(stand_in, variable)
    return Markup(re.sub(r"\n\s*", "\n", text))  # noqa: S704  # drawn above from numbers and the page's own labels
