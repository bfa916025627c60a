"""How is a model's public start made from public examples? Without privacy: nobody's data but public people's comes here.

Three steps: trunk and heads end to end; the statistics of the features, fixed as a linear map; heads again on what the map
leaves, to the optimum. Among the examples are some with habits that no script has. The same pool and seed give the same bytes on
the same machine with one thread.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from reticent.actions.pool import Ints, Pool
from reticent.actions.vocabulary import CELLS, HISTORY, KINDS, NO_CELL, TIME_BUCKETS
from reticent.errors import SettingError
from reticent.model.architecture import Architecture
from reticent.model.heads import summed_loss
from reticent.model.inputs import Inputs, inputs
from reticent.model.network import Network, features
from reticent.model.pools import take, together
from reticent.model.trunk import Features, Whitening

_TIME_LOSS = 0.1  # predicting when, too, keeps the features rich; that head is thrown away
_CELL_LOSS = 0.5  # that the public weights which ship were fitted with
_BATCH = 128
_LEARNING_RATE = 2e-3
_WEIGHT_DECAY = 1e-2
_BLIND = 0.3  # how often an example loses its patch, and how often its screen turns from light to dark
_RIDGE = 1e-3  # of the largest variance: directions that public data hardly knows are not blown up
_CONSTANT = 1e-12  # of the mean square: what float32 leaves of a constant's variance
FIXED_EXAMPLES = 15_000  # for statistics and heads: 650 MB of features
_NEAR_SHARE = 0.8
_HABITS = 10  # there is one example with a habit to so many without
_ONE_KIND = 0.5  # of the habits are of one kind of action
_KEEPS = 0.9  # how often somebody with a habit keeps to it
_GRID_ROWS = 200_000
_HEAD_STEPS = 200
_HEAD_DECAY = 1e-4  # a tenth of it fits public people no better and strangers much worse

Report = Callable[[str], None]


def fit(
    widths: Architecture,
    pool: Pool,
    near: Sequence[Pool],
    *,
    seed: int,
    epochs: int,
    whitening: float,
    report: Report = lambda _: None,
) -> Network:
    """A network of these widths: the trunk from `pool`; statistics and heads from a mixture, most of it `near`.

    near: the parts of the public examples that are most like what people will see, by equal shares; there may be none. They
    are part of `pool`, too, but count there like any other: a trunk learns few people by heart, and then serves others badly.
    whitening: exponent of the features' inverse covariance; 0 leaves them as they are, 0.5 whitens. Each group of features
    is then scaled to a mean squared norm of 1, so that a gradient's norm is about that of its residual.
    report: called with a line about progress; the lines name numbers of examples and losses, never a person.
    Raises SettingError for a pool too small for one batch.
    """
    _check_size(pool)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(widths)
        random = np.random.default_rng(seed)
        _train(network, widths, with_habits(pool, random=random), random=random, epochs=epochs, report=report)
        some = _mixture(pool, near, random=random)
        _fix_statistics(network, some, exponent=whitening)
        loss = _fit_heads(network, with_habits(some, random=random))
    report(f"heads on fixed features: loss {loss:.4f}")
    return network


def fit_heads(network: Network, pool: Pool, *, whitening: float) -> None:
    """Statistics and heads for a trunk that is as it should be; on at most FIXED_EXAMPLES examples, the first ones.

    Raises SettingError for a pool too small for one batch.
    """
    _check_size(pool)
    rows = np.arange(min(len(pool), FIXED_EXAMPLES))
    some = take(pool, rows, size=len(rows))
    _fix_statistics(network, some, exponent=whitening)
    _fit_heads(network, some)


def _check_size(pool: Pool) -> None:
    if len(pool) < _BATCH:
        raise SettingError(f"a fit needs at least {_BATCH} examples; nothing was fitted")


def _train(
    network: Network, widths: Architecture, pool: Pool, *, random: np.random.Generator, epochs: int, report: Report
) -> None:
    hidden = widths.hidden
    when = nn.Linear(hidden, TIME_BUCKETS)
    parameters = [*network.parameters(), *when.parameters()]
    steps = len(pool) // _BATCH
    optimiser = torch.optim.AdamW(parameters, lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _LEARNING_RATE, total_steps=epochs * steps)
    for epoch in range(epochs):
        order, total = random.permutation(len(pool)), 0.0
        for step in range(steps):
            rows = order[step * _BATCH : (step + 1) * _BATCH]
            seen = network.trunk.raw(_varied(inputs(take(pool, rows, size=len(rows))), random))
            loss = _mean_loss(network, seen, pool, rows)
            loss = loss + _TIME_LOSS * cross_entropy(
                when(seen.kind[:, :hidden]), torch.from_numpy(pool.next_time[rows])
            )
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        report(f"epoch {epoch + 1} of {epochs}, {len(pool)} examples: loss {total / steps:.4f}")


def _mixture(pool: Pool, near: Sequence[Pool], *, random: np.random.Generator) -> Pool:
    each = round(FIXED_EXAMPLES * _NEAR_SHARE / len(near)) if near else 0
    far = random.permutation(len(pool))[: FIXED_EXAMPLES - each * len(near)]
    parts = [take(pool, far, size=len(far))]
    for one in near:
        rows = np.resize(random.permutation(len(one)), each)  # a small part more than once
        parts.append(take(one, rows, size=each))
    return together(parts)


def with_habits(pool: Pool, *, random: np.random.Generator) -> Pool:
    """`pool`, and a tenth as many of its examples with another history: one kind of action again and again, or two by turns, at one
    place, up to now; mostly it goes on.

    People repeat themselves where scripts don't: they click twice where once would do, scroll and delete by turns, tab and type.
    Which kinds is drawn evenly, so that a start has heard of every habit and of none in particular.
    """
    count = len(pool) // _HABITS
    some = take(pool, random.integers(len(pool), size=count), size=count)
    ago = np.arange(HISTORY)[::-1]
    kinds = random.integers(KINDS, size=(count, 2))
    kinds[:, 1] = np.where(random.random(count) < _ONE_KIND, kinds[:, 0], kinds[:, 1])
    last = some.cells[:, -1]
    place = np.where(last == NO_CELL, random.integers(CELLS, size=count), last)
    repeated = ago < random.integers(2, HISTORY + 1, size=(count, 1))
    keeps = random.random(count) < _KEEPS
    other = replace(
        some,
        kinds=np.where(repeated, kinds[:, ago % 2], some.kinds),
        cells=np.where(repeated, place[:, None], some.cells),
        next_kind=np.where(keeps, kinds[:, 1], some.next_kind),
        next_cell=np.where(keeps, place, some.next_cell),
    )
    return together([pool, other])


def _varied(seen: Inputs, random: np.random.Generator) -> Inputs:
    """Dark screens for light ones, and patches gone: what public screens don't vary in, others will."""
    n = len(seen.last)
    sign = torch.from_numpy(np.where(random.random((n, 1, 1, 1)) < _BLIND, -1.0, 1.0)).to(seen.frames.dtype)
    kept = torch.from_numpy(random.random((n, 1)) >= _BLIND).to(seen.frames.dtype)
    return Inputs(
        frames=seen.frames * sign,
        patches=seen.patches * sign * kept[..., None, None],
        has_patch=seen.has_patch * kept,
        history=seen.history,
        planes=seen.planes,
        facts=seen.facts,
        last=seen.last,
        spots=seen.spots,
    )


