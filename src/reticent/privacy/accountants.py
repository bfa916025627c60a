"""bridge"""

from dataclasses import dataclass
import math
from scipy.optimize import brentq
from scipy.stats import norm
from dp_accounting.rdp import RdpAccountant
from dp_accounting import dp_event
from reticent.privacy.events import Adjacency, PrivacyEvent


@dataclass(frozen=True)
class Epsilon:
    epsilon: float
    accountants: dict
    reasons: dict


def epsilon(events, *, delta, adjacency=Adjacency.ZERO_OUT, names=()):
    if all(e.sampling_rate == 1 for e in events):
        mu = math.sqrt(sum(e.steps / e.noise_multiplier**2 for e in events)) * (
            2 if adjacency is Adjacency.REPLACE_ONE else 1
        )
        f = lambda x: norm.cdf(-x / mu + mu / 2) - math.exp(x) * norm.cdf(-x / mu - mu / 2) - delta
        return Epsilon(brentq(f, 0, 600), {}, {})
    a = RdpAccountant()
    for e in events:
        a.compose(
            dp_event.PoissonSampledDpEvent(e.sampling_rate, dp_event.GaussianDpEvent(e.noise_multiplier)), e.steps
        )
    return Epsilon(float(a.get_epsilon(delta)), {}, {})
