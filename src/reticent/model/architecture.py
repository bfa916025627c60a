"""How wide is a model of the family, and which tensors follow from that? Numbers only: nothing here needs torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from reticent.actions.vocabulary import CELLS, HISTORY, KINDS, TIME_BUCKETS

Shapes = Mapping[str, tuple[int, ...]]

TOKEN = (KINDS + 1) + (TIME_BUCKETS + 1) + 3  # one past action: kind, time, and x, y and presence of its cell
PLANES = 7  # where the history lies on the grid of cells
SPOTS = KINDS + 4 + PLANES - 1  # indicators of a cell which a linear head may use
FACTS = (KINDS + 1) ** 2 + 3 * (KINDS + 1) + (KINDS + 1) * (TIME_BUCKETS + 1) + 4


class Widths(Protocol):
    """What heads and whitening are made to fit: features of an example, of each cell, and of all cells at once."""

    @property
    def kind_features(self) -> int: ...
    @property
    def cell_features(self) -> int: ...
    @property
    def place(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """Channels of the two convolutions of the thumbnail, and of the two of the patch round the cursor."""

    first: int
    second: int
    patch: int
    look: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One member of the family.

    hidden: of the MLP over the history, and of its mixture with everything else. map: learnt features of a cell.
    place: features that speak of all cells at once. groups: of every GroupNorm; they divide its channels.
    screen: None for a model that sees actions and times only.
    """

    hidden: int
    map: int
    place: int
    groups: int
    screen: Screen | None

    @property
    def seen(self) -> int:
        """Channels of the thumbnail that reach the grid of cells."""
        return self.screen.second if self.screen else 0

    @property
    def look(self) -> int:
        """Features of the patch, and whether there is one."""
        return self.screen.look + 1 if self.screen else 0

    @property
    def mixed(self) -> int:
        """What the mixture is made of: history, the map as a whole and at the last action, and the patch."""
        return self.hidden + 2 * self.map + (self.screen.look if self.screen else 0)

    @property
    def kind_features(self) -> int:
        """Of the head for the next kind."""
        return 2 * self.hidden + 2 * self.map + self.look + FACTS

    @property
    def cell_features(self) -> int:
        """Of one cell, for the head that is the same in every cell."""
        return self.map + SPOTS

    def heads(self) -> Shapes:
        """Every head's tensors."""
        return head_shapes(self)

    def trunk(self) -> Shapes:
        """Every tensor that is frozen unless a plan trains all."""
        shapes: dict[str, tuple[int, ...]] = {
            **_layer("grid1", self.map, self.seen + PLANES, 3, 3),
            **_norm("grid1_norm", self.map),
            **_layer("grid2", self.map, self.map, 3, 3),
            **_norm("grid2_norm", self.map),
            **_layer("history1", self.hidden, HISTORY * TOKEN),
            **_layer("history2", self.hidden, self.hidden),
            **_layer("mix", self.hidden, self.mixed),
            **_layer("place", self.place, 2 * self.hidden),
            **_layer("steer", self.map, self.hidden),
        }
        if self.screen:
            shapes |= {
                **_layer("patch1", self.screen.patch, 1, 3, 3),
                **_layer("patch2", self.screen.look, self.screen.patch, 3, 3),
                **_layer("screen1", self.screen.first, 1, 5, 5),
                **_norm("screen1_norm", self.screen.first),
                **_layer("screen2", self.screen.second, self.screen.first, 3, 3),
                **_norm("screen2_norm", self.screen.second),
            }
        return MappingProxyType(shapes)

    def statistics(self) -> Shapes:
        """Public constants, never trained: mean and matrix for each group of features."""
        return statistics_shapes(self)


def head_shapes(widths: Widths) -> Shapes:
    """The linear heads that every model has."""
    return MappingProxyType(
        {
            "heads.cell_grid.weight": (1, widths.cell_features),
            "heads.cell_place.bias": (CELLS,),
            "heads.cell_place.weight": (CELLS, widths.place),
            "heads.kind.bias": (KINDS,),
            "heads.kind.weight": (KINDS, widths.kind_features),
        }
    )


def statistics_shapes(widths: Widths) -> Shapes:
    """Mean and matrix for each group of features, of every model."""
    groups = {"grid": widths.cell_features, "kind": widths.kind_features, "place": widths.place}
    shapes: dict[str, tuple[int, ...]] = {}
    for group, width in groups.items():
        shapes |= {
            f"trunk.{group}_whitening.matrix": (width, width),
            f"trunk.{group}_whitening.mean": (width,),
        }
    return MappingProxyType(shapes)


def _layer(name: str, out: int, *into: int) -> dict[str, tuple[int, ...]]:
    return {f"trunk.{name}.bias": (out,), f"trunk.{name}.weight": (out, *into)}


def _norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {f"trunk.{name}.bias": (channels,), f"trunk.{name}.weight": (channels,)}
