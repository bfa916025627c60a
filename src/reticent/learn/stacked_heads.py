"""What are the sums of many people's gradients of the heads, from features that don't change? Each person has heads of their own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot, softmax

from reticent.actions.pool import Ints
from reticent.actions.vocabulary import CELLS, KINDS
from reticent.model.architecture import Shapes
from reticent.model.frozen import Frozen
from reticent.model.heads import CELL_LOSS


def head_sums(
    people: Sequence[Frozen], drawn: Sequence[Ints], weights: Tensor, shapes: Shapes, *, clip_norm: float | None
) -> Tensor:
    """Each person's sum over the rows drawn of them, shape (n, P), where `weights` are and in their precision.

    weights: (n, P), in the order of `shapes`. clip_norm: of each example's gradient, of which one that isn't finite then counts as zero.
    """
    heads = {name.removeprefix("heads."): part for name, part in named_parts(weights, shapes).items()}
    return _sums(heads, _batch(people, drawn, like=weights), clip_norm=clip_norm)


def named_parts(flat: Tensor, shapes: Shapes) -> dict[str, Tensor]:
    """Each person's parameters by name, views of `flat`, shape (n, P)."""
    parts = torch.split(flat, [int(np.prod(shape)) for shape in shapes.values()], dim=1)
    return {name: part.view(len(flat), *shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Batch:
    """Of n people, b places each. kind: (n, b, kind_features). grid: (n, b, CELLS, cell_features). place: (n, b, place).
    next_kind, next_cell: (n, b). real: (n, b), whether the place holds an example."""

    kind: Tensor
    grid: Tensor
    place: Tensor
    next_kind: Tensor
    next_cell: Tensor
    real: Tensor


def _batch(people: Sequence[Frozen], drawn: Sequence[Ints], *, like: Tensor) -> _Batch:
    """Of each person the rows drawn, where `like` is and in its precision."""
    most = max(1, *(len(rows) for rows in drawn))

    def padded(parts: Sequence[Tensor]) -> Tensor:
        out = torch.zeros((len(parts), most, *parts[0].shape[1:]), dtype=parts[0].dtype)
        for into, part in zip(out, parts, strict=True):
            into[: len(part)] = part
        return out.to(like.device)

    rows = [torch.from_numpy(some) for some in drawn]
    taken = list(zip(people, rows, strict=True))
    return _Batch(
        kind=padded([one.seen.kind[some] for one, some in taken]).to(like.dtype),
        grid=padded([one.seen.grid[some] for one, some in taken]).to(like.dtype),
        place=padded([one.seen.place[some] for one, some in taken]).to(like.dtype),
        next_kind=padded([torch.from_numpy(one.next_kind)[some].clamp(0, KINDS - 1) for one, some in taken]),
        next_cell=padded([torch.from_numpy(one.next_cell)[some].clamp(0, CELLS - 1) for one, some in taken]),
        real=padded([torch.ones(len(some), dtype=torch.bool) for some in rows]),
    )


def _sums(heads: dict[str, Tensor], batch: _Batch, *, clip_norm: float | None) -> Tensor:
    """Each person's sum of gradients, shape (n, P); the same mathematics as `gradients.head_parts`, a dimension more.

    clip_norm: of each example's, of which one that isn't finite then counts as zero.
    """
    kind = batch.kind @ heads["kind.weight"].mT + heads["kind.bias"].unsqueeze(1)
    cell = (batch.grid.flatten(1, 2) @ heads["cell_grid.weight"].mT).reshape(*batch.real.shape, CELLS)
    cell = cell + batch.place @ heads["cell_place.weight"].mT + heads["cell_place.bias"].unsqueeze(1)
    kind = softmax(kind, dim=2) - one_hot(batch.next_kind, KINDS)
    cell = CELL_LOSS * (softmax(cell, dim=2) - one_hot(batch.next_cell, CELLS))
    grid = (cell.unsqueeze(2) @ batch.grid).squeeze(2)
    counts, factors = batch.real, batch.real.to(kind.dtype)
    if clip_norm is not None:
        norms = _norms(batch, kind, cell, grid)
        counts = norms.isfinite() & batch.real
        factors = torch.where(counts, clip_norm / norms.clamp_min(clip_norm), 0.0)
    keep = counts.unsqueeze(2)  # zero times infinity is no zero
    kind, cell, grid = (factors.unsqueeze(2) * torch.where(keep, part, 0.0) for part in (kind, cell, grid))
    seen, place = (torch.where(keep, part, 0.0) for part in (batch.kind, batch.place))
    sums = {
        "cell_grid.weight": grid.sum(dim=1),
        "cell_place.bias": cell.sum(dim=1),
        "cell_place.weight": cell.mT @ place,
        "kind.bias": kind.sum(dim=1),
        "kind.weight": kind.mT @ seen,
    }
    return torch.cat([sums[name].flatten(1) for name in heads], dim=1)


def _norms(batch: _Batch, kind: Tensor, cell: Tensor, grid: Tensor) -> Tensor:
    """Of each example's gradient, shape (n, b)."""
    squares = (
        _squares(kind) * (_squares(batch.kind) + 1) + _squares(cell) * (_squares(batch.place) + 1) + _squares(grid)
    )
    return squares.sqrt()


def _squares(rows: Tensor) -> Tensor:
    squares: Tensor = torch.linalg.vecdot(rows, rows)
    return squares
