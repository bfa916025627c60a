"""dp-accounting's privacy loss distributions, kept from hanging and from claiming more than double precision carries.

Its figures are pessimistic on paper: every rounding to the grid of losses errs towards more loss. Two things are not: the error
of the Fourier transform, which grows with the number of compositions (measured: about a tenth of 2**-52 a step; at 10⁷ steps
and delta = 1e-8 epsilon came out *below* the exact value), and a time that grows without bound. So `steps * 2**-49` is taken off
delta first, and what would need too many points is answered with a reason instead.
Source: Doroshenko et al. 2022, arXiv:2207.04380; for groups Choquette-Choo et al. 2023, arXiv:2310.15526, corollary 4.7.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from reticent.privacy.composition import Part

Answer = float | str  # a figure, or the reason why there is none

MAX_STEPS = 1_000_000
MAX_PARTS = 8
_FINEST = 1e-4  # of epsilon; dp-accounting's default, finer only where one step's loss is finer
_POINTS_BUILT = 50_000  # 7 µs each
_POINTS_BUILT_FOR_GROUPS = 4_000  # 250 µs each
_POINTS_HELD = 1_000_000  # 1 µs and 100 bytes each
_TAIL = 10.0  # standard deviations; dp-accounting cuts its densities there (mass e^-50)


def pld_epsilon(parts: Sequence[Part], *, delta: float) -> Answer:
    """An upper bound of epsilon for the composition of `parts`, zero-out adjacency. Takes 1 to 4 s at most."""
    import dp_accounting

    losses = [_loss(part, (1 - part.sampling_rate, part.sampling_rate)) for part in parts]
    interval = _interval(parts, losses, built=_POINTS_BUILT, delta=delta)
    if isinstance(interval, str):
        return interval
    composed = []
    for part in parts:
        gaussian = dp_accounting.GaussianDpEvent(part.noise_multiplier)
        sampled = part.sampling_rate < 1
        once = dp_accounting.PoissonSampledDpEvent(part.sampling_rate, gaussian) if sampled else gaussian
        composed.append(dp_accounting.SelfComposedDpEvent(once, part.steps))
    return _ask(dp_accounting.ComposedDpEvent(composed), parts, interval=interval, delta=delta)


def group_epsilon(parts: Sequence[Part], *, members: int, delta: float) -> Answer:
    """The same for `members` examples that vanish together, each of them sampled independently: a sum of bounded contributions
    is dominated by a Gaussian that is shifted by as many sensitivities as were drawn, a binomial number.
    """
    import dp_accounting
    from dp_accounting.dp_event import MixtureOfGaussiansDpEvent

    shifts = [_binomial(members, part.sampling_rate) for part in parts]
    losses = [_loss(part, shift) for part, shift in zip(parts, shifts, strict=True)]
    interval = _interval(parts, losses, built=_POINTS_BUILT_FOR_GROUPS, delta=delta)
    if isinstance(interval, str):
        return interval
    sensitivities = [float(count) for count in range(members + 1)]
    composed = [
        dp_accounting.SelfComposedDpEvent(
            MixtureOfGaussiansDpEvent(part.noise_multiplier, sensitivities, shift), part.steps
        )
        for part, shift in zip(parts, shifts, strict=True)
    ]
    return _ask(dp_accounting.ComposedDpEvent(composed), parts, interval=interval, delta=delta)


def _binomial(members: int, rate: float) -> list[float]:
    return [math.comb(members, k) * rate**k * (1 - rate) ** (members - k) for k in range(members + 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loss:
    """One step's privacy loss: mean, standard deviation, and the width of the range that carries all but e^-50 of it."""

    mean: float
    deviation: float
    span: float


def _loss(part: Part, probabilities: Sequence[float]) -> _Loss:
    """probabilities[k]: that the noise is shifted by k. For sizing only: no guarantee rests on this integral."""
    sigma, shifts = part.noise_multiplier, np.flatnonzero(probabilities)
    logs = np.log(np.asarray(probabilities)[shifts])
    at = np.linspace(-_TAIL * sigma, shifts[-1] + _TAIL * sigma, 8_001)
    loss = special.logsumexp(logs + (np.outer(at, shifts) - shifts**2 / 2) / sigma**2, axis=1)
    weight = np.exp(loss - at**2 / (2 * sigma**2))
    weight /= weight.sum()
    mean = float(weight @ loss)
    return _Loss(mean=mean, deviation=math.sqrt(float(weight @ (loss - mean) ** 2)), span=float(loss[-1] - loss[0]))


def _interval(parts: Sequence[Part], losses: Sequence[_Loss], *, built: int, delta: float) -> Answer:
    """How far apart the points of the grid of losses should be."""
    steps = sum(part.steps for part in parts)
    if len(parts) > MAX_PARTS:
        return f"{len(parts)} different mechanisms; it is asked for at most {MAX_PARTS}"
    if steps > MAX_STEPS:
        return f"{steps:,} sampled steps; it is asked for at most {MAX_STEPS:,}"
    if _roundoff(parts) > delta / 10:
        return f"over {steps:,} steps double precision carries no delta below {10 * _roundoff(parts):.1g}"
    variance = math.fsum(part.steps * loss.deviation**2 for part, loss in zip(parts, losses, strict=True))
    typical = math.sqrt(variance / steps)
    if steps * 1e-14 > 0.02 * typical:  # measured: rounding then makes epsilon too large by some per cent
        return "the privacy loss of one step is smaller than double precision resolves"
    mean = math.fsum(part.steps * abs(loss.mean) for part, loss in zip(parts, losses, strict=True))
    widest = max(loss.span for loss in losses)
    interval = max(
        min(_FINEST, typical / 16),
        math.fsum(loss.span for loss in losses) / built,
        (2 * mean + 24 * math.sqrt(variance) + widest) / _POINTS_HELD,
    )
    if steps > 1 and interval > typical:
        return f"a grid of {_POINTS_HELD:,} losses would be too coarse for it"
    return interval


def _roundoff(parts: Sequence[Part]) -> float:
    return math.ldexp(sum(part.steps for part in parts), -49)


def _ask(event: Any, parts: Sequence[Part], *, interval: float, delta: float) -> Answer:
    from dp_accounting.pld import PLDAccountant

    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            accountant = PLDAccountant(value_discretization_interval=interval)
            answer = float(accountant.compose(event).get_epsilon(delta - _roundoff(parts)))
    except (ArithmeticError, ValueError, IndexError, MemoryError) as failure:
        return f"dp-accounting gave up ({type(failure).__name__})"
    return answer if math.isfinite(answer) else "the mass that it cuts off is larger than delta"
