"""What does a device remember between rounds? Frozen features of examples that it still has, in memory only."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

import numpy as np
import torch
from torch import Tensor

from reticent.actions.pool import Ints, Pool
from reticent.learn.train import KEPT_EXAMPLES, Learner, Prepared
from reticent.model.frozen import Frozen
from reticent.model.pools import take
from reticent.model.tensors import Floats
from reticent.model.trunk import Features
from reticent.privacy.noise import NoiseSource
from reticent.records.plan import LocalTraining

_SEEN = ("kinds", "cells", "times", "frames", "patches", "has_patch")  # what features are made of: all but labels


class Memory:
    """One learner, and the features of the last pool that it saw: of one model, and at most KEPT_EXAMPLES.

    What is remembered changes how long a round takes and no bit of its result: an example's features don't depend on the
    examples beside it.
    """

    def __init__(self) -> None:
        self._asked: tuple[str, str] | None = None
        self._learner: Learner | None = None
        self._rows: dict[bytes, int] = {}
        self._frozen: Frozen | None = None

    def __len__(self) -> int:
        """How many examples' features it holds."""
        return len(self._frozen) if self._frozen else 0

    def __repr__(self) -> str:
        return "<Memory>"

    def forget(self) -> None:
        """Drop everything that was made from captures."""
        self._rows, self._frozen = {}, None

    def update(
        self, pool: Pool, weights: Floats, *, model: str, trainable: str, training: LocalTraining, noise: NoiseSource
    ) -> Floats:
        """As `local_update`, to the bit. Examples that are not in `pool` any more are forgotten before it trains."""
        learner = self._of(model, trainable)
        return learner.update(self._prepare(learner, pool), weights, training=training, noise=noise)

    def _of(self, model: str, trainable: str) -> Learner:
        if self._learner is None or self._asked != (model, trainable):
            self.forget()
            self._learner, self._asked = Learner(model, trainable), (model, trainable)
        return self._learner

    def _prepare(self, learner: Learner, pool: Pool) -> Prepared:
        known, frozen = self._rows, self._frozen
        self.forget()
        if len(pool) > KEPT_EXAMPLES:
            return learner.unprepared(pool)
        keys = _keys(pool)
        new = np.array([row for row, key in enumerate(keys) if key not in known], dtype=np.int64)
        prepared = learner.prepare(pool if frozen is None else take(pool, new, size=len(new)))
        kept = prepared.examples
        if not isinstance(kept, Frozen):
            return prepared
        if frozen is not None:
            fresh = {keys[row]: len(frozen) + place for place, row in enumerate(new)}
            everywhere = known | fresh
            places = np.array([everywhere[key] for key in keys], dtype=np.int64)
            kept = _gathered(frozen, kept, places, labels=pool)
        self._rows, self._frozen = {key: row for row, key in enumerate(keys)}, kept
        return replace(prepared, examples=kept)


def _keys(pool: Pool) -> Sequence[bytes]:
    """For each example a digest of all that its features are made of."""
    columns = [np.ascontiguousarray(getattr(pool, name)) for name in _SEEN]
    return [sha256(b"".join(column[row].tobytes() for column in columns)).digest() for row in range(len(pool))]


def _gathered(old: Frozen, new: Frozen, places: Ints, *, labels: Pool) -> Frozen:
    """Features at `places` of the old ones followed by the new."""
    rows = torch.from_numpy(places)

    def chosen(first: Tensor, second: Tensor) -> Tensor:
        return torch.cat([first, second])[rows]

    seen = Features(
        kind=chosen(old.seen.kind, new.seen.kind),
        grid=chosen(old.seen.grid, new.seen.grid),
        place=chosen(old.seen.place, new.seen.place),
    )
    return Frozen(seen=seen, next_kind=labels.next_kind.copy(), next_cell=labels.next_cell.copy())
