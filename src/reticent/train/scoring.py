"""How well does a run's model do, on whom? Test people and baselines, for every engine alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from reticent.evaluate.baselines import baselines
from reticent.evaluate.metrics import Metrics, score
from reticent.model.pools import together
from reticent.model.tensors import Floats
from reticent.recordings import source

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_PER_PERSON = ("top1", "cell_top1", "perplexity")
_PUBLIC_ELSEWHERE = "drawn"  # a small recording may have nobody to spare for counting


@dataclass(frozen=True)
class Scoring:
    """The test people of a source, for one model. None of them trained it, none of them is named in a result."""

    data: str
    model: str
    trainable: str

    def __call__(self, weights: Floats) -> Mapping[str, float | int]:
        """Metrics of these trained weights over all test people's actions."""
        return score(self.model, self.trainable, weights, self._tested).as_dict()

    def results(self, weights: Floats) -> dict[str, Any]:
        """What results.json says about quality."""
        people = source.split(self.data).test
        return {
            **self(weights),
            "test": {"people": len(people), "examples": len(self._tested)},
            "baselines": {name: row.as_dict() for name, row in self._baselines().items()},
            "per_person": self._spread(weights, people),
        }

    @cached_property
    def _tested(self) -> Any:
        return together(source.pool(self.data, person) for person in source.split(self.data).test)

    def _baselines(self) -> dict[str, Metrics]:
        public = source.split(self.data).public
        data = self.data if public else _PUBLIC_ELSEWHERE
        counted = together(source.pool(data, person) for person in source.split(data).public)
        return baselines(counted, self._tested)

    def _spread(self, weights: Floats, people: tuple[str, ...]) -> dict[str, dict[str, float]]:
        """Quantiles over test people: what the average hides, and no more."""
        rows = [
            score(self.model, self.trainable, weights, pool).as_dict()
            for pool in (source.pool(self.data, person) for person in people)
            if len(pool)
        ]
        return {
            name: {str(level): float(np.quantile([row[name] for row in rows], level)) for level in QUANTILES}
            for name in _PER_PERSON
        }
