"""How much noise is enough? The inverse of the accountant of record, never on the low side."""

import math
from functools import cache

from scipy import optimize

from reticent.errors import SettingError
from reticent.privacy.accountants import epsilon as account
from reticent.privacy.accountants import rdp_epsilon
from reticent.privacy.composition import NO_REPLACE_ONE, Part
from reticent.privacy.events import (
    MAX_STEPS,
    NOISE_MULTIPLIER_RANGE,
    SAMPLING_RATE_RANGE,
    Adjacency,
    asked,
    require_count,
    require_delta,
    require_number,
)
from reticent.privacy.filters import EPSILON_RANGE
from reticent.privacy.grid import MAX_ROUNDS, release_mu

_STEP = 1e-6  # relative; a smaller noise multiplier by twice this much would not do
_SMALLEST_SAMPLED = 0.01
_STRIDE = math.log(1.2)


def noise_multiplier(
    *,
    epsilon: float,
    delta: float,
    steps: int,
    sampling_rate: float = 1.0,
    adjacency: Adjacency = Adjacency.ZERO_OUT,
) -> float:
    """The smallest noise multiplier for which `steps` steps stay within (epsilon, delta).

    Guarantee: the accountant of record gives at most `epsilon` for it. Where nothing is sampled, a release on the integer grid
        does so too, slack included, and a device's employee-level filter admits all `steps` rounds.
    Precision: relative 1e-12 where nothing is sampled (the grid's slack makes it larger by about 1e-6); elsewhere 2e-6, or what
        the accountant of record jitters by at a tiny delta, on the high side.
    Raises: SettingError, if a number makes no sense or no noise multiplier in the allowed range does it.
    """
    require_number("epsilon", epsilon, *EPSILON_RANGE)
    require_delta(delta)
    require_count("steps", steps, MAX_STEPS)
    require_number("sampling_rate", sampling_rate, *SAMPLING_RATE_RANGE)
    if sampling_rate < 1:
        if adjacency is Adjacency.REPLACE_ONE:
            raise SettingError(NO_REPLACE_ONE)
        return _sampled(epsilon=epsilon, delta=delta, steps=steps, sampling_rate=sampling_rate)
    if steps > MAX_ROUNDS:
        raise SettingError(f"steps was {steps:,}; without sampling at most {MAX_ROUNDS:,} are calibrated for")
    sensitivity = 2 if adjacency is Adjacency.REPLACE_ONE else 1
    found = sensitivity * math.sqrt(steps) / release_mu(epsilon=epsilon, delta=delta) * (1 + 1e-13)
    lowest, highest = NOISE_MULTIPLIER_RANGE
    if not lowest <= found <= highest:
        raise SettingError(
            f"epsilon {epsilon:g} over {steps:,} steps would need a noise multiplier of {found:.3g}; "
            f"allowed is {lowest:g} to {highest:g}; nothing was computed or sent"
        )
    return found


def _sampled(*, epsilon: float, delta: float, steps: int, sampling_rate: float) -> float:
    @cache
    def excess(log_noise: float) -> float:
        event = asked(noise_multiplier=math.exp(log_noise), sampling_rate=sampling_rate, steps=steps)
        spent = account([event], delta=delta, adjacency=Adjacency.ZERO_OUT, names=("pld", "rdp"))
        return math.log(max(spent.epsilon, 1e-300) / epsilon)  # nearly straight in the logarithm of the noise

    def enough(log_noise: float) -> bool:
        part = Part(noise_multiplier=math.exp(log_noise), sampling_rate=sampling_rate, steps=steps)
        figure = rdp_epsilon((part,), delta=delta)  # 20 ms instead of a second, and never too low
        return isinstance(figure, str) or figure <= epsilon

    high = math.log(_SMALLEST_SAMPLED)
    while not enough(high):
        high += _STRIDE
    high = min(high, math.log(NOISE_MULTIPLIER_RANGE[1]))
    while excess(high) > 0:
        high += _STRIDE
    low = high - _STRIDE
    while excess(low) <= 0:
        high, low = low, low - _STRIDE
        if low < math.log(_SMALLEST_SAMPLED):
            raise SettingError(
                f"epsilon {epsilon:g} is met with a noise multiplier below {_SMALLEST_SAMPLED:g} already; that protects nothing"
            )
    root = optimize.brentq(excess, low, high, xtol=_STEP / 4, rtol=1e-12)
    step = _STEP / 2
    while excess(root) > 0:
        root, step = root + step, 2 * step
    return math.exp(root)
