"""What happened: the facts that every privacy figure is computed from.

An event never carries an epsilon. Accountants (`reticent.privacy.accountants`) turn events into epsilon.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reticent.errors import SettingError

# Wide enough for every setting anybody trains with, narrow enough that no accountant meets an overflow.
CLIP_NORM_RANGE = (1e-12, 1e12)
NOISE_MULTIPLIER_RANGE = (1e-6, 1e6)
SAMPLING_RATE_RANGE = (1e-12, 1.0)
ROUNDING_SHARE = 0.01  # of clip_norm, at most, that is given up so that rounding can't leave the ball
MAX_STEPS = 1_000_000_000
DELTA_FLOOR = 1e-100  # below it even the logarithms of tails stop meaning anything


class Unit(StrEnum):
    """Whose difference is hidden."""

    EMPLOYEE = "employee"  # everything that one enrolment ever captured
    EXAMPLE = "example"  # one training window


class Adjacency(StrEnum):
    """Which two data sets are neighbours."""

    ZERO_OUT = "zero_out"  # the unit's contribution becomes zero (or its examples vanish)
    REPLACE_ONE = "replace_one"  # the unit's contribution becomes any other: twice the sensitivity


class Mode(StrEnum):
    """Where employee-level noise is added."""

    LOCAL = "local"  # all of it on each device
    SECURE = "secure"  # a share on each device, summed inside secure aggregation


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyEvent:
    """`steps` compositions of one (possibly Poisson-sampled) Gaussian, as one device ran it.

    unit, adjacency: the promise that this event was charged for. An accountant may be asked under the other adjacency.
    mode: in `secure` mode `noise_multiplier` is this device's own share, not the sum's.
    clip_norm: L2 bound of one unit's contribution to one step, in weight or gradient space, > 0.
    noise_multiplier: noise standard deviation / clip_norm, > 0.
    sampling_rate: Poisson rate q in (0, 1]; 1 means that nothing is sampled.
    steps: number of compositions, >= 1.
    Raises: SettingError for NaN, infinity, zero, negative, absurd or mistyped values.
    """

    unit: Unit
    adjacency: Adjacency
    mode: Mode
    clip_norm: float
    noise_multiplier: float
    sampling_rate: float = 1.0
    steps: int = 1

    def __post_init__(self) -> None:
        for name, value, kind in (
            ("unit", self.unit, Unit),
            ("adjacency", self.adjacency, Adjacency),
            ("mode", self.mode, Mode),
        ):
            if not isinstance(value, kind):
                raise SettingError(f"{name} must be one of {', '.join(kind)}; nothing was computed or sent")
        require_number("clip_norm", self.clip_norm, *CLIP_NORM_RANGE)
        require_number("noise_multiplier", self.noise_multiplier, *NOISE_MULTIPLIER_RANGE)
        require_number("sampling_rate", self.sampling_rate, *SAMPLING_RATE_RANGE)
        require_count("steps", self.steps, MAX_STEPS)


def asked(*, noise_multiplier: float, sampling_rate: float, steps: int) -> PrivacyEvent:
    """The mechanism that somebody asks about who has run none: a person's release, or an example's steps where those are sampled."""
    return PrivacyEvent(
        unit=Unit.EMPLOYEE if sampling_rate == 1 else Unit.EXAMPLE,
        adjacency=Adjacency.ZERO_OUT,
        mode=Mode.LOCAL,
        clip_norm=1.0,
        noise_multiplier=noise_multiplier,
        sampling_rate=sampling_rate,
        steps=steps,
    )


def require_number(name: str, value: object, lowest: float, highest: float) -> float:
    """`value` as a float, if it is a real number in [lowest, highest]; SettingError otherwise (NaN is in no range)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= highest:
        raise SettingError(
            f"{name} was {_shown(value)}; it must be a number from {lowest:g} to {highest:g}; nothing was computed or sent"
        )
    return float(value)


def require_count(name: str, value: object, highest: int) -> int:
    """`value`, if it is a whole number in [1, highest]; SettingError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= highest:
        raise SettingError(
            f"{name} was {_shown(value)}; it must be a whole number from 1 to {highest:,}; nothing was computed or sent"
        )
    return value


def require_delta(delta: object) -> float:
    """`delta`, if it lies strictly between 0 and 1; SettingError otherwise."""
    if isinstance(delta, bool) or not isinstance(delta, float) or not DELTA_FLOOR <= delta < 1:
        raise SettingError(
            f"delta was {_shown(delta)}; it must be a number from {DELTA_FLOOR:g} to just below 1; "
            "nothing was computed or sent"
        )
    return delta


def _shown(value: object) -> str:
    if isinstance(value, int) and abs(value) > 1 << 63:
        return "a whole number of more than 19 digits"
    return repr(value) if isinstance(value, int | float) else f"a {type(value).__name__}"


def to_dp_event(event: PrivacyEvent) -> Any:
    """The same mechanism as a `dp_accounting.DpEvent`: noise multiplier, sampling rate and steps, nothing lost or added.

    dp-accounting's events know neither unit, adjacency, mode nor clip norm; `from_dp_event` is told them again.
    """
    import dp_accounting

    gaussian = dp_accounting.GaussianDpEvent(event.noise_multiplier)
    sampled = event.sampling_rate < 1
    once = dp_accounting.PoissonSampledDpEvent(event.sampling_rate, gaussian) if sampled else gaussian
    return dp_accounting.SelfComposedDpEvent(once, event.steps)


def from_dp_event(dp_event: Any, *, unit: Unit, adjacency: Adjacency, mode: Mode, clip_norm: float) -> PrivacyEvent:
    """The inverse of `to_dp_event`; also takes a lone Gaussian or Poisson-sampled Gaussian and nested self-composition.

    Raises: SettingError for every other mechanism, which a `PrivacyEvent` can't describe.
    """
    import dp_accounting

    steps, sampling_rate = 1, 1.0
    while isinstance(dp_event, dp_accounting.SelfComposedDpEvent):
        steps, dp_event = steps * require_count("steps", dp_event.count, MAX_STEPS), dp_event.event
    if isinstance(dp_event, dp_accounting.PoissonSampledDpEvent):
        sampling_rate, dp_event = dp_event.sampling_probability, dp_event.event
    if not isinstance(dp_event, dp_accounting.GaussianDpEvent):
        raise SettingError(
            f"a {type(dp_event).__name__} is not a (Poisson-sampled) Gaussian composed with itself; nothing was computed or sent"
        )
    return PrivacyEvent(
        unit=unit,
        adjacency=adjacency,
        mode=mode,
        clip_norm=clip_norm,
        noise_multiplier=dp_event.noise_multiplier,
        sampling_rate=sampling_rate,
        steps=steps,
    )
