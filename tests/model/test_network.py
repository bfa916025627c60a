"""Vectors go in and out exactly; the shipped weights are the released ones; examples never meet."""

import dataclasses
import warnings
from types import MappingProxyType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.actions.pool import Pool
from reticent.actions.vocabulary import CELLS, KINDS
from reticent.errors import FormatError, NewerFormatError, SettingError
from reticent.model import catalogue, network
from reticent.model.inputs import inputs
from reticent.model.network import decode_public, encode_public, features, load, set_vector, trained, vector
from reticent.model.pools import take
from reticent.model.public import initial
from reticent.model.tensors import encode
from tests.model.random_pools import random_pool

MODEL = "office-60k"
every_model = pytest.mark.parametrize("name", catalogue.names())


@given(
    seed=st.integers(0, 2**32 - 1),
    name=st.sampled_from(catalogue.names()),
    trainable=st.sampled_from(["heads", "all"]),
)
@settings(max_examples=20, deadline=None)
def test_a_vector_comes_back_bit_for_bit_whatever_its_numbers(seed: int, name: str, trainable: str) -> None:
    size = catalogue.parameters(name, trainable)
    bits = np.random.default_rng(seed).integers(0, 2**32, size, dtype=np.uint32)  # NaN and infinity among them
    model = load(name)
    set_vector(model, trainable, bits.view(np.float32))
    np.testing.assert_array_equal(vector(model, trainable).view(np.uint32), bits)


@every_model
def test_the_vector_is_laid_out_as_the_catalogue_says(name: str) -> None:
    model, start = load(name), 0
    flat = initial(name, "all")
    tensors = dict(model.named_parameters())
    for key, shape in catalogue.shapes(name, "all").items():
        size = int(np.prod(shape))
        np.testing.assert_array_equal(flat[start : start + size].reshape(shape), tensors[key].detach().numpy())
        start += size
    assert start == len(flat)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros(12, dtype=np.float32),
        np.zeros(0, dtype=np.float32),
        np.zeros(catalogue.parameters(MODEL, "heads"), dtype=np.float64),
        np.zeros((1, catalogue.parameters(MODEL, "heads")), dtype=np.float32),
        [0.0] * catalogue.parameters(MODEL, "heads"),
    ],
    ids=["short", "empty", "float64", "two dimensions", "a list"],
)
def test_a_wrong_vector_is_refused_and_the_model_unchanged(wrong: object) -> None:
    model = load(MODEL)
    with pytest.raises(SettingError, match="unchanged"):
        set_vector(model, "heads", wrong)  # type: ignore[arg-type]
    np.testing.assert_array_equal(vector(model, "heads"), initial(MODEL, "heads"))


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(SettingError):
        list(trained(load(MODEL), "trunk"))
    with pytest.raises(SettingError):
        load("office-61k")


def test_loading_gives_a_copy_and_draws_nothing_from_torch() -> None:
    network._public.cache_clear()
    before = torch.random.get_rng_state()
    first = load(MODEL)
    set_vector(first, "heads", np.zeros(catalogue.parameters(MODEL, "heads"), dtype=np.float32))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.any(vector(load(MODEL), "heads"))


def test_shipped_weights_with_another_hash_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    other = dataclasses.replace(catalogue.entry(MODEL), sha256="0" * 64)
    monkeypatch.setattr(catalogue, "_MODELS", MappingProxyType({MODEL: other}))
    network._public.cache_clear()
    with pytest.raises(FormatError, match="not the ones it was released with"):
        load(MODEL)


@every_model
def test_public_weights_survive_encoding_and_the_bytes_are_always_the_same(name: str) -> None:
    model = load(name)
    data = encode_public(model, name=name)
    assert data == encode_public(decode_public(data, name=name), name=name)


def test_one_models_weights_are_no_other_models() -> None:
    with pytest.raises(FormatError, match="names or shapes"):
        decode_public(encode_public(load("office-10k"), name="office-10k"), name="office-170k")


