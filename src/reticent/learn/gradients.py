"""What is each example's gradient? Written out for linear heads and this package's trunks; by Opacus' hooks for others.

One example's gradient must not depend on how many others were drawn, and how a product rounds depends on its shape: so what is
written out goes by `model.products`, and a pass of Opacus' is filled up with nothing.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot, softmax

from reticent.actions.pool import Ints, Pool
from reticent.actions.vocabulary import CELLS, KINDS
from reticent.errors import SettingError
from reticent.learn.clipping import Outer, Parts, Samples
from reticent.learn.layers import recorded, trunk_parts
from reticent.model.frozen import Frozen, freeze
from reticent.model.heads import CELL_LOSS, Heads, summed_loss
from reticent.model.inputs import Inputs, inputs
from reticent.model.network import Network
from reticent.model.pools import take
from reticent.model.products import ROWS, product, through
from reticent.model.trunk import Features, Trunk

HOOKED_AT_ONCE = 16  # of a trunk that was brought


@dataclass(frozen=True, slots=True, kw_only=True)
class Gradients:
    """of: given at most `at_once` rows, their gradients first; what fills a pass up comes after them: one empty example where there
    is no row, and as many as `at_once` takes through a trunk that was brought."""

    at_once: int
    of: Callable[[Ints], Parts]


def frozen_gradients(heads: Heads, frozen: Frozen) -> Gradients:
    """Of the heads, from features that don't change."""

    def some(part: Tensor, rows: Tensor) -> Tensor:
        out = torch.zeros((max(1, len(rows)), *part.shape[1:]), dtype=torch.float64)
        out[: len(rows)] = part[rows]
        return out

    def gradients(rows: Ints) -> Parts:
        part, places = frozen.seen, torch.from_numpy(rows)
        seen = Features(kind=some(part.kind, places), grid=some(part.grid, places), place=some(part.place, places))
        return head_parts(heads, seen, *_labels(frozen, rows, size=len(seen)))

    return Gradients(at_once=ROWS, of=gradients)


def passing_gradients(network: Network, pool: Pool) -> Gradients:
    """Of the heads, from features that are forgotten after each pass."""

    def gradients(rows: Ints) -> Parts:
        some = freeze(network, take(pool, rows, size=len(rows)))
        return frozen_gradients(network.heads, some).of(np.arange(len(rows)))

    return Gradients(at_once=ROWS, of=gradients)


def window_gradients(network: Network, pool: Pool) -> Gradients:
    """Of heads and trunk, from windows, in one forward and one backward pass; a trunk that was brought then has Opacus' hooks."""
    trunk = network.trunk
    if not isinstance(trunk, Trunk):
        return hooked_gradients(network, pool)

    def gradients(rows: Ints) -> Parts:
        size = max(1, len(rows))
        labels = _labels(pool, rows, size=size)
        raw, layers = recorded(trunk, inputs(take(pool, rows, size=size), dtype=torch.float64))
        heads, slopes = raw_head_parts(network.heads, trunk, raw, *labels)
        return [*heads, *trunk_parts(raw, slopes, layers)]

    return Gradients(at_once=ROWS, of=gradients)


def hooked_gradients(network: Network, pool: Pool) -> Gradients:
    """Of heads and trunk, from windows, for every layer that Opacus knows; the network then has its hooks."""
    from opacus import GradSampleModule  # imports much, for the few models that need it

    module = GradSampleModule(network, loss_reduction="sum")
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]

    @torch.enable_grad()
    def gradients(rows: Ints) -> Parts:
        seen = inputs(take(pool, rows, size=HOOKED_AT_ONCE), dtype=torch.float64)
        for part in Inputs.__slots__:
            getattr(seen, part).requires_grad_()  # or Opacus' hooks warn that they fire without an input gradient
        kind, cell = module(seen)
        next_kind, next_cell = _labels(pool, rows, size=HOOKED_AT_ONCE)
        torch.autograd.backward(summed_loss(kind, cell, next_kind=next_kind, next_cell=next_cell))
        samples = [(parameter, parameter.grad_sample) for parameter in parameters]  # type: ignore[attr-defined]
        parts = [Samples(parameter=parameter, values=sample.flatten(1)) for parameter, sample in samples]
        module.zero_grad(set_to_none=True)
        return parts

    return Gradients(at_once=HOOKED_AT_ONCE, of=gradients)


