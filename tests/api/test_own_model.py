"""A trunk that is brought keeps the contract or is refused with a word; its weights are known by their hash."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import reticent
from reticent.errors import FormatError, SettingError, StateError
from reticent.learn.train import Learner, local_update
from reticent.model import catalogue
from reticent.model.bringing import write_model
from reticent.model.network import features, load, made
from reticent.model.public import initial
from reticent.privacy.noise import SeededNoise
from reticent.records.plan import LocalTraining
from tests.api import trunks
from tests.model.random_pools import random_pool


def sound(path: Path, *, seed: int = 0) -> reticent.Model:
    torch.manual_seed(seed)
    return write_model(trunks.Sound(), path, random_pool(160))


@pytest.fixture(autouse=True)
def _nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_registered", {})


@pytest.mark.parametrize("trainable", ["heads", "all"])
def test_a_registered_model_trains_like_any_other(trainable: str, tmp_path: Path) -> None:
    reticent.register("mine", sound(tmp_path / "mine.safetensors"))
    assert catalogue.names()[-1] == "mine"
    start = initial("mine", trainable)
    assert len(start) == catalogue.parameters("mine", trainable)
    training = LocalTraining(
        sampling_rate=0.5, expected_batch=8, steps=1, learning_rate=1.0, clip_norm=1.0, noise_multiplier=1e-6
    )
    update = local_update(
        random_pool(32), start, model="mine", trainable=trainable, training=training, noise=SeededNoise(1)
    )
    assert update.shape == start.shape
    assert np.isfinite(update).all()
    assert np.linalg.norm(update) > 0.1
    assert catalogue.largest() == max(catalogue.parameters(name, "all") for name in catalogue.names())


def test_a_trunk_whose_examples_gradients_nobody_knows_trains_heads_or_is_refused_before_anything_is_drawn(
    tmp_path: Path,
) -> None:
    reticent.register("mine", write_model(trunks.Recurrent(), tmp_path / "mine.safetensors", random_pool(160)))
    assert len(Learner("mine", "heads").prepare(random_pool(5))) == 5
    with pytest.raises(SettingError, match=r"each example's gradient.*learn\.trainable=heads.*nothing was trained"):
        Learner("mine", "all")


def test_the_trunk_starts_as_it_was_given_and_features_are_whitened(tmp_path: Path) -> None:
    torch.manual_seed(5)
    given = trunks.Sound()
    reticent.register("mine", write_model(given, tmp_path / "mine.safetensors", random_pool(160)))
    network = load("mine")
    assert torch.equal(network.state_dict()["trunk.own.history.weight"], given.history.weight)
    seen = features(network, random_pool(160))
    assert seen.place.mean(dim=0).abs().max() < 1e-4
    assert seen.kind.square().sum(dim=1).mean().item() == pytest.approx(1.0, abs=1e-3)


def test_features_that_never_change_teach_nothing_and_harm_nothing(tmp_path: Path) -> None:
    reticent.register("mine", write_model(trunks.WithoutPlace(), tmp_path / "mine.safetensors", random_pool(160)))
    network = load("mine")
    assert not features(network, random_pool(160)).place.any()
    assert all(parameter.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("trunk", "sentence"),
    [
        (trunks.WithBatchStatistics(), "keeps no buffers"),
        (trunks.WithDropout(), "whatever stands beside it"),
        (trunks.Mixing(), "whatever stands beside it"),
        (trunks.NotFinite(), "features of place are finite numbers"),
        (trunks.WrongShape(), "features of grid have the shape"),
        (trunks.NoFeatures(), "returns reticent.Features"),
        (trunks.WithoutForward(), "has a method forward"),
        (trunks.WithArgument(3), "can't be made"),
        (trunks.nested(), "at the top of a module"),
    ],
)
def test_a_trunk_that_breaks_the_contract_is_refused(trunk: nn.Module, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=sentence):
        write_model(trunk, tmp_path / "mine.safetensors", random_pool(160))
    assert list(tmp_path.iterdir()) == []


def test_a_whitened_trunk_without_features_of_its_own_cannot_be_made() -> None:
    with pytest.raises(
        SettingError, match=r"WithoutRaw can't be made \(TypeError: .*abstract.*raw.*; nothing was loaded"
    ):
        made("tests.api.trunks:WithoutRaw")


@pytest.mark.parametrize("name", ["office-60k", "history", "../mine", "Mine", "", "a" * 65])
def test_a_name_that_is_taken_or_that_no_plan_could_give_is_not_registered(name: str, tmp_path: Path) -> None:
    model = sound(tmp_path / "mine.safetensors")
    with pytest.raises(SettingError, match="nothing was registered"):
        reticent.register(name, model)
    assert dict(catalogue.registered()) == {}


def test_other_weights_than_the_declared_ones_are_never_loaded(tmp_path: Path) -> None:
    first, other = sound(tmp_path / "mine.safetensors", seed=2), sound(tmp_path / "other.safetensors", seed=3)
    reticent.register("mine", first)
    (tmp_path / "other.safetensors").replace(tmp_path / "mine.safetensors")
    with pytest.raises(FormatError, match="not the file whose SHA-256"):
        load("mine")
    (tmp_path / "mine.safetensors").unlink()
    with pytest.raises(StateError, match="nothing was loaded"):
        load("mine")
    with pytest.raises(StateError):
        reticent.register("other", other)


def test_what_is_no_model_and_a_trunk_that_was_not_made_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="what is registered is a Model"):
        reticent.register("mine", "x")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="a torch module that was made, not its class"):
        write_model(trunks.Recurrent, tmp_path / "x", random_pool(160))  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="this trunk fails on Inputs: RuntimeError: boom"):
        write_model(trunks.Failing(), tmp_path / "x", random_pool(160))
    assert list(tmp_path.iterdir()) == []


def test_a_name_registered_again_means_the_newer_model(tmp_path: Path) -> None:
    reticent.register("mine", sound(tmp_path / "first.safetensors"))
    before = initial("mine", "all")
    reticent.register("mine", sound(tmp_path / "second.safetensors", seed=1))
    assert not np.array_equal(before, initial("mine", "all"))


@pytest.mark.parametrize(
    "wrong", [{"trunk": "os.system"}, {"trunk": "a:b.c"}, {"weights": "mine.safetensors"}, {"sha256": "0" * 63}]
)
def test_a_declaration_that_makes_no_sense_is_refused_when_it_is_made(wrong: dict[str, str], tmp_path: Path) -> None:
    values = {"trunk": "tests.api.trunks:Sound", "weights": tmp_path / "x", "sha256": "0" * 64}
    with pytest.raises(SettingError, match="nothing was loaded"):
        reticent.Model(**(values | wrong))


def test_public_weights_of_another_trunk_are_refused(tmp_path: Path) -> None:
    model = sound(tmp_path / "mine.safetensors")
    other = reticent.Model(trunk="torch.nn:Identity", weights=model.weights, sha256=model.sha256)
    reticent.register("mine", other)
    with pytest.raises(FormatError, match="don't fit its trunk"):
        load("mine")
