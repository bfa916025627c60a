"""Local training does what its docstring promises: checked against a plain loop, and against hostile weights."""

import logging
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn.functional import cross_entropy

from reticent.actions.pool import Pool
from reticent.errors import SettingError
from reticent.learn import train
from reticent.learn.train import WEIGHT_LIMIT, Learner, local_update
from reticent.model import catalogue
from reticent.model.catalogue import parameters
from reticent.model.frozen import Frozen, freeze
from reticent.model.inputs import inputs
from reticent.model.network import Network, load, set_vector, trained
from reticent.model.pools import take, together
from reticent.model.public import initial
from reticent.model.tensors import Floats
from reticent.privacy.noise import NoiseSource, SeededNoise, SystemNoise
from reticent.records.plan import LocalTraining
from tests.learn.recorded_noise import BreakingNoise, ConstantDraws, RecordedNoise
from tests.model.random_pools import random_pool

MODEL = "office-60k"
CLIP = 0.7
BATCH = 16
RATE = 2.0
Doubles = npt.NDArray[np.float64]


def training(**changes: float) -> LocalTraining:
    settings = {
        "sampling_rate": 1.0,
        "expected_batch": BATCH,
        "steps": 1,
        "learning_rate": RATE,
        "clip_norm": CLIP,
        "noise_multiplier": 1.3,
    }
    return LocalTraining(**(settings | changes))


def update(
    pool: Pool,
    noise: NoiseSource,
    *,
    weights: Floats | None = None,
    model: str = MODEL,
    trainable: str = "heads",
    settings: LocalTraining | None = None,
) -> Floats:
    return local_update(
        pool,
        initial(model, trainable) if weights is None else weights,
        model=model,
        trainable=trainable,
        training=settings or training(),
        noise=noise,
    )


def clipped_sum(pool: Pool, *, weights: Floats | None = None, model: str = MODEL, trainable: str = "heads") -> Doubles:
    """The sum before noise of one step over the whole pool."""
    silent = RecordedNoise(scale=0.0)
    return update(pool, silent, weights=weights, model=model, trainable=trainable).astype(np.float64) * -BATCH / RATE


def without(pool: Pool, row: int) -> Pool:
    rows = np.delete(np.arange(len(pool)), row)
    return take(pool, rows, size=len(rows))


def plain_loop(pool: Pool, noise: RecordedNoise, *, model: str, trainable: str, settings: LocalTraining) -> Doubles:
    """DP-SGD as its paper writes it: one example at a time, autograd only."""
    network = load(model)
    set_vector(network, trainable, initial(model, trainable))
    network.double().requires_grad_(False)
    tensors = [parameter.requires_grad_() for _, parameter in trained(network, trainable)]
    start = torch.cat([tensor.detach().flatten() for tensor in tensors])
    draws = [np.flatnonzero(noise.uniform(len(pool)) < settings.sampling_rate) for _ in range(settings.steps)]
    for rows in draws:
        total = torch.zeros(parameters(model, trainable), dtype=torch.float64)
        for row in rows:
            one = take(pool, np.array([row]), size=1)
            kind, cell = network(inputs(one, dtype=torch.float64))
            loss = cross_entropy(kind, torch.from_numpy(one.next_kind))
            loss = loss + 0.25 * cross_entropy(cell, torch.from_numpy(one.next_cell))
            gradient = torch.cat([part.flatten() for part in torch.autograd.grad(loss, tensors)])
            total += gradient * min(1.0, settings.clip_norm / float(gradient.norm()))
        total += torch.from_numpy(noise.normal(len(total))) * settings.noise_multiplier * settings.clip_norm
        step = settings.learning_rate * total / settings.expected_batch
        with torch.no_grad():
            for tensor, part in zip(tensors, torch.split(step, [t.numel() for t in tensors]), strict=True):
                tensor -= part.view_as(tensor)
    change: Doubles = (torch.cat([tensor.detach().flatten() for tensor in tensors]) - start).numpy()
    return change


every_model = pytest.mark.parametrize("model", catalogue.names())


@every_model
@pytest.mark.parametrize("trainable", ["heads", "all"])
def test_the_update_equals_a_plain_loop_over_examples(model: str, trainable: str) -> None:
    pool, settings = random_pool(60), training(steps=2, sampling_rate=0.6)
    ours = update(pool, RecordedNoise(), model=model, trainable=trainable, settings=settings)
    loop = plain_loop(pool, RecordedNoise(), model=model, trainable=trainable, settings=settings)
    assert np.linalg.norm(ours - loop) <= 1e-5 * np.linalg.norm(loop)


