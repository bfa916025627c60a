"""What would counts give at the same epsilon? A model that can't beat them has not earned its keep.

Every person releases ONE vector, once: how often each kind followed its last 0 to `order` kinds, and each cell the last one.
It is an alternative to training, with a budget of its own: its epsilon is never added to a run's. For simulations.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reticent.actions.pool import Ints, Pool
from reticent.actions.vocabulary import CELLS, KINDS
from reticent.errors import SettingError
from reticent.evaluate.metrics import Metrics, Table, hits, metrics
from reticent.model.pools import take
from reticent.privacy.mechanism import grid_for, release_vector
from reticent.privacy.noise import NoiseSource

Floats = npt.NDArray[np.float64]

_BACKING = 5.0  # a shorter history weighs as much as this many sightings of the longer one, and one deviation of noise
_EXAMPLES_AT_ONCE = 4_096
_CELLS_FROM = (0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """order: of the longest history of kinds. clip_norm: L2 bound of one person's counts, in windows."""

    order: int
    clip_norm: float

    def counts(self, pool: Pool) -> Floats:
        """Shape (P,): of each level of kinds the shortest first, then of cells."""
        levels = [
            *(_table(pool.kinds, pool.next_kind, length, symbols=KINDS) for length in range(self.order + 1)),
            *(_table(pool.cells, pool.next_cell, length, symbols=CELLS) for length in _CELLS_FROM),
        ]
        return np.concatenate([level.ravel() for level in levels])


FAMILY = (
    Member(order=1, clip_norm=4.0),
    Member(order=2, clip_norm=4.0),
    Member(order=2, clip_norm=16.0),
    Member(order=3, clip_norm=4.0),
)
"""Fixed; which one is reported is chosen on people who neither train nor test."""


class PrivateCounts:
    """The exact sum of everybody's release, for each member of the family by itself; memory doesn't grow with people."""

    def __init__(self, *, noise_multiplier: float, noise: NoiseSource) -> None:
        """noise_multiplier: of each person's release: all of the noise in mode local, a share in mode secure."""
        self._noise_multiplier = noise_multiplier
        self._noise = noise
        empty = Pool.empty()
        self._sums = {member: np.zeros(member.counts(empty).shape, dtype=np.int64) for member in FAMILY}
        self.people = 0

    def add(self, pool: Pool) -> None:
        """One person's releases, by the mechanism of the door."""
        for member, total in self._sums.items():
            total += release_vector(
                member.counts(pool),
                clip_norm=member.clip_norm,
                noise_multiplier=self._noise_multiplier,
                grid=self._grid(member),
                noise=self._noise,
            )
        self.people += 1

    def best(self, chosen_on: Pool, scored: Pool) -> tuple[Member, Metrics]:
        """The member with the highest top-1 on `chosen_on`, and its metrics on `scored`.

        Raises SettingError where either has no example, or nobody was added.
        """
        if not self.people:
            raise SettingError("nobody's counts were released, so nothing can be predicted; nothing was changed")
        rated = [(self._score(member, chosen_on), member) for member in FAMILY]
        _, member = max(rated, key=lambda one: (one[0].top1, -one[0].perplexity))
        return member, self._score(member, scored)

    def _score(self, member: Member, pool: Pool) -> Metrics:
        kinds, cells = self._levels(member)
        backing = _BACKING + self._deviation(member)
        parts = []
        for start in range(0, len(pool), _EXAMPLES_AT_ONCE):
            rows = np.arange(start, min(start + _EXAMPLES_AT_ONCE, len(pool)))
            some = take(pool, rows, size=len(rows))
            likely = _predicted(kinds, some.kinds, symbols=KINDS, backing=backing)
            parts.append(hits(np.log(likely), _predicted(cells, some.cells, symbols=CELLS, backing=backing), some))
        return metrics(parts)

    def _levels(self, member: Member) -> tuple[list[Table], list[Table]]:
        """The sums as tables (context, symbol), less one deviation of their noise and never negative: mostly noise is in them."""
        counted = self._sums[member] * self._grid(member) - self._deviation(member)
        shapes = [
            *(((KINDS + 1) ** length, KINDS) for length in range(member.order + 1)),
            *(((CELLS + 1) ** length, CELLS) for length in _CELLS_FROM),
        ]
        ends = np.cumsum([rows * columns for rows, columns in shapes])[:-1]
        parts = np.split(np.maximum(counted, 0.0), ends)
        tables = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        return tables[: member.order + 1], tables[member.order + 1 :]

    def _deviation(self, member: Member) -> float:
        return self._noise_multiplier * member.clip_norm * math.sqrt(self.people)

    def _grid(self, member: Member) -> float:
        parameters = self._sums[member].size
        return grid_for(clip_norm=member.clip_norm, noise_multiplier=self._noise_multiplier, parameters=parameters)


def _contexts(history: Ints, length: int, *, symbols: int) -> Ints:
    """The last `length` symbols as one number; padding is a symbol too."""
    code = np.zeros(len(history), dtype=np.int64)
    for column in history[:, history.shape[1] - length :].T:
        code = code * (symbols + 1) + column
    return code


def _table(history: Ints, following: Ints, length: int, *, symbols: int) -> Floats:
    """How often each symbol followed each context: shape (contexts * symbols,)."""
    pairs = _contexts(history, length, symbols=symbols) * symbols + following
    return np.bincount(pairs, minlength=(symbols + 1) ** length * symbols).astype(np.float64)


def _predicted(levels: list[Table], history: Ints, *, symbols: int, backing: float) -> Table:
    """Shape (n, symbols), rows positive and summing to 1: each level is refined by the next longer history."""
    table = np.full((len(history), symbols), 1.0 / symbols)
    for length, level in enumerate(levels):
        table = level[_contexts(history, length, symbols=symbols)] + backing * table
        table /= table.sum(axis=1, keepdims=True)
    return table
