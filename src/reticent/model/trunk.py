"""How does a window become the features that people's data train linear heads on?"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from reticent.actions.vocabulary import HISTORY
from reticent.model.architecture import PLANES, TOKEN, Architecture, Widths
from reticent.model.convolution import convolved
from reticent.model.inputs import Inputs
from reticent.model.products import product, through


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Features:
    """n windows as linear heads see them.

    kind: (n, kind_features). grid: (n, CELLS, cell_features). place: (n, place), all as the architecture says.
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

    def alike(self, features: Tensor) -> Tensor:
        """The same, by `products.product`."""
        return product(features - self.mean, self.matrix)

    def backward(self, slopes: Tensor) -> Tensor:
        """From the gradient of a loss in whitened features to that in raw ones."""
        return slopes @ self.matrix.T


class WhitenedTrunk(nn.Module, ABC):
    """What every model's trunk is: raw features of its own making, then whitening by public statistics."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        self.kind_whitening = Whitening(widths.kind_features)
        self.grid_whitening = Whitening(widths.cell_features)
        self.place_whitening = Whitening(widths.place)

    def forward(self, seen: Inputs) -> Features:
        raw = self.raw(seen)
        return Features(
            kind=self.kind_whitening(raw.kind),
            grid=self.grid_whitening(raw.grid),
            place=self.place_whitening(raw.place),
        )

    @abstractmethod
    def raw(self, seen: Inputs) -> Features:
        """Features before whitening; the same wherever whitening is the identity, as it is while a trunk is fitted."""


class Trunk(WhitenedTrunk):
    """Screen, patch and history to features. Normalises within an example only, so examples never meet.

    The screen is halved twice to the grid of cells; there the history is laid over it (planes, and a bias for each
    channel from the history's hidden vector), so that a cell's features already know what was done before. Without a
    screen the grid holds the history alone.
    """

    def __init__(self, widths: Architecture) -> None:
        super().__init__(widths)
        screen = widths.screen
        self.sees = screen is not None
        if screen is not None:
            self.screen1 = nn.Conv2d(1, screen.first, 5, stride=2, padding=2)
            self.screen1_norm = nn.GroupNorm(widths.groups, screen.first)
            self.screen2 = nn.Conv2d(screen.first, screen.second, 3, stride=2, padding=1)
            self.screen2_norm = nn.GroupNorm(widths.groups, screen.second)
            self.patch1 = nn.Conv2d(1, screen.patch, 3, stride=2, padding=1)
            self.patch2 = nn.Conv2d(screen.patch, screen.look, 3, stride=2, padding=1)
        self.history1 = nn.Linear(HISTORY * TOKEN, widths.hidden)
        self.history2 = nn.Linear(widths.hidden, widths.hidden)
        self.steer = nn.Linear(widths.hidden, widths.map)
        self.grid1 = nn.Conv2d(widths.seen + PLANES, widths.map, 3, padding=1)
        self.grid1_norm = nn.GroupNorm(widths.groups, widths.map)
        self.grid2 = nn.Conv2d(widths.map, widths.map, 3, padding=2, dilation=2)
        self.grid2_norm = nn.GroupNorm(widths.groups, widths.map)
        self.mix = nn.Linear(widths.mixed, widths.hidden)
        self.place = nn.Linear(2 * widths.hidden, widths.place)

    def alike(self, seen: Inputs) -> Features:
        """As `forward`, of at most `products.ROWS` windows in float64; one's features are the same bits whoever stands beside it."""
        raw = self.raw(seen, alike=True)
        return Features(
            kind=self.kind_whitening.alike(raw.kind),
            grid=self.grid_whitening.alike(raw.grid),
            place=self.place_whitening.alike(raw.place),
        )

    def raw(self, seen: Inputs, *, alike: bool = False) -> Features:
        """alike: as `alike` has it. Convolutions and norms go through windows one by one anyway."""

        def mapped(linear: nn.Linear, given: Tensor) -> Tensor:
            made: Tensor = through(linear, given) if alike else linear(given)
            return made

        hidden = relu(mapped(self.history2, relu(mapped(self.history1, seen.history))))
        grid = self.grid1_norm(convolved(self.grid1, torch.cat([*self._screen(seen), seen.planes], dim=1)))
        grid = relu(grid + mapped(self.steer, hidden)[..., None, None])
        grid = relu(grid + self.grid2_norm(convolved(self.grid2, grid)))
        cells = grid.flatten(2)  # (n, map, CELLS)
        overall = cells.mean(dim=2)
        here = torch.einsum("nmc,nc->nm", cells, seen.last)
        look = self._look(seen)
        mixed = relu(mapped(self.mix, torch.cat([hidden, overall, here, *look], dim=1)))
        has_patch = [seen.has_patch] if self.sees else []
        kind = torch.cat([mixed, hidden, overall, here, *look, *has_patch, seen.facts], dim=1)
        return Features(
            kind=kind,
            grid=torch.cat([cells.transpose(1, 2), seen.spots], dim=2),
            place=mapped(self.place, torch.cat([mixed, hidden], dim=1)),
        )

    def _screen(self, seen: Inputs) -> list[Tensor]:
        """(n, second, 12, 16), if any."""
        if not self.sees:
            return []
        screen = relu(self.screen1_norm(convolved(self.screen1, seen.frames)))
        return [relu(self.screen2_norm(convolved(self.screen2, screen)))]

    def _look(self, seen: Inputs) -> list[Tensor]:
        """(n, look), if any: zero where there is no patch."""
        if not self.sees:
            return []
        return [relu(self.patch2(relu(self.patch1(seen.patches)))).mean(dim=(2, 3)) * seen.has_patch]


class OwnTrunk(WhitenedTrunk):
    """One that somebody else brought, between this package's inputs and its whitening."""

    def __init__(self, widths: Widths, own: nn.Module) -> None:
        super().__init__(widths)
        self.own = own

    def raw(self, seen: Inputs) -> Features:
        features: Features = self.own(seen)
        return features
