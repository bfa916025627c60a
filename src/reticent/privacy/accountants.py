"""What did it cost? Events in, epsilon out: one accountant of record, the others to catch it out."""

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from reticent.errors import SettingError
from reticent.privacy.composition import Composition, Part, compose
from reticent.privacy.events import Adjacency, PrivacyEvent, require_delta
from reticent.privacy.gaussian import gaussian_epsilon
from reticent.privacy.pld import pld_epsilon
from reticent.privacy.prv import Bracket, prv_bracket

NAMES = ("exact", "pld", "rdp", "prv")

_TOLERANCE = 0.01  # relative, between accountants
_FINEST_DIVERGENCE = 1e-12  # a step's Rényi divergence below it drowns in rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Epsilon:
    """epsilon: the figure of record, an upper bound.

    record: the accountant that gave it.
    accountants: every figure that was asked for; None where an accountant can't answer, and `reasons` says why.
    disagreements: sentences; a figure with any of them must not be relied on.
    """

    epsilon: float
    record: str
    accountants: dict[str, float | None]
    reasons: dict[str, str]
    disagreements: tuple[str, ...] = ()


def epsilon(
    events: Sequence[PrivacyEvent], *, delta: float, adjacency: Adjacency, names: Sequence[str] = NAMES
) -> Epsilon:
    """The epsilon of everything that `events` say, composed adaptively, for continuous Gaussian noise.

    What the integer grid of a release adds (below 1e-5) is in `reticent.privacy.grid` and in the guarantees.
    Of record: `exact` where nothing is sampled; otherwise `pld`, and where that can't answer `rdp`.
    Cross-checks: `rdp` must not be below the figure of record, which must lie in `prv`'s bracket.
    Raises: SettingError for events of two units, replace-one of sampled events, or if no accountant of those that
        are asked can answer.
    """
    require_delta(delta)
    if unknown := set(names) - set(NAMES):
        raise SettingError(f"no accountant is called {min(unknown)!r}; there are {', '.join(NAMES)}")
    ran = compose(events, adjacency=adjacency)
    answers: dict[str, float | Bracket | str] = {name: _ask(name, ran, delta) for name in NAMES if name in names}
    figures = {name: answer.upper if isinstance(answer, Bracket) else answer for name, answer in answers.items()}
    accountants = {name: None if isinstance(figure, str) else figure for name, figure in figures.items()}
    reasons = {name: figure for name, figure in figures.items() if isinstance(figure, str)}
    for record in ("exact", "pld", "rdp"):
        if (figure := accountants.get(record)) is not None:
            return Epsilon(
                epsilon=figure,
                record=record,
                accountants=accountants,
                reasons=reasons,
                disagreements=tuple(_disagreements(figure, record, answers)),
            )
    said = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    raise SettingError(f"no accountant of record can answer for these settings ({said}); nothing was computed")


def _ask(name: str, ran: Composition, delta: float) -> float | Bracket | str:
    if not ran.parts:
        return 0.0
    if name == "exact":
        return gaussian_epsilon(ran.mu, delta=delta) if not ran.sampled else "some steps are sampled"
    if name == "pld":
        return pld_epsilon(ran.parts, delta=delta)
    if name == "rdp":
        return rdp_epsilon(ran.parts, delta=delta)
    return prv_bracket(ran.parts, delta=delta, renyi=_renyi)


def rdp_epsilon(parts: Sequence[Part], *, delta: float) -> float | str:
    """dp-accounting's Rényi accountant at its default orders, zero-out adjacency; the composition is exact in the orders."""
    for part in parts:
        if part.sampling_rate < 1 and _order_two(part) < _FINEST_DIVERGENCE:
            return "the Rényi divergence of one step is smaller than double precision resolves"
    answer = _renyi(parts, delta)
    return answer if math.isfinite(answer) else "no order gives a finite figure"


def _renyi(parts: Sequence[Part], delta: float) -> float:
    import dp_accounting
    from dp_accounting.rdp import RdpAccountant

    accountant = RdpAccountant()
    with _quiet_absl():
        for part in parts:
            once = dp_accounting.GaussianDpEvent(part.noise_multiplier)
            if part.sampling_rate < 1:
                once = dp_accounting.PoissonSampledDpEvent(part.sampling_rate, once)
            accountant.compose(once, part.steps)
        return float(accountant.get_epsilon(delta))


def _order_two(part: Part) -> float:
    """The Rényi divergence of order 2, in closed form: log(1 + q² (e^(1/σ²) - 1))."""
    try:
        return math.log1p(part.sampling_rate**2 * math.expm1(part.noise_multiplier**-2))
    except OverflowError:
        return math.inf


@contextmanager
def _quiet_absl() -> Iterator[None]:
    """dp-accounting logs that it leaves out fractional orders that don't converge; fewer orders are sound and looser."""
    logger = logging.getLogger("absl")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _disagreements(figure: float, record: str, answers: dict[str, float | Bracket | str]) -> Iterator[str]:
    allowed = _TOLERANCE * figure + 1e-3
    rdp, prv, pld = answers.get("rdp"), answers.get("prv"), answers.get("pld")
    if isinstance(rdp, float) and rdp < figure - allowed:
        yield f"rdp gives {rdp:.6g}, which should not be below the {figure:.6g} of {record}"
    if isinstance(pld, float) and record == "exact" and abs(pld - figure) > allowed:
        yield f"pld gives {pld:.6g}, which should be close to the {figure:.6g} of exact"
    if isinstance(prv, Bracket) and record != "rdp" and not prv.lower - allowed <= figure <= prv.upper + allowed:
        yield f"prv proves between {prv.lower:.6g} and {prv.upper:.6g}, where the {figure:.6g} of {record} is not"
