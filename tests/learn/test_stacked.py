"""Many people at once learn what each would learn alone."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import reticent
from reticent.learn import stacked
from reticent.learn.plain import PlainLearner
from reticent.learn.stacked import stacked_updates
from reticent.learn.train import Learner, Prepared
from reticent.model import catalogue
from reticent.model.bringing import write_model
from reticent.model.frozen import Frozen
from reticent.model.public import initial
from reticent.model.tensors import Floats
from reticent.privacy.noise import NoiseSource, SeededNoise
from reticent.records.plain import PlainTraining
from reticent.records.plan import LocalTraining
from tests.api import trunks
from tests.learn.recorded_noise import RecordedNoise
from tests.model.random_pools import random_pool

PEOPLE = (40, 3, 0, 25)
cuda = pytest.param(
    "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here")
)
WHAT = [(model, trainable) for trainable in catalogue.TRAINABLE for model in catalogue.names()]
PLAIN = {
    "all at once": PlainTraining(epochs=2, batch=None, learning_rate=0.5),
    "in batches, of which some people have fewer": PlainTraining(epochs=2, batch=7, learning_rate=0.05),
}


def training(steps: int) -> LocalTraining:
    return LocalTraining(
        sampling_rate=0.6, expected_batch=16, steps=steps, learning_rate=0.2, clip_norm=0.7, noise_multiplier=0.3
    )


def prepared_by(learner: Learner | PlainLearner) -> list[Prepared]:
    return [learner.prepare(random_pool(examples, seed=examples)) for examples in PEOPLE]


def together(
    people: Sequence[Prepared],
    weights: Floats,
    *,
    steps: int,
    noise: Sequence[NoiseSource],
    device: str = "cpu",
) -> list[Floats]:
    model, trainable = people[0].model, people[0].trainable
    some = [one.examples for one in people]
    return stacked_updates(
        some, weights, model=model, trainable=trainable, training=training(steps), noise=noise, device=device
    )


def recorded(scale: float) -> list[NoiseSource]:
    return [RecordedNoise(seed, scale=scale) for seed in range(len(PEOPLE))]


@pytest.mark.parametrize("device", ["cpu", cuda])
@pytest.mark.parametrize("scale", [1.0, 0.0])
@pytest.mark.parametrize(("model", "trainable"), WHAT)
def test_everybodys_update_is_their_own_with_noise_and_without(
    model: str, trainable: str, scale: float, device: str
) -> None:
    learner, weights = Learner(model, trainable), initial(model, trainable)
    people = prepared_by(learner)
    updates = together(people, weights, steps=3, noise=recorded(scale), device=device)
    for one, own, ours in zip(people, recorded(scale), updates, strict=True):
        alone = learner.update(one, weights, training=training(3), noise=own)
        assert np.linalg.norm(ours - alone) <= 1e-5 * np.linalg.norm(alone)
        assert ours.dtype == np.float32


@pytest.mark.parametrize("at_once", [30, 5])
def test_more_rows_than_fit_are_taken_in_parts_and_people_in_stacks(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner, weights = Learner("history", "all"), initial("history", "all")
    people = prepared_by(learner)
    whole = together(people, weights, steps=2, noise=recorded(1.0))
    monkeypatch.setattr(stacked, "_NUMBERS_AT_ONCE", at_once * len(weights))
    for ours, before in zip(together(people, weights, steps=2, noise=recorded(1.0)), whole, strict=True):
        assert np.linalg.norm(ours - before) <= 1e-6 * np.linalg.norm(before)


@pytest.mark.parametrize("poison", [np.nan, np.inf, 3e38])
def test_a_poisoned_example_counts_as_in_a_round_alone_and_nobody_else_notices(poison: float) -> None:
    learner, weights = Learner("office-10k", "heads"), initial("office-10k", "heads")
    people = prepared_by(learner)
    frozen_of(people[0]).seen.kind[:5] = poison
    quiet = recorded(0.0)
    for one, own, ours in zip(people, recorded(0.0), together(people, weights, steps=1, noise=quiet), strict=True):
        alone = learner.update(one, weights, training=training(1), noise=own)
        assert np.isfinite(ours).all()
        np.testing.assert_allclose(ours, alone, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("large", [np.nan, np.inf, 3e38])
def test_huge_weights_are_tamed_where_everything_trains_as_alone(large: float) -> None:
    learner, weights = Learner("history", "all"), initial("history", "all")
    weights[::7] = large
    people = prepared_by(learner)
    for one, own, ours in zip(
        people, recorded(1.0), together(people, weights, steps=1, noise=recorded(1.0)), strict=True
    ):
        alone = learner.update(one, weights, training=training(1), noise=own)
        assert np.isfinite(ours).all()
        assert np.linalg.norm(ours - alone) <= 1e-5 * np.linalg.norm(alone)


def frozen_of(prepared: Prepared) -> Frozen:
    assert isinstance(prepared.examples, Frozen)
    return prepared.examples


def poisoned(prepared: Prepared) -> None:
    """Whoever this is has no update, and others have theirs."""
    frozen_of(prepared).seen.kind[0] = np.nan


@pytest.mark.parametrize("device", ["cpu", cuda])
@pytest.mark.parametrize("plain", PLAIN.values(), ids=PLAIN)
@pytest.mark.parametrize(("model", "trainable"), WHAT)
@pytest.mark.parametrize("at_once", [4_096, 30], ids=["one stack", "stacks of one, of parts"])
def test_without_an_example_level_everybodys_update_is_their_own_too(
    at_once: int, model: str, trainable: str, plain: PlainTraining, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacked, "_ROWS_AT_ONCE", at_once)
    learner, weights = PlainLearner(model, trainable), initial(model, trainable)
    people = prepared_by(learner)
    if trainable == "heads":
        poisoned(people[1])
    noise = [SeededNoise(seed) for seed in range(len(people))]
    arguments: dict[str, Any] = {"model": model, "trainable": trainable, "training": plain, "device": device}
    updates = stacked_updates([one.examples for one in people], weights, noise=noise, **arguments)
    for seed, (one, ours, left) in enumerate(zip(people, updates, noise, strict=True)):
        own = SeededNoise(seed)
        alone = learner.update(one, weights, training=plain, noise=own)
        assert ours.dtype == np.float32
        assert np.isfinite(ours).all() == np.isfinite(alone).all() == (trainable == "all" or seed != 1)
        if np.isfinite(alone).all():
            assert np.linalg.norm(ours - alone) <= 1e-5 * np.linalg.norm(alone)
        np.testing.assert_array_equal(left.uniform(3), own.uniform(3))


def test_draws_are_those_of_a_round_alone_in_the_same_order() -> None:
    learner, weights = Learner("history", "heads"), initial("history", "heads")
    noise: list[NoiseSource] = [SeededNoise(seed) for seed in range(len(PEOPLE))]
    people = prepared_by(learner)
    together(people, weights, steps=2, noise=noise)
    for seed, (one, left) in enumerate(zip(people, noise, strict=True)):
        own = SeededNoise(seed)
        learner.update(one, weights, training=training(2), noise=own)
        np.testing.assert_array_equal(left.uniform(3), own.uniform(3))


def test_nobody_at_all_is_no_error() -> None:
    nobody = {"model": "history", "trainable": "heads", "training": training(1), "noise": [], "device": "cpu"}
    assert stacked_updates([], initial("history", "heads"), **nobody) == []  # type: ignore[arg-type]


class OneDevice(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """No operation but a copy may see tensors of two devices, whatever torch makes of it."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        parts = tree_leaves((args, kwargs or {}))
        devices = {part.device.type for part in parts if isinstance(part, torch.Tensor) and part.dim()}
        assert len(devices) <= 1 or "copy" in func.name(), func
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(("model", "trainable"), WHAT)
def test_nothing_stays_behind_on_the_processor(model: str, trainable: str, plain: bool) -> None:
    """Where there is no card: torch's meta device knows shapes and devices, and computes nothing."""
    some = [one.examples for one in prepared_by(Learner(model, trainable))]
    weights, how = initial(model, trainable), PLAIN["all at once"] if plain else training(2)
    sums = stacked._sums(model, trainable, how, "meta")
    summed = partial(stacked._summed, sums, some, at_once=16)
    train: Any = stacked._plain if plain else stacked._private
    with OneDevice():  # type: ignore[no-untyped-call]
        moved = train(summed, [len(one) for one in some], weights, how, recorded(1.0), "meta")
    assert moved.shape == (len(some), len(weights))
    assert (moved.dtype, moved.device.type) == (torch.float32 if plain else torch.float64, "meta")


