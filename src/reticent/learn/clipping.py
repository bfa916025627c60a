"""One example, one bounded influence: from per-example gradients, whole or in factors, to their clipped sum."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Samples:
    """Each example's gradient of one parameter. values: shape (n, size), float64."""

    parameter: Tensor
    values: Tensor

    def squared_norms(self) -> Tensor:
        """Shape (n,)."""
        return _squared_norms(self.values)

    def total(self, factors: Tensor) -> Tensor:
        """The sum of factor times gradient, shape (size,)."""
        return factors @ self.values

    def only(self, usable: Tensor) -> Self:
        """With zero for all other examples."""
        return replace(self, values=torch.where(usable.unsqueeze(1), self.values, 0.0))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Outer:
    """The same for a weight that is used once an example: its gradient is left times right, and is never written out.

    left: shape (n, out), of the layer's output. right: shape (n, in), its input; both float64. A norm is the product of two,
    so nothing can cancel in it. Where a layer is used in many places, as a convolution is, terms of a norm so found can
    cancel, and weights could be chosen so that its rounding hides a long gradient: such gradients are written out.
    Source: Goodfellow 2015, arXiv:1510.01799.
    """

    parameter: Tensor
    left: Tensor
    right: Tensor

    def squared_norms(self) -> Tensor:
        """Shape (n,)."""
        return _squared_norms(self.left) * _squared_norms(self.right)

    def total(self, factors: Tensor) -> Tensor:
        """The sum of factor times gradient, shape (out, in)."""
        return (self.left * factors.unsqueeze(1)).T @ self.right

    def only(self, usable: Tensor) -> Self:
        """With zero for all other examples."""
        keep = usable.unsqueeze(1)
        return replace(self, left=torch.where(keep, self.left, 0.0), right=torch.where(keep, self.right, 0.0))


Parts = Sequence[Samples | Outer]
"""Of the same n examples: together their whole gradients, each parameter once."""


def _squared_norms(rows: Tensor) -> Tensor:
    squares: Tensor = torch.linalg.vector_norm(rows, dim=1).square()
    return squares


def clipped_sums(parts: Parts, *, real: int, clip_norm: float) -> list[Tensor]:
    """Scale each example's whole gradient to at most `clip_norm` and sum over the first `real` examples.

    The others fill up a pass and count as zero; so does an example with any NaN or infinity, or whose norm overflows. Its
    own gradient is each example's only influence, so the bound holds for all of them. Returns: for each part its
    parameter's sum, float64, of the parameter's shape.
    """
    norms = torch.stack([part.squared_norms() for part in parts]).sum(dim=0).sqrt()
    finite = norms.isfinite()
    if not finite.all():  # zero times infinity is no zero
        parts = [part.only(finite) for part in parts]
    counts = finite & (torch.arange(len(norms)) < real)
    factors = torch.where(counts, clip_norm / norms.clamp_min(clip_norm), 0.0)
    return [part.total(factors).view_as(part.parameter) for part in parts]
