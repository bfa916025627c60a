"""Clip, round, noise: the ball is never left, the noise is as wide as promised, and the data decides nothing."""

import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from reticent.errors import SettingError
from reticent.privacy import mechanism
from reticent.privacy.mechanism import (
    check_grid,
    clip,
    grid_for,
    norm_bound,
    payload_bound,
    release_vector,
    round_to_grid,
)
from reticent.privacy.noise import NoiseSource, SeededNoise, SystemNoise

CLIP, NOISE, P = 0.5, 1.0, 2_000
GRID = grid_for(clip_norm=CLIP, noise_multiplier=NOISE, parameters=P)


class Corner:
    """A noise source whose uniforms sit at one end: the unluckiest rounding there is."""

    def __init__(self, value: float) -> None:
        self.value = value

    def uniform(self, n: int, /) -> npt.NDArray[np.float64]:
        return np.full(n, self.value)

    def normal(self, n: int, /) -> npt.NDArray[np.float64]:
        return np.zeros(n)

    def discrete_gaussian(self, n: int, /, *, sigma: float) -> npt.NDArray[np.int64]:
        return np.zeros(n, dtype=np.int64)


def squared(vector: npt.NDArray[np.float64] | npt.NDArray[np.int64]) -> Fraction:
    return sum((Fraction(value) ** 2 for value in vector.tolist()), Fraction(0))


VECTORS = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=60).map(
    lambda values: np.array(values, dtype=np.float32)
)


@settings(deadline=None)
@given(delta=VECTORS, clip_norm=st.floats(1e-6, 1e6))
@example(delta=np.full(50, 3.4e38, dtype=np.float32), clip_norm=1.0)
@example(delta=np.full(50, 1e-45, dtype=np.float32), clip_norm=1.0)
@example(delta=np.array([1e308, -1e308, 5e-324]), clip_norm=0.3)
def test_a_clipped_vector_is_inside_the_ball_in_exact_arithmetic(
    delta: npt.NDArray[np.float32], clip_norm: float
) -> None:
    clipped = clip(delta, clip_norm=clip_norm)
    assert squared(clipped) <= Fraction(clip_norm) ** 2
    if delta.any():
        assert np.dot(clipped / np.abs(clipped).max(), delta / np.abs(delta).max()) > 0


@settings(deadline=None)
@given(delta=VECTORS)
def test_a_vector_well_inside_the_ball_stays_as_it_is(delta: npt.NDArray[np.float32]) -> None:
    outside = 2 * float(np.linalg.norm(delta.astype(np.float64))) + 1
    np.testing.assert_allclose(clip(delta, clip_norm=outside), delta.astype(np.float64), rtol=1e-15)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rest", [0.0, 1e3, 3e38])
def test_a_non_finite_vector_counts_as_zero(poison: float, rest: float) -> None:
    assert not clip(np.array([rest, poison, 1.0], dtype=np.float32), clip_norm=CLIP).any()


def test_a_zero_vector_is_not_divided_by_zero() -> None:
    assert not clip(np.zeros(3), clip_norm=CLIP).any()
    assert clip(np.zeros(0), clip_norm=CLIP).shape == (0,)


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=400),
    clip_norm=st.floats(1e-3, 1e3),
    finer=st.integers(0, 3),
    luck=st.sampled_from([2.0**-53, 0.5, 1 - 2.0**-53, None]),
)
@example(values=[1.0] * 400, clip_norm=1.0, finer=0, luck=2.0**-53)
@example(values=[-1.0] * 400, clip_norm=1.0, finer=0, luck=1 - 2.0**-53)
def test_rounding_never_leaves_the_ball(values: list[float], clip_norm: float, finer: int, luck: float | None) -> None:
    grid = grid_for(clip_norm=clip_norm, noise_multiplier=50.0, parameters=len(values)) / 2**finer
    noise: NoiseSource = SeededNoise(7) if luck is None else Corner(luck)
    rounded = round_to_grid(np.array(values), clip_norm=clip_norm, grid=grid, noise=noise)
    assert squared(rounded) <= (Fraction(clip_norm) / Fraction(grid)) ** 2


