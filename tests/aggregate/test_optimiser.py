"""The server's optimiser."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.aggregate.optimiser import ServerMomentum, ServerState
from reticent.errors import RoundAborted


def test_the_first_step_is_the_mean_update_itself():
    state = ServerMomentum().step(ServerState.start(np.ones(2, np.float32)), np.array([0.5, -1.0]), step=0, steps=10)
    np.testing.assert_array_equal(state.weights, [1.5, 0.0])


def test_velocity_keeps_nine_tenths_and_the_rate_falls_linearly():
    optimiser, state, update = ServerMomentum(), ServerState.start(np.zeros(1, np.float32)), np.array([1.0])
    steps = []
    for step in range(4):
        before, state = state.weights[0], optimiser.step(state, update, step=step, steps=4)
        steps.append(state.weights[0] - before)
    np.testing.assert_allclose(steps, [1.0, 0.75 * 1.9, 0.5 * 2.71, 0.25 * 3.439], rtol=1e-6)


def test_a_step_is_recomputed_by_hand_to_the_bit():
    """Updates on the grid put many sums exactly between two float32, where another order of operations shows."""
    draw = np.random.default_rng(1)
    weights = draw.uniform(0.5, 1, 10_000).astype(np.float32)
    mean = 3 * draw.integers(1, 9_000, 10_000) * 2.0**-14
    after = ServerMomentum().step(ServerState(weights, np.zeros(10_000)), mean, step=1, steps=3)
    np.testing.assert_array_equal(after.weights, (weights + 2 / 3 * mean).astype(np.float32))


def test_a_step_changes_no_array_that_it_was_given():
    state, update = ServerState.start(np.ones(3, np.float32)), np.ones(3)
    ServerMomentum().step(state, update, step=0, steps=1)
    np.testing.assert_array_equal(state.weights, np.ones(3))
    np.testing.assert_array_equal(state.velocity, np.zeros(3))
    np.testing.assert_array_equal(update, np.ones(3))


@settings(deadline=None)
@given(st.floats(width=64), st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_weights_stay_finite_or_the_round_is_aborted(update, weight):
    state = ServerState.start(np.array([weight], np.float32))
    try:
        after = ServerMomentum().step(state, np.array([update]), step=0, steps=1)
    except RoundAborted:
        return
    assert np.isfinite(after.weights).all()
    assert np.isfinite(after.velocity).all()


@pytest.mark.parametrize("update", [np.nan, np.inf, 1e39])
def test_an_update_that_leaves_float32_aborts(update):
    with pytest.raises(RoundAborted, match="nothing was applied"):
        ServerMomentum().step(ServerState.start(np.zeros(1, np.float32)), np.array([update]), step=0, steps=1)
