"""Both sources draw what they say; the device's cannot be seeded, rewound or shared."""

import copy
import math
import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pytest
from scipy import special

from reticent.errors import SettingError
from reticent.privacy.noise import NoiseSource, SeededNoise, SystemNoise

FALSE_ALARM = 1e-9  # entropy can't be seeded, so a test of it must practically never fail by chance
DRAWS = 20_000


def is_standard_normal(values: npt.NDArray[np.float64]) -> bool:
    """Dvoretzky, Kiefer, Wolfowitz, Massart: the empirical distribution strays further than this once in 1e9 times."""
    n = values.size
    expected = special.ndtr(np.sort(values))
    steps = np.arange(n + 1) / n
    distance = max(np.max(steps[1:] - expected), np.max(expected - steps[:-1]))
    return bool(distance <= math.sqrt(math.log(2 / FALSE_ALARM) / (2 * n)))


SOURCES = [SystemNoise(), SeededNoise(20261101)]


@pytest.mark.parametrize("noise", SOURCES, ids=lambda source: type(source).__name__)
@pytest.mark.parametrize("sigma", [1_000.0, 12_345.678, 3e8])
def test_the_discrete_gaussian_has_the_shape_and_scale_it_says(noise: NoiseSource, sigma: float) -> None:
    drawn = noise.discrete_gaussian(DRAWS, sigma=sigma)
    assert drawn.dtype == np.int64
    assert drawn.shape == (DRAWS,)
    assert is_standard_normal(drawn / sigma)
    assert not is_standard_normal(drawn / sigma * 2 / 3)
    assert not is_standard_normal(drawn / sigma * 3 / 2)


def test_a_small_discrete_gaussian_has_exactly_its_probabilities() -> None:
    """At sigma = 1.5 rounding a normal would be off by several per cent: the system's sampler is no rounded normal."""
    sigma, n = 1.5, DRAWS
    values = np.arange(-40, 41)
    weight = np.exp(-(values**2) / (2 * sigma**2))
    chances = weight / weight.sum()
    drawn = SystemNoise().discrete_gaussian(n, sigma=sigma)
    for value, chance in zip(values[35:46], chances[35:46], strict=True):
        allowed = (
            math.sqrt(-2 * chance * math.log(FALSE_ALARM / 22) / n) + 2 * math.log(22 / FALSE_ALARM) / n
        )  # Bernstein
        assert abs(np.mean(drawn == value) - chance) <= allowed


@pytest.mark.parametrize("noise", SOURCES, ids=lambda source: type(source).__name__)
def test_normals_are_normal(noise: NoiseSource) -> None:
    drawn = noise.normal(DRAWS)
    assert drawn.dtype == np.float64
    assert is_standard_normal(drawn)
    assert not is_standard_normal(drawn * 2 / 3)
    assert not is_standard_normal(drawn * 3 / 2)


@pytest.mark.parametrize("noise", SOURCES, ids=lambda source: type(source).__name__)
def test_uniforms_are_uniform_and_never_zero_or_one(noise: NoiseSource) -> None:
    drawn = noise.uniform(DRAWS)
    assert is_standard_normal(special.ndtri(drawn))
    assert drawn.min() > 0
    assert drawn.max() < 1


def test_the_ends_of_the_uniform_are_inside_the_open_interval() -> None:
    lowest, highest = 0.5 * 2.0**-52, ((2**52 - 1) + 0.5) * 2.0**-52
    assert lowest > 0
    assert highest < 1
    assert -special.ndtri(lowest) == special.ndtri(highest) > 8  # float32 normals stop at 5.8


@pytest.mark.parametrize("noise", SOURCES, ids=lambda source: type(source).__name__)
def test_nothing_can_be_asked_for(noise: NoiseSource) -> None:
    assert noise.uniform(0).shape == noise.normal(0).shape == noise.discrete_gaussian(0, sigma=1e3).shape == (0,)


@pytest.mark.parametrize("other", [5 + 2**32, 5 + 2**64, 5 + 2**127, 5 + 2**400])
def test_every_bit_of_a_seed_counts(other: int) -> None:
    """torch's CPU generator uses 32 of them: 5 and 5 + 2**32 give the same noise there."""
    assert not np.array_equal(SeededNoise(5).normal(8), SeededNoise(other).normal(8))
    assert np.array_equal(SeededNoise(other).normal(8), SeededNoise(other).normal(8))


@pytest.mark.parametrize("seed", [-1, 1.5, True, None, "5"])
def test_what_is_no_seed_is_refused(seed: object) -> None:
    with pytest.raises(SettingError):
        SeededNoise(seed)  # type: ignore[arg-type]


def test_the_systems_noise_has_no_state_that_a_copy_could_share() -> None:
    noise = SystemNoise()
    for twin in (copy.copy(noise), copy.deepcopy(noise), SystemNoise()):
        assert not np.array_equal(noise.uniform(4), twin.uniform(4))
        assert not np.array_equal(noise.discrete_gaussian(4, sigma=1e9), twin.discrete_gaussian(4, sigma=1e9))
    with pytest.raises(TypeError):
        SystemNoise(5)  # type: ignore[call-arg]


def test_a_forked_process_draws_other_noise() -> None:
    program = """
import os
from reticent.privacy.noise import SystemNoise
noise = SystemNoise()
noise.discrete_gaussian(1, sigma=1e9), noise.normal(1)
child = os.fork()
print(*noise.discrete_gaussian(2, sigma=1e9), *noise.uniform(2), flush=True)
if child: os.waitpid(child, 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len(lines) == 2
    assert not set(lines[0]) & set(lines[1])
