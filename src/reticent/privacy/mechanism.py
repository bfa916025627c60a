"""What happens to one update before it may leave: clip, round to an integer grid, add discrete Gaussian noise."""

import math

import numpy as np
import numpy.typing as npt

from reticent.errors import SettingError
from reticent.privacy.events import (
    CLIP_NORM_RANGE,
    NOISE_MULTIPLIER_RANGE,
    ROUNDING_SHARE,
    require_count,
    require_number,
)
from reticent.privacy.noise import NoiseSource

FloatVector = npt.NDArray[np.float64]
IntVector = npt.NDArray[np.int32]

MIN_SIGMA = 1_000.0  # grid units; docs/adr/0002-discrete-gaussian-slack.md rests on it
MAX_PARAMETERS = 1 << 24
TAIL_SIGMAS = 12.0  # a genuine coordinate lies beyond with probability below 4e-32
LARGEST_VALUE = 2**31 - 1

# Float64 gets a norm of 2**24 squares wrong by less than 2e-9 in relative terms, however unluckily it rounds.
_SHRINK = 1.0 - 1e-8


def clip(delta: npt.ArrayLike, *, clip_norm: float) -> FloatVector:
    """Scale `delta` down until its L2 norm is at most `clip_norm`; never up.

    delta: shape (P,), any float type. A non-finite one counts as zero: refusing it would tell that it was.
    Returns: shape (P,), float64; its norm is at most `clip_norm` in exact arithmetic too.
    """
    vector = np.asarray(delta, dtype=np.float64)
    largest = np.max(np.abs(vector), initial=0.0)
    if not 0.0 < largest < math.inf:  # NaN, infinity, all zero, empty
        return np.zeros_like(vector)
    direction = vector / largest  # in [-1, 1]: its square can't overflow
    norm = math.sqrt(float(np.dot(direction, direction)))  # at least 1
    clipped: FloatVector = direction * min(float(largest), clip_norm / norm * _SHRINK)
    return clipped


def release_vector(
    delta: npt.ArrayLike, *, clip_norm: float, noise_multiplier: float, grid: float, noise: NoiseSource
) -> IntVector:
    """Clip `delta`, round it to the grid and add discrete Gaussian noise.

    Guarantee: zero-concentrated DP with rho = 1 / (2 * noise_multiplier**2) under zero-out adjacency; within a slack that
        docs/adr/0002-discrete-gaussian-slack.md bounds, the (epsilon, delta) curve of the continuous Gaussian.
    delta: shape (P,), float32, in weight space. A non-finite one counts as zero.
    Returns: shape (P,), int32, in grid units; one unit is `grid` of weight. Absolute values stay within `payload_bound`.
    Noise: standard deviation noise_multiplier * clip_norm / grid grid units.
    Source: Canonne, Kamath, Steinke 2020, arXiv:2004.00010; Kairouz, Liu, Steinke 2021, arXiv:2102.06387.
    Raises: SettingError, if the settings would break the guarantee (`check_grid`). Never because of the data.
    """
    vector = np.asarray(delta, dtype=np.float64)
    if vector.ndim != 1:
        raise SettingError(f"an update has one dimension, this one {vector.ndim}; nothing was sent")
    check_grid(clip_norm=clip_norm, grid=grid, noise_multiplier=noise_multiplier, parameters=vector.size)
    rounded = round_to_grid(vector, clip_norm=clip_norm, grid=grid, noise=noise)
    drawn = noise.discrete_gaussian(vector.size, sigma=noise_multiplier * clip_norm / grid)
    bound = payload_bound(clip_norm=clip_norm, noise_multiplier=noise_multiplier, grid=grid)
    released: IntVector = np.clip(rounded + drawn, -bound, bound).astype(np.int32)  # of noised values: post-processing
    return released


