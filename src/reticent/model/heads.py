"""Which linear maps do people's data train?"""

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from reticent.actions.vocabulary import CELLS, KINDS
from reticent.model.architecture import Widths
from reticent.model.trunk import Features

CELL_LOSS = 0.25
"""Beside 1 for the next kind. People's updates are clipped, and what the cell takes of a norm the kind hasn't: experiments/003-human-accuracy."""


class Heads(nn.Module):
    """Linear in the features, so a per-sample gradient is an outer product.

    kind: next kind from all kind features. cell_grid: one weight a cell feature, the same in every cell.
    cell_place: what the history alone says about each cell, through a few numbers, and a bias a cell.
    """

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        self.kind = nn.Linear(widths.kind_features, KINDS)
        self.cell_grid = nn.Linear(widths.cell_features, 1, bias=False)
        self.cell_place = nn.Linear(widths.place, CELLS)

    def forward(self, features: Features) -> tuple[Tensor, Tensor]:
        """Returns: logits of the next kind (n, KINDS) and of the next cell (n, CELLS)."""
        cell = self.cell_grid(features.grid).squeeze(-1) + self.cell_place(features.place)
        return self.kind(features.kind), cell


def summed_loss(
    kind: Tensor, cell: Tensor, *, next_kind: Tensor, next_cell: Tensor, cell_loss: float = CELL_LOSS
) -> Tensor:
    """Cross-entropy, in nats, of the next kind and cell_loss times that of the next cell, summed over examples."""
    total: Tensor = cross_entropy(kind, next_kind, reduction="sum")
    return total + cell_loss * cross_entropy(cell, next_cell, reduction="sum")