@every_model
@pytest.mark.parametrize("trainable", ["heads", "all"])
def test_the_clipped_sum_equals_a_plain_loop_where_no_noise_hides_an_error(model: str, trainable: str) -> None:
    pool = random_pool(40)
    loop = plain_loop(pool, RecordedNoise(scale=0.0), model=model, trainable=trainable, settings=training())
    ours = update(pool, RecordedNoise(scale=0.0), model=model, trainable=trainable)
    assert np.linalg.norm(ours - loop) <= (1e-6 if trainable == "heads" else 1e-5) * np.linalg.norm(loop)


def test_features_that_are_not_kept_between_steps_give_the_same_update(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, settings = random_pool(70), training(steps=2, sampling_rate=0.5)
    kept = update(pool, RecordedNoise(), settings=settings)
    monkeypatch.setattr(train, "KEPT_EXAMPLES", 0)
    np.testing.assert_allclose(update(pool, RecordedNoise(), settings=settings), kept, atol=1e-9)


@pytest.mark.parametrize("trainable", ["heads", "all"])
def test_a_learner_gives_the_bits_of_a_single_round_whomever_and_whatever_it_saw_before(trainable: str) -> None:
    learner, pools = Learner(MODEL, trainable), [random_pool(n, seed=n) for n in (40, 3, 0)]
    prepared = [learner.prepare(pool) for pool in pools]
    settings, start = training(steps=2, sampling_rate=0.6), initial(MODEL, trainable)
    for seed, weights in enumerate((start, hostile("huge of both signs", trainable), start)):
        for pool, ready in zip(pools, prepared, strict=True):
            change = learner.update(ready, weights, training=settings, noise=SeededNoise(seed))
            alone = update(pool, SeededNoise(seed), weights=weights, trainable=trainable, settings=settings)
            np.testing.assert_array_equal(change, alone)


@pytest.mark.parametrize("trainable", ["heads", "all"])
def test_a_learner_computes_with_one_thread_however_many_the_process_has(
    trainable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[int] = []

    class Watched(RecordedNoise):
        def normal(self, n: int) -> Doubles:
            used.append(torch.get_num_threads())
            return super().normal(n)

    def watched(network: Network, pool: Pool) -> Frozen:
        used.append(torch.get_num_threads())
        return freeze(network, pool)

    monkeypatch.setattr("reticent.learn.train.freeze", watched)
    before, learner = torch.get_num_threads(), Learner(MODEL, trainable)
    try:
        torch.set_num_threads(2)
        ready = learner.prepare(random_pool(5))
        learner.update(ready, initial(MODEL, trainable), training=training(), noise=Watched())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert used == ([1, 1] if trainable == "heads" else [1])


@pytest.mark.parametrize("trainable", ["heads", "all"])
def test_a_round_that_broke_off_leaves_nothing_to_the_next(trainable: str) -> None:
    learner = Learner(MODEL, trainable)
    ready, start = learner.prepare(random_pool(40)), initial(MODEL, trainable)
    expected = learner.update(ready, start, training=training(), noise=SeededNoise(1))
    with pytest.raises(ZeroDivisionError):
        learner.update(ready, hostile("cancelling", trainable), training=training(steps=3), noise=BreakingNoise())
    np.testing.assert_array_equal(learner.update(ready, start, training=training(), noise=SeededNoise(1)), expected)


def test_prepared_features_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = Learner(MODEL, "heads")
    ready = learner.prepare(random_pool(40))
    monkeypatch.setattr(train, "freeze", None)
    learner.update(ready, initial(MODEL, "heads"), training=training(), noise=SeededNoise(1))


def test_too_many_examples_are_prepared_in_each_round_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, pool = Learner(MODEL, "heads"), random_pool(40)
    kept = learner.update(learner.prepare(pool), initial(MODEL, "heads"), training=training(), noise=SeededNoise(1))
    monkeypatch.setattr(train, "KEPT_EXAMPLES", 39)
    ready = learner.prepare(pool)
    assert ready.examples is pool
    np.testing.assert_array_equal(
        learner.update(ready, initial(MODEL, "heads"), training=training(), noise=SeededNoise(1)), kept
    )


def test_examples_prepared_for_another_choice_are_refused() -> None:
    ready = Learner(MODEL, "all").prepare(random_pool(2))
    with pytest.raises(SettingError, match="another model or choice"):
        Learner(MODEL, "heads").update(ready, initial(MODEL, "heads"), training=training(), noise=SeededNoise(1))


def hostile(kind: str, trainable: str, *, model: str = MODEL) -> Floats:
    size = parameters(model, trainable)
    random = np.random.default_rng(3)
    signs = random.choice(np.array([-1.0, 1.0], dtype=np.float32), size)
    made: dict[str, Callable[[], Floats]] = {
        "public": lambda: initial(model, trainable),
        "huge": lambda: np.full(size, 1e38, dtype=np.float32),
        "huge of both signs": lambda: signs * np.float32(1e38),
        "nan": lambda: np.full(size, np.nan, dtype=np.float32),
        "some nan": lambda: np.where(random.random(size) < 0.01, np.nan, initial(model, trainable)).astype(np.float32),
        "infinite": lambda: np.where(signs > 0, np.inf, -np.inf).astype(np.float32),
        "cancelling": lambda: (signs * random.uniform(1e3, 1e4, size)).astype(np.float32),
    }
    return made[kind]()


HOSTILE = ["public", "huge", "huge of both signs", "nan", "some nan", "infinite", "cancelling"]


@pytest.mark.parametrize("trainable", ["heads", "all"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_removing_or_swapping_one_example_moves_the_sum_by_one_clip_norm_or_two(kind: str, trainable: str) -> None:
    weights = hostile(kind, trainable)
    pool, other = random_pool(9), random_pool(1, seed=5)
    whole = clipped_sum(pool, weights=weights, trainable=trainable)
    for row in (0, 4):
        fewer = clipped_sum(without(pool, row), weights=weights, trainable=trainable)
        swapped = clipped_sum(together([without(pool, row), other]), weights=weights, trainable=trainable)
        assert np.linalg.norm(whole - fewer) <= CLIP * (1 + 1e-5)
        assert np.linalg.norm(whole - swapped) <= 2 * CLIP * (1 + 1e-5)


@every_model
@pytest.mark.parametrize("trainable", ["heads", "all"])
@pytest.mark.parametrize("kind", ["public", "huge of both signs", "cancelling"])
def test_a_clipped_gradient_is_the_same_whoever_stands_beside_it(kind: str, trainable: str, model: str) -> None:
    # Rounding depends on a product's shape. If it could decide an example's gradient, one person more would change all.
    weights = hostile(kind, trainable, model=model)
    pool = random_pool(5)
    each = [take(pool, np.array([row]), size=1) for row in range(5)]
    alone = sum(clipped_sum(one, weights=weights, model=model, trainable=trainable) for one in each)
    whole = clipped_sum(pool, weights=weights, model=model, trainable=trainable)
    np.testing.assert_allclose(whole, alone, atol=1e-6 * CLIP)


@pytest.mark.parametrize("trainable", ["heads", "all"])
def test_hostile_features_stay_inside_the_bound(trainable: str) -> None:
    pool = random_pool(6)
    pool.frames[:2], pool.patches[:2] = 255, 0
    pool.frames[2] = np.where(np.arange(64) == 7, 255, 0)
    pool.kinds[3], pool.cells[3], pool.times[3] = 10**12, -5, 10**6  # outside any vocabulary
    pool.next_kind[4], pool.next_cell[4] = -1, 10**9
    for row in range(6):
        moved = clipped_sum(pool, trainable=trainable) - clipped_sum(without(pool, row), trainable=trainable)
        assert np.linalg.norm(moved) <= CLIP * (1 + 1e-5)


@pytest.mark.parametrize("trainable", ["heads", "all"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_an_empty_pool_gives_pure_noise_of_the_same_scale_whatever_the_weights(kind: str, trainable: str) -> None:
    settings, noise = training(steps=3), RecordedNoise()
    change = update(Pool.empty(), noise, weights=hostile(kind, trainable), trainable=trainable, settings=settings)
    expected = -RATE / BATCH * CLIP * settings.noise_multiplier * np.sum(noise.normals, axis=0)
    np.testing.assert_allclose(change, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", HOSTILE)
def test_one_example_changes_the_update_by_one_clipped_gradient_and_nothing_else(kind: str) -> None:
    weights = hostile(kind, "heads")
    without_it = update(Pool.empty(), RecordedNoise(), weights=weights)
    with_it = update(random_pool(1), RecordedNoise(), weights=weights)
    assert with_it.shape == without_it.shape
    assert with_it.dtype == without_it.dtype == np.float32
    assert np.isfinite(with_it).all()
    assert np.linalg.norm(with_it - without_it) <= RATE / BATCH * CLIP * (1 + 1e-4)


def has_scale(values: Floats, expected: float) -> bool:
    """Whether the standard deviation of P independent normals fits: P is 12,332, so 5 sigma of the estimate is 3.2%."""
    return bool(abs(values.std() / expected - 1) < 0.032 and abs(values.mean()) < 5 * expected / len(values) ** 0.5)


@pytest.mark.parametrize(("factor", "fits"), [(1.0, True), (2 / 3, False), (3 / 2, False)])
def test_the_noise_has_the_plans_scale_and_another_scale_fails(factor: float, fits: bool) -> None:
    settings = training(noise_multiplier=1.3 * factor, steps=4)
    change = update(Pool.empty(), SeededNoise(11), settings=settings)
    assert has_scale(change, RATE / BATCH * 1.3 * CLIP * 4**0.5) is fits


def test_noise_comes_from_the_source_and_never_from_torch() -> None:
    results = []
    for noise in (SystemNoise(), SystemNoise(), SeededNoise(3), SeededNoise(3), SeededNoise(3 + 2**32)):
        torch.manual_seed(0)
        results.append(update(random_pool(3), noise))
    assert not np.array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[2], results[3])
    assert not np.array_equal(results[3], results[4])


def test_torchs_generator_is_not_touched() -> None:
    before = torch.random.get_rng_state()
    update(random_pool(3), SystemNoise())
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("examples", [0, 1, 50])
def test_draws_are_steps_times_p_whatever_the_amount_of_data(examples: int) -> None:
    noise = RecordedNoise()
    update(random_pool(examples), noise, settings=training(steps=3, sampling_rate=0.02))
    assert [len(drawn) for drawn in noise.normals] == [parameters(MODEL, "heads")] * 3
    assert [len(drawn) for drawn in noise.uniforms] == [examples] * 3


def test_the_divisor_is_the_plans_and_not_the_number_of_examples() -> None:
    pool = random_pool(20)
    np.testing.assert_allclose(clipped_sum(together([pool, pool])), 2 * clipped_sum(pool), atol=1e-4)


@pytest.mark.parametrize(("drawn", "taken"), [(0.2499, True), (0.2501, False)])
def test_an_example_takes_part_exactly_when_its_uniform_number_lies_below_the_rate(drawn: float, taken: bool) -> None:
    change = update(random_pool(10), ConstantDraws(drawn), settings=training(sampling_rate=0.25))
    assert bool(np.any(change != 0)) is taken


def test_a_step_without_any_example_is_noised_like_the_others() -> None:
    settings, noise = training(steps=2, sampling_rate=1e-9), RecordedNoise()
    change = update(random_pool(10), noise, settings=settings)
    expected = -RATE / BATCH * CLIP * settings.noise_multiplier * np.sum(noise.normals, axis=0)
    np.testing.assert_allclose(change, expected, rtol=1e-5, atol=1e-6)


def test_absurd_settings_keep_weights_within_twice_the_limit() -> None:
    change = update(random_pool(5), SeededNoise(0), settings=training(learning_rate=1e6, noise_multiplier=1e6, steps=2))
    assert np.abs(change).max() <= 3 * WEIGHT_LIMIT


def test_nothing_about_the_pool_is_logged(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    with caplog.at_level(logging.DEBUG):
        update(random_pool(3), SeededNoise(0))
        update(Pool.empty(), SeededNoise(0))
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_training_without_much_noise_learns() -> None:
    pool = random_pool(200)
    settings = training(steps=8, noise_multiplier=0.01, expected_batch=200, learning_rate=4.0, clip_norm=2.0)
    start = np.zeros(parameters(MODEL, "heads"), dtype=np.float32)
    change = update(pool, SeededNoise(0), weights=start, settings=settings)
    assert plain_loss(pool, start + change) < plain_loss(pool, start) - 0.15


def plain_loss(pool: Pool, weights: Floats) -> float:
    network = load(MODEL)
    set_vector(network, "heads", weights)
    with torch.no_grad():
        kind, _ = network(inputs(pool))
    return float(cross_entropy(kind, torch.from_numpy(pool.next_kind)))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros(3, dtype=np.float32),
        np.zeros(parameters(MODEL, "heads")),
        np.zeros((1, parameters(MODEL, "heads")), dtype=np.float32),
    ],
)
def test_weights_of_another_length_or_type_are_refused_before_any_noise_is_drawn(wrong: Floats) -> None:
    noise = RecordedNoise()
    with pytest.raises(SettingError, match="unchanged"):
        update(random_pool(2), noise, weights=wrong)
    assert noise.normals == noise.uniforms == []


def test_an_unknown_model_or_choice_is_refused() -> None:
    for model, trainable in (("office-9000k", "heads"), (MODEL, "trunk")):
        with pytest.raises(SettingError):
            local_update(
                Pool.empty(),
                initial(MODEL, "heads"),
                model=model,
                trainable=trainable,
                training=training(),
                noise=SeededNoise(0),
            )