def round_to_grid(vector: FloatVector, *, clip_norm: float, grid: float, noise: NoiseSource) -> npt.NDArray[np.int64]:
    """Clip, then round every coordinate up or down at random so that its mean is kept.

    Guarantee: the result's L2 norm is at most clip_norm / grid, always: a coordinate moves by at most one unit, so the
        vector by at most sqrt(P), and that much was left free beforehand.
    Returns: shape (P,), int64, in grid units.
    """
    units = clip(vector, clip_norm=clip_norm - grid * math.sqrt(vector.size)) / grid
    below = np.floor(units)
    up = noise.uniform(vector.size) < units - below
    return below.astype(np.int64) + up


def check_grid(*, clip_norm: float, grid: float, noise_multiplier: float, parameters: int) -> None:
    """Pass if the mechanism's guarantee holds for these settings; they are public, so refusing tells nothing.

    Raises: SettingError, if a number makes no sense, rounding would cost more than 1% of clip_norm, the noise would be
        narrower than 1,000 grid units, or a value could leave int32.
    """
    require_number("clip_norm", clip_norm, *CLIP_NORM_RANGE)
    require_number("noise_multiplier", noise_multiplier, *NOISE_MULTIPLIER_RANGE)
    require_number("grid", grid, 1e-24, CLIP_NORM_RANGE[1])
    require_count("parameters", parameters, MAX_PARAMETERS)
    share = grid * math.sqrt(parameters) / clip_norm
    if share > ROUNDING_SHARE:
        raise SettingError(
            f"rounding {parameters:,} numbers to a grid of {grid:g} could move the update by {share:.2%} of clip_norm; at most "
            f"{ROUNDING_SHARE:.0%} is allowed; nothing was sent"
        )
    sigma = noise_multiplier * clip_norm / grid
    if sigma < MIN_SIGMA:
        raise SettingError(
            f"the noise would have a standard deviation of {sigma:g} grid units; at least {MIN_SIGMA:g} are needed; "
            "nothing was sent"
        )
    if payload_bound(clip_norm=clip_norm, noise_multiplier=noise_multiplier, grid=grid) > LARGEST_VALUE:
        raise SettingError(f"a grid of {grid:g} is so fine that values could leave 32 bits; nothing was sent")


def grid_for(*, clip_norm: float, noise_multiplier: float, parameters: int) -> float:
    """The coarsest grid that is clip_norm over a power of two and passes `check_grid`.

    Raises: SettingError, if there is none.
    """
    require_number("clip_norm", clip_norm, *CLIP_NORM_RANGE)
    require_number("noise_multiplier", noise_multiplier, *NOISE_MULTIPLIER_RANGE)
    require_count("parameters", parameters, MAX_PARAMETERS)
    halvings = math.ceil(math.log2(max(math.sqrt(parameters) / ROUNDING_SHARE, MIN_SIGMA / noise_multiplier, 1.0)))
    grid = math.ldexp(clip_norm, -halvings)
    check_grid(clip_norm=clip_norm, grid=grid, noise_multiplier=noise_multiplier, parameters=parameters)
    return grid


def payload_bound(*, clip_norm: float, noise_multiplier: float, grid: float) -> int:
    """The largest absolute value, in grid units, of a genuine release: the clipped update and 12 standard deviations.

    A device clamps to it, a server drops whatever lies beyond.
    """
    return math.ceil(clip_norm / grid * (1.0 + TAIL_SIGMAS * noise_multiplier))


def norm_bound(*, clip_norm: float, noise_multiplier: float, grid: float, parameters: int) -> float:
    """The largest L2 norm, in grid units, of a genuine release: the ball's radius and the noise's length.

    A genuine one is longer with probability below e^-72 < 6e-32 (x = TAIL_SIGMAS**2 / 2), whatever the update was: a discrete
    Gaussian is as sub-Gaussian as the continuous one (Canonne, Kamath, Steinke 2020, arXiv:2004.00010), and a vector of P such
    coordinates is longer than sigma * (sqrt(P) + sqrt(2 x)) with probability at most e^-x (Hsu, Kakade, Zhang 2012,
    arXiv:1110.2842, theorem 2.1 with the identity). Clamping to `payload_bound` only shortens it.
    """
    return clip_norm / grid * (1.0 + noise_multiplier * (math.sqrt(parameters) + TAIL_SIGMAS))
