"""How does a window become the features that people's data train linear heads on?"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from reticent.actions.vocabulary import HISTORY
from reticent.model.inputs import FACTS, PLANES, SPOTS, TOKEN, Inputs

HIDDEN = 56
MAP = 32  # learnt features of a cell
LOOK = 16  # features of the patch
KIND_FEATURES = 2 * HIDDEN + 2 * MAP + LOOK + 1 + FACTS
CELL_FEATURES = MAP + SPOTS
PLACE_FEATURES = 32


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Features:
    """n windows as linear heads see them.

    kind: (n, KIND_FEATURES). grid: (n, CELLS, CELL_FEATURES). place: (n, PLACE_FEATURES).
    """

    kind: Tensor
    grid: Tensor
    place: Tensor

    def __len__(self) -> int:
        return len(self.kind)

    def __repr__(self) -> str:
        return f"<Features of {len(self)} examples>"


class Whitening(nn.Module):
    """Features less their public mean, times a public symmetric matrix; both are buffers, never trained.

    A frozen linear map in front of a linear head changes no prediction that the head could make, only the geometry in
    which gradients are clipped and noise is added.
    """

    mean: Tensor
    matrix: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("matrix", torch.eye(width))

    def forward(self, features: Tensor) -> Tensor:
        return (features - self.mean) @ self.matrix


class Trunk(nn.Module):
    """Screen, patch and history to features. Normalises within an example only, so examples never meet.

    The screen is halved twice to the grid of cells; there the history is laid over it (planes, and a bias for each
    channel from the history's hidden vector), so that a cell's features already know what was done before.
    """

    def __init__(self) -> None:
        super().__init__()
        self.screen1 = nn.Conv2d(1, 16, 5, stride=2, padding=2)
        self.screen1_norm = nn.GroupNorm(4, 16)
        self.screen2 = nn.Conv2d(16, 24, 3, stride=2, padding=1)
        self.screen2_norm = nn.GroupNorm(4, 24)
        self.patch1 = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.patch2 = nn.Conv2d(8, LOOK, 3, stride=2, padding=1)
        self.history1 = nn.Linear(HISTORY * TOKEN, HIDDEN)
        self.history2 = nn.Linear(HIDDEN, HIDDEN)
        self.steer = nn.Linear(HIDDEN, MAP)
        self.grid1 = nn.Conv2d(24 + PLANES, MAP, 3, padding=1)
        self.grid1_norm = nn.GroupNorm(4, MAP)
        self.grid2 = nn.Conv2d(MAP, MAP, 3, padding=2, dilation=2)
        self.grid2_norm = nn.GroupNorm(4, MAP)
        self.mix = nn.Linear(HIDDEN + 2 * MAP + LOOK, HIDDEN)
        self.place = nn.Linear(2 * HIDDEN, PLACE_FEATURES)
        self.kind_whitening = Whitening(KIND_FEATURES)
        self.grid_whitening = Whitening(CELL_FEATURES)
        self.place_whitening = Whitening(PLACE_FEATURES)

    def forward(self, seen: Inputs) -> Features:
        screen = relu(self.screen1_norm(self.screen1(seen.frames)))
        screen = relu(self.screen2_norm(self.screen2(screen)))
        hidden = relu(self.history2(relu(self.history1(seen.history))))
        grid = self.grid1_norm(self.grid1(torch.cat([screen, seen.planes], dim=1)))
        grid = relu(grid + self.steer(hidden)[..., None, None])
        grid = relu(grid + self.grid2_norm(self.grid2(grid)))
        cells = grid.flatten(2)  # (n, MAP, CELLS)
        overall = cells.mean(dim=2)
        here = torch.einsum("nmc,nc->nm", cells, seen.last)
        look = relu(self.patch2(relu(self.patch1(seen.patches)))).mean(dim=(2, 3)) * seen.has_patch
        mixed = relu(self.mix(torch.cat([hidden, overall, here, look], dim=1)))
        kind = torch.cat([mixed, hidden, overall, here, look, seen.has_patch, seen.facts], dim=1)
        return Features(
            kind=self.kind_whitening(kind),
            grid=self.grid_whitening(torch.cat([cells.transpose(1, 2), seen.spots], dim=2)),
            place=self.place_whitening(self.place(torch.cat([mixed, hidden], dim=1))),
        )
