"""Which curves the page shows, and how each is captioned."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from reticent.audit.report.files import Adversary, Round, Scores
from reticent.audit.report.plots import SERIES, Line, cells, curves, dashes, spread
from reticent.audit.report.read import Run
from reticent.audit.report.wording import BASELINES, FRACTIONS, METRICS, SHORT, plain
from reticent.privacy.events import Unit

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of the key beside a plot. dash: as SVG's stroke-dasharray."""

    label: str
    style: int
    dash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A plot with its title, key and one line of explanation."""

    title: str
    svg: Markup
    keys: tuple[Key, ...] = ()
    caption: str = ""


def epsilon_pictures(run: Run, prefix: str) -> tuple[Picture, ...]:
    """ε over the rounds, the two units apart: they are never added; and what is left of their limits."""
    titles = {
        Unit.EMPLOYEE: "One person, all that was ever captured",
        Unit.EXAMPLE: "One training window",
    }
    found = []
    for unit, title in titles.items():
        lines = _merged(
            (SHORT[adversary], tuple((one.round + 1.0, one_unit[adversary]) for one, one_unit in spent))
            for adversary in Adversary
            if (
                spent := [
                    (one, table) for one in run.privacy.by_round if adversary in (table := getattr(one, unit.value))
                ]
            )
        )
        if lines:
            svg = curves(f"{prefix}-epsilon-{unit.value}", lines, ylabel="epsilon", limit=run.privacy.limits.of(unit))
            found.append(
                Picture(
                    title=_titled(title, run),
                    svg=svg,
                    keys=_keys(lines),
                    caption="ε after each round, zero-out, of the person charged most often so far.",
                )
            )
    return (*found, *_left(run, prefix))


def metric_pictures(run: Run, prefix: str) -> tuple[Picture, ...]:
    """Accuracy over the rounds beside simple counts; nothing where it was never measured."""
    found = []
    for name in ("top1", "cell_top1", "perplexity"):
        points = _measured(run.rounds, name)
        if points:
            ends = (points[0][0], max(points[-1][0], points[0][0] + 1))
            flat = {BASELINES.get(label, label): getattr(one, name) for label, one in _strongest(run, name)}
            lines = [Line(label="this model", points=points, style=0)]
            lines += [
                Line(label=label, points=tuple((x, value) for x in ends), style=style)
                for style, (label, value) in enumerate(flat.items(), start=1)
            ]
            ylabel, better = ("fraction of actions", "Higher") if name in FRACTIONS else (name, "Lower")
            svg = curves(f"{prefix}-{name.replace('_', '-')}", lines, ylabel=ylabel)
            found.append(
                Picture(
                    title=_titled(METRICS[name].split(" (")[0].capitalize(), run),
                    svg=svg,
                    keys=_keys(lines),
                    caption=f"On {run.results.scored.part} people after each applied round; 0 is the public start. {better} is better.",
                )
            )
    norms = tuple((one.round + 1.0, one.clip_norm) for one in run.applied if one.clip_norm is not None)
    if len({norm for _, norm in norms}) > 1:
        lines = [Line(label="clip norm", points=norms, style=0)]
        found.append(
            Picture(
                title=_titled("Clip norm", run),
                svg=curves(f"{prefix}-clip-norm", lines, ylabel="weight space"),
                keys=_keys(lines),
                caption="Of one person's update in each round. It followed a noised count of those whose update was longer.",
            )
        )
    return tuple(found)


def spread_picture(run: Run, prefix: str) -> Picture | None:
    """How differently it does for different people, never named."""
    rows = {
        METRICS[name]: {float(at): value for at, value in table.items() if value is not None}
        for name, table in run.results.per_person.items()
        if name in FRACTIONS
    }
    rows = {label: table for label, table in rows.items() if table}
    if not rows:
        return None
    return Picture(
        title=_titled(f"Quantiles over {run.results.scored.part} people", run),
        svg=spread(f"{prefix}-spread", rows, xlabel="fraction of a person's actions"),
        caption="Thin: from the lowest to the highest quantile below. Thick: the middle half of people. Dot: the median person.",
    )


def screen_picture(run: Run) -> Picture | None:
    """Where on the screen it is right and where it is wrong; nothing where it was not measured."""
    shown = run.results.screen
    if shown is None or all(value is None for row in shown for value in row):
        return None
    return Picture(
        title=_titled("Where on the screen the place is right", run),
        svg=cells(shown),
        caption=(
            "Each square is a cell of the 16 × 12 frame: of the actions that people took there, the part whose place was "
            "guessed right. Few actions make a cell's figure rough. Empty: nobody acted there, or too few people to say."
        ),
    )


def _left(run: Run, prefix: str) -> list[Picture]:
    """What the limits, which are for what the server sees, still allow after each round, as a share of each."""
    lines = []
    for style, (unit, label) in enumerate(((Unit.EMPLOYEE, "one person"), (Unit.EXAMPLE, "one training window"))):
        limit = run.privacy.limits.of(unit)
        spent = {one.round + 1.0: getattr(one, unit.value).get(Adversary.SERVER) for one in run.privacy.by_round}
        if limit is not None and spent and None not in spent.values():
            points = ((0.0, 1.0), *((number, max(0.0, 1 - figure / limit)) for number, figure in spent.items()))
            lines.append(Line(label=f"{label}, of ε = {plain(limit)}", points=points, style=style))
    if not lines:
        return []
    svg = curves(f"{prefix}-left", lines, ylabel="share of the limit", share=True)
    title = "Budget left"
    caption = (
        "What each limit still allows after each round, against the server, of the person charged most often so far."
    )
    if not run.simulated:
        title = "Budget left by this run"
        caption += " Of this run alone: what other runs took of a person's limits stands in the device's ledger."
    return [Picture(title=_titled(title, run), svg=svg, keys=_keys(lines), caption=caption)]


def _titled(title: str, run: Run) -> str:
    """A picture is passed on without its page: it says itself what it is of."""
    return f"{title} (simulated)" if run.simulated else title


def _strongest(run: Run, name: str) -> list[tuple[str, Scores]]:
    """The baselines that were scored; the best ones where there are more than styles to draw them with."""
    sign = -1 if name in FRACTIONS else 1
    scored = [(label, one) for label, one in run.results.baselines.items() if getattr(one, name) is not None]
    kept = sorted(scored, key=lambda pair: sign * getattr(pair[1], name))[: SERIES - 1]
    return [pair for pair in scored if pair in kept]


def _measured(rounds: Iterable[Round], name: str) -> Points:
    values = {
        one.round + 1.0: value
        for one in rounds
        if one.metrics is not None and (value := getattr(one.metrics, name)) is not None
    }
    return tuple(sorted(values.items()))


def _merged(named: Iterable[tuple[str, Points]]) -> list[Line]:
    """Lines that lie on each other are one line with both names."""
    labels: dict[Points, list[str]] = {}
    for label, points in named:
        labels.setdefault(points, []).append(label)
    return [
        Line(label=" and ".join(names) + (" (the same)" if len(names) > 1 else ""), points=points, style=style)
        for style, (points, names) in enumerate(labels.items())
    ]


def _keys(lines: Sequence[Line]) -> tuple[Key, ...]:
    return tuple(Key(line.label, line.style, dashes(line.style)) for line in lines)
