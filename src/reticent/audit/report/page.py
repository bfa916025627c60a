"""A run → the bytes of report.html. The same input gives the same bytes."""

import platform
import re
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from reticent.audit.report import hand, pictures, wording
from reticent.audit.report.files import Scores, Spent
from reticent.audit.report.pictures import Picture
from reticent.audit.report.read import Run
from reticent.audit.report.verdict import Standing, audits, charged, contradictions, headline, sentences, standings
from reticent.errors import printable
from reticent.privacy.events import Mode, Unit

PACKAGES = ("reticent", "flwr", "torch", "opacus", "opendp", "dp-accounting", "numpy", "matplotlib", "jinja2")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One run, prepared for the template."""

    run: Run
    label: str
    standings: tuple[Standing, ...]
    person: Standing | None
    window: Standing | None
    contradictions: tuple[str, ...]
    spent: dict[int, Spent]
    scores: tuple[tuple[str, Scores], ...]
    quantiles: tuple[str, ...]
    epsilon_pictures: tuple[Picture, ...]
    metric_pictures: tuple[Picture, ...]
    spread: Picture | None
    screen: Picture | None

    @property
    def bytes_received(self) -> int:
        return sum(one.bytes_received for one in self.run.tried)

    @property
    def seconds(self) -> float:
        return sum(one.seconds for one in self.run.tried)


def page(run: Run) -> bytes:
    """The whole page in UTF-8, styles and plots inline, without scripts and without a reference to anything outside."""
    sentence, audited = audits(run)
    text = (
        environment()
        .get_template("report.html.j2")
        .render(
            view=_view(run, "run"),
            scale=_view(run.simulation, "simulation") if run.simulation else None,
            headline=headline(run),
            verdict=sentences(run),
            audit_sentence=sentence,
            audited=audited,
            ledger_commands=hand.ledger_commands(run),
            epsilon_commands=hand.epsilon_commands(run.privacy),
            snippet=verbatim(hand.snippet(run.privacy) or ""),
            config=verbatim(run.config),
            versions=_versions(),
            style=Markup(style()),  # noqa: S704  # a file of this package
        )
    )
    return text.encode()


def _view(run: Run, prefix: str) -> View:
    results = run.results
    named = {
        "public start": results.start,
        **{wording.BASELINES.get(n, n): one for n, one in results.baselines.items()},
    }
    after: dict[str, Scores] = {"this model, last round": results}
    if results.within_person:
        after["this model, on held-out time of the people who trained"] = results.within_person
        after |= {
            f"there: {wording.BASELINES.get(n, n)}, of those who trained": one
            for n, one in results.within_person_baselines.items()
        }
    if results.measured:
        noise = results.measured.deviation
        told = "nothing can be told" if noise is None else f"each share ± {noise:.2f}"
        after[f"this model, as people measured it under noise on what they have: {told}"] = results.measured
    quantiles = {at for table in results.per_person.values() for at in table}
    return View(
        run=run,
        label=_label(run),
        standings=standings(run.privacy),
        person=charged(run.privacy, Unit.EMPLOYEE),
        window=charged(run.privacy, Unit.EXAMPLE),
        contradictions=contradictions(run.privacy),
        spent={one.round: one for one in run.privacy.by_round},
        scores=tuple((after | named).items()),
        quantiles=tuple(sorted(quantiles, key=float)),
        epsilon_pictures=pictures.epsilon_pictures(run, prefix),
        metric_pictures=pictures.metric_pictures(run, prefix),
        spread=pictures.spread_picture(run, prefix),
        screen=pictures.screen_picture(run),
    )


def _label(run: Run) -> str:
    """What a reader must know before any number, or nothing."""
    return wording.simulated(secure=run.privacy.mode is Mode.SECURE) if run.simulated else ""


def environment() -> Environment:
    """Of the templates: strict, escaping, and with nothing that no reader can see."""
    environment = Environment(
        loader=PackageLoader("reticent.audit.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    environment.globals.update(w=wording, AGAINST=wording.AGAINST, METRICS=wording.METRICS)
    return environment


def _finalized(value: Any) -> Any:
    """Names out of files may hold anything: what no reader can see, such as a reversal of direction, is spelled out."""
    return printable(value) if type(value) is str else value


def verbatim(text: str) -> Markup:
    """Lines as they stand in a file."""
    return Markup("\n").join(escape(printable(line.expandtabs())) for line in text.splitlines())


def style() -> str:
    """The pages' style sheet, without its comments."""
    text = (resources.files(__package__) / "templates" / "style.css").read_text(encoding="utf-8")
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def _versions() -> tuple[tuple[str, str], ...]:
    return (("python", platform.python_version()), *((name, _installed(name)) for name in PACKAGES))


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
