"""How the page writes numbers and names: in words that need no manual."""

import math
from collections.abc import Mapping

from reticent.audit.report.files import Adversary, Figure, Round
from reticent.privacy.events import Unit

HUGE = 1e6  # a perplexity of weights that ran away
NONE = "–"

METRICS = {
    "top1": "next action right",
    "top3": "next action among three guesses",
    "perplexity": "perplexity (lower is better)",
    "cell_top1": "place right",
    "cell_top3": "place among three guesses",
    "cell_distance": "cells off, mean",
    "cell_distance_median": "cells off, median",
}
FRACTIONS = ("top1", "top3", "cell_top1", "cell_top3")

BASELINES = {
    "majority": "always the commonest",
    "markov1": "Markov chain, last action",
    "markov2": "Markov chain, last 2",
    "markov3": "Markov chain, last 3",
    "private_ngram": "private counts, one release at the same ε",
}

AGAINST = {
    Adversary.SERVER: "the server, which sees every release",
    Adversary.RECIPIENT: "whoever gets only the model",
    Adversary.SOLO: "a server before which one device's own noise stands alone",
}
SHORT = {Adversary.SERVER: "server", Adversary.RECIPIENT: "model recipient", Adversary.SOLO: "solo"}

DROPPED = {
    "undelivered": "the question could not be delivered",
    "silent": "no answer in time",
    "unreadable": "the answer could not be put together",
    "node_error": "the device's node was gone or answered with an error",
    "wrong_content": "the answer had another form",
    "too_large": "the answer was too large",
    "not_a_reply": "the bytes were no reply",
    "wrong_signature": "not signed by the enrolled device",
    "wrong_kind": "a reply to another stage",
    "wrong_plan": "a reply to another plan",
    "wrong_round": "a reply to another round",
    "wrong_weights": "a reply to other weights",
    "wrong_shape": "another number of parameters",
    "out_of_range": "a value that no honest release can have",
    "too_long": "longer than any honest release",
    "unpaid": "not charged in the device's ledger first",
    "rolled_back": "the device's ledger had gone back in time",
    "equivocation": "two different signed answers to one question",
}
STATUS = {
    "start": "public start",
    "applied": "applied",
    "aborted": "ABORTED, nothing applied",
    "resumed": "went on here",
}


def epsilon(value: float) -> str:
    """Rounded up, never down: two decimals, or two digits where it is below 0.1."""
    if value == 0:
        return "0"
    decimals = 2 if value >= 0.1 else 1 - math.floor(math.log10(value))
    scale = 10.0**decimals
    up = math.ceil(value * scale - 1e-9) / scale
    return f"{up:,.{decimals}f}"


def plain(value: float) -> str:
    """A number of a setting as it was written: 1e-06 becomes 1e-6, 8.0 becomes 8."""
    mantissa, e, power = f"{value:.6g}".partition("e")
    return f"{mantissa}e{int(power)}" if e else mantissa


def metric(name: str, value: float | None) -> str:
    if value is None:
        return NONE
    if value >= HUGE:
        return f"{value:.1e}"
    return f"{value:.3f}" if name in FRACTIONS else f"{value:,.2f}"


def count(value: float | None) -> str:
    return NONE if value is None else f"{value:,.0f}"


def rate(value: float | None) -> str:
    return NONE if value is None else f"{value:,.1f}"


def seconds(value: float | None) -> str:
    if value is None:
        return NONE
    if value < 120:
        return f"{value:.1f} s" if value >= 0.1 or value == 0 else f"{value:.2g} s"
    return f"{value / 60:.1f} min" if value < 7_200 else f"{value / 3600:.1f} h"


def size(value: float | None) -> str:
    if value is None:
        return NONE
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= scale:
            return f"{value / scale:.1f} {unit}"
    return f"{value:.0f} bytes"


def some(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def dropped(reasons: Mapping[str, int]) -> str:
    """Replies that did not count, in words; a reason that this release doesn't know as it stands there."""
    return "; ".join(f"{number:,} × {DROPPED.get(reason, reason)}" for reason, number in sorted(reasons.items()))


def simulated(*, secure: bool) -> str:
    """What a reader must know before any number of a simulation."""
    return "Simulated: no device took part" + (", and secure aggregation is assumed, not run" if secure else "")


def happened(one: Round) -> str:
    """What a reader of the table should know about a round, or nothing."""
    parts = [one.reason.split(";")[0]] if one.reason else []
    parts += [f"dropped: {dropped(one.dropped)}"] if one.dropped else []
    parts += [f"LOOK HERE: device {device}: {DROPPED.get(why, why)}" for device, why in sorted(one.incidents.items())]
    return "; ".join(parts)


def whom(figure: Figure) -> str:
    """Whose difference a figure is about."""
    if figure.unit is Unit.EMPLOYEE:
        return "one person (employee level)"
    if figure.windows in (None, 1):
        return "one training window (example level)"
    return f"the {figure.windows} windows that share one action (example level)"


def odds(value: float) -> str:
    """By how much the odds of a guess about one unit can rise, e to the epsilon, rounded up."""
    if value > math.log(1e6):
        return "more than a million times, which is no promise in practice"
    factor = math.exp(value)
    return f"at most {math.ceil(factor * 10) / 10:.1f} times" if factor < 10 else f"at most {math.ceil(factor):,} times"
