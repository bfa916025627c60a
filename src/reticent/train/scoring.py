"""How well does a run's model do, on whom? Test or validation people and baselines, for every engine alike."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from reticent.actions.pool import Pool
from reticent.actions.vocabulary import CELLS, CELLS_X
from reticent.evaluate.baselines import Symbols, baselines
from reticent.evaluate.metrics import Hits, Scorer, metrics
from reticent.evaluate.private_counts import PrivateCounts
from reticent.model.pools import together
from reticent.model.tensors import Floats
from reticent.privacy.events import NOISE_MULTIPLIER_RANGE
from reticent.privacy.noise import SeededNoise
from reticent.recordings import source

MOST_EXAMPLES = 65_536  # of people who are scored, and of those whom baselines count: about 250 MB
MOST_COUNTED = 1_000  # people whose counts are released
MOST_COUNTED_EXAMPLES = 1_000_000  # of those who trained: about 150 MB without pictures
MOST_WITHIN = 100  # people whose held-out time is scored: more would only take longer
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
LEAST_PEOPLE = 20  # whose actions a cell of the screen holds, or nothing is said of it
_PER_PERSON = ("top1", "cell_top1", "perplexity")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Scored:
    """All these people's windows; those of the k-th person lie from ends[k] to ends[k + 1]."""

    ends: tuple[int, ...]
    pool: Pool
    scorer: Scorer


class Scoring:
    """The test or validation people of a source, for one model. None of them trained it, none of them is named in a result."""

    def __init__(self, data: str, *, part: source.Part, model: str, trainable: str) -> None:
        """Nothing is read before the first score: workers are at work then."""
        self._data = data
        self._part = part
        self._make = partial(Scorer, model, trainable)

    @cached_property
    def _on(self) -> "_Scored":
        pools = source.pools(self._data, source.split(self._data).part(self._part), examples=MOST_EXAMPLES)
        pool = together(pools)
        return _Scored(ends=tuple(accumulate(map(len, pools), initial=0)), pool=pool, scorer=self._make(pool))

    def __call__(self, weights: Floats) -> Mapping[str, float | int]:
        """Metrics of these trained weights over all these people's actions."""
        return self._on.scorer.score(weights).as_dict()

    def results(self, weights: Floats) -> dict[str, Any]:
        """What results.json says about quality."""
        hits = self._on.scorer.hits(weights)
        return {
            **metrics([hits]).as_dict(),
            "scored": {"part": self._part, "people": len(self._on.ends) - 1, "examples": len(self._on.pool)},
            "baselines": self._baselines(),
            "per_person": self._spread(hits),
            "screen": self._screen(hits),
        }

    def trained(self, weights: Floats, people: Sequence[str], *, noise_multiplier: float, seed: int) -> dict[str, Any]:
        """What results.json says of those who trained, by its names there.

        within_person: metrics on the held-out time of some, None where nobody has any. within_person_baselines: on the same,
        counted without privacy on what they and others trained on (counted: so many people); empty where either has no
        window. private_ngram: on the people who are scored, what counts of those who trained would have given instead,
        released once with this noise each.

        Drawn people are slow to make, so a few of them stand for all: the sum is scaled, and its noise is that of all.
        """
        counted = people[: MOST_WITHIN if self._data in source.DRAWN else MOST_COUNTED]
        share = max(noise_multiplier * math.sqrt(len(counted) / len(people)), NOISE_MULTIPLIER_RANGE[0])
        counts = PrivateCounts(noise_multiplier=share, noise=SeededNoise(seed))
        trained_on: list[Symbols] = []
        held_out, room = [], MOST_COUNTED_EXAMPLES
        for place, person in enumerate(counted):
            time = source.split_time(self._data, person)
            counts.add(time.earlier)
            if room > 0:
                trained_on.append(Symbols.of([time.earlier]))
                room -= len(time.earlier)
            if place < MOST_WITHIN:
                held_out.append(time.later)
        earlier, later = Symbols.of(trained_on), together(held_out)
        member, figures = counts.best(self._chosen_on(), self._on.pool)
        return {
            "within_person": self._make(later).score(weights).as_dict() if len(later) else None,
            "within_person_baselines": {
                name: {**row.as_dict(), "counted": len(trained_on)} for name, row in baselines(earlier, later).items()
            }
            if len(earlier) and len(later)
            else {},
            "private_ngram": {
                **figures.as_dict(),
                "order": member.order,
                "clip_norm": member.clip_norm,
                "counted": len(counted),
            },
        }

    def peak_rss_mb(self) -> float:
        """Of a process beside this one: there is none."""
        return 0.0

    def _chosen_on(self) -> Pool:
        """Whom the private counts are chosen on: validation people, or public ones, or drawn ones. Never clients: a choice tells too."""
        groups = source.split(self._data)
        name, people = self._data, groups.validation or groups.public
        if not people:
            name, people = "drawn", source.split("drawn").public
        return together(source.pools(name, people, examples=MOST_EXAMPLES))

    def _baselines(self) -> dict[str, dict[str, float | int]]:
        whom = source.counted(self._data)
        counted = together(source.pools(whom.source, whom.people, examples=MOST_EXAMPLES))
        return {name: row.as_dict() for name, row in baselines(counted, self._on.pool).items()}

    def _screen(self, hits: Hits) -> list[list[float | None]]:
        """Of each cell of the frame, by rows: in which part of the actions there it was guessed right; None where nobody acted.

        Where a source's people are not public, also None for a cell with actions of fewer than LEAST_PEOPLE of them.
        """
        least = 1 if source.split(self._data).public else LEAST_PEOPLE
        right = hits.cell_rank < 1
        whose = np.repeat(np.arange(len(self._on.ends) - 1), np.diff(self._on.ends))
        cells = self._on.pool.next_cell
        found: list[float | None] = []
        for cell in range(CELLS):
            there = cells == cell
            shown = len(np.unique(whose[there])) >= least
            found.append(round(float(right[there].mean()), 3) if shown else None)
        return [found[start : start + CELLS_X] for start in range(0, CELLS, CELLS_X)]

    def _spread(self, hits: Hits) -> dict[str, dict[str, float]]:
        """Quantiles over people: what the average hides, and no more."""
        parts = [hits.part(start, stop) for start, stop in pairwise(self._on.ends) if stop > start]
        rows = [metrics([part]).as_dict() for part in parts]
        return {
            name: {str(level): float(np.quantile([row[name] for row in rows], level)) for level in QUANTILES}
            for name in _PER_PERSON
        }
