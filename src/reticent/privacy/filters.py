"""May this still happen? The budgets that a device enforces, sound although later plans depend on earlier answers.

docs/adr/0003-privacy-filters.md has the proofs. Simulations ask the same functions, so a plan that finishes there finishes on
devices.
"""

import math
from collections.abc import Iterable, Sequence

from reticent.errors import SettingError
from reticent.privacy.composition import NO_REPLACE_ONE
from reticent.privacy.events import Adjacency, PrivacyEvent, Unit, require_delta, require_number
from reticent.privacy.gaussian import composed_mu
from reticent.privacy.grid import MAX_ROUNDS, release_mu
from reticent.privacy.renyi import allowance, divergence

ORDERS = (3, 4, 5, 6, 8, 11, 16, 24, 40, 80)
"""Fixed for every device, policy and plan; any one of them suffices, each at its share of delta."""

EPSILON_RANGE = (1e-6, 1e6)


def admits(events: Sequence[PrivacyEvent], *, unit: Unit, epsilon: float, delta: float) -> bool:
    """Whether everything in `events`, charged and asked for alike, stays (epsilon, delta)-DP for `unit`.

    Guarantee: a device that goes on only while this holds is (epsilon, delta)-DP for that unit under each event's own
        adjacency, even if an adversary picks every event after seeing all releases before it; at employee level for releases on
        the integer grid, slack included, and for this device's own noise alone. The order of the events makes no difference, and
        what refuses some events refuses more of them too.
    events: those of other units don't count; the two units are two budgets.
    Raises: SettingError for a limit that makes no sense, or replace-one of Poisson-sampled examples.
    """
    require_number("epsilon", epsilon, *EPSILON_RANGE)
    require_delta(delta)
    counted = [event for event in events if event.unit is unit]
    if unit is Unit.EMPLOYEE:
        return _employee(counted, epsilon=epsilon, delta=delta)
    return _example(counted, epsilon=epsilon, delta=delta)


def _employee(events: Sequence[PrivacyEvent], *, epsilon: float, delta: float) -> bool:
    """Gaussian-DP filter: Σ 1 / noise_multiplier² against the largest that (epsilon, delta) allows.

    Amplification by sampling devices is not counted: the server sees who takes part.
    Source: Koskela, Tobaben, Honkela 2022, arXiv:2209.15596; Smith, Thakurta 2022, arXiv:2210.17520.
    """
    if sum(event.steps for event in events) > MAX_ROUNDS:
        return False
    return composed_mu(_parts(events)) <= release_mu(epsilon=epsilon, delta=delta)


def _example(events: Sequence[PrivacyEvent], *, epsilon: float, delta: float) -> bool:
    """Rényi filter: at some order, the sum of divergences stays within what (epsilon, delta / number of orders) allows.

    Source: Feldman, Zrnic 2021, arXiv:2008.11193; Lécuyer 2021, arXiv:2103.01379; the union over orders is in the ADR.
    """
    if any(event.sampling_rate < 1 and event.adjacency is Adjacency.REPLACE_ONE for event in events):
        raise SettingError(NO_REPLACE_ONE)
    ran = [(noise, event.sampling_rate, steps) for event, (noise, steps) in zip(events, _parts(events), strict=True)]
    return any(
        math.fsum(steps * divergence(order, noise_multiplier=noise, sampling_rate=rate) for noise, rate, steps in ran)
        <= allowance(order, epsilon=epsilon, delta=delta / len(ORDERS))
        for order in ORDERS
    )


def _parts(events: Iterable[PrivacyEvent]) -> list[tuple[float, int]]:
    """Noise over sensitivity, and steps; replace-one is twice the sensitivity."""
    return [
        (event.noise_multiplier / (2 if event.adjacency is Adjacency.REPLACE_ONE else 1), event.steps)
        for event in events
    ]
