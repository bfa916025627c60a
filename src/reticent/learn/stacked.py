"""Many people's heads at once, each with weights and noise of their own: what keeps an accelerator busy. For simulations.

A device trains one person in passes of a fixed shape (`learn/train.py`), for the sake of rounding; here shapes follow from who
is drawn, so updates equal those to 1e-5 and not to the bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot, softmax

from reticent.actions.pool import Ints
from reticent.actions.vocabulary import CELLS, KINDS
from reticent.learn.sampling import draw
from reticent.learn.train import WEIGHT_LIMIT
from reticent.model import catalogue
from reticent.model.architecture import Shapes
from reticent.model.frozen import Frozen
from reticent.model.heads import CELL_LOSS
from reticent.model.tensors import Floats
from reticent.privacy.noise import NoiseSource
from reticent.records.plan import LocalTraining

_ROWS_AT_ONCE = 4_096  # of all people of a stack, at the plan's expected batch: in float64 some 400 MB


@torch.no_grad()
def stacked_updates(
    people: Sequence[Frozen],
    weights: Floats,
    *,
    model: str,
    training: LocalTraining,
    noise: Sequence[NoiseSource],
    device: str,
) -> list[Floats]:
    """For each person what `Learner.update` gives with `heads`, to 1e-5, from the same draws in the same order.

    people: features of one model's network. weights: float32 (P,). noise: one source a person. device: torch's name of it.
    """
    if not people:
        return []
    together = max(1, _ROWS_AT_ONCE // max(1, training.expected_batch))
    if len(people) > together:
        parts = [slice(start, start + together) for start in range(0, len(people), together)]
        same: dict[str, Any] = {"model": model, "training": training, "device": device}
        return [one for part in parts for one in stacked_updates(people[part], weights, noise=noise[part], **same)]
    shapes = catalogue.shapes(model, "heads")
    tamed = torch.from_numpy(weights.astype(np.float64)).nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)
    start = tamed.clamp_(-WEIGHT_LIMIT, WEIGHT_LIMIT).to(device)
    now = start.repeat(len(people), 1)
    steps = range(training.steps)
    draws = [
        [draw(len(one), sampling_rate=training.sampling_rate, noise=own) for _ in steps]
        for one, own in zip(people, noise, strict=True)
    ]
    for step in steps:
        batch = _batch(people, [drawn[step] for drawn in draws], device=device)
        sums = _clipped_sums(_heads(now, shapes), batch, clip_norm=training.clip_norm)
        normal = torch.from_numpy(np.stack([own.normal(now.shape[1]) for own in noise])).to(device)
        sums.add_(normal, alpha=training.noise_multiplier * training.clip_norm)
        now.sub_(sums, alpha=training.learning_rate / training.expected_batch)
        now.clamp_(-2 * WEIGHT_LIMIT, 2 * WEIGHT_LIMIT)
    return list((now - start).to(torch.float32).cpu().numpy())


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


def _batch(people: Sequence[Frozen], drawn: Sequence[Ints], *, device: str) -> _Batch:
    most = max(1, *(len(rows) for rows in drawn))

    def padded(parts: Sequence[Tensor]) -> Tensor:
        out = torch.zeros((len(parts), most, *parts[0].shape[1:]), dtype=parts[0].dtype)
        for into, part in zip(out, parts, strict=True):
            into[: len(part)] = part
        return out.to(device)

    rows = [torch.from_numpy(some) for some in drawn]
    taken = list(zip(people, rows, strict=True))
    return _Batch(
        kind=padded([one.seen.kind[some] for one, some in taken]).double(),
        grid=padded([one.seen.grid[some] for one, some in taken]).double(),
        place=padded([one.seen.place[some] for one, some in taken]).double(),
        next_kind=padded([torch.from_numpy(one.next_kind)[some].clamp(0, KINDS - 1) for one, some in taken]),
        next_cell=padded([torch.from_numpy(one.next_cell)[some].clamp(0, CELLS - 1) for one, some in taken]),
        real=padded([torch.ones(len(some), dtype=torch.bool) for some in rows]),
    )


def _heads(flat: Tensor, shapes: Shapes) -> dict[str, Tensor]:
    """Each person's heads by name, views of `flat`, shape (n, P)."""
    parts = torch.split(flat, [int(np.prod(shape)) for shape in shapes.values()], dim=1)
    return {
        name.removeprefix("heads."): part.reshape(len(flat), *shape)
        for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }


def _clipped_sums(heads: dict[str, Tensor], batch: _Batch, *, clip_norm: float) -> Tensor:
    """Each person's sum of clipped gradients, shape (n, P); the same mathematics as `gradients.head_parts`, a dimension more."""
    kind = batch.kind @ heads["kind.weight"].mT + heads["kind.bias"].unsqueeze(1)
    cell = (batch.grid.flatten(1, 2) @ heads["cell_grid.weight"].mT).reshape(*batch.real.shape, CELLS)
    cell = cell + batch.place @ heads["cell_place.weight"].mT + heads["cell_place.bias"].unsqueeze(1)
    kind = softmax(kind, dim=2) - one_hot(batch.next_kind, KINDS)
    cell = CELL_LOSS * (softmax(cell, dim=2) - one_hot(batch.next_cell, CELLS))
    grid = (cell.unsqueeze(2) @ batch.grid).squeeze(2)
    squares = (
        _squares(kind) * (_squares(batch.kind) + 1) + _squares(cell) * (_squares(batch.place) + 1) + _squares(grid)
    )
    norms = squares.sqrt()
    counts = norms.isfinite() & batch.real
    factors = torch.where(counts, clip_norm / norms.clamp_min(clip_norm), 0.0).unsqueeze(2)
    keep = counts.unsqueeze(2)  # zero times infinity is no zero
    kind, cell, grid = (factors * torch.where(keep, part, 0.0) for part in (kind, cell, grid))
    seen, place = (torch.where(keep, part, 0.0) for part in (batch.kind, batch.place))
    sums = {
        "cell_grid.weight": grid.sum(dim=1),
        "cell_place.bias": cell.sum(dim=1),
        "cell_place.weight": cell.mT @ place,
        "kind.bias": kind.sum(dim=1),
        "kind.weight": kind.mT @ seen,
    }
    return torch.cat([sums[name].flatten(1) for name in heads], dim=1)


def _squares(rows: Tensor) -> Tensor:
    squares: Tensor = torch.linalg.vecdot(rows, rows)
    return squares
