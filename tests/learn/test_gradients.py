"""Gradients that are written out are those that Opacus' hooks and plain autograd find."""

import numpy as np
import pytest
import torch
from opacus import GradSampleModule

from reticent.actions.pool import Pool
from reticent.learn.gradients import EXAMPLES_AT_ONCE, frozen_gradients, passing_gradients
from reticent.model import catalogue
from reticent.model.frozen import freeze
from reticent.model.heads import Heads, summed_loss
from reticent.model.network import Network, load, set_vector, trained
from reticent.model.trunk import Features
from tests.model.random_pools import random_pool


def network(model: str, *, size: float = 1.0) -> Network:
    """Random heads, far from any optimum."""
    made = load(model).double().requires_grad_(False)
    random = np.random.default_rng(3)
    set_vector(made, "heads", size * random.standard_normal(catalogue.parameters(model, "heads")).astype(np.float32))
    for _, parameter in trained(made, "heads"):
        parameter.requires_grad_()
    return made


def samples(heads: Heads) -> torch.Tensor:
    """Shape (n, P), in the order of the flat vector."""
    return torch.cat([parameter.grad_sample.flatten(1) for _, parameter in sorted(heads.named_parameters())], dim=1)


def labels(pool: Pool, row: slice = slice(None)) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(getattr(pool, name)[row]) for name in ("next_kind", "next_cell")}


def doubles(seen: Features, row: slice = slice(None)) -> Features:
    """With gradients, or Opacus' hooks warn."""
    return Features(**{name: getattr(seen, name)[row].double().requires_grad_() for name in ("kind", "grid", "place")})


@pytest.mark.parametrize("size", [0.05, 1.0, 1e3])
@pytest.mark.parametrize("model", catalogue.names())
def test_the_heads_gradients_are_those_of_opacus_and_of_one_example_at_a_time(model: str, size: float) -> None:
    made, pool = network(model, size=size), random_pool(EXAMPLES_AT_ONCE)
    frozen = freeze(made, pool)
    frozen_gradients(made.heads, frozen)(np.arange(len(pool)))
    ours = samples(made.heads)

    parameters = [parameter for _, parameter in trained(made, "heads")]
    for row in range(4):
        kind, cell = made.heads(doubles(frozen.seen, slice(row, row + 1)))
        loss = summed_loss(kind, cell, **labels(pool, slice(row, row + 1)))
        alone = torch.cat([part.flatten() for part in torch.autograd.grad(loss, parameters)])
        torch.testing.assert_close(ours[row], alone, rtol=1e-9, atol=1e-12)

    made.zero_grad(set_to_none=True)
    for parameter in parameters:
        parameter.grad_sample = None
    module = GradSampleModule(made.heads, loss_reduction="sum")
    kind, cell = module(doubles(frozen.seen))
    torch.autograd.backward(summed_loss(kind, cell, **labels(pool)))
    torch.testing.assert_close(ours, samples(made.heads), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("model", catalogue.names())
def test_gradients_of_some_rows_stand_first_and_are_the_same_bits_kept_or_computed_anew(model: str) -> None:
    made, pool, rows = network(model), random_pool(70), np.array([3, 33, 69])
    frozen_gradients(made.heads, freeze(made, pool))(rows)
    kept = samples(made.heads)
    passing_gradients(made, pool)(rows)
    assert kept.shape[0] == EXAMPLES_AT_ONCE
    assert torch.equal(kept[:3], samples(made.heads)[:3])
