"""Many people's heads at once, each with weights and noise of their own: what keeps an accelerator busy. For simulations.

A device trains one person in passes of a fixed shape (`learn/train.py`), for the sake of rounding; here shapes follow from who
is drawn, so updates equal those to 1e-5 and not to the bit. Plain SGD is stacked too, in float32 as alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot, softmax

from reticent.actions.pool import Ints
from reticent.actions.vocabulary import CELLS, KINDS
from reticent.learn.plain import batches
from reticent.learn.sampling import draw
from reticent.learn.train import WEIGHT_LIMIT
from reticent.model import catalogue
from reticent.model.architecture import Shapes
from reticent.model.frozen import Frozen
from reticent.model.heads import CELL_LOSS
from reticent.model.tensors import Floats
from reticent.privacy.noise import NoiseSource
from reticent.records.plain import PlainTraining
from reticent.records.plan import LocalTraining

_ROWS_AT_ONCE = 4_096  # of all people of a stack: in float64 some 400 MB


def stacked_updates(
    people: Sequence[Frozen],
    weights: Floats,
    *,
    model: str,
    training: LocalTraining | PlainTraining,
    noise: Sequence[NoiseSource],
    device: str,
) -> list[Floats]:
    """For each person what their learner's `update` gives with `heads`, to 1e-5, from the same draws in the same order.

    people: features of one model's network. weights: float32 (P,). noise: one source a person. device: torch's name of it.
    """
    shapes, updates = catalogue.shapes(model, "heads"), dict[int, Floats]()
    for places in _stacks([_rows(len(one), training) for one in people]):
        some, own = [people[place] for place in places], [noise[place] for place in places]
        if isinstance(training, PlainTraining):
            made = _plain(some, weights, shapes, training, own, device)
        else:
            made = _private(some, weights, shapes, training, own, device)
        updates.update(zip(places, made, strict=True))
    return [updates[place] for place in range(len(people))]


def _rows(examples: int, training: LocalTraining | PlainTraining) -> int:
    """How many of a person's examples one step takes."""
    if isinstance(training, PlainTraining):
        return examples if training.batch is None else min(examples, training.batch)
    return training.expected_batch


def _stacks(rows: Sequence[int]) -> Iterator[list[int]]:
    """Places of people whose rows, padded to those of the one with the most, are few enough to be computed at once.

    Who has more rows than that is a stack of one.
    """
    stack: list[int] = []
    for place in sorted(range(len(rows)), key=lambda one: -rows[one]):
        if stack and (len(stack) + 1) * rows[stack[0]] > _ROWS_AT_ONCE:
            yield stack
            stack = []
        stack.append(place)
    if stack:
        yield stack


@torch.no_grad()
def _private(
    people: Sequence[Frozen],
    weights: Floats,
    shapes: Shapes,
    training: LocalTraining,
    noise: Sequence[NoiseSource],
    device: str,
) -> list[Floats]:
    """As `Learner.update`, of one stack."""
    tamed = torch.from_numpy(weights.astype(np.float64)).nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)
    start = tamed.clamp_(-WEIGHT_LIMIT, WEIGHT_LIMIT).to(device)
    now = start.repeat(len(people), 1)
    steps = range(training.steps)
    draws = [
        [draw(len(one), sampling_rate=training.sampling_rate, noise=own) for _ in steps]
        for one, own in zip(people, noise, strict=True)
    ]
    for step in steps:
        batch = _batch(people, [drawn[step] for drawn in draws], like=start)
        sums = _sums(_heads(now, shapes), batch, clip_norm=training.clip_norm)
        normal = torch.from_numpy(np.stack([own.normal(now.shape[1]) for own in noise])).to(device)
        sums.add_(normal, alpha=training.noise_multiplier * training.clip_norm)
        now.sub_(sums, alpha=training.learning_rate / training.expected_batch)
        now.clamp_(-2 * WEIGHT_LIMIT, 2 * WEIGHT_LIMIT)
    return list((now - start).to(torch.float32).cpu().numpy())


@torch.no_grad()
def _plain(
    people: Sequence[Frozen],
    weights: Floats,
    shapes: Shapes,
    training: PlainTraining,
    noise: Sequence[NoiseSource],
    device: str,
) -> list[Floats]:
    """As `PlainLearner.update`, of one stack. Who has fewer batches than others stands still while those go on."""
    start = torch.from_numpy(weights).to(device)
    now = start.repeat(len(people), 1)
    everybodys = [
        [np.arange(len(one))[rows] for rows in batches(len(one), training, own)]
        for one, own in zip(people, noise, strict=True)
    ]
    for drawn in zip_longest(*everybodys, fillvalue=np.zeros(0, dtype=np.int64)):
        gradient = torch.zeros_like(now)
        for first in range(0, max(map(len, drawn)), _ROWS_AT_ONCE):  # more than once for a stack of one alone
            part = [rows[first : first + _ROWS_AT_ONCE] for rows in drawn]
            gradient.add_(_sums(_heads(now, shapes), _batch(people, part, like=start)))
        sizes = torch.tensor([max(1, len(rows)) for rows in drawn], device=device)
        now.sub_(gradient.div_(sizes.unsqueeze(1)), alpha=training.learning_rate)
    return list((now - start).cpu().numpy())


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


def _heads(flat: Tensor, shapes: Shapes) -> dict[str, Tensor]:
    """Each person's heads by name, views of `flat`, shape (n, P)."""
    parts = torch.split(flat, [int(np.prod(shape)) for shape in shapes.values()], dim=1)
    return {
        name.removeprefix("heads."): part.reshape(len(flat), *shape)
        for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }


def _sums(heads: dict[str, Tensor], batch: _Batch, *, clip_norm: float | None = None) -> Tensor:
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
