"""Clipping bounds every example's influence, whatever its gradient is."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from reticent.learn.clipping import Outer, Samples, clipped_sums
from reticent.learn.sampling import draw
from reticent.privacy.noise import SeededNoise

gradients = arrays(
    np.float64, st.tuples(st.integers(1, 6), st.just(5)), elements=st.floats(allow_nan=True, allow_infinity=True)
)


def parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(*shape, dtype=torch.float64))


def total(rows: np.ndarray, *, clip_norm: float, filling: int = 0) -> np.ndarray:
    """The sum over a weight of 3 numbers and a bias of 2; rows that fill up the pass hold NaN."""
    values = torch.from_numpy(np.concatenate([rows, np.full((filling, 5), np.nan)]))
    parts = [
        Samples(parameter=parameter(3, 1), values=values[:, :3]),
        Samples(parameter=parameter(2), values=values[:, 3:]),
    ]
    sums = clipped_sums(parts, real=len(rows), clip_norm=clip_norm)
    return torch.cat([part.flatten() for part in sums]).numpy()


def factored(left: np.ndarray, right: np.ndarray, *, clip_norm: float) -> np.ndarray:
    """The sum over a layer whose gradients are given in factors, and its bias."""
    lefts, rights = torch.from_numpy(left), torch.from_numpy(right)
    parts = [
        Outer(parameter=parameter(2, 3), left=lefts, right=rights),
        Samples(parameter=parameter(2), values=lefts),
    ]
    sums = clipped_sums(parts, real=len(left), clip_norm=clip_norm)
    return torch.cat([part.flatten() for part in sums]).numpy()


@given(gradients, st.sampled_from([1e-6, 0.5, 1.0, 1e6]), st.data())
@settings(max_examples=300, deadline=None)
def test_removing_any_example_moves_the_sum_by_at_most_the_clip_norm(
    rows: np.ndarray, clip_norm: float, data: st.DataObject
) -> None:
    row = data.draw(st.integers(0, len(rows) - 1))
    moved = total(rows, clip_norm=clip_norm) - total(np.delete(rows, row, axis=0), clip_norm=clip_norm)
    assert np.linalg.norm(moved) <= clip_norm * (1 + 1e-9)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 1e200])
def test_an_example_with_one_poisoned_number_counts_as_zero_and_the_others_stay(poison: float) -> None:
    honest = np.array([[0.1, 0.2, 0.3, 0.4, 0.5]])
    poisoned = np.array([[0.1, 0.2, poison, 0.4, 0.5]])
    both = total(np.concatenate([honest, poisoned]), clip_norm=10.0)
    np.testing.assert_array_equal(both, honest[0])


@given(gradients, st.sampled_from([1e-6, 0.5, 1.0, 1e6]), st.data())
@settings(max_examples=300, deadline=None)
def test_the_same_holds_for_gradients_in_factors(rows: np.ndarray, clip_norm: float, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(rows) - 1))
    fewer = np.delete(rows, row, axis=0)
    whole = factored(rows[:, :2], rows[:, 2:], clip_norm=clip_norm)
    moved = whole - factored(fewer[:, :2], fewer[:, 2:], clip_norm=clip_norm)
    assert np.linalg.norm(moved) <= clip_norm * (1 + 1e-9)


def test_factors_give_the_sum_of_written_out_gradients() -> None:
    random = np.random.default_rng(0)
    left, right = random.standard_normal((7, 2)), random.standard_normal((7, 3))
    whole = np.concatenate([np.einsum("no,ni->noi", left, right).reshape(7, 6), left], axis=1)
    clipped = whole * np.minimum(1.0, 2.0 / np.linalg.norm(whole, axis=1))[:, None]
    np.testing.assert_allclose(factored(left, right, clip_norm=2.0), clipped.sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 1e200])
@pytest.mark.parametrize("side", [0, 1])
def test_a_poisoned_factor_counts_as_zero_beside_a_zero_too_and_the_others_stay(side: int, poison: float) -> None:
    honest = (np.array([[0.1, 0.2]]), np.array([[0.3, 0.4, 0.5]]))
    poisoned = (np.array([[0.0, 1.0]]), np.array([[0.0, 1.0, 0.0]]))
    poisoned[side][0, 1] = poison
    both = [np.concatenate(pair) for pair in zip(honest, poisoned, strict=True)]
    np.testing.assert_array_equal(factored(*both, clip_norm=10.0), factored(*honest, clip_norm=10.0))


def test_what_fills_up_a_pass_counts_nothing_whatever_it_holds() -> None:
    rows = np.array([[0.1, 0.2, 0.3, 0.4, 0.5]])
    np.testing.assert_array_equal(total(rows, clip_norm=10.0, filling=3), rows[0])


def test_a_gradient_inside_the_ball_is_left_alone_and_zero_is_no_division_by_zero() -> None:
    np.testing.assert_array_equal(total(np.full((1, 5), 0.1), clip_norm=1.0), np.full(5, 0.1))
    np.testing.assert_array_equal(total(np.zeros((2, 5)), clip_norm=1.0), np.zeros(5))


def test_a_gradient_outside_keeps_its_direction_and_gets_the_clip_norm() -> None:
    clipped = total(np.array([[3.0, 4.0, 0.0, 0.0, 0.0]]), clip_norm=0.5)
    np.testing.assert_allclose(clipped, [0.3, 0.4, 0, 0, 0])


def test_float32_gradients_near_the_largest_number_are_clipped_and_not_lost() -> None:
    clipped = total(np.array([[3e38, -3e38, 0.0, 0.0, 0.0]]), clip_norm=1.0)
    np.testing.assert_allclose(np.linalg.norm(clipped), 1.0)


def test_no_example_at_all_sums_to_zero() -> None:
    np.testing.assert_array_equal(total(np.zeros((0, 5)), clip_norm=1.0), np.zeros(5))
    np.testing.assert_array_equal(total(np.zeros((0, 5)), clip_norm=1.0, filling=4), np.zeros(5))


@pytest.mark.parametrize(("rate", "fits"), [(0.3, True), (0.2, False), (0.45, False)])
def test_poisson_sampling_takes_each_example_at_the_rate(rate: float, fits: bool) -> None:
    taken = len(draw(20_000, sampling_rate=rate, noise=SeededNoise(4)))
    assert (abs(taken / 20_000 - 0.3) < 5 * (0.3 * 0.7 / 20_000) ** 0.5) is fits


def test_a_rate_of_one_takes_everybody_and_an_empty_pool_nobody() -> None:
    np.testing.assert_array_equal(draw(50, sampling_rate=1.0, noise=SeededNoise(0)), np.arange(50))
    assert draw(0, sampling_rate=1.0, noise=SeededNoise(0)).shape == (0,)
