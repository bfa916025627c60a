"""Opacus's privacy random variables, as a second opinion: kept from hanging, and only where double precision carries them.

`PRVAccountant.get_epsilon` first sizes its grid with Opacus's own Rényi accountant, whose series for fractional orders never ends
for some settings (q = .1, noise .3), and then takes whatever memory the grid needs. Here dp-accounting's Rényi accountant, which
ends, does the sizing; everything after it is Opacus's own code and error analysis.
Source: Gopi, Lee, Wutschitz 2021, arXiv:2106.02848.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from reticent.privacy.composition import Part

EPSILON_ERROR = 0.01
_POINTS = 1 << 21  # 200 bytes each, a second in all
_LARGEST_LOSS = 600.0  # exp() of it must not overflow


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket:
    """Proven to hold epsilon between them, up to the error of double precision."""

    lower: float
    upper: float


def prv_bracket(
    parts: Sequence[Part], *, delta: float, renyi: Callable[[Sequence[Part], float], float]
) -> Bracket | str:
    """Bounds of epsilon for the composition of `parts`, zero-out adjacency, or the reason why there are none.

    renyi(parts, delta): an epsilon that a Rényi accountant vouches for; sizes the grid.
    """
    steps = sum(part.steps for part in parts)
    delta_error = delta / 1000
    if math.ldexp(steps, -49) > delta / 10:
        return f"over {steps:,} steps double precision carries no delta below {math.ldexp(10 * steps, -49):.1g}"
    once = [Part(noise_multiplier=p.noise_multiplier, sampling_rate=p.sampling_rate, steps=1) for p in parts]
    # Remark 5.6 of the paper: room for the sum, and for each single loss.
    reach = 3 + max(
        EPSILON_ERROR,
        renyi(parts, delta_error / 4),
        *(renyi((part,), delta_error / (8 * steps)) for part in once),
    )
    if not reach < _LARGEST_LOSS:
        return f"privacy losses reach {reach:.3g}; it is asked for at most {_LARGEST_LOSS:g}"
    mesh = EPSILON_ERROR / math.sqrt(steps * math.log(12 / delta_error) / 2)
    if 2 * reach / mesh > _POINTS:
        return f"it would need {2 * reach / mesh:,.0f} points; it is asked for at most {_POINTS:,}"
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lower, upper = _ask(parts, reach=reach, mesh=mesh, delta=delta, delta_error=delta_error)
    except (ArithmeticError, ValueError, RuntimeError, MemoryError) as failure:
        return f"Opacus gave up ({type(failure).__name__})"
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return "Opacus gave no finite number"
    return Bracket(lower=max(0.0, lower), upper=max(0.0, upper))


def _ask(parts: Sequence[Part], *, reach: float, mesh: float, delta: float, delta_error: float) -> tuple[float, float]:
    from opacus.accountants.analysis.prv import (
        Domain,
        PoissonSubsampledGaussianPRV,
        TruncatedPrivacyRandomVariable,
        compose_heterogeneous,
        discretize,
    )

    domain = Domain.create_aligned(-reach, reach, mesh)
    single = [
        discretize(
            TruncatedPrivacyRandomVariable(
                PoissonSubsampledGaussianPRV(part.sampling_rate, part.noise_multiplier), domain.t_min, domain.t_max
            ),
            domain,
        )
        for part in parts
    ]
    composed = compose_heterogeneous(dprvs=single, num_self_compositions=[part.steps for part in parts])
    lower, _, upper = composed.compute_epsilon(delta, delta_error, EPSILON_ERROR)
    return float(lower), float(upper)
