"""Where randomness comes from: the operating system on devices, a seed in simulations and tests.

The door tells them apart by type: a seed must never silence a real device's noise.
"""

import os
from typing import Protocol, final

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from scipy import special

from reticent.errors import SettingError

FloatVector = npt.NDArray[np.float64]
LongVector = npt.NDArray[np.int64]


class NoiseSource(Protocol):
    """Independent draws; n >= 0 of them a call, shape (n,)."""

    def uniform(self, n: int, /) -> FloatVector:
        """Uniform in the open interval (0, 1)."""
        ...

    def normal(self, n: int, /) -> FloatVector:
        """Standard normal. Float arithmetic: good for DP-SGD inside the device, never for a release."""
        ...

    def discrete_gaussian(self, n: int, /, *, sigma: float) -> LongVector:
        """Integers k with probability proportional to exp(-k² / (2 sigma²))."""
        ...


@final
class SystemNoise:
    """The operating system's entropy. Keeps no state: nothing to seed, to rewind, or to share with a forked process.

    uniform, normal: AES-256 in counter mode under a fresh 256-bit key from `os.urandom` for every call.
    discrete_gaussian: OpenDP's exact sampler (integer and rational arithmetic only, no float enters), about 85,000 values
        a second. It adds noise to a vector of zeros, so it never sees data: neither value nor run time can depend on them.
    Source: Canonne, Kamath, Steinke 2020, arXiv:2004.00010, algorithms 1 to 3.
    """

    __slots__ = ()

    def uniform(self, n: int, /) -> FloatVector:
        stream = Cipher(algorithms.AES256(os.urandom(32)), modes.CTR(bytes(16))).encryptor()
        bits = np.frombuffer(stream.update(bytes(8 * n)), dtype="<u8") >> np.uint64(12)
        return (bits.astype(np.float64) + 0.5) * 2.0**-52  # 52 bits and a half: exact, and never 0 or 1

    def normal(self, n: int, /) -> FloatVector:
        quantiles: FloatVector = special.ndtri(self.uniform(n))
        return quantiles

    def discrete_gaussian(self, n: int, /, *, sigma: float) -> LongVector:
        import opendp.prelude as dp

        dp.enable_features("contrib")
        space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T=float)
        sample = dp.m.make_gaussian(*space, scale=float(sigma))
        return np.array(sample([0] * n), dtype=np.int64)


@final
class SeededNoise:
    """Fast, repeatable draws for simulations and tests (Philox). Refused at a device's door.

    seed: any whole number >= 0; all of its bits count.
    discrete_gaussian: a rounded float64 normal. From sigma = 1,000 on, which the mechanism demands, no statistic of a
        simulation can tell it from the exact one (docs/adr/0002-discrete-gaussian-slack.md bounds the difference).
    """

    __slots__ = ("_generator",)

    def __init__(self, seed: int) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise SettingError("a seed must be a whole number, 0 or more; nothing was computed or sent")
        self._generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))

    def uniform(self, n: int, /) -> FloatVector:
        bits = self._generator.integers(0, 1 << 52, size=n, dtype=np.uint64)
        return (bits.astype(np.float64) + 0.5) * 2.0**-52

    def normal(self, n: int, /) -> FloatVector:
        return self._generator.standard_normal(n)

    def discrete_gaussian(self, n: int, /, *, sigma: float) -> LongVector:
        return np.rint(self._generator.standard_normal(n) * sigma).astype(np.int64)
