"""Noise that remembers what it was asked for. Uniform and normal numbers come from separate streams, so that the noise is
the same whatever the number of examples."""

import numpy as np
import numpy.typing as npt

from reticent.privacy.noise import SeededNoise

FloatVector = npt.NDArray[np.float64]
IntVector = npt.NDArray[np.int64]


class RecordedNoise:
    """scale: 0 silences the normal numbers, so that an update shows the sums before noise."""

    def __init__(self, seed: int = 0, *, scale: float = 1.0) -> None:
        self._uniform, self._normal = SeededNoise(seed), SeededNoise(seed + 1)
        self._scale = scale
        self.uniforms: list[FloatVector] = []
        self.normals: list[FloatVector] = []

    def uniform(self, n: int) -> FloatVector:
        self.uniforms.append(self._uniform.uniform(n))
        return self.uniforms[-1]

    def normal(self, n: int) -> FloatVector:
        self.normals.append(self._scale * self._normal.normal(n))
        return self.normals[-1]

    def discrete_gaussian(self, n: int, *, sigma: float) -> IntVector:
        raise AssertionError("training draws no discrete noise")


class ConstantDraws(RecordedNoise):
    """Every uniform number is `value`."""

    def __init__(self, value: float) -> None:
        super().__init__(scale=0.0)
        self._value = value

    def uniform(self, n: int) -> FloatVector:
        self.uniforms.append(np.full(n, self._value))
        return self.uniforms[-1]


class BreakingNoise(RecordedNoise):
    """Its second step's noise can't be had."""

    def normal(self, n: int) -> FloatVector:
        if self.normals:
            raise ZeroDivisionError
        return super().normal(n)