def check_layers(network: Network) -> None:
    """Raises SettingError where Opacus can't give each example's gradient of a trunk that was brought."""
    if isinstance(network.trunk, Trunk):
        return
    try:
        hooked_gradients(deepcopy(network), Pool.empty()).of(np.zeros(0, dtype=np.int64))
    except Exception as error:  # of somebody else's layers, in as many ways as there are layers
        raise SettingError(
            "Opacus can't give each example's gradient of every parameter of this trunk: it doesn't know a layer, or one isn't used; "
            "learn.trainable=heads leaves the trunk as it is; nothing was trained"
        ) from error


@torch.no_grad()
def head_parts(heads: Heads, seen: Features, next_kind: Tensor, next_cell: Tensor) -> Parts:
    """Each example's gradient of the heads: a linear map's is the residual times its input.

    seen: n examples in the heads' precision. next_kind, next_cell: labels, (n,), within the vocabulary.
    """
    of_cell = product(seen.grid, heads.cell_grid.weight[0]) + through(heads.cell_place, seen.place)
    kind, cell = _residuals(through(heads.kind, seen.kind), of_cell, next_kind, next_cell)
    everywhere = torch.bmm(cell.unsqueeze(1), seen.grid).squeeze(1)
    return _head_parts(heads, kind, cell, seen_kind=seen.kind, everywhere=everywhere, seen_place=seen.place)


@torch.no_grad()
def raw_head_parts(
    heads: Heads, trunk: Trunk, raw: Features, next_kind: Tensor, next_cell: Tensor
) -> tuple[Parts, Features]:
    """As `head_parts` from features before whitening, and the gradient of `summed_loss` in these.

    Whitening and heads are one linear map; the whitened features of cells, by far the most numbers, are never formed.
    """
    whitening = trunk.grid_whitening
    seen_kind, seen_place = trunk.kind_whitening.alike(raw.kind), trunk.place_whitening.alike(raw.place)
    weight = whitening.backward(heads.cell_grid.weight)  # (1, cell_features), of raw features
    of_cell = product(raw.grid, weight[0]) - whitening.mean @ weight[0]
    of_cell += through(heads.cell_place, seen_place)
    kind, cell = _residuals(through(heads.kind, seen_kind), of_cell, next_kind, next_cell)
    everywhere = torch.bmm(cell.unsqueeze(1), raw.grid).squeeze(1) - cell.sum(dim=1, keepdim=True) * whitening.mean
    slopes = Features(
        kind=product(kind, trunk.kind_whitening.backward(heads.kind.weight)),
        grid=cell.unsqueeze(2) * weight,
        place=product(cell, trunk.place_whitening.backward(heads.cell_place.weight)),
    )
    parts = _head_parts(
        heads, kind, cell, seen_kind=seen_kind, everywhere=product(everywhere, whitening.matrix), seen_place=seen_place
    )
    return parts, slopes


def _residuals(kind: Tensor, cell: Tensor, next_kind: Tensor, next_cell: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient of `summed_loss` in both logits: softmax less label, CELL_LOSS times that for the cell."""
    of_kind = softmax(kind, dim=1) - one_hot(next_kind, KINDS)
    return of_kind, CELL_LOSS * (softmax(cell, dim=1) - one_hot(next_cell, CELLS))


def _head_parts(
    heads: Heads, kind: Tensor, cell: Tensor, *, seen_kind: Tensor, everywhere: Tensor, seen_place: Tensor
) -> Parts:
    """kind, cell: residuals. everywhere: (n, cell_features), whitened features of cells times residuals, summed over cells."""
    return [
        Outer(parameter=heads.kind.weight, left=kind, right=seen_kind),
        Samples(parameter=heads.kind.bias, values=kind),
        Samples(parameter=heads.cell_grid.weight, values=everywhere),
        Outer(parameter=heads.cell_place.weight, left=cell, right=seen_place),
        Samples(parameter=heads.cell_place.bias, values=cell),
    ]


def _labels(examples: Frozen | Pool, rows: Ints, *, size: int) -> tuple[Tensor, Tensor]:
    """Labels outside the vocabulary count as the nearest inside."""
    filled = np.zeros((2, size), dtype=np.int64)
    filled[0, : len(rows)] = examples.next_kind[rows].clip(0, KINDS - 1)
    filled[1, : len(rows)] = examples.next_cell[rows].clip(0, CELLS - 1)
    return torch.from_numpy(filled[0]), torch.from_numpy(filled[1])