def test_float32_on_a_card_has_all_of_its_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def sums(*_: Any, **__: Any) -> int:
        seen.append(torch.backends.cudnn.allow_tf32)
        return 0

    monkeypatch.setattr(stacked, "window_sums", sums)
    before, pool = torch.backends.cudnn.allow_tf32, random_pool(3)
    plain: dict[str, Any] = {"training": PLAIN["all at once"], "noise": [SeededNoise(0)], "device": "cpu"}
    stacked_updates([pool], initial("history", "all"), model="history", trainable="all", **plain)
    assert set(seen) == {False}
    assert torch.backends.cudnn.allow_tf32 == before


@pytest.mark.parametrize(
    "how", [training(2), PLAIN["in batches, of which some people have fewer"]], ids=["private", "plain"]
)
def test_an_example_whose_gradient_is_infinite_counts_as_alone_and_what_fills_up_harms_nobody(
    how: LocalTraining | PlainTraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trunk that has no gradient where a screen is even, as what fills up is."""
    monkeypatch.setattr(catalogue, "_registered", {})
    reticent.register("rooted", write_model(trunks.Rooted(), tmp_path / "rooted.safetensors", random_pool(160)))
    weights = initial("rooted", "all")
    people = [random_pool(examples, seed=examples) for examples in PEOPLE]
    if isinstance(how, LocalTraining):  # alone, plain training of such an example has no update
        people[0].frames[:5] = 0
    noise: list[NoiseSource] = [SeededNoise(seed) for seed in range(len(people))]
    updates = stacked_updates(people, weights, model="rooted", trainable="all", training=how, noise=noise, device="cpu")
    learner: Any = (PlainLearner if isinstance(how, PlainTraining) else Learner)("rooted", "all")
    for seed, (pool, ours) in enumerate(zip(people, updates, strict=True)):
        alone = learner.update(learner.prepare(pool), weights, training=how, noise=SeededNoise(seed))
        assert np.isfinite(ours).all()
        assert np.linalg.norm(ours - alone) <= 1e-5 * np.linalg.norm(alone)
