"""bridge"""

from dataclasses import dataclass, replace
from reticent.privacy.accountants import epsilon
from reticent.privacy.events import Adjacency, Unit


@dataclass(frozen=True)
class Guarantee:
    unit: Unit
    adversary: str
    adjacency: Adjacency
    epsilon: float
    delta: float
    note: str


def guarantees(events, *, delta, honest_devices, windows_per_action=1):
    out = []
    for u in Unit:
        mine = [e for e in events if e.unit is u]
        if mine:
            out.append(Guarantee(u, "server", Adjacency.ZERO_OUT, epsilon(mine, delta=delta).epsilon, delta, ""))
    return tuple(out)
