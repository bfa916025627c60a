"""How well does a run's model do, on whom? Test people and baselines, for every engine alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from reticent.actions.pool import Pool
from reticent.actions.vocabulary import CELLS, CELLS_X
from reticent.evaluate.baselines import baselines
from reticent.evaluate.metrics import Hits, Scorer, metrics
from reticent.model.pools import together
from reticent.model.tensors import Floats
from reticent.recordings import source

MOST_EXAMPLES = 65_536  # of test people, and of those whom baselines count: about 250 MB
MOST_WITHIN = 100  # people whose held-out time is scored: more would only take longer
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
LEAST_PEOPLE = 20  # whose actions a cell of the screen holds, or nothing is said of it
_PER_PERSON = ("top1", "cell_top1", "perplexity")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Test:
    """All test people's windows; those of the k-th person lie from ends[k] to ends[k + 1]."""

    ends: tuple[int, ...]
    pool: Pool
    scorer: Scorer


class Scoring:
    """The test people of a source, for one model. None of them trained it, none of them is named in a result."""

    def __init__(self, data: str, *, model: str, trainable: str) -> None:
        """Nothing is read before the first score: workers are at work then."""
        self._data = data
        self._make = partial(Scorer, model, trainable)

    @cached_property
    def _test(self) -> "_Test":
        pools = source.pools(self._data, source.split(self._data).test, examples=MOST_EXAMPLES)
        pool = together(pools)
        return _Test(ends=tuple(accumulate(map(len, pools), initial=0)), pool=pool, scorer=self._make(pool))

    def __call__(self, weights: Floats) -> Mapping[str, float | int]:
        """Metrics of these trained weights over all test people's actions."""
        return self._test.scorer.score(weights).as_dict()

    def results(self, weights: Floats) -> dict[str, Any]:
        """What results.json says about quality."""
        hits = self._test.scorer.hits(weights)
        return {
            **metrics([hits]).as_dict(),
            "test": {"people": len(self._test.ends) - 1, "examples": len(self._test.pool)},
            "baselines": self._baselines(),
            "per_person": self._spread(hits),
            "screen": self._screen(hits),
        }

    def within(self, weights: Floats, people: Sequence[str]) -> Mapping[str, float | int] | None:
        """Metrics on the held-out time of some who trained; None where nobody has any."""
        later = together(source.split_time(self._data, person).later for person in people[:MOST_WITHIN])
        return self._make(later).score(weights).as_dict() if len(later) else None

    def _baselines(self) -> dict[str, dict[str, float | int]]:
        whom = source.counted(self._data)
        counted = together(source.pools(whom.source, whom.people, examples=MOST_EXAMPLES))
        return {name: row.as_dict() for name, row in baselines(counted, self._test.pool).items()}

    def _screen(self, hits: Hits) -> list[list[float | None]]:
        """Of each cell of the frame, by rows: in which part of the actions there it was guessed right; None where nobody acted.

        Where a source's people are not public, also None for a cell with actions of fewer than LEAST_PEOPLE of them.
        """
        least = 1 if source.split(self._data).public else LEAST_PEOPLE
        right = hits.cell_rank < 1
        whose = np.repeat(np.arange(len(self._test.ends) - 1), np.diff(self._test.ends))
        cells = self._test.pool.next_cell
        found: list[float | None] = []
        for cell in range(CELLS):
            there = cells == cell
            shown = len(np.unique(whose[there])) >= least
            found.append(round(float(right[there].mean()), 3) if shown else None)
        return [found[start : start + CELLS_X] for start in range(0, CELLS, CELLS_X)]

    def _spread(self, hits: Hits) -> dict[str, dict[str, float]]:
        """Quantiles over test people: what the average hides, and no more."""
        parts = [hits.part(start, stop) for start, stop in pairwise(self._test.ends) if stop > start]
        rows = [metrics([part]).as_dict() for part in parts]
        return {
            name: {str(level): float(np.quantile([row[name] for row in rows], level)) for level in QUANTILES}
            for name in _PER_PERSON
        }
