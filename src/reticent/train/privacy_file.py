"""privacy.json: what happened to the person who was charged most often, and what that costs against whom."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from reticent.actions.vocabulary import HISTORY
from reticent.privacy.events import Adjacency, Mode
from reticent.privacy.guarantees import Guarantee, guarantees
from reticent.sim.cohorts import most_rounds
from reticent.train.planning import Planned
from reticent.train.settings import SuperLink

VERSION = 1
_POINTS = 12
WINDOWS = HISTORY + 1  # that one action lies in

_ASSUMED = (
    "Secure aggregation was assumed, not run: the simulation adds up every person's share of noise as integers and nobody is "
    "shown a single one. Real devices refuse mode secure until its protocol exists."
)
_HONEST = "At least {honest:,} people of every cohort, the one in question included, add their noise as agreed and keep it secret."
_SIMULATED = (
    "Noise was drawn from a seed, so nothing here protects anybody: these are the figures that devices would have."
)
_ONE_RUN = (
    "The figures are those of this run; a device's ledger adds up every run, and its limits hold for all together."
)
_RELEASES = "The server sees and may keep every single release."


def privacy_file(made: Planned, *, rounds_done: int, limits: Mapping[str, float | None]) -> dict[str, Any]:
    """The whole file as JSON values, after `rounds_done` applied rounds.

    limits: of epsilon by unit: what a policy enforces on devices for good, or what a simulation was told to keep.
    """
    simulated = not isinstance(made.settings.engine, SuperLink)
    plan, delta = made.plan, made.settings.privacy.delta
    secure = plan.release.mode is Mode.SECURE
    most = _most(made, rounds_done)
    assumptions = [_ASSUMED] * secure + [_HONEST.format(honest=plan.min_cohort)] + [_RELEASES] * (not secure)
    if simulated:
        assumptions.append(_SIMULATED)
    else:
        assumptions.append(_ONE_RUN)
    return {
        "version": VERSION,
        "mode": plan.release.mode.value,
        "simulated": simulated,
        "assumptions": assumptions,
        "delta": delta,
        "people": made.people,
        "cohort": made.cohort,
        "min_cohort": plan.min_cohort,
        "honest_devices": plan.min_cohort,
        "rounds_of_one_person": most,
        "events": [{**asdict(event), "rounds": most} for event in plan.events()],
        "limits": dict(limits),
        "guarantees": [asdict(one) for one in _after(made, most)],
        "by_round": _by_round(made, rounds_done),
    }


def epsilons(file: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a privacy file by unit, adversary and adjacency, as results.json shows them."""
    found: dict[str, Any] = {}
    for one in file["guarantees"]:
        name = one["adjacency"] if one["windows"] in (None, 1) else f"windows_{one['windows']}"
        found.setdefault(one["unit"], {}).setdefault(one["adversary"], {})[name] = one["epsilon"]
    return found


def _most(made: Planned, rounds: int) -> int:
    return most_rounds(rounds, people=made.people, size=made.cohort)


def _after(made: Planned, rounds_of_one: int) -> tuple[Guarantee, ...]:
    return guarantees(
        made.events(rounds_of_one),
        delta=made.settings.privacy.delta,
        honest_devices=made.plan.min_cohort,
        windows_per_action=WINDOWS,
        implied_only=made.plain,
    )


def _by_round(made: Planned, rounds_done: int) -> list[dict[str, Any]]:
    """Zero-out figures after some rounds, the first and the last among them: a curve needs no more than _POINTS."""
    numbers = sorted({round(number) for number in np.linspace(0, rounds_done - 1, _POINTS)}) if rounds_done else []
    known: dict[int, dict[str, Any]] = {}
    for most in {_most(made, number + 1) for number in numbers}:
        figures: dict[str, Any] = {}
        for one in guarantees(
            made.events(most),
            delta=made.settings.privacy.delta,
            honest_devices=made.plan.min_cohort,
            implied_only=made.plain,
        ):
            if one.adjacency is Adjacency.ZERO_OUT:
                figures.setdefault(one.unit.value, {})[one.adversary] = one.epsilon
        known[most] = figures
    return [{"round": number, **known[_most(made, number + 1)]} for number in numbers]
