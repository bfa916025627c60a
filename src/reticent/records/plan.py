"""What the server asks for, as data: a device runs no code that anyone sends."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from reticent.privacy.events import ROUNDING_SHARE, Adjacency, Mode, PrivacyEvent, Unit
from reticent.records.keys import Domain, PublicKey, SigningKey
from reticent.records.record import Count, Index, Name, Noise, Positive, Rate, Record, Version2
from reticent.records.signed import Signed, sign

LARGEST_MODEL = 1 << 24
"""Trainable parameters: a payload of 64 MiB."""

LARGEST_STEPS = 1_000_000
"""Of one round, and the largest divisor of a step."""


MEASURES = ("windows", "top1", "top3", "cell_top1", "cell_top3", "loss")
"""What a plan that measures releases of each person, in this order, each in [0, 1]: sums over their windows, divided by
their number or LEAST_WINDOWS, whichever is more. windows: 1 each. loss: -log likelihood of the kind, clipped, over LOSS_CAP."""

LEAST_WINDOWS = 50
LOSS_CAP = 5.0


class LocalTraining(Record):
    """The example-level layer: DP-SGD on the device.

    sampling_rate: Poisson rate of one step. expected_batch: the divisor of a step's summed gradient. Both are the
    policy's constants, never derived from the amount of data. clip_norm: L2 bound of one example's gradient.
    noise_multiplier: noise standard deviation / clip_norm.
    """

    TITLE: ClassVar[str] = "plan's training"

    sampling_rate: Rate
    expected_batch: Annotated[int, Field(ge=1, le=LARGEST_STEPS)]
    steps: Annotated[int, Field(ge=1, le=LARGEST_STEPS)]
    learning_rate: Positive
    clip_norm: Positive
    noise_multiplier: Noise


class Release(Record):
    """The employee-level layer: what the door does to one update.

    clip_norm: L2 bound of the update. noise_multiplier: noise standard deviation / clip_norm. grid: one unit of the
    integer grid, in weight space.
    """

    TITLE: ClassVar[str] = "plan's release"

    mode: Mode
    clip_norm: Positive
    noise_multiplier: Noise
    grid: Positive


class Plan(Record):
    """Some rounds of training; or, with `training` None, one round that trains nothing and measures given weights.

    model, trainable: which weights devices are sent. parameters: how many numbers one release has: as many as are trained, or
    MEASURES. Version 2 is for plans that measure. Times are Unix seconds; `rounds` are numbered from 0.
    """

    TITLE: ClassVar[str] = "plan"
    KNOWN: ClassVar[int] = 2

    version: Version2 = 1
    purpose: Name
    model: Name
    parameters: Annotated[int, Field(ge=1, le=LARGEST_MODEL)]
    trainable: Literal["heads", "all"]
    training: LocalTraining | None
    release: Release
    min_cohort: Count
    rounds: Annotated[int, Field(ge=1, le=1_000_000)]
    issued_at: Index
    expires_at: Index

    @model_validator(mode="after")
    def _times_in_order(self) -> Self:
        if self.expires_at <= self.issued_at:
            raise ValueError("expires_at must be later than issued_at")
        return self

    @model_validator(mode="after")
    def _measures_once(self) -> Self:
        if (self.version == 2) != self.measures:
            raise ValueError("a plan without training is of version 2, and one with training of version 1")
        if self.measures and (self.rounds, self.parameters) != (1, len(MEASURES)):
            raise ValueError(f"a plan that measures has one round and {len(MEASURES)} parameters")
        return self

    @property
    def measures(self) -> bool:
        """Whether devices measure the weights that they are sent, and train nothing."""
        return self.training is None

    def events(self) -> tuple[PrivacyEvent, PrivacyEvent]:
        """Return what ONE round does to a person: the employee-level event, then the example-level one."""
        return self.employee_event(), self._of_example()

    def employee_event(self) -> PrivacyEvent:
        """Return what ONE round's release does to a person."""
        return PrivacyEvent(
            unit=Unit.EMPLOYEE,
            adjacency=Adjacency.ZERO_OUT,
            mode=self.release.mode,
            clip_norm=self.release.clip_norm,
            noise_multiplier=self.release.noise_multiplier,
        )

    def _of_example(self) -> PrivacyEvent:
        """Of one window. One more or less moves what is measured by 1 / LEAST_WINDOWS of the clip norm at most, and rounding to
        the grid by another ROUNDING_SHARE (docs/adr/0016-devices-measure.md)."""
        if self.training is None:
            share = 1 / LEAST_WINDOWS + ROUNDING_SHARE
            return PrivacyEvent(
                unit=Unit.EXAMPLE,
                adjacency=Adjacency.ZERO_OUT,
                mode=Mode.LOCAL,
                clip_norm=self.release.clip_norm * share,
                noise_multiplier=self.release.noise_multiplier / share,
            )
        return PrivacyEvent(
            unit=Unit.EXAMPLE,
            adjacency=Adjacency.ZERO_OUT,
            mode=Mode.LOCAL,  # the whole example-level noise is on the device in every mode
            clip_norm=self.training.clip_norm,
            noise_multiplier=self.training.noise_multiplier,
            sampling_rate=self.training.sampling_rate,
            steps=self.training.steps,
        )


def sign_plan(plan: Plan, key: SigningKey) -> Signed:
    """Sign a plan as the operator; its id is the result's `id`."""
    return sign(Domain.PLAN, plan.to_value(), key)


def read_plan(signed: Signed, operator: PublicKey) -> Plan:
    """Return the plan, if the operator signed it.

    Raises: SignatureError, FormatError, NewerFormatError.
    """
    signed.check(Domain.PLAN, operator)
    return Plan.from_bytes(signed.body)
