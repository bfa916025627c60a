"""From settings to the plan that devices would be sent, and what it costs a person.

A simulation stops by the devices' own filters: a plan that passes here is one that devices with these limits finish.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from reticent.errors import BudgetExhausted, SettingError
from reticent.model import catalogue
from reticent.privacy.calibration import noise_multiplier
from reticent.privacy.events import Adjacency, Mode, PrivacyEvent, Unit
from reticent.privacy.filters import admits
from reticent.privacy.mechanism import grid_for
from reticent.records.plain import PlainPlan
from reticent.records.plan import Plan, Release
from reticent.sim.cohorts import most_rounds
from reticent.train.settings import NOTHING, Plain, Settings

PURPOSE = "next-action"
FOREVER = 253_402_300_799  # the last second of the year 9999: a simulation's plan is the same whenever it is made
_UPWARD = 1 + 1e-12  # shares of noise that float arithmetic rounds never add up to less than was asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan and who it is for. cohort: asked a round. rounds_of_one: that anybody takes part in at most."""

    plan: Plan
    people: int
    cohort: int
    rounds_of_one: int
    settings: Settings

    @property
    def plain(self) -> bool:
        """Whether there is no example level: a window has what the employee level implies."""
        return isinstance(self.plan, PlainPlan)

    def events(self, rounds: int) -> tuple[PrivacyEvent, ...]:
        """What `rounds` rounds do to one person, as a device records it."""
        return self.plan.events() * rounds


def planned(settings: Settings, *, people: int, issued_at: int = 0, expires_at: int = FOREVER) -> Planned:
    """The plan for so many people. Raises: SettingError or BudgetExhausted; nothing was trained then."""
    privacy, server = settings.privacy, settings.server
    if not privacy.delta * people < 1:
        raise SettingError(
            f"privacy.delta is {privacy.delta:g}; it must be below one in {people:,}, the number of people; {NOTHING}"
        )
    cohort = people if server.cohort is None else server.cohort
    honest = cohort if server.min_cohort is None else server.min_cohort
    if not 1 <= honest <= cohort <= people:
        raise SettingError(
            f"a cohort of {cohort:,}, of whom {honest:,} must answer, can't be asked of {people:,} people; {NOTHING}"
        )
    mode = Mode(privacy.mode)
    once = most_rounds(server.rounds, people=people, size=cohort)
    if privacy.epsilon is not None:
        wanted = noise_multiplier(epsilon=privacy.epsilon, delta=privacy.delta, steps=once)
    else:
        wanted = cast(float, privacy.noise_multiplier)  # settings have one of the two
    share = wanted / math.sqrt(honest) * _UPWARD if mode is Mode.SECURE else wanted
    parameters = catalogue.parameters(settings.model.name, settings.learn.trainable)
    kind: Any = PlainPlan if isinstance(settings.learn, Plain) else Plan  # each takes its own training
    plan: Plan = kind(
        purpose=PURPOSE,
        model=settings.model.name,
        parameters=parameters,
        trainable=settings.learn.trainable,
        training=settings.learn.training(),
        release=Release(
            mode=mode,
            clip_norm=privacy.clip_norm,
            noise_multiplier=share,
            grid=grid_for(clip_norm=privacy.clip_norm, noise_multiplier=share, parameters=parameters),
        ),
        min_cohort=honest,
        rounds=server.rounds,
        issued_at=issued_at,
        expires_at=expires_at,
    )
    made = Planned(plan=plan, people=people, cohort=cohort, rounds_of_one=once, settings=settings)
    _check_limits(made)
    return made


def against_server(events: Sequence[PrivacyEvent], *, honest: int) -> tuple[PrivacyEvent, ...]:
    """The employee-level events as the server meets them: in mode secure the noise of `honest` shares, assumed summed."""
    return tuple(
        replace(event, noise_multiplier=event.noise_multiplier * math.sqrt(honest), mode=Mode.LOCAL)
        if event.mode is Mode.SECURE
        else event
        for event in events
    )


def _check_limits(made: Planned) -> None:
    privacy, rounds = made.settings.privacy, made.rounds_of_one
    met = against_server(made.events(rounds), honest=made.plan.min_cohort)
    limits = (
        (Unit.EXAMPLE, privacy.epsilon_example, "privacy.epsilon_example"),
        (Unit.EMPLOYEE, privacy.epsilon, "privacy.epsilon"),
    )
    for unit, limit, name in limits:
        if limit is not None and not _within(made, met, unit=unit, epsilon=limit):
            raise BudgetExhausted(
                f"{rounds:,} rounds of one person would pass the {unit} limit {name}={limit:g} at delta {privacy.delta:g}; "
                f"ask for fewer rounds or steps, or more noise; {NOTHING}"
            )


def _within(made: Planned, met: Sequence[PrivacyEvent], *, unit: Unit, epsilon: float) -> bool:
    delta = made.settings.privacy.delta
    if made.plain and unit is Unit.EXAMPLE:  # whoever's whole data can be swapped unnoticed can have any window swapped
        swapped = [replace(event, adjacency=Adjacency.REPLACE_ONE) for event in met]
        return admits(swapped, unit=Unit.EMPLOYEE, epsilon=epsilon, delta=delta)
    return admits(met, unit=unit, epsilon=epsilon, delta=delta)
