"""What does one person's pool teach the model, under example-level differential privacy?

A step costs one Poisson draw over the pool, the clipped gradients of what was drawn, and noise; there are always
`training.steps` of them. How long they take depends on how much was drawn and is not hidden: see
docs/adr/0009-example-level-training.md.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from opacus import GradSampleModule
from torch import Tensor, nn

from reticent.actions.pool import Ints, Pool
from reticent.actions.vocabulary import CELLS, KINDS
from reticent.learn.optimiser import PrivateOptimiser
from reticent.learn.sampling import draw
from reticent.model.heads import summed_loss
from reticent.model.inputs import Inputs, inputs
from reticent.model.network import Network, features, load, set_vector, trained
from reticent.model.pools import take
from reticent.model.tensors import Floats
from reticent.model.trunk import Features
from reticent.privacy.noise import NoiseSource
from reticent.records.plan import LocalTraining

WEIGHT_LIMIT = 1e4  # far beyond any useful weight; below it, float64 can't turn rounding into another gradient
_EXAMPLES_AT_ONCE = 32
_CACHED_EXAMPLES = 2_048  # features of so many drawn examples are kept between steps: about 90 MB

Batch = Callable[[Ints], Features | Inputs]


def local_update(
    pool: Pool, weights: Floats, *, model: str, trainable: str, training: LocalTraining, noise: NoiseSource
) -> Floats:
    """DP-SGD on `pool` from `weights`: new weights minus old, shape (P,), float32.

    Guarantee, per example, add or remove one: `training.steps` compositions of the Gaussian mechanism with
    `training.noise_multiplier`, Poisson-sampled at `training.sampling_rate`. Rate, divisor and number of steps are the
    plan's; an empty batch or an empty pool is noised like any other.
    weights: float32 (P,). They are the server's, so what is done to them tells nothing: non-finite ones count as 0 and
    large ones as WEIGHT_LIMIT, before training and (twice that) after each step.
    Noise: float64, standard deviation noise_multiplier * clip_norm / expected_batch in mean-gradient space; steps * P
    normal numbers and steps * len(pool) uniform ones are drawn from `noise`, none from torch.
    Raises: SettingError for an unknown model or weights of another length or type; nothing that depends on the pool.
    Source: Abadi et al. 2016, arXiv:1607.00133; Opacus 1.6 for the per-example gradients.
    """
    network = load(model)
    set_vector(network, trainable, weights)
    network.double().requires_grad_(False)
    parameters = [parameter for _, parameter in trained(network, trainable)]
    with torch.no_grad():
        for parameter in parameters:
            parameter.requires_grad_().copy_(
                parameter.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0).clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT)
            )
    start = _flat(parameters)
    draws = [draw(len(pool), sampling_rate=training.sampling_rate, noise=noise) for _ in range(training.steps)]
    module = GradSampleModule(network.heads if trainable == "heads" else network, loss_reduction="sum")
    batch = _feature_batches(network, pool, draws) if trainable == "heads" else _input_batches(pool)
    optimiser = PrivateOptimiser(parameters, training=training, noise=noise)
    for rows in draws:
        _step(module, optimiser, pool, rows, batch)
        with torch.no_grad():
            for parameter in parameters:
                parameter.clamp_(-2 * WEIGHT_LIMIT, 2 * WEIGHT_LIMIT)
    update: Floats = (_flat(parameters) - start).to(torch.float32).numpy()
    return update


def _step(module: nn.Module, optimiser: PrivateOptimiser, pool: Pool, rows: Ints, batch: Batch) -> None:
    """One noisy step over `rows`, a few at a time; no rows still make one pass, of nothing but filling.

    Every pass has the same shape: how a product rounds depends on its shape, and one example's gradient must not depend
    on how many others were drawn.
    """
    starts = range(0, max(len(rows), 1), _EXAMPLES_AT_ONCE)
    for start in starts:
        some = rows[start : start + _EXAMPLES_AT_ONCE]
        kind, cell = module(batch(some))
        next_kind, next_cell = _labels(pool.next_kind, some, KINDS), _labels(pool.next_cell, some, CELLS)
        torch.autograd.backward(summed_loss(kind, cell, next_kind=next_kind, next_cell=next_cell))
        optimiser.real = len(some)
        optimiser.signal_skip_step(do_skip=start != starts[-1])
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)


def _feature_batches(network: Network, pool: Pool, draws: Sequence[Ints]) -> Batch:
    """Batches of frozen features, kept between steps where they are few.

    They are computed in float64 and rounded to float32: what is left of rounding is then the same for an example
    whatever stood beside it.
    """

    def rounded(rows: Ints) -> Features:
        seen = features(network, take(pool, rows, size=len(rows)))
        return Features(kind=seen.kind.float(), grid=seen.grid.float(), place=seen.place.float())

    drawn = np.unique(np.concatenate(draws))
    kept = rounded(drawn) if len(drawn) <= _CACHED_EXAMPLES else None

    def filled(part: Tensor, places: Tensor) -> Tensor:
        out = torch.zeros((_EXAMPLES_AT_ONCE, *part.shape[1:]), dtype=torch.float64)
        out[: len(places)] = part[places]
        return out.requires_grad_()  # or Opacus' hooks warn that they fire without an input gradient

    def batch(rows: Ints) -> Features:
        seen = rounded(rows) if kept is None else kept
        places = torch.from_numpy(np.arange(len(rows)) if kept is None else np.searchsorted(drawn, rows))
        return Features(
            kind=filled(seen.kind, places), grid=filled(seen.grid, places), place=filled(seen.place, places)
        )

    return batch


def _input_batches(pool: Pool) -> Batch:
    """Batches of windows, for training the trunk too."""

    def batch(rows: Ints) -> Inputs:
        seen = inputs(take(pool, rows, size=_EXAMPLES_AT_ONCE), dtype=torch.float64)
        for part in (seen.frames, seen.patches, seen.history):
            part.requires_grad_()
        return seen

    return batch


def _labels(labels: Ints, rows: Ints, classes: int) -> Tensor:
    filled = np.zeros(_EXAMPLES_AT_ONCE, dtype=np.int64)
    filled[: len(rows)] = labels[rows].clip(0, classes - 1)
    return torch.from_numpy(filled)


def _flat(parameters: Sequence[nn.Parameter]) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in parameters])
