"""The exact sum of many releases, one after another, in O(P) memory; and whether one may be added."""

import math

import numpy as np
import numpy.typing as npt
from scipy.linalg.blas import isamax

GridVector = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

_LARGEST = 2**31 - 1
_AT_ONCE = 1 << 17  # values whose floats stay in a core's cache
_DOUBT = 1e-3  # far more than float32 gets a largest value or a norm wrong by


class Total:
    """A sum of int32 vectors, exact as long as it stays within int64.

    As many releases as can't leave int32 together are added up in int32, which moves half the bytes; then they join the rest.
    """

    def __init__(self, parameters: int, *, bound: int) -> None:
        """bound: the largest absolute value of any vector that will be added, at least 1."""
        self._whole = np.zeros(parameters, dtype=np.int64)
        self._part = np.zeros(parameters, dtype=np.int32)
        self._most = max(1, _LARGEST // bound)
        self._held = 0

    def add(self, values: GridVector) -> None:
        """values: shape (P,), int32, within the bound."""
        if self._held == self._most:
            self._join()
        np.add(self._part, values, out=self._part)
        self._held += 1

    def values(self) -> Longs:
        """The sum so far, shape (P,), int64; what is added later changes it no more."""
        self._join()
        return self._whole.copy()

    def _join(self) -> None:
        self._whole += self._part
        self._part[:] = 0
        self._held = 0


def genuine(values: GridVector, *, bound: int, longest: float) -> tuple[bool, bool]:
    """Whether no absolute value is larger than `bound`, and whether the L2 norm is at most `longest`.

    Reads the values once, as float32; where that could be wrong about either, again and exactly.
    """
    largest, squares = 0.0, 0.0
    floats = np.empty(min(_AT_ONCE, len(values)), dtype=np.float32)
    for start in range(0, len(values), _AT_ONCE):
        some = values[start : start + _AT_ONCE]
        block = floats[: len(some)]
        np.copyto(block, some, casting="unsafe")
        largest = max(largest, abs(float(block[isamax(block)])))
        squares += float(np.dot(block, block))
    norm = math.sqrt(squares)
    in_range = largest < (1 - _DOUBT) * bound or bool(values.min() >= -bound and values.max() <= bound)
    if abs(norm - longest) <= _DOUBT * longest:
        norm = float(np.linalg.norm(values.astype(np.float64)))
    return in_range, norm <= longest
