"""privacy.json: what happened to the person who was charged most often, and what that costs against whom."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from reticent.actions.vocabulary import HISTORY
from reticent.privacy.events import Adjacency, Mode, PrivacyEvent, Unit
from reticent.privacy.guarantees import Guarantee, guarantees
from reticent.records.plan import Plan
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
_ALONE = "A median or a trimmed mean adds no noise up: before every adversary each person has that of their own release alone."
_SIMULATED = (
    "Noise was drawn from a seed, so nothing here protects anybody: these are the figures that devices would have."
)
_MEASURED = "The figures after the last round count the release by which each person measured the model too; those by round don't."
_ONE_RUN = (
    "The figures are those of this run; a device's ledger adds up every run, and its limits hold for all together."
)
_COUNTED = (
    "The clip norm followed a noised count of the people whose updates were longer; the count is one coordinate of each release, and "
    "what every figure here pays for is both."
)
_RELEASES = "The server sees and may keep every single release."


def privacy_file(
    made: Planned,
    *,
    rounds_done: int,
    limits: Mapping[str, float | None],
    measured: Plan | None = None,
    clip_norms: Sequence[float] = (),
) -> dict[str, Any]:
    """The whole file as JSON values, after `rounds_done` applied rounds, and one that measured, where a plan for that is given.

    clip_norms: of the updates in those rounds. limits: of epsilon by unit: what a policy enforces on devices for good, or what a simulation was told to keep.
    """
    simulated = not isinstance(made.settings.engine, SuperLink)
    plan, delta = made.plan, made.settings.privacy.delta
    secure = plan.release.mode is Mode.SECURE
    most = _most(made, rounds_done)
    more: tuple[PrivacyEvent, ...] = () if measured is None else measured.events()
    if made.plain:
        # the measurement's own example level says nothing about training, which has none
        more = tuple(event for event in more if event.unit is Unit.EMPLOYEE)
    assumptions = (
        [_MEASURED] * bool(more)
        + [_ASSUMED] * secure
        + [_HONEST.format(honest=made.honest) if made.honest == plan.min_cohort else _ALONE]
        + [_RELEASES] * (not secure)
    )
    if simulated:
        assumptions.append(_SIMULATED)
    else:
        assumptions.append(_ONE_RUN)
    if made.settings.privacy.adaptive_clip is not None:
        assumptions.append(_COUNTED)
    return {
        "version": VERSION,
        "mode": plan.release.mode.value,
        "simulated": simulated,
        "assumptions": assumptions,
        "delta": delta,
        "people": made.people,
        "cohort": made.cohort,
        "min_cohort": plan.min_cohort,
        "honest_devices": made.honest,
        "rounds_of_one_person": most,
        "events": [
            *({**asdict(event), "rounds": most} for event in plan.events()),
            *({**asdict(event), "rounds": 1} for event in more),
        ],
        "clip": _clip(made, clip_norms),
        "limits": dict(limits),
        "guarantees": [asdict(one) for one in _after(made, most, more)],
        "by_round": _by_round(made, rounds_done),
    }


def epsilons(file: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a privacy file by unit, adversary and adjacency, as results.json shows them."""
    found: dict[str, Any] = {}
    for one in file["guarantees"]:
        name = one["adjacency"] if one["windows"] in (None, 1) else f"windows_{one['windows']}"
        found.setdefault(one["unit"], {}).setdefault(one["adversary"], {})[name] = one["epsilon"]
    return found


def _clip(made: Planned, clip_norms: Sequence[float]) -> dict[str, Any]:
    """The rule, and where it led. An event's clip norm is that of update and count together in the first round; what each of
    them has for itself stands here, as a multiple of the update's clip norm and of 1."""
    clip, noise = made.settings.privacy.adaptive_clip, made.plan.release.noise_multiplier
    if clip is None:
        return {"name": "fixed"}
    return {
        **clip.to_value(),
        "update_noise_multiplier": noise / math.sqrt(1 - clip.count_share),
        "count_noise_multiplier": noise / math.sqrt(clip.count_share),
        "smallest": min(clip_norms, default=None),
        "largest": max(clip_norms, default=None),
    }


def _most(made: Planned, rounds: int) -> int:
    return most_rounds(rounds, people=made.people, size=made.cohort)


def _after(made: Planned, rounds_of_one: int, more: Sequence[PrivacyEvent]) -> tuple[Guarantee, ...]:
    return guarantees(
        (*made.events(rounds_of_one), *more),
        delta=made.settings.privacy.delta,
        honest_devices=made.honest,
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
            honest_devices=made.honest,
            implied_only=made.plain,
        ):
            if one.adjacency is Adjacency.ZERO_OUT:
                figures.setdefault(one.unit.value, {})[one.adversary] = one.epsilon
        known[most] = figures
    return [{"round": number, **known[_most(made, number + 1)]} for number in numbers]
