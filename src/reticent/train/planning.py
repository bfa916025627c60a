"""From settings to the plan that devices would be sent, and what it costs a person.

A simulation stops by the devices' own filters: a plan that passes here is one that devices with these limits finish.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from reticent.aggregate.centre import LONGEST_NOISE, MOST_VALUES, Mean, noise_length
from reticent.errors import SettingError
from reticent.model import catalogue
from reticent.privacy.adaptive import FARTHEST
from reticent.privacy.calibration import noise_multiplier
from reticent.privacy.events import NOISE_MULTIPLIER_RANGE, Adjacency, Mode, PrivacyEvent, Unit
from reticent.privacy.filters import admits
from reticent.privacy.gaussian import composed_mu
from reticent.privacy.grid import release_epsilon
from reticent.privacy.mechanism import grid_for
from reticent.records.plain import PlainPlan
from reticent.records.plan import LocalTraining, Plan, Release
from reticent.sim.clipping import AdaptiveClip
from reticent.sim.cohorts import most_rounds
from reticent.sim.population import Population, population
from reticent.train.settings import NOTHING, Plain, Server, Settings
from reticent.train.summary import DROWNED

PURPOSE = "next-action"
LARGEST_EPSILON = 1e9  # that a report takes for one
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

    @property
    def noise_over_path(self) -> float:
        """How long the noise of all rounds is, measured in the longest way that the updates of so many rounds could go.

        With an example level an update is mostly that level's noise, however long the door lets it be.
        """
        return math.hypot(*self._noises)

    @property
    def _noises(self) -> tuple[float, float]:
        """`noise_over_path` by level: employee, example."""
        plan, training, releases = self.plan, self.plan.training, self.cohort * self.plan.rounds
        one, length = (
            0.0,
            math.sqrt(plan.parameters),
        )  # of one person's steps, in the way that their windows could take them
        if isinstance(training, LocalTraining):
            one = training.noise_multiplier * length / (training.expected_batch * math.sqrt(training.steps))
        door = (
            plan.release.noise_multiplier * length * math.hypot(1, one)
        )  # clipped with that noise, an update says less
        return door / math.sqrt(releases), one / math.sqrt(releases)

    @property
    def outlook(self) -> str | None:
        """Before any work: one sentence where noise will drown what these people could teach; None where it needn't."""
        ratio = self.noise_over_path
        if ratio < DROWNED:
            return None
        employee, example = (one**2 for one in self._noises)
        if self.plan.release.mode is Mode.SECURE:  # shares of one noise; elsewhere everybody adds the whole
            times = (example + math.sqrt(example**2 + 4 * employee)) / 2
        else:
            times = employee + example
        return (
            f"the noise of all rounds will be {ratio:,.1f} times as long as the longest way that {self.cohort:,} people's updates "
            f"could go: expect little, and harm from a clip norm that is too large; with these settings, noise as long as that way takes {math.ceil(self.cohort * times):,} people a round (docs/what-to-expect.md)"
        )

    @property
    def honest(self) -> int:
        """People of a round whose noise stands between a model and one of them: one where a centre adds no releases up."""
        return self.plan.min_cohort if isinstance(self.settings.server.aggregation, Mean) else 1

    @property
    def server_mu(self) -> float:
        """Of all rounds of one person as one Gaussian release, against the server, zero-out."""
        met = against_server(self.events(self.rounds_of_one), honest=self.plan.min_cohort)
        return composed_mu((event.noise_multiplier, event.steps) for event in met if event.unit is Unit.EMPLOYEE)

    def events(self, rounds: int) -> tuple[PrivacyEvent, ...]:
        """What `rounds` rounds do to one person, as a device records it."""
        return self.plan.events() * rounds


def planned_of(settings: Settings) -> tuple[Population, Planned]:
    """Who trains in a simulation, and their plan. Raises: SettingError, StateError or FormatError, before any work."""
    people = population(settings.data.origin, people=settings.data.people)
    if not len(people):
        raise SettingError(f"{settings.data.source} has nobody to train on; {NOTHING}")
    return people, planned(settings, people=len(people))


