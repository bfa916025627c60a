"""Many people's training at once, each with weights and noise of their own: what keeps an accelerator busy. For simulations.

A device trains one person by products of one shape (`model/products.py`), for the sake of rounding; here shapes follow from who
is drawn, so updates equal those to 1e-5 and not to the bit. Plain SGD is stacked too, in float32 as alone.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reticent.actions.pool import Ints, Pool
from reticent.learn.plain import batches
from reticent.learn.sampling import draw
from reticent.learn.stacked_all import window_sums
from reticent.learn.stacked_heads import head_sums
from reticent.learn.train import WEIGHT_LIMIT
from reticent.model import catalogue
from reticent.model.frozen import Frozen
from reticent.model.network import load
from reticent.model.tensors import Floats
from reticent.privacy.noise import NoiseSource
from reticent.records.plain import PlainTraining
from reticent.records.plan import LocalTraining

_ROWS_AT_ONCE = 4_096  # of all people of a stack: in float64 some .9 GB at the peak
_NUMBERS_AT_ONCE = 1 << 27  # of gradients, where each example has one of everything: in float64 some 3 GB at the peak

Sums = Callable[[Sequence[Any], Sequence[Ints], Tensor], Tensor]
"""From people, the rows drawn of each, and each one's weights (n, P): each one's sum of gradients, (n, P)."""


def stacked_updates(
    people: Sequence[Frozen | Pool],
    weights: Floats,
    *,
    model: str,
    trainable: str,
    training: LocalTraining | PlainTraining,
    noise: Sequence[NoiseSource],
    device: str,
) -> list[Floats]:
    """For each person what their learner's `update` gives, to 1e-5, from the same draws in the same order.

    people: features of one model's network where heads train, or windows where all does. weights: float32 (P,). noise: one source a person.
    device: torch's name of it. Raises: RuntimeError from a trunk that was brought and that `torch.func` doesn't take, and where there
    is too little memory.
    """
    at_once = _ROWS_AT_ONCE if trainable == "heads" else max(1, min(_ROWS_AT_ONCE, _NUMBERS_AT_ONCE // len(weights)))
    sums, updates = _sums(model, trainable, training, device), dict[int, Floats]()
    train: Callable[..., Tensor] = _plain if isinstance(training, PlainTraining) else _private
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # ten bits are no float32
        for places in _stacks([_rows(len(one), training) for one in people], at_once=at_once):
            some, own = [people[place] for place in places], [noise[place] for place in places]
            summed = partial(_summed, sums, some, at_once=max(1, at_once // len(some)))
            moved = train(summed, [len(one) for one in some], weights, training, own, device)
            updates.update(zip(places, moved.to(torch.float32).cpu().numpy(), strict=True))
    return [updates[place] for place in range(len(people))]


def _sums(model: str, trainable: str, training: LocalTraining | PlainTraining, device: str) -> Sums:
    shapes = catalogue.shapes(model, trainable)
    clip_norm = None if isinstance(training, PlainTraining) else training.clip_norm
    if trainable == "heads":
        return partial(head_sums, shapes=shapes, clip_norm=clip_norm)
    network = load(model).requires_grad_(False).to(device, torch.float32 if clip_norm is None else torch.float64)
    return partial(window_sums, shapes=shapes, network=network, clip_norm=clip_norm)


def _summed(sums: Sums, people: Sequence[Any], drawn: Sequence[Ints], weights: Tensor, *, at_once: int) -> Tensor:
    """As `sums`, of so many of each person's rows at once."""
    total = torch.zeros_like(weights)
    for first in range(0, max(map(len, drawn)), at_once):
        total.add_(sums(people, [rows[first : first + at_once] for rows in drawn], weights))
    return total


def _rows(examples: int, training: LocalTraining | PlainTraining) -> int:
    """How many of a person's examples one step takes."""
    if isinstance(training, PlainTraining):
        return max(1, examples if training.batch is None else min(examples, training.batch))
    return training.expected_batch


def _stacks(rows: Sequence[int], *, at_once: int) -> Iterator[list[int]]:
    """Places of people whose rows, padded to those of the one with the most, are few enough to be computed at once.

    Who has more rows than that is a stack of one; so many people are the most.
    """
    stack: list[int] = []
    for place in sorted(range(len(rows)), key=lambda one: -rows[one]):
        if stack and (len(stack) + 1) * rows[stack[0]] > at_once:
            yield stack
            stack = []
        stack.append(place)
    if stack:
        yield stack


@torch.no_grad()
def _private(
    summed: Callable[[Sequence[Ints], Tensor], Tensor],
    sizes: Sequence[int],
    weights: Floats,
    training: LocalTraining,
    noise: Sequence[NoiseSource],
    device: str,
) -> Tensor:
    """As `Learner.update`, of one stack: shape (n, P)."""
    tamed = torch.from_numpy(weights.astype(np.float64)).nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)
    start = tamed.clamp_(-WEIGHT_LIMIT, WEIGHT_LIMIT).to(device)
    now = start.repeat(len(sizes), 1)
    steps = range(training.steps)
    draws = [
        [draw(size, sampling_rate=training.sampling_rate, noise=own) for _ in steps]
        for size, own in zip(sizes, noise, strict=True)
    ]
    for step in steps:
        sums = summed([drawn[step] for drawn in draws], now)
        normal = torch.from_numpy(np.stack([own.normal(now.shape[1]) for own in noise])).to(device)
        sums.add_(normal, alpha=training.noise_multiplier * training.clip_norm)
        now.sub_(sums, alpha=training.learning_rate / training.expected_batch)
        now.clamp_(-2 * WEIGHT_LIMIT, 2 * WEIGHT_LIMIT)
    return now - start


@torch.no_grad()
def _plain(
    summed: Callable[[Sequence[Ints], Tensor], Tensor],
    sizes: Sequence[int],
    weights: Floats,
    training: PlainTraining,
    noise: Sequence[NoiseSource],
    device: str,
) -> Tensor:
    """As `PlainLearner.update`, of one stack: shape (n, P). Who has fewer batches than others stands still while those go on."""
    start = torch.from_numpy(weights).to(device)
    now = start.repeat(len(sizes), 1)
    everybodys = [
        [np.arange(size)[rows] for rows in batches(size, training, own)] for size, own in zip(sizes, noise, strict=True)
    ]
    for drawn in zip_longest(*everybodys, fillvalue=np.zeros(0, dtype=np.int64)):
        batch = torch.tensor([max(1, len(rows)) for rows in drawn], device=device)
        now.sub_(summed(drawn, now).div_(batch.unsqueeze(1)), alpha=training.learning_rate)
    return now - start
