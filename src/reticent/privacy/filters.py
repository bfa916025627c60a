"""Whether one more event fits a lifetime budget."""

import math
from collections.abc import Sequence

from dp_accounting.rdp import RdpAccountant
from dp_accounting import dp_event
from scipy.optimize import brentq
from scipy.stats import norm

from reticent.privacy.events import PrivacyEvent, Unit


def _delta(mu: float, epsilon: float) -> float:
    return float(norm.cdf(-epsilon / mu + mu / 2) - math.exp(epsilon) * norm.cdf(-epsilon / mu - mu / 2))


def admits(events: Sequence[PrivacyEvent], *, unit: Unit, epsilon: float, delta: float) -> bool:
    mine = [event for event in events if event.unit is unit]
    if not mine:
        return True
    if unit is Unit.EMPLOYEE:
        cap = brentq(lambda mu: _delta(mu, epsilon) - delta, 1e-6, 100.0)
        return math.sqrt(sum(event.steps / event.noise_multiplier**2 for event in mine)) <= cap
    accountant = RdpAccountant()
    for event in mine:
        accountant.compose(
            dp_event.PoissonSampledDpEvent(event.sampling_rate, dp_event.GaussianDpEvent(event.noise_multiplier)),
            event.steps,
        )
    return float(accountant.get_epsilon(delta)) <= epsilon
