"""What do simple counts predict? A model that can't beat them has learnt nothing.

For kinds and for cells alike: the commonest one, and Markov chains of order 1 to 3 that fall back on shorter histories.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from reticent.actions.pool import Ints, Pool
from reticent.actions.vocabulary import CELLS, KINDS
from reticent.errors import SettingError
from reticent.evaluate.metrics import Metrics, Table, hits, metrics
from reticent.model.pools import take

ORDERS: Mapping[str, int] = {"majority": 0, "markov1": 1, "markov2": 2, "markov3": 3}

_BACKING = 5.0  # a shorter history weighs as much as this many sightings of the longer one
_EXAMPLES_AT_ONCE = 4_096


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Symbols:
    """What of a pool is counted: next to nothing beside its pictures. kinds, cells: (n, HISTORY). next_kind, next_cell: (n,)."""

    kinds: Ints
    cells: Ints
    next_kind: Ints
    next_cell: Ints

    @classmethod
    def of(cls, pools: "Iterable[Pool | Symbols]") -> Self:
        """Of all of them, at least one, in order."""
        parts = [(one.kinds, one.cells, one.next_kind, one.next_cell) for one in pools]
        kinds, cells, next_kind, next_cell = (np.concatenate(column) for column in zip(*parts, strict=True))
        return cls(kinds=kinds, cells=cells, next_kind=next_kind, next_cell=next_cell)

    def __len__(self) -> int:
        return len(self.next_kind)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Counts:
    """How often each symbol followed each context of one length.

    contexts: ascending, distinct. starts: where a context's pairs start among the pairs, with one more at the end. symbols, seen:
    for each (context, symbol) pair the symbol and its count.
    """

    contexts: Ints
    starts: Ints
    symbols: Ints
    seen: Ints


class MarkovChain:
    """An n-gram model over `symbols` symbols and a padding one.

    p(next | m symbols) = (count + B * p(next | m - 1 symbols)) / (total + B); below order 0 everything is equally likely.
    """

    def __init__(self, history: Ints, following: Ints, *, order: int, symbols: int) -> None:
        """history: (n, >= order), oldest first, padding = `symbols`. following: (n,). Raises SettingError where n is 0."""
        if len(following) == 0:
            raise SettingError("a baseline needs at least one example to count; nothing was changed")
        self.order = order
        self.symbols = symbols
        self._levels = [self._count(history, following, length) for length in range(order + 1)]

    def probabilities(self, history: Ints) -> Table:
        """Returns: (n, symbols), each row positive and summing to 1."""
        table = np.full((len(history), self.symbols), 1.0 / self.symbols)
        for length, level in enumerate(self._levels):
            table = self._refine(table, level, self._contexts(history, length))
        return table

    def _contexts(self, history: Ints, length: int) -> Ints:
        """The last `length` symbols as one number."""
        code = np.zeros(len(history), dtype=np.int64)
        for column in history[:, history.shape[1] - length :].T:
            code = code * (self.symbols + 1) + column
        return code

    def _count(self, history: Ints, following: Ints, length: int) -> Counts:
        pairs, seen = np.unique(self._contexts(history, length) * self.symbols + following, return_counts=True)
        contexts, starts = np.unique(pairs // self.symbols, return_index=True)
        return Counts(
            contexts=contexts,
            starts=np.append(starts, len(pairs)).astype(np.int64),
            symbols=pairs % self.symbols,
            seen=seen.astype(np.int64),
        )

    def _refine(self, shorter: Table, level: Counts, contexts: Ints) -> Table:
        place = np.searchsorted(level.contexts, contexts).clip(max=len(level.contexts) - 1)
        known = level.contexts[place] == contexts
        first, last = level.starts[place], np.where(known, level.starts[place + 1], level.starts[place])
        width = last - first
        row = np.repeat(np.arange(len(contexts)), width)
        pair = np.arange(width.sum()) - np.repeat(width.cumsum() - width, width) + np.repeat(first, width)
        table = _BACKING * shorter
        table[row, level.symbols[pair]] += level.seen[pair]
        total: Table = table / table.sum(axis=1, keepdims=True)
        return total


def baselines(counted: Pool | Symbols, scored: Pool) -> dict[str, Metrics]:
    """Fit on `counted`, score on `scored`; by name, as in ORDERS.

    Raises SettingError where either has no example.
    """
    return {name: _score(counted, scored, order=order) for name, order in ORDERS.items()}


def _score(counted: Pool | Symbols, scored: Pool, *, order: int) -> Metrics:
    kinds = MarkovChain(counted.kinds, counted.next_kind, order=order, symbols=KINDS)
    cells = MarkovChain(counted.cells, counted.next_cell, order=order, symbols=CELLS)
    parts = []
    for start in range(0, len(scored), _EXAMPLES_AT_ONCE):
        rows = np.arange(start, min(start + _EXAMPLES_AT_ONCE, len(scored)))
        some = take(scored, rows, size=len(rows))
        parts.append(hits(np.log(kinds.probabilities(some.kinds)), cells.probabilities(some.cells), some))
    return metrics(parts)