def test_without_the_room_for_rounding_the_ball_would_be_left() -> None:
    """The same check fails when the vector is clipped to the ball itself."""
    on_the_ball = clip(np.ones(P), clip_norm=CLIP) / GRID
    assert squared(np.ceil(on_the_ball).astype(np.int64)) > (Fraction(CLIP) / Fraction(GRID)) ** 2


def test_rounding_keeps_the_mean() -> None:
    update = np.linspace(-1, 1, 50) * 1e-3
    noise = SeededNoise(3)
    mean = np.mean([round_to_grid(update, clip_norm=CLIP, grid=GRID, noise=noise) for _ in range(4_000)], axis=0)
    assert np.max(np.abs(mean - update / GRID)) < 6 * 0.5 / math.sqrt(4_000)


def projection(values: npt.NDArray[np.int32], towards: npt.NDArray[np.float64]) -> float:
    """How far the release went towards the update, in standard deviations of its noise."""
    return float(values @ (towards / np.linalg.norm(towards))) / (NOISE * CLIP / GRID)


def check_release(values: npt.NDArray[np.int32], update: npt.NDArray[np.float64], *, false_alarm: float) -> bool:
    """Whether a release is the update, clipped, plus noise of the promised width and nothing else."""
    sigma = NOISE * CLIP / GRID
    noise = values - clip(update, clip_norm=CLIP) / GRID
    spread = float(noise @ noise) / sigma**2
    low, high = stats.chi2.ppf([false_alarm / 4, 1 - false_alarm / 4], df=values.size)
    sideways = stats.norm.isf(false_alarm / 4)
    return bool(low <= spread <= high and abs(projection(values, update)) <= 1 / NOISE + sideways)


def release(update: npt.NDArray[np.float64], noise: NoiseSource, *, wider: float = 1.0) -> npt.NDArray[np.int32]:
    return release_vector(update, clip_norm=CLIP, noise_multiplier=NOISE * wider, grid=GRID, noise=noise)


