"""What does the network see of a pool? Windows as tensors, nothing learnt."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from reticent.actions.pool import Bytes, Pool
from reticent.actions.vocabulary import (
    CELLS,
    CELLS_X,
    CELLS_Y,
    HISTORY,
    KINDS,
    NO_CELL,
    NO_KIND,
    NO_TIME,
    TIME_BUCKETS,
    ActionKind,
)

_CONTRAST_FLOOR = 0.05  # an even picture stays even: its noise is not blown up
_POINTER_KINDS = (ActionKind.CLICK, ActionKind.DOUBLE_CLICK, ActionKind.RIGHT_CLICK, ActionKind.DRAG)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Inputs:
    """n windows as float tensors.

    frames: (n, 1, 48, 64) and patches: (n, 1, 16, 16), each of mean 0 and contrast about 1; a missing patch is 0.
    has_patch: (n, 1). history: (n, HISTORY * TOKEN), oldest first. planes: (n, PLANES, 12, 16).
    facts: (n, FACTS), the raw indicators a linear head may use, the product of the last two kinds among them.
    last: (n, CELLS): 1 at the last action's cell, 0 everywhere where there is none. spots: (n, CELLS, SPOTS), the raw
    indicators of a cell: the last action's, by its kind; next to it, on each side; and all planes but the first.
    """

    frames: Tensor
    patches: Tensor
    has_patch: Tensor
    history: Tensor
    planes: Tensor
    facts: Tensor
    last: Tensor
    spots: Tensor

    def __repr__(self) -> str:
        return f"<Inputs of {len(self.last)} examples>"


def inputs(pool: Pool, *, dtype: torch.dtype = torch.float32, device: str = "cpu") -> Inputs:
    """The pool's windows, never its labels, as tensors of `dtype`, made where they are wanted: bytes travel, floats don't.

    A number outside the vocabulary counts as the nearest inside: training must not stop at what a capture holds.
    """
    kinds = torch.from_numpy(pool.kinds.clip(0, NO_KIND)).to(device)
    cells = torch.from_numpy(pool.cells.clip(0, NO_CELL)).to(device)
    times = torch.from_numpy(pool.times.clip(0, NO_TIME)).to(device)
    has_patch = torch.from_numpy(np.ascontiguousarray(pool.has_patch)).to(device, dtype).unsqueeze(1)
    kind = one_hot(kinds, KINDS + 1).to(dtype)
    time = one_hot(times, TIME_BUCKETS + 1).to(dtype)
    where = one_hot(cells, CELLS + 1).to(dtype)[..., :NO_CELL]  # a missing cell is all zeros
    present = (cells != NO_CELL).to(dtype)
    column = ((cells % CELLS_X).to(dtype) / (CELLS_X - 1) * 2 - 1) * present
    row = ((cells // CELLS_X).to(dtype) / (CELLS_Y - 1) * 2 - 1) * present
    tokens = torch.cat([kind, time, torch.stack([column, row, present], dim=-1)], dim=-1)
    planes = _planes(kind, where)
    return Inputs(
        frames=_pictures(pool.frames, dtype, device),
        patches=_pictures(pool.patches, dtype, device) * has_patch[..., None, None],
        has_patch=has_patch,
        history=tokens.flatten(1),
        planes=planes,
        facts=_facts(kinds, cells, kind, time),
        last=where[:, -1],
        spots=_spots(kind[:, -1, :NO_KIND], where[:, -1], planes),
    )


def _pictures(grey: Bytes, dtype: torch.dtype, device: str) -> Tensor:
    """Each picture less its own mean, over its own contrast: a dark theme and a light one look more alike."""
    pictures = torch.from_numpy(np.ascontiguousarray(grey)).to(device).to(dtype).unsqueeze(1) / 255
    centred = pictures - pictures.mean(dim=(2, 3), keepdim=True)
    contrast = centred.square().mean(dim=(2, 3), keepdim=True).sqrt()
    return centred / (contrast + _CONTRAST_FLOOR)


def _planes(kind: Tensor, where: Tensor) -> Tensor:
    """The last three cells, cells seen before with fading and without, cells pointed at, and the last one's row."""
    pointed = kind[..., list(_POINTER_KINDS)].sum(dim=-1, keepdim=True) * where
    fading = 0.7 ** torch.arange(HISTORY - 1, -1, -1, dtype=where.dtype, device=where.device)
    grid = torch.stack(
        [
            where[:, -1],
            where[:, -2],
            where[:, -3],
            torch.einsum("k,nkc->nc", fading, where) / fading.sum(),
            where.amax(dim=1),
            torch.einsum("k,nkc->nc", fading, pointed) / fading.sum(),
        ],
        dim=1,
    ).reshape(len(where), -1, CELLS_Y, CELLS_X)
    row = grid[:, :1].amax(dim=3, keepdim=True).expand(-1, -1, -1, CELLS_X)
    return torch.cat([grid, row], dim=1)


def _spots(kind: Tensor, last: Tensor, planes: Tensor) -> Tensor:
    """Indicators with which a linear head expresses staying after this kind of action, and moving on by one cell."""
    framed = pad(planes[:, 0], (1, 1, 1, 1))
    beside = [framed[:, 1:-1, 2:], framed[:, 1:-1, :-2], framed[:, 2:, 1:-1], framed[:, :-2, 1:-1]]
    stay = last.unsqueeze(2) * kind.unsqueeze(1)
    return torch.cat([stay, torch.stack(beside, dim=3).flatten(1, 2), planes[:, 1:].flatten(2).transpose(1, 2)], dim=2)


def _facts(kinds: Tensor, cells: Tensor, kind: Tensor, time: Tensor) -> Tensor:
    """Indicators with which a linear head expresses second-order Markov chains and more."""
    pair = kind[:, -1].unsqueeze(2) * kind[:, -2].unsqueeze(1)
    pace = kind[:, -1].unsqueeze(2) * time[:, -1].unsqueeze(1)
    stay = (cells[:, 1:] == cells[:, :-1]) & (cells[:, 1:] != NO_CELL)
    alike = (kinds[:, 1:] == kinds[:, :-1]) & (kinds[:, 1:] != NO_KIND)
    flags = torch.stack([stay[:, -1], stay[:, -2], alike[:, -1] & alike[:, -2]], dim=1)
    started = (kinds != NO_KIND).to(kind.dtype).mean(dim=1, keepdim=True)
    single = torch.cat([kind[:, -3], kind[:, -4], kind.mean(dim=1), flags.to(kind.dtype), started], dim=1)
    return torch.cat([pair.flatten(1), pace.flatten(1), single], dim=1)
