"""Public starts of office-60k's architecture: one that was fitted to nothing, one to drawn people, one to consenting pilots too."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

import reticent
from reticent.actions.pool import Pool
from reticent.model.architecture import Architecture, Screen
from reticent.model.bringing import write_model
from reticent.model.fitting import FIXED_EXAMPLES, fit, with_habits
from reticent.model.inputs import Inputs
from reticent.model.pools import take, together
from reticent.model.trunk import Features, Trunk
from reticent.recordings import drawn, source

WIDTHS = Architecture(  # of office-60k
    hidden=56, map=32, place=32, groups=4, screen=Screen(first=16, second=24, patch=8, look=16)
)
PILOTS = 50
EXTRA = 200  # drawn people beyond those listed; in no split
EPOCHS = 5
WHITENING = 0.5
_WITHOUT_HABITS = FIXED_EXAMPLES * 10 // 11  # a tenth more have one
_NEAR_SHARE = 0.8  # of what statistics and heads are fitted to; as for the shipped models


class BareTrunk(nn.Module):
    """office-60k's trunk, with weights that were just drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Trunk(WIDTHS)
        for name in ("kind_whitening", "grid_whitening", "place_whitening"):
            delattr(self.inner, name)

    def forward(self, seen: Inputs) -> Features:
        return self.inner.raw(seen)


def unfitted(weights: Path, _recording: Path) -> reticent.Model:
    """A trunk as it was drawn; only the statistics of its features and the heads are fitted, to the public people."""
    torch.manual_seed(0)
    return write_model(
        BareTrunk(), weights, _mixture([*_public("drawn"), *_drawn()], [_public("office"), _public("web")])
    )


def of_drawn(weights: Path, _recording: Path) -> reticent.Model:
    """Drawn people alone: neither real pixels nor pages as people use them."""
    return _fitted(weights, [*_public("drawn"), *_drawn()], [])


def of_pilots(weights: Path, recording: Path) -> reticent.Model:
    """What the shipped start is made of, and 50 people who agreed to it: validation sessions, who neither train nor test."""
    data = source.of_file(recording)
    pilots = [source.pool(data, person) for person in source.split(data).validation[:PILOTS]]
    office, web = _public("office"), _public("web")
    return _fitted(weights, [*office, *_public("drawn"), *web, *_drawn(), *pilots, *pilots], [pilots, web])


STARTS: Mapping[str, Callable[[Path, Path], reticent.Model]] = {
    "unfitted-60k": unfitted,
    "drawn-60k": of_drawn,
    "pilots-60k": of_pilots,
}


def _fitted(weights: Path, pools: Sequence[Pool], near: Sequence[Sequence[Pool]]) -> reticent.Model:
    """Ten minutes of one core; the same bytes on the same machine."""
    torch.set_num_threads(1)
    parts = [together(part) for part in near]
    fitted = fit(WIDTHS, together(pools), parts, seed=0, epochs=EPOCHS, whitening=WHITENING)
    trunk = BareTrunk()
    trunk.load_state_dict(
        {f"inner.{name}": value for name, value in fitted.trunk.state_dict().items() if "whitening" not in name}
    )
    return write_model(trunk, weights, _mixture(pools, near))


def _mixture(pools: Sequence[Pool], near: Sequence[Sequence[Pool]]) -> Pool:
    """What `write_model` fits to, in the shares of the shipped models, with habits as they have."""
    random = np.random.default_rng(0)
    each = round(_WITHOUT_HABITS * _NEAR_SHARE / len(near)) if near else 0
    everything, parts = together(pools), []
    for part, size in ((everything, _WITHOUT_HABITS - each * len(near)), *((together(one), each) for one in near)):
        parts.append(take(part, np.resize(random.permutation(len(part)), size), size=size))
    return with_habits(together(parts), random=random)


def _public(name: str) -> list[Pool]:
    return [source.pool(name, person) for person in source.split(name).public]


def _drawn() -> list[Pool]:
    return [source.pool("drawn", drawn.name(source.DRAWN_PEOPLE + index)) for index in range(EXTRA)]
