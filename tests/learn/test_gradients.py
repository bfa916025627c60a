"""Gradients that are written out are those that Opacus' hooks and plain autograd find."""

import numpy as np
import pytest
import torch
from opacus import GradSampleModule

from reticent.actions.pool import Pool
from reticent.learn.clipping import Outer, Parts
from reticent.learn.gradients import (
    HOOKED_AT_ONCE,
    frozen_gradients,
    hooked_gradients,
    passing_gradients,
    window_gradients,
)
from reticent.model import catalogue
from reticent.model.frozen import freeze
from reticent.model.heads import summed_loss
from reticent.model.inputs import inputs
from reticent.model.network import Network, load, set_vector, trained
from reticent.model.pools import take
from reticent.model.products import ROWS, product, through
from reticent.model.trunk import Features
from tests.model.random_pools import random_pool

every_model = pytest.mark.parametrize("model", catalogue.names())


def network(model: str, trainable: str, *, size: float = 1.0) -> Network:
    """Random heads, far from any optimum."""
    made = load(model).double().requires_grad_(False)
    random = np.random.default_rng(3)
    set_vector(made, "heads", size * random.standard_normal(catalogue.parameters(model, "heads")).astype(np.float32))
    for _, parameter in trained(made, trainable):
        parameter.requires_grad_()
    return made


def written(parts: Parts, made: Network, trainable: str) -> torch.Tensor:
    """Shape (n, P), in the order of the flat vector."""
    whole = {
        part.parameter: torch.einsum("no,ni->noi", part.left, part.right) if isinstance(part, Outer) else part.values
        for part in parts
    }
    assert len(whole) == len(parts)
    return torch.cat([whole[parameter].flatten(1) for _, parameter in trained(made, trainable)], dim=1)


def labels(pool: Pool, row: slice = slice(None)) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(getattr(pool, name)[row]) for name in ("next_kind", "next_cell")}


def doubles(seen: Features, row: slice = slice(None)) -> Features:
    """With gradients, or Opacus' hooks warn."""
    return Features(**{name: getattr(seen, name)[row].double().requires_grad_() for name in ("kind", "grid", "place")})


@pytest.mark.parametrize("size", [0.05, 1.0, 1e3])
@every_model
def test_the_heads_gradients_are_those_of_opacus_and_of_one_example_at_a_time(model: str, size: float) -> None:
    made, pool = network(model, "heads", size=size), random_pool(ROWS)
    frozen = freeze(made, pool)
    ours = written(frozen_gradients(made.heads, frozen).of(np.arange(len(pool))), made, "heads")

    parameters = [parameter for _, parameter in trained(made, "heads")]
    for row in range(4):
        kind, cell = made.heads(doubles(frozen.seen, slice(row, row + 1)))
        loss = summed_loss(kind, cell, **labels(pool, slice(row, row + 1)))
        alone = torch.cat([part.flatten() for part in torch.autograd.grad(loss, parameters)])
        torch.testing.assert_close(ours[row], alone, rtol=1e-9, atol=1e-12)

    module = GradSampleModule(made.heads, loss_reduction="sum")
    kind, cell = module(doubles(frozen.seen))
    torch.autograd.backward(summed_loss(kind, cell, **labels(pool)))
    theirs = torch.cat([parameter.grad_sample.flatten(1) for parameter in parameters], dim=1)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("size", [0.05, 1e3])
@every_model
def test_the_trunks_gradients_are_those_of_opacus_and_of_one_example_at_a_time(model: str, size: float) -> None:
    made, pool = network(model, "all", size=size), random_pool(HOOKED_AT_ONCE)
    rows = np.arange(len(pool))
    ours = written(window_gradients(made, pool).of(rows), made, "all")
    parameters = [parameter for _, parameter in trained(made, "all")]
    for row in range(2):
        kind, cell = made(inputs(take(pool, rows[row : row + 1], size=1), dtype=torch.float64))
        loss = summed_loss(kind, cell, **labels(pool, slice(row, row + 1)))
        alone = torch.cat([part.flatten() for part in torch.autograd.grad(loss, parameters)])
        torch.testing.assert_close(ours[row], alone, rtol=1e-9, atol=1e-9 * float(alone.norm()))
    theirs = written(hooked_gradients(made, pool).of(rows), made, "all")
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9 * float(theirs.norm()))


def test_a_pass_leaves_nothing_in_the_network() -> None:
    made, pool = network("office-10k", "all"), random_pool(3)
    gradients = window_gradients(made, pool)
    first = written(gradients.of(np.arange(3)), made, "all")
    assert torch.equal(written(gradients.of(np.arange(3)), made, "all"), first)
    assert all(parameter.grad is None for parameter in made.parameters())
    assert not any(module._forward_hooks for module in made.modules())


@every_model
def test_gradients_of_some_rows_stand_first_and_are_the_same_bits_kept_or_computed_anew(model: str) -> None:
    made, pool, rows = network(model, "heads"), random_pool(70), np.array([3, 33, 69])
    kept = written(frozen_gradients(made.heads, freeze(made, pool)).of(rows), made, "heads")
    passed = written(passing_gradients(made, pool).of(rows), made, "heads")
    assert len(kept) == 3
    assert torch.equal(kept, passed)


@pytest.mark.parametrize("trainable", ["heads", "all"])
@pytest.mark.parametrize("size", [0.05, 1e3])
@every_model
def test_an_example_s_gradient_is_the_same_bits_however_many_others_were_drawn(
    model: str, size: float, trainable: str
) -> None:
    made, pool, rows = network(model, trainable, size=size), random_pool(ROWS), np.arange(ROWS)
    of = (window_gradients(made, pool) if trainable == "all" else frozen_gradients(made.heads, freeze(made, pool))).of
    whole = written(of(rows), made, trainable)
    for some in (1, 2, 7, 16, 17, ROWS - 1):
        assert torch.equal(written(of(rows[:some]), made, trainable), whole[:some])
    assert len(written(of(rows[:0]), made, trainable)) == 1  # an empty draw makes a pass, too
    other = written(of(np.roll(rows, 5)), made, trainable)  # in another place
    torch.testing.assert_close(other, whole[np.roll(rows, 5)], rtol=1e-12, atol=1e-14 * float(whole.abs().max()))


def test_more_examples_than_a_product_has_rows_are_no_product_of_some_of_them() -> None:
    many, linear = torch.ones(ROWS + 1, 3, dtype=torch.float64), torch.nn.Linear(3, 2).double()
    for multiply in (lambda: product(many, linear.weight.T), lambda: through(linear, many)):
        with pytest.raises(RuntimeError, match="negative"):
            multiply()