def _fix_statistics(network: Network, pool: Pool, *, exponent: float) -> None:
    seen = features(network, pool)
    groups = (
        (network.trunk.kind_whitening, seen.kind),
        (
            network.trunk.grid_whitening,
            seen.grid.flatten(0, 1)[:: max(1, len(pool) * seen.grid.shape[1] // _GRID_ROWS)],
        ),
        (network.trunk.place_whitening, seen.place),
    )
    for group, rows in groups:
        _whiten(group, rows.double(), exponent=exponent)


def _whiten(group: Whitening, rows: Tensor, *, exponent: float) -> None:
    mean = rows.mean(dim=0)
    values, vectors = torch.linalg.eigh((rows - mean).T @ (rows - mean) / len(rows))
    if values[-1] <= _CONSTANT * rows.square().mean():  # the same for all examples: nothing is learnt from it
        group.mean.copy_(mean)
        group.matrix.zero_()
        return
    shrunk = (values.clamp_min(0) + _RIDGE * values[-1]) ** -exponent
    matrix = vectors * shrunk @ vectors.T
    size = ((rows - mean) @ matrix).square().sum(dim=1).mean().sqrt()
    group.mean.copy_(mean)
    group.matrix.copy_(matrix / size)


def _fit_heads(network: Network, pool: Pool) -> float:
    """A convex problem, solved: the same optimum whatever the trunk's training left in the heads."""
    seen = features(network, pool)
    rows = np.arange(len(pool))
    parameters = list(network.heads.parameters())
    with torch.no_grad():
        for parameter in parameters:
            parameter.zero_()
    solver = torch.optim.LBFGS(parameters, max_iter=_HEAD_STEPS, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> float:
        solver.zero_grad()
        loss = _mean_loss(network, seen, pool, rows)
        loss = loss + _HEAD_DECAY * torch.stack([parameter.square().sum() for parameter in parameters]).sum()
        torch.autograd.backward(loss)
        return float(loss.detach())

    solver.step(closure)  # type: ignore[no-untyped-call]
    return closure()


def _mean_loss(network: Network, seen: Features, pool: Pool, rows: Ints) -> Tensor:
    kind, cell = network.heads(seen)
    labels = torch.from_numpy(pool.next_kind[rows]), torch.from_numpy(pool.next_cell[rows])
    return summed_loss(kind, cell, next_kind=labels[0], next_cell=labels[1], cell_loss=_CELL_LOSS) / len(rows)
