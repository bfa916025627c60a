"""The server's optimiser."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.aggregate.optimiser import Adam, Momentum, ServerState
from reticent.errors import RoundAborted, SettingError


def test_the_first_step_is_the_mean_update_itself():
    state = Momentum().step(Momentum().start(np.ones(2, np.float32)), np.array([0.5, -1.0]), step=0, steps=10)
    np.testing.assert_array_equal(state.weights, [1.5, 0.0])


def test_velocity_keeps_nine_tenths_and_the_rate_falls_linearly():
    optimiser, state, update = Momentum(), Momentum().start(np.zeros(1, np.float32)), np.array([1.0])
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
    after = Momentum().step(ServerState(weights, {"velocity": np.zeros(10_000)}), mean, step=1, steps=3)
    np.testing.assert_array_equal(after.weights, (weights + 2 / 3 * mean).astype(np.float32))


def test_a_step_changes_no_array_that_it_was_given():
    for optimiser in (Momentum(average_from=0.0), Adam(average_from=0.0)):
        state, again, update = *(optimiser.start(np.ones(3, np.float32)) for _ in range(2)), np.ones(3)
        optimiser.step(state, update, step=0, steps=1)
        np.testing.assert_array_equal(state.weights, np.ones(3))
        np.testing.assert_array_equal(update, np.ones(3))
        for name, moment in again.moments.items():
            np.testing.assert_array_equal(state.moments[name], moment)


@settings(deadline=None)
@given(st.floats(width=64), st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_weights_stay_finite_or_the_round_is_aborted(update, weight):
    state = Momentum().start(np.array([weight], np.float32))
    try:
        after = Momentum().step(state, np.array([update]), step=0, steps=1)
    except RoundAborted:
        return
    assert np.isfinite(after.weights).all()
    assert np.isfinite(after.moments["velocity"]).all()


@pytest.mark.parametrize("update", [np.nan, np.inf, 1e39])
def test_an_update_that_leaves_float32_aborts(update):
    with pytest.raises(RoundAborted, match="nothing was applied"):
        Momentum().step(Momentum().start(np.zeros(1, np.float32)), np.array([update]), step=0, steps=1)


def test_without_momentum_and_at_a_constant_rate_it_is_federated_averaging():
    optimiser = Momentum(momentum=0, schedule="constant")
    state = optimiser.start(np.zeros(2, np.float32))
    for step, update in enumerate(([1.0, 0.0], [0.5, 0.25], [0.0, -1.0])):
        state = optimiser.step(state, np.array(update), step=step, steps=3)
    np.testing.assert_array_equal(state.weights, [1.5, -0.75])


def test_adam_is_algorithm_2_of_the_paper():
    """Against the paper's lines, one coordinate at a time, in Python's own numbers."""
    optimiser = Adam(learning_rate=0.3, schedule="constant", beta1=0.8, beta2=0.95, tau=0.01)
    updates = np.random.default_rng(2).normal(size=(6, 4))
    state = optimiser.start(np.ones(4, np.float32))
    for step, update in enumerate(updates):
        state = optimiser.step(state, update, step=step, steps=6)
    for place in range(4):
        x, m, v = 1.0, 0.0, 0.01**2
        for d in updates[:, place]:
            m = 0.8 * m + (1 - 0.8) * d
            v = 0.95 * v + (1 - 0.95) * d * d
            x = x + 0.3 * m / (v**0.5 + 0.01)
        assert state.weights[place] == pytest.approx(x, rel=1e-6)


@pytest.mark.parametrize(("share", "counted"), [(0.0, [1, 2, 3, 4]), (0.5, [3, 4]), (0.74, [3, 4]), (0.99, [4])])
def test_the_average_is_of_the_weights_after_each_round_of_the_last_share(share, counted):
    averaging, plain = Momentum(average_from=share), Momentum()
    state, other, after = averaging.start(np.zeros(1, np.float32)), plain.start(np.zeros(1, np.float32)), {}
    for step in range(4):
        state = averaging.step(state, np.ones(1), step=step, steps=4)
        other = plain.step(other, np.ones(1), step=step, steps=4)
        after[step + 1] = other.weights[0]
        np.testing.assert_array_equal(state.weights, other.weights)  # rounds train from the last weights
        if step + 1 <= counted[0]:
            np.testing.assert_array_equal(state.published, state.weights)
    assert state.published[0] == pytest.approx(np.mean([after[one] for one in counted]), rel=1e-6)
    np.testing.assert_array_equal(other.published, other.weights)


@pytest.mark.parametrize("kind", [Momentum, Adam])
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, "1", True])
def test_a_rate_that_makes_no_sense_is_refused(kind, value):
    with pytest.raises(SettingError, match="learning_rate"):
        kind(learning_rate=value)


@pytest.mark.parametrize(
    ("kind", "name"), [(Momentum, "momentum"), (Adam, "beta1"), (Adam, "beta2"), (Adam, "average_from")]
)
@pytest.mark.parametrize("value", [1.0, -0.1, np.nan, np.inf])
def test_a_share_that_would_never_fade_is_refused(kind, name, value):
    with pytest.raises(SettingError, match=name):
        kind(**{name: value})