def planned(settings: Settings, *, people: int, issued_at: int = 0, expires_at: int = FOREVER) -> Planned:
    """The plan for so many people. Raises: SettingError; nothing was trained then."""
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
    if share < NOISE_MULTIPLIER_RANGE[0]:
        raise SettingError(
            f"privacy.noise_multiplier is {wanted:g}, of which each of {honest:,} people adds {share:.3g}; "
            f"{NOISE_MULTIPLIER_RANGE[0]:g} is the least; {NOTHING}"
        )
    parameters = catalogue.parameters(settings.model.name, settings.learn.trainable)
    scale = {"clip_norm": privacy.clip_norm, "noise_multiplier": share}
    release = Release(mode=mode, **scale, grid=grid_for(**scale, parameters=parameters))
    if privacy.adaptive_clip is not None:
        release = _adaptive(release, privacy.adaptive_clip, parameters=parameters)
    _check_robust(server, noise_multiplier=share, cohort=cohort, parameters=parameters)
    kind: Any = PlainPlan if isinstance(settings.learn, Plain) else Plan  # each takes its own training
    plan: Plan = kind(
        purpose=PURPOSE,
        model=settings.model.name,
        parameters=parameters,
        trainable=settings.learn.trainable,
        training=settings.learn.training(),
        release=release,
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


def once(made: Planned, rounds_of_one: int) -> float:
    """The noise multiplier of each person's one release that costs them, against the server, what those rounds did.

    In mode secure a share again: the same part of all people is taken to be honest as of a cohort.
    """
    employee = [event for event in made.events(rounds_of_one) if event.unit is Unit.EMPLOYEE]
    alone = 1 / composed_mu((event.noise_multiplier, event.steps) for event in employee)
    secure = made.plan.release.mode is Mode.SECURE
    return alone * math.sqrt(made.cohort / made.people) if secure else alone


def _adaptive(release: Release, clip: AdaptiveClip, *, parameters: int) -> Release:
    """Of the first round; raises SettingError where some round could have a clip norm for which there is no grid."""
    first = release.clip_norm
    try:
        for factor in (1 / FARTHEST, FARTHEST):
            clip.release(release, clip_norm=first * factor, parameters=parameters)
        return clip.release(release, clip_norm=first, parameters=parameters)
    except SettingError:
        raise SettingError(
            f"privacy.clip_norm={first:g} can't be adapted by a factor of {FARTHEST:g} down and up at this noise: some of those have "
            f"no integer grid; {NOTHING}"
        ) from None


def _check_robust(server: Server, *, noise_multiplier: float, cohort: int, parameters: int) -> None:
    """Refuse a robust centre where noise makes it none (docs/adr/0017-robust-centres.md), or memory would not do."""
    name = server.aggregation.name
    if isinstance(server.aggregation, Mean):
        return
    length = noise_length(noise_multiplier=noise_multiplier, parameters=parameters)
    if length > LONGEST_NOISE:
        raise SettingError(
            f"server.aggregation={name} withstands hostile clients only where the noise of a release is at most {LONGEST_NOISE:g} times "
            f"as long as the clip norm, and here it is {length:,.1f} times: use mean, or privacy.noise_multiplier of at most "
            f"{LONGEST_NOISE * noise_multiplier / length:.2g}, which protects nobody; {NOTHING}"
        )
    if cohort * parameters > MOST_VALUES:
        raise SettingError(
            f"server.aggregation={name} holds all releases of a round at once, and {cohort:,} times {parameters:,} numbers are more "
            f"than {MOST_VALUES:,}; {NOTHING}"
        )


def _check_limits(made: Planned) -> None:
    privacy, rounds = made.settings.privacy, made.rounds_of_one
    alone = release_epsilon(2 * math.sqrt(rounds) / made.plan.release.noise_multiplier, delta=privacy.delta)
    if alone > LARGEST_EPSILON:  # one device's own noise, replace-one: the largest figure of any
        raise SettingError(
            f"privacy.noise_multiplier={privacy.noise_multiplier:g} would cost an epsilon of {alone:.2g}, and no report can say more than "
            f"{LARGEST_EPSILON:g}; where no privacy is wanted 0.01 is as good as none; {NOTHING}"
        )
    met = against_server(made.events(rounds), honest=made.plan.min_cohort)
    limits = (
        (Unit.EXAMPLE, privacy.epsilon_example, "privacy.epsilon_example"),
        (Unit.EMPLOYEE, privacy.epsilon, "privacy.epsilon"),
    )
    for unit, limit, name in limits:
        if limit is not None and not _within(made, met, unit=unit, epsilon=limit):
            raise SettingError(
                f"{rounds:,} rounds of one person would pass the {unit} limit {name}={limit:g} at delta {privacy.delta:g}; "
                f"ask for fewer rounds or steps, or more noise; {NOTHING}"
            )


def _within(made: Planned, met: Sequence[PrivacyEvent], *, unit: Unit, epsilon: float) -> bool:
    delta = made.settings.privacy.delta
    if made.plain and unit is Unit.EXAMPLE:  # whoever's whole data can be swapped unnoticed can have any window swapped
        swapped = [replace(event, adjacency=Adjacency.REPLACE_ONE) for event in met]
        return admits(swapped, unit=Unit.EMPLOYEE, epsilon=epsilon, delta=delta)
    return admits(met, unit=unit, epsilon=epsilon, delta=delta)
