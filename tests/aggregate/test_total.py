"""The sum of releases is exact whatever their bound, and what may be added is decided exactly."""

import numpy as np
import pytest

from reticent.aggregate.total import Total, genuine

LARGEST = 2**31 - 1


@pytest.mark.parametrize("bound", [1, 1 << 20, 1 << 29, 1 << 30, LARGEST])
def test_the_sum_is_the_one_of_whole_numbers_however_large_they_are(bound: int) -> None:
    random = np.random.default_rng(0)
    releases = [random.integers(-bound, bound, size=300, endpoint=True).astype(np.int32) for _ in range(40)]
    releases += [np.full(300, bound, dtype=np.int32)] * 10
    total = Total(300, bound=bound)
    for number, values in enumerate(releases):
        total.add(values)
        if number == 20:
            np.testing.assert_array_equal(total.values(), np.sum(releases[:21], axis=0, dtype=np.int64))
    np.testing.assert_array_equal(total.values(), np.sum(releases, axis=0, dtype=np.int64))


def test_a_sum_that_was_read_stays_as_it_is() -> None:
    total = Total(2, bound=5)
    total.add(np.array([1, -2], dtype=np.int32))
    read = total.values()
    total.add(np.array([5, 5], dtype=np.int32))
    assert read.tolist() == [1, -2]


@pytest.mark.parametrize("size", [1, 5, (1 << 17) + 3])
@pytest.mark.parametrize("bound", [16_777_217, LARGEST - 1])  # that float32 can't tell from their neighbours
def test_one_unit_beyond_the_range_is_noticed(size: int, bound: int) -> None:
    values = np.zeros(size, dtype=np.int32)
    for sign in (1, -1):
        values[-1] = sign * bound
        assert genuine(values, bound=bound, longest=1e30)[0]
        values[-1] = sign * (bound + 1)
        assert not genuine(values, bound=bound, longest=1e30)[0]
    values[-1] = -LARGEST - 1  # whose absolute value is no int32
    assert not genuine(values, bound=bound, longest=1e30)[0]


@pytest.mark.parametrize("size", [2, (1 << 17) + 3])
def test_a_norm_a_hair_too_long_is_noticed(size: int) -> None:
    values = np.random.default_rng(1).integers(-30_000, 30_000, size=size).astype(np.int32)
    norm = float(np.linalg.norm(values.astype(np.float64)))
    assert genuine(values, bound=LARGEST, longest=norm * (1 + 1e-12)) == (True, True)
    assert genuine(values, bound=LARGEST, longest=norm * (1 - 1e-12)) == (True, False)
    assert genuine(values, bound=LARGEST, longest=norm / 2) == (True, False)