def test_public_weights_of_a_newer_version_or_another_shape_are_refused() -> None:
    tensors = {name: value.numpy() for name, value in load(MODEL).state_dict().items()}
    with pytest.raises(NewerFormatError):
        decode_public(encode(tensors, {"version": "2", "model": MODEL}), name=MODEL)
    tensors.pop("trunk.place_whitening.mean")
    with pytest.raises(FormatError, match="names or shapes"):
        decode_public(encode(tensors, {"version": "1", "model": MODEL}), name=MODEL)


def test_logits_have_the_vocabularys_sizes_and_an_empty_pool_gives_none() -> None:
    model = load(MODEL)
    with torch.no_grad():
        kind, cell = model.heads(features(model, random_pool(70)))
        none, nowhere = model.heads(features(model, Pool.empty()))
    assert (kind.shape, cell.shape) == ((70, KINDS), (70, CELLS))
    assert (none.shape, nowhere.shape) == ((0, KINDS), (0, CELLS))


@every_model
def test_an_examples_features_are_the_same_bits_whoever_stands_beside_it(name: str) -> None:
    model, pool = load(name).double(), random_pool(70)
    together = features(model, pool)
    for row in (0, 33, 69):
        alone = features(model, take(pool, np.array([row]), size=1))
        for group in ("kind", "grid", "place"):
            assert torch.equal(getattr(together, group)[row], getattr(alone, group)[0]), group


@every_model
def test_the_label_is_not_seen(name: str) -> None:
    model, pool = load(name), random_pool(8)
    blind = dataclasses.replace(
        pool, next_kind=pool.next_kind * 0, next_cell=pool.next_cell * 0, next_time=pool.next_time * 0
    )
    assert torch.equal(features(model, pool).kind, features(model, blind).kind)


def test_a_missing_patch_says_nothing_even_where_its_pixels_do() -> None:
    model, pool = load(MODEL), random_pool(8)
    hidden = dataclasses.replace(pool, has_patch=np.zeros(8, dtype=np.bool_))
    black = dataclasses.replace(hidden, patches=np.zeros_like(pool.patches))
    assert torch.equal(features(model, hidden).kind, features(model, black).kind)
    assert not torch.equal(features(model, pool).kind, features(model, hidden).kind)


def test_the_history_model_sees_no_screen() -> None:
    model, pool = load("history"), random_pool(8)
    other = dataclasses.replace(pool, frames=255 - pool.frames, patches=255 - pool.patches, has_patch=~pool.has_patch)
    for group in ("kind", "grid", "place"):
        assert torch.equal(getattr(features(model, pool), group), getattr(features(model, other), group))
        assert not torch.equal(
            getattr(features(load(MODEL), pool), group), getattr(features(load(MODEL), other), group)
        )


def test_numbers_outside_the_vocabulary_count_as_the_nearest_inside() -> None:
    pool = random_pool(2)
    wild = dataclasses.replace(pool, kinds=pool.kinds * 0 + 99, cells=pool.cells * 0 - 1, times=pool.times * 0 + 99)
    tame = dataclasses.replace(pool, kinds=pool.kinds * 0 + KINDS, cells=pool.cells * 0, times=pool.times * 0 + 6)
    assert torch.equal(inputs(wild).facts, inputs(tame).facts)
    assert torch.equal(inputs(wild).planes, inputs(tame).planes)


def test_a_linear_head_can_tell_every_pair_of_last_kinds() -> None:
    pool = random_pool(KINDS * KINDS)
    pool.kinds[:, -2:] = np.stack(np.divmod(np.arange(KINDS * KINDS), KINDS), axis=1)
    facts = inputs(pool).facts[:, : (KINDS + 1) ** 2]
    assert torch.linalg.matrix_rank(facts) == KINDS * KINDS


@every_model
def test_flat_black_and_white_screens_give_finite_features(name: str) -> None:
    pool = random_pool(3)
    pool.frames[0], pool.frames[1], pool.frames[2] = 0, 255, np.where(np.arange(64) % 2, 255, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seen = features(load(name), pool)
    assert all(bool(getattr(seen, group).isfinite().all()) for group in ("kind", "grid", "place"))


def test_nothing_made_from_a_pool_shows_its_contents() -> None:
    pool = random_pool(2)
    assert repr(inputs(pool)) == "<Inputs of 2 examples>"
    assert repr(features(load(MODEL), pool)) == "<Features of 2 examples>"
