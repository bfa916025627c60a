"""An event holds only what makes sense, and survives the way through dp-accounting's events."""

import math
from typing import Any

import dp_accounting
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.errors import SettingError
from reticent.privacy.events import (
    CLIP_NORM_RANGE,
    MAX_STEPS,
    NOISE_MULTIPLIER_RANGE,
    SAMPLING_RATE_RANGE,
    Adjacency,
    Mode,
    PrivacyEvent,
    Unit,
    from_dp_event,
    require_delta,
    to_dp_event,
)

GOOD: dict[str, Any] = {
    "unit": Unit.EXAMPLE,
    "adjacency": Adjacency.ZERO_OUT,
    "mode": Mode.LOCAL,
    "clip_norm": 1.0,
    "noise_multiplier": 1.0,
    "sampling_rate": 0.5,
    "steps": 3,
}

EVENTS = st.builds(
    PrivacyEvent,
    unit=st.sampled_from(Unit),
    adjacency=st.sampled_from(Adjacency),
    mode=st.sampled_from(Mode),
    clip_norm=st.floats(*CLIP_NORM_RANGE),
    noise_multiplier=st.floats(*NOISE_MULTIPLIER_RANGE),
    sampling_rate=st.floats(*SAMPLING_RATE_RANGE),
    steps=st.integers(1, MAX_STEPS),
)

NONSENSE = [math.nan, math.inf, -math.inf, 0, 0.0, -0.0, -1.0, 5e-324, 1e300, True, False, None, "1", 10**400, 1j]


@pytest.mark.parametrize("field", ["clip_norm", "noise_multiplier", "sampling_rate"])
@pytest.mark.parametrize("value", NONSENSE, ids=lambda value: repr(value)[:12])
def test_a_number_that_makes_no_sense_is_refused_in_one_sentence(field: str, value: object) -> None:
    with pytest.raises(SettingError, match=f"^{field} was .* nothing was computed or sent$") as caught:
        PrivacyEvent(**{**GOOD, field: value})
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("rate", [1.0000001, 2, math.nextafter(1, 2)])
def test_a_sampling_rate_above_one_is_refused(rate: float) -> None:
    with pytest.raises(SettingError, match="sampling_rate"):
        PrivacyEvent(**{**GOOD, "sampling_rate": rate})


@pytest.mark.parametrize("steps", [0, -1, 1.0, math.nan, True, None, "3", MAX_STEPS + 1, 10**400, np.float64(3)])
def test_steps_are_a_whole_number_within_bounds(steps: object) -> None:
    with pytest.raises(SettingError, match="steps"):
        PrivacyEvent(**{**GOOD, "steps": steps})


@pytest.mark.parametrize("field", ["unit", "adjacency", "mode"])
@pytest.mark.parametrize("value", ["employee", "secure", None, 1])
def test_a_bare_string_is_no_unit_adjacency_or_mode(field: str, value: object) -> None:
    with pytest.raises(SettingError, match=field):
        PrivacyEvent(**{**GOOD, field: value})


@pytest.mark.parametrize(
    "delta", [0, 0.0, 1.0, 1, -1e-5, 2.0, math.nan, math.inf, -math.inf, 1e-200, True, "1e-5", None]
)
def test_delta_lies_strictly_between_zero_and_one(delta: object) -> None:
    with pytest.raises(SettingError, match="delta"):
        require_delta(delta)


@settings(deadline=None)
@given(EVENTS)
def test_nothing_is_lost_on_the_way_through_dp_accounting_and_back(event: PrivacyEvent) -> None:
    back = from_dp_event(
        to_dp_event(event),
        unit=event.unit,
        adjacency=event.adjacency,
        mode=event.mode,
        clip_norm=event.clip_norm,
    )
    assert back == event


@settings(deadline=None)
@given(noise=st.floats(0.1, 10), rate=st.floats(0.001, 1, exclude_max=True), steps=st.integers(1, 1000))
def test_what_dp_accounting_says_survives_the_way_through_an_event_and_back(
    noise: float, rate: float, steps: int
) -> None:
    said = dp_accounting.SelfComposedDpEvent(
        dp_accounting.PoissonSampledDpEvent(rate, dp_accounting.GaussianDpEvent(noise)), steps
    )
    event = from_dp_event(said, unit=Unit.EXAMPLE, adjacency=Adjacency.ZERO_OUT, mode=Mode.LOCAL, clip_norm=1.0)
    assert to_dp_event(event) == said


def test_nested_self_composition_multiplies() -> None:
    twice = dp_accounting.SelfComposedDpEvent(dp_accounting.GaussianDpEvent(2.0), 2)
    event = from_dp_event(
        dp_accounting.SelfComposedDpEvent(twice, 3),
        unit=Unit.EMPLOYEE,
        adjacency=Adjacency.ZERO_OUT,
        mode=Mode.LOCAL,
        clip_norm=1.0,
    )
    assert (event.steps, event.noise_multiplier, event.sampling_rate) == (6, 2.0, 1.0)


@pytest.mark.parametrize(
    "other",
    [
        dp_accounting.LaplaceDpEvent(1.0),
        dp_accounting.NoOpDpEvent(),
        dp_accounting.NonPrivateDpEvent(),
        dp_accounting.ComposedDpEvent([dp_accounting.GaussianDpEvent(1.0)]),
        dp_accounting.PoissonSampledDpEvent(
            0.1, dp_accounting.SelfComposedDpEvent(dp_accounting.GaussianDpEvent(1.0), 2)
        ),
        dp_accounting.SelfComposedDpEvent(dp_accounting.GaussianDpEvent(1.0), 0),
        dp_accounting.GaussianDpEvent(0.0),
        dp_accounting.GaussianDpEvent(math.nan),
        dp_accounting.PoissonSampledDpEvent(0.0, dp_accounting.GaussianDpEvent(1.0)),
        "gaussian",
    ],
    ids=repr,
)
def test_a_mechanism_that_an_event_cannot_describe_is_refused(other: object) -> None:
    with pytest.raises(SettingError):
        from_dp_event(other, unit=Unit.EXAMPLE, adjacency=Adjacency.ZERO_OUT, mode=Mode.LOCAL, clip_norm=1.0)
