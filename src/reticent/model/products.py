"""Products of examples with a matrix, whose rounding must not depend on how many examples there are: it depends on a shape."""

import torch
from torch import Tensor, nn

ROWS = 32  # of every product; what there are fewer of examples is zeros


def product(examples: Tensor, matrix: Tensor) -> Tensor:
    """examples @ matrix, in float64. One example's result is the same bits however many others there are.

    examples: (n, in), n at most ROWS, for a matrix (in, out); or (n, places, in) for one, or for a vector (in,).
    Raises RuntimeError for more rows than ROWS.
    """
    n = len(examples)
    if examples.dim() == 2:
        return (_filled(examples) @ matrix)[:n]
    if matrix.dim() == 1:  # beside one column, an example alone would be multiplied in another way than several
        return torch.bmm(matrix.expand(n, 1, -1), examples.transpose(1, 2)).squeeze(1)
    return torch.bmm(examples, matrix.expand(n, -1, -1))


def through(linear: nn.Linear, examples: Tensor) -> Tensor:
    """What a linear layer makes of examples, as `product`: (n, out) of (n, in), n at most ROWS. Hooks of the layer see ROWS rows."""
    made: Tensor = linear(_filled(examples))[: len(examples)]
    return made


def _filled(examples: Tensor) -> Tensor:
    """(n, in) filled up to (ROWS, in). Raises RuntimeError for more than ROWS: nothing is cut off."""
    return torch.cat([examples, examples.new_zeros(ROWS - len(examples), examples.shape[1])])
