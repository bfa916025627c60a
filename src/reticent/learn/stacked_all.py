"""What are the sums of many people's gradients of heads and trunk? Each person has a network of their own.

By torch's own transforms (`torch.func`), so for every trunk that they take: one network with a dimension more for people, and with
an example level another for examples.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap

from reticent.actions.pool import Ints, Pool
from reticent.actions.vocabulary import CELLS, KINDS
from reticent.learn.stacked_heads import named_parts
from reticent.model.architecture import Shapes
from reticent.model.heads import summed_loss
from reticent.model.inputs import Inputs, inputs
from reticent.model.network import Network
from reticent.model.pools import take, together

_NO_LABEL = -100  # of a row that fills up: torch's cross-entropy passes over it


def window_sums(
    people: Sequence[Pool],
    drawn: Sequence[Ints],
    weights: Tensor,
    shapes: Shapes,
    *,
    network: Network,
    clip_norm: float | None,
) -> Tensor:
    """Each person's sum over the rows drawn of them, shape (n, P), where `weights` are and in their precision.

    weights: (n, P), in the order of `shapes`. network: there and in that precision, too. clip_norm: of each example's gradient, of
    which one that isn't finite then counts as zero.
    """
    named, batch = named_parts(weights, shapes), _batch(people, drawn, like=weights)
    slopes = grad(partial(_loss, network))
    if clip_norm is None:
        summed: dict[str, Tensor] = vmap(slopes)(named, *batch)
        sums = torch.cat([summed[name].flatten(1) for name in shapes], dim=1)
        nothing = torch.tensor([not len(rows) for rows in drawn], device=sums.device)
        return sums.masked_fill_(nothing.unsqueeze(1), 0.0)
    one_by_one = [part.unsqueeze(2) for part in batch]
    each: dict[str, Tensor] = vmap(vmap(slopes, in_dims=(None, *(0 for _ in batch))))(named, *one_by_one)
    samples = torch.cat([each[name].flatten(2) for name in shapes], dim=2)
    norms = torch.linalg.vector_norm(samples, dim=2, keepdim=True)
    factors = torch.where(norms.isfinite(), clip_norm / norms.clamp_min(clip_norm), 0.0)
    return samples.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0).mul_(factors).sum(dim=1)


def _batch(people: Sequence[Pool], drawn: Sequence[Ints], *, like: Tensor) -> list[Tensor]:
    """Labels of kinds and cells, and what a network sees: each (n, as many as were drawn at most, ...).

    A person's own rows fill up theirs, without a label: an empty window could have an infinite slope, and nothing times that is none.
    """
    wide = max(1, *(len(rows) for rows in drawn))
    full = [np.resize(rows, wide if len(rows) else 0) for rows in drawn]
    windows = together(take(pool, rows, size=wide) for pool, rows in zip(people, full, strict=True))
    seen = inputs(windows, dtype=like.dtype, device=str(like.device))
    real = np.concatenate([np.arange(wide) < len(rows) for rows in drawn])
    labels = [
        torch.from_numpy(np.where(real, values.clip(0, count - 1), _NO_LABEL)).to(like.device)
        for values, count in ((windows.next_kind, KINDS), (windows.next_cell, CELLS))
    ]
    parts = [*labels, *(getattr(seen, name) for name in Inputs.__slots__)]
    return [part.unflatten(0, (len(people), wide)) for part in parts]


def _loss(network: Network, named: dict[str, Tensor], next_kind: Tensor, next_cell: Tensor, *seen: Tensor) -> Tensor:
    kind, cell = functional_call(network, named, (Inputs(**dict(zip(Inputs.__slots__, seen, strict=True))),))
    return summed_loss(kind, cell, next_kind=next_kind, next_cell=next_cell)
