"""A public start that has never seen a real screen: trunk and heads fitted to drawn people alone."""

from pathlib import Path

import torch
from torch import nn

import reticent
from reticent.model import catalogue
from reticent.model.fitting import fit
from reticent.model.inputs import Inputs
from reticent.model.pools import together
from reticent.model.trunk import Features, Trunk
from reticent.recordings import drawn, source

LIKE = "office-60k"
EXTRA = 200  # drawn people beyond those listed; in no split
EPOCHS = 5
WHITENING = 0.4


class DrawnTrunk(nn.Module):
    """The trunk of `LIKE`, without its public weights."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Trunk(catalogue.entry(LIKE).architecture)
        for name in ("kind_whitening", "grid_whitening", "place_whitening"):
            delattr(self.inner, name)

    def forward(self, seen: Inputs) -> Features:
        return self.inner.raw(seen)


def make(weights: Path) -> reticent.Model:
    """Ten minutes of one core; the same bytes on the same machine."""
    torch.set_num_threads(1)
    people = [*source.split("drawn").public, *(drawn.name(source.DRAWN_PEOPLE + index) for index in range(EXTRA))]
    pool = together(source.pool("drawn", person) for person in people)
    fitted = fit(catalogue.entry(LIKE).architecture, pool, (), seed=0, epochs=EPOCHS, whitening=WHITENING)
    trunk = DrawnTrunk()
    state = {f"inner.{name}": value for name, value in fitted.trunk.state_dict().items() if "whitening" not in name}
    trunk.load_state_dict(state)
    return reticent.make_model(trunk, weights, data="drawn")