@pytest.mark.parametrize(
    ("noise", "false_alarm"), [(SeededNoise(11), 1e-3), (SystemNoise(), 1e-9)], ids=["seeded", "system"]
)
def test_a_release_has_the_noise_it_promises_and_another_width_or_a_missing_clip_shows(
    noise: NoiseSource, false_alarm: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = np.random.default_rng(5).normal(size=P) * 10
    assert check_release(release(update, noise), update, false_alarm=false_alarm)
    assert not check_release(release(update, noise, wider=2 / 3 * 1.001), update, false_alarm=false_alarm)
    assert not check_release(release(update, noise, wider=3 / 2), update, false_alarm=false_alarm)
    monkeypatch.setattr(mechanism, "clip", lambda delta, *, clip_norm: delta)
    assert not check_release(release(update, noise), update, false_alarm=false_alarm)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_a_poisoned_update_leaves_exactly_as_zero_does(poison: float) -> None:
    update = np.ones(P)
    update[17] = poison
    np.testing.assert_array_equal(release(update, SeededNoise(1)), release(np.zeros(P), SeededNoise(1)))


def test_a_release_is_32_bit_and_within_its_bound_even_where_the_noise_is_not() -> None:
    class Huge(Corner):
        def discrete_gaussian(self, n: int, /, *, sigma: float) -> npt.NDArray[np.int64]:
            return np.full(n, 2**62, dtype=np.int64)

    bound = payload_bound(clip_norm=CLIP, noise_multiplier=NOISE, grid=GRID)
    values = release(np.ones(P), Huge(0.5))
    assert values.dtype == np.int32
    assert set(values.tolist()) == {bound}
    genuine = release(np.ones(P) * 1e6, SeededNoise(2))
    assert np.abs(genuine).max() < bound


@pytest.mark.parametrize("parameters", [1, 2, 50, 12_354, 62_578, 1 << 24])
def test_the_bound_on_the_norm_leaves_a_genuine_release_one_chance_in_1e30_to_be_dropped(parameters: int) -> None:
    """Of a continuous Gaussian, whose norm's square is chi-squared: the proof's own bound, at its worst, is e^-72."""
    longest = norm_bound(clip_norm=CLIP, noise_multiplier=NOISE, grid=GRID, parameters=parameters)
    room = (
        longest * GRID / CLIP - 1
    ) / NOISE  # for the noise, in its standard deviations, the update being at the surface
    assert stats.chi2.logsf(room**2, parameters) <= -72
    assert room < 1.2 * math.sqrt(parameters) + 13  # and no more than needed


def test_a_release_from_the_ball_s_surface_is_within_its_norm_and_a_dozenth_of_it_is_room() -> None:
    length = np.linalg.norm(release(np.ones(P) * 1e6, SystemNoise()).astype(float))
    longest = norm_bound(clip_norm=CLIP, noise_multiplier=NOISE, grid=GRID, parameters=P)
    assert 0.5 * longest < length < longest


def test_a_release_costs_no_more_than_a_few_rounds_of_the_sampler() -> None:
    """The noise is drawn for as many numbers as the update has, whatever they are."""
    asked: list[tuple[int, float]] = []

    class Recorder(Corner):
        def discrete_gaussian(self, n: int, /, *, sigma: float) -> npt.NDArray[np.int64]:
            asked.append((n, sigma))
            return np.zeros(n, dtype=np.int64)

    for update in (np.zeros(P), np.full(P, 1e30), np.full(P, np.nan)):
        release(update, Recorder(0.5))
    assert asked == [(P, NOISE * CLIP / GRID)] * 3


@settings(deadline=None)
@given(
    clip_norm=st.floats(1e-9, 1e9),
    noise_multiplier=st.floats(1e-3, 100),
    parameters=st.integers(1, 1 << 24),
)
def test_the_chosen_grid_passes_and_twice_as_coarse_would_not(
    clip_norm: float, noise_multiplier: float, parameters: int
) -> None:
    grid = grid_for(clip_norm=clip_norm, noise_multiplier=noise_multiplier, parameters=parameters)
    check_grid(clip_norm=clip_norm, grid=grid, noise_multiplier=noise_multiplier, parameters=parameters)
    assert math.log2(clip_norm / grid).is_integer()
    if grid < clip_norm:
        with pytest.raises(SettingError):
            check_grid(clip_norm=clip_norm, grid=2 * grid, noise_multiplier=noise_multiplier, parameters=parameters)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"grid": 0.6}, "at most 1%"),
        ({"grid": CLIP / 1024}, "at most 1%"),
        ({"noise_multiplier": 1e-3}, "at least 1000"),
        ({"grid": CLIP / 2**30}, "32 bits"),
        ({"grid": 0.0}, "grid"),
        ({"grid": -GRID}, "grid"),
        ({"grid": math.nan}, "grid"),
        ({"clip_norm": math.inf}, "clip_norm"),
        ({"noise_multiplier": 0}, "noise_multiplier"),
        ({"parameters": 0}, "parameters"),
        ({"parameters": 2**24 + 1}, "parameters"),
        ({"parameters": 10.0}, "parameters"),
    ],
)
def test_settings_that_would_break_the_guarantee_are_refused(change: dict[str, float], said: str) -> None:
    fine: dict[str, float] = {"clip_norm": CLIP, "grid": GRID, "noise_multiplier": NOISE, "parameters": P}
    with pytest.raises(SettingError, match=said):
        check_grid(**{**fine, **change})  # type: ignore[arg-type]


def test_a_release_checks_its_settings_itself() -> None:
    with pytest.raises(SettingError):
        release_vector(np.zeros(P), clip_norm=CLIP, noise_multiplier=1e-3, grid=GRID, noise=SeededNoise(0))
    with pytest.raises(SettingError, match="one dimension"):
        release_vector(np.zeros((2, 2)), clip_norm=CLIP, noise_multiplier=1.0, grid=GRID, noise=SeededNoise(0))
    with pytest.raises(SettingError):
        grid_for(clip_norm=1.0, noise_multiplier=1e6, parameters=1 << 24)
