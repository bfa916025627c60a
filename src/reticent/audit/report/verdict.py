"""Did it hold? Every judgement of the page: limits, figures against their events, audits."""

import math
from dataclasses import dataclass

from reticent.audit.report.files import Adversary, Event, Figure, Privacy
from reticent.audit.report.read import Run
from reticent.audit.report.wording import SHORT, epsilon, plain, some
from reticent.privacy.events import Adjacency, Mode, Unit
from reticent.privacy.gaussian import composed_mu
from reticent.privacy.grid import release_epsilon

_TOLERANCE = 1e-6

_OTHER = {Unit.EMPLOYEE: "server", Unit.EXAMPLE: "single window"}
_LIMIT = {1: "LIMIT WAS", 2: "LIMITS WERE"}
TRAINABLE = {"heads": "the small heads were", "all": "all parameters were"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One row: unit and adversary, under both adjacencies, beside the limit.

    limit: None where none is set for it. over: the limit is passed. words: the same to read.
    """

    zero_out: Figure | None
    replace_one: Figure | None
    limit: float | None
    over: bool
    words: str

    @property
    def figure(self) -> Figure:
        """Either figure, for what both share."""
        found = self.zero_out or self.replace_one
        assert found is not None  # noqa: S101  # `standings` makes rows of figures
        return found


def standings(privacy: Privacy) -> tuple[Standing, ...]:
    rows: dict[tuple[object, ...], dict[Adjacency, Figure]] = {}
    for figure in privacy.guarantees:
        rows.setdefault((figure.unit, figure.adversary, figure.windows or 1), {})[figure.adjacency] = figure
    return tuple(_standing(row, privacy) for row in rows.values())


def _standing(row: dict[Adjacency, Figure], privacy: Privacy) -> Standing:
    """One row beside the limit that it has, if it has one."""
    figure, swapped = row.get(Adjacency.ZERO_OUT), row.get(Adjacency.REPLACE_ONE)
    limit, over, words = None, False, "no limit is set for it"
    if figure is not None:
        bar = privacy.limits.of(figure.unit)
        above = bar is not None and figure.epsilon > bar
        if bar is not None and _limited(figure):
            limit, over = bar, above
            words = f"OVER the limit of {plain(bar)}" if over else f"within the limit of {plain(bar)}"
        elif bar is not None and above:
            words += f"; above the {plain(bar)} that is the limit for the {_OTHER[figure.unit]}"
    return Standing(zero_out=figure, replace_one=swapped, limit=limit, over=over, words=words)


def charged(privacy: Privacy, unit: Unit) -> Standing | None:
    """The row that a limit of `unit` is for; None where nobody was charged."""
    found = ((one, one.zero_out) for one in standings(privacy))
    return next((row for row, figure in found if figure and figure.unit is unit and _limited(figure)), None)


def _limited(figure: Figure) -> bool:
    """Limits are for what the server sees, zero-out; at the example level for one window."""
    return figure.adversary is Adversary.SERVER and figure.windows in (None, 1)


def headline(run: Run) -> tuple[str, str]:
    """Limits and audits in one sentence, and its tone: bad, good, or soft where there was nothing to hold: no device, or no limit."""
    rows = [row for unit in Unit if (row := charged(run.privacy, unit)) and row.limit is not None]
    over = [row.figure.unit.value for row in rows if row.over]
    held = "The limits would have held" if run.simulated else "The limits held"
    limits = "No limit was set" if not rows else held if not over else f"THE {_LIMIT[len(over)]} PASSED"
    wrong = contradictions(run.privacy)
    figures = "; figures do NOT follow from the events" if wrong else ""
    audited = audits(run)[1]
    checks = {True: "the audits hold", False: "the audits do NOT hold", None: "nothing was audited"}[audited]
    tone = "bad" if over or wrong or audited is False else "good" if rows and not run.simulated else "soft"
    return f"{limits}{figures}; {checks}.", tone


def mu(events: tuple[Event, ...], *, adversary: Adversary, honest_devices: int) -> float:
    """What the employee-level events compose to, seen by `adversary`: sensitivity over noise, zero-out."""
    return composed_mu(
        (one.noise_multiplier * math.sqrt(_shares(one, adversary, honest_devices)), one.runs)
        for one in events
        if one.unit is Unit.EMPLOYEE
    )


def _shares(event: Event, adversary: Adversary, honest_devices: int) -> int:
    hidden = adversary is Adversary.RECIPIENT or (adversary is Adversary.SERVER and event.mode is Mode.SECURE)
    return honest_devices if hidden else 1


def contradictions(privacy: Privacy) -> tuple[str, ...]:
    """Employee-level figures that don't follow from the events of the same file, a sentence each."""
    found = []
    for figure in privacy.guarantees:
        if figure.unit is Unit.EMPLOYEE:
            composed = mu(privacy.events, adversary=figure.adversary, honest_devices=privacy.honest_devices)
            sensitivity = 1 if figure.adjacency is Adjacency.ZERO_OUT else 2
            expected = release_epsilon(sensitivity * composed, delta=figure.delta)
            if not math.isclose(figure.epsilon, expected, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
                found.append(
                    f"employee, {SHORT[figure.adversary]}, {figure.adjacency.value.replace('_', '-')}: the file says "
                    f"{epsilon(figure.epsilon)}, its events give {epsilon(expected)}"
                )
    return tuple(found)


def audits(run: Run) -> tuple[str, bool | None]:
    """One sentence on the audits, and whether they hold; None where there was none."""
    if run.audit is None:
        if run.simulated:
            return "A simulation has no ledgers, so there was nothing to audit.", None
        return "No audit lies in this folder: nobody has checked the ledgers yet.", None
    total, good = len(run.audit.ledgers), sum(one.holds for one in run.audit.ledgers)
    agree = "they agree" if run.audit.reconciled else "they do NOT agree"
    return (
        f"{good} of {some(total, 'ledger', 'ledgers')} {'holds' if good == 1 else 'hold'}, and {agree} with the server's receipts.",
        run.audit.reconciled and good == total,
    )


def sentences(run: Run) -> tuple[str, ...]:
    """The verdict: what was trained, on whom, what it cost, and what held."""
    privacy, results = run.privacy, run.results
    who = "simulated people" if run.simulated else "devices, one a person"
    aborted = len(run.tried) - len(run.applied)
    unapplied = f" ({some(aborted, 'attempt was', 'attempts were')} aborted)" if aborted else ""
    trained = (
        f"Of the model {results.model}, {TRAINABLE.get(results.trainable, results.trainable)} trained on "
        f"{privacy.people:,} {who}, in {len(run.applied):,} of "
        f"{some(results.rounds, 'planned round', 'planned rounds')}{unapplied}."
    )
    return (trained, *_cost(privacy, simulated=run.simulated), audits(run)[0], _learned(run))


def _cost(privacy: Privacy, *, simulated: bool) -> tuple[str, ...]:
    person, window = charged(privacy, Unit.EMPLOYEE), charged(privacy, Unit.EXAMPLE)
    parts = [
        f"ε = {epsilon(one.figure.epsilon)} for {what}, {one.words}"
        for one, what in ((person, "everything that one person ever captured"), (window, "one training window"))
        if one
    ]
    if not parts:
        return ("Nobody was charged anything.",)
    it = "it would have cost" if simulated else "it cost"
    cost = f"Against the server {it} each person at most {'; and '.join(parts)} (δ = {plain(privacy.delta)})."
    wrong = contradictions(privacy)
    return (
        cost,
        *([f"{len(wrong)} of these figures do NOT follow from the events in privacy.json."] if wrong else []),
    )


def _learned(run: Run) -> str:
    before, after = run.results.start.top1, run.results.top1
    if before is None or after is None:
        return "How good the model is was not measured."
    best = max((one.top1 for one in run.results.baselines.values() if one.top1 is not None), default=None)
    beside = "" if best is None else f"; the best simple count gets {best:.3f}"
    return f"On people who were not trained on, it names the next action in {after:.3f} of cases, {before:.3f} before{beside}."
