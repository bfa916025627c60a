"""Fitting on public examples is repeatable, learns, and leaves features of a known size."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from reticent.actions.pool import Pool
from reticent.actions.vocabulary import KINDS
from reticent.errors import SettingError
from reticent.evaluate.metrics import score_network
from reticent.model import catalogue
from reticent.model.fitting import fit, with_habits
from reticent.model.network import Network, encode_public, features
from reticent.model.pools import take
from tests.model.random_pools import random_pool

MODEL = "office-10k"


def fit_to(
    pool: Pool, near: Sequence[Pool], *, model: str = MODEL, seed: int = 0, epochs: int = 2, whitening: float
) -> Network:
    widths = catalogue.entry(model).architecture
    return fit(widths, pool, near, seed=seed, epochs=epochs, whitening=whitening)


def fitted(*, model: str = MODEL, seed: int = 0, whitening: float = 0.25) -> Network:
    return fit_to(random_pool(256), (), model=model, seed=seed, whitening=whitening)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first, again, other = (encode_public(fitted(seed=seed), name=MODEL) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_fitting_leaves_torchs_generator_alone() -> None:
    before = torch.random.get_rng_state()
    fitted()
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(("model", "whitening"), [(MODEL, 0.0), (MODEL, 0.25), (MODEL, 0.5), ("history", 0.25)])
def test_each_group_of_features_has_mean_zero_and_mean_squared_norm_one(model: str, whitening: float) -> None:
    seen = features(fitted(model=model, whitening=whitening), random_pool(256))
    for group in (seen.kind, seen.grid.flatten(0, 1), seen.place):
        assert float(group.mean(dim=0).abs().max()) < 1e-3
        assert float(group.square().sum(dim=1).mean()) == pytest.approx(1.0, abs=0.01)


def test_whitening_evens_the_variances_out() -> None:
    def spread(whitening: float) -> float:
        values = torch.linalg.eigvalsh(torch.cov(features(fitted(whitening=whitening), random_pool(256)).place.T))
        return float(values[-1] / values.clamp_min(1e-9)[len(values) // 2])

    assert spread(0.0) > 2 * spread(0.25) > 4 * spread(0.5)


def test_the_heads_learn_what_can_be_learnt() -> None:
    pool = random_pool(256)
    network = fitted()
    with torch.no_grad():
        kind, _ = network.heads(features(network, pool))
    assert float((kind.argmax(dim=1).numpy() == pool.next_kind).mean()) > 0.5  # chance is 0.08


def test_where_examples_disagree_the_heads_lean_to_those_that_are_near() -> None:
    near = take(random_pool(256), np.arange(60), size=60)
    near.next_kind[:] = 9

    def of_kind_nine(network: Network) -> float:
        with torch.no_grad():
            kind, _ = network.heads(features(network, near))
        return float((kind.argmax(dim=1) == 9).float().mean())

    assert of_kind_nine(fitted()) < 0.2
    assert of_kind_nine(fit_to(random_pool(256), (near,), whitening=0.25)) > 0.8


def test_a_tenth_more_are_people_who_repeat_one_or_two_kinds_of_action_at_one_place() -> None:
    pool = random_pool(4_000)
    both = with_habits(pool, random=np.random.default_rng(0))
    assert len(both) == 4_400
    some = take(both, np.arange(4_000), size=4_000)
    assert all(np.array_equal(getattr(some, name), getattr(pool, name)) for name in Pool.__slots__)
    made = take(both, np.arange(4_000, 4_400), size=400)
    kinds, cells, goes_on = made.kinds, made.cells, made.next_kind == made.kinds[:, -2]
    assert np.mean(goes_on) == pytest.approx(0.9, abs=0.05)
    stays = cells[:, -1] == cells[:, -2]
    assert stays.all()
    assert (made.next_cell == cells[:, -1])[goes_on].mean() > 0.95
    assert np.mean(kinds[:, -1] == kinds[:, -2]) == pytest.approx(
        0.54, abs=0.08
    )  # one kind, or twice the same by chance
    assert len(np.unique(kinds[:, -1])) == KINDS


def test_who_repeats_what_nobody_was_seen_to_do_is_known() -> None:
    """Of all kinds, the public examples have two alone, by turns with themselves."""
    pool = random_pool(1_000)
    pool.kinds[:], pool.next_kind[:] = 0, np.arange(1_000) % 2
    network = fit_to(pool, (), whitening=0.25)
    strange = take(pool, np.arange(100), size=100)
    strange.kinds[:, 0::2], strange.kinds[:, 1::2], strange.next_kind[:] = 7, 4, 7
    assert score_network(network, strange).top1 > 0.9


def test_too_few_examples_are_refused() -> None:
    for pool in (Pool.empty(), random_pool(127)):
        with pytest.raises(SettingError, match="at least 128"):
            fit_to(pool, (), whitening=0.25)
