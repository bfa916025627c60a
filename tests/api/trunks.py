"""Trunks that somebody might bring: a sound one, and one for each way to break the contract."""

import torch
from torch import nn

from reticent import Features, Inputs
from reticent.actions.vocabulary import HISTORY
from reticent.model.architecture import TOKEN
from reticent.model.trunk import WhitenedTrunk


class Sound(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.history = nn.Linear(HISTORY * TOKEN, 8)

    def forward(self, seen: Inputs) -> Features:
        hidden = torch.tanh(self.history(seen.history))
        return Features(kind=torch.cat([hidden, seen.facts], dim=1), grid=seen.spots, place=hidden)


class WithBatchStatistics(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(8)


class WithDropout(Sound):
    def forward(self, seen: Inputs) -> Features:
        plain = super().forward(seen)
        return Features(kind=nn.functional.dropout(plain.kind, 0.5), grid=plain.grid, place=plain.place)


class Mixing(Sound):
    def forward(self, seen: Inputs) -> Features:
        plain = super().forward(seen)
        return Features(kind=plain.kind, grid=plain.grid, place=plain.place - plain.place.mean(dim=0))


class WithoutPlace(Sound):
    """One that has nothing to say about places, and says so with a constant."""

    def forward(self, seen: Inputs) -> Features:
        plain = super().forward(seen)
        return Features(kind=plain.kind, grid=plain.grid, place=torch.full((len(plain.place), 1), 0.1))


class NotFinite(Sound):
    def forward(self, seen: Inputs) -> Features:
        plain = super().forward(seen)
        return Features(kind=plain.kind, grid=plain.grid, place=plain.place.log())


class WrongShape(Sound):
    def forward(self, seen: Inputs) -> Features:
        plain = super().forward(seen)
        return Features(kind=plain.kind, grid=plain.grid[:, :-1], place=plain.place)


class NoFeatures(Sound):
    def forward(self, seen: Inputs) -> Features:
        return seen.facts  # type: ignore[return-value]


class WithoutForward(nn.Module):
    pass


class WithoutRaw(WhitenedTrunk):
    """One of this package's own kind that makes no features."""


class WithArgument(Sound):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width


def nested() -> nn.Module:
    class Inner(Sound):
        pass

    return Inner()


class Recurrent(nn.Module):
    """Sound as it is; but nobody knows each example's gradient of a GRU."""

    def __init__(self) -> None:
        super().__init__()
        self.history = nn.GRU(TOKEN, 8, batch_first=True)

    def forward(self, seen: Inputs) -> Features:
        _, last = self.history(seen.history.unflatten(1, (HISTORY, TOKEN)))
        return Features(kind=torch.cat([last[0], seen.facts], dim=1), grid=seen.spots, place=last[0])


class Rooted(Sound):
    """Sound; but its gradient is infinite where a screen is even."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Conv2d(1, 2, 3)

    def forward(self, seen: Inputs) -> Features:
        plain = super().forward(seen)
        contrast = self.look(seen.frames).flatten(2).var(dim=2).sqrt()
        return Features(kind=torch.cat([plain.kind, contrast], dim=1), grid=plain.grid, place=plain.place)


class Failing(Sound):
    def forward(self, seen: Inputs) -> Features:
        raise RuntimeError("boom")
