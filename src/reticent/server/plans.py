"""A plan: a YAML file becomes a signed request that devices check against the policy they accepted."""

import math
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, JsonValue

from reticent.aggregate.optimiser import Adam, Momentum, Optimiser
from reticent.errors import FormatError, SettingError
from reticent.model import catalogue
from reticent.privacy.events import Mode
from reticent.privacy.mechanism import grid_for
from reticent.records.plan import LocalTraining, Plan, Release
from reticent.records.policy import DAY_S
from reticent.records.record import Count, Name, Positive, Record
from reticent.server.documents import read_yaml

_OPTIMISERS = {"momentum": Momentum(), "adam": Adam()}
"""What counts for the values that a draft leaves out."""


class ReleaseDraft(Record):
    """The employee level; `grid` is derived where it isn't given."""

    TITLE: ClassVar[str] = "plan's release"

    mode: Mode
    clip_norm: Positive
    noise_multiplier: Positive
    grid: Positive | None = None


class PlanDraft(Record):
    """What an operator writes. `lifetime_days` counts from the moment of signing. optimiser: the server's; no device is told."""

    TITLE: ClassVar[str] = "plan"

    purpose: Name
    model: Name
    trainable: Literal["heads", "all"]
    training: LocalTraining
    release: ReleaseDraft
    min_cohort: Count
    rounds: Annotated[int, Field(ge=1, le=1_000_000)]
    lifetime_days: Annotated[float, Field(gt=0, le=3660)]
    optimiser: Optimiser = Momentum()


def read_draft(path: Path) -> PlanDraft:
    """The plan that a YAML file describes.

    Raises: SettingError naming the field that is missing, unknown or out of range; FormatError for anything but YAML.
    """
    values: dict[str, JsonValue] = read_yaml(path)
    release = values.get("release")
    if isinstance(release, dict):
        values["release"] = {"grid": None, **release}
    optimiser = values.setdefault("optimiser", {"name": "momentum"})
    if isinstance(optimiser, dict) and (default := _OPTIMISERS.get(str(optimiser.get("name")))):
        values["optimiser"] = {**default.to_value(), **optimiser}
    try:
        return PlanDraft.from_value(values)
    except FormatError as error:
        raise SettingError(f"{path}: {error}") from None


def complete(draft: PlanDraft, *, now: int) -> Plan:
    """The plan as it will be signed: with the model's size, the grid and the two times (Unix seconds).

    Raises: SettingError for an unknown model, or settings that no grid suits.
    """
    parameters = catalogue.parameters(draft.model, draft.trainable)
    release = draft.release
    grid = release.grid or grid_for(
        clip_norm=release.clip_norm, noise_multiplier=release.noise_multiplier, parameters=parameters
    )
    return Plan(
        purpose=draft.purpose,
        model=draft.model,
        parameters=parameters,
        trainable=draft.trainable,
        training=draft.training,
        release=Release(
            mode=release.mode, clip_norm=release.clip_norm, noise_multiplier=release.noise_multiplier, grid=grid
        ),
        min_cohort=draft.min_cohort,
        rounds=draft.rounds,
        issued_at=now,
        expires_at=now + max(1, round(draft.lifetime_days * DAY_S)),
    )


def noise_in_average(plan: Plan, *, devices: int) -> float:
    """How long the noise in the average of so many devices' releases is, measured in longest updates.

    Mode `local`: each device adds the whole noise, of length noise_multiplier * clip_norm * sqrt(P); the average divides it
    by the root of their number. Beyond 1 the noise is what moves the model.
    """
    return float(plan.release.noise_multiplier * (plan.parameters / devices) ** 0.5)


def outlook(plan: Plan, *, enrolled: int) -> str | None:
    """One sentence for the operator where noise will drown what a round can learn, at best; None where it won't."""
    devices = max(plan.min_cohort, enrolled)
    times = noise_in_average(plan, devices=devices)
    if times <= 1:
        return None
    needed = math.ceil(plan.release.noise_multiplier**2 * plan.parameters)
    return (
        f"with {devices} devices the noise in a round's average is {times:,.1f} times as long as the longest update, so what they "
        f"teach drowns in it; in mode local these settings want {needed:,} devices (docs/what-to-expect.md)"
    )
