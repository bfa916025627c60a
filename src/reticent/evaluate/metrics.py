"""How well do predictions meet what people did next?"""

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import torch

from reticent.actions.pool import Ints, Pool
from reticent.actions.vocabulary import CELLS_X
from reticent.errors import SettingError
from reticent.model import catalogue
from reticent.model.frozen import Frozen, freeze
from reticent.model.network import Network, load, set_vector
from reticent.model.pools import take
from reticent.model.tensors import Floats
from reticent.model.trunk import Features

Table = npt.NDArray[np.float64]

_EXAMPLES_AT_ONCE = 256
KEPT_EXAMPLES = 96 * _EXAMPLES_AT_ONCE  # features of so many are kept: 44 kB each of office-60k, about 1 GB
_WORST_LOG_LIKELIHOOD = -700.0  # e**700 is still a float: a hopeless model gets a finite perplexity


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Over the examples of a pool.

    top1, top3, cell_top1, cell_top3: fractions of examples. perplexity: e to the mean negative log-likelihood of the next
    kind. cell_distance, cell_distance_median: from the likeliest cell's centre to the true one's, in cells of the frame.
    """

    top1: float
    top3: float
    perplexity: float
    cell_top1: float
    cell_top3: float
    cell_distance: float
    cell_distance_median: float
    examples: int

    def as_dict(self) -> dict[str, float | int]:
        """The fields by name, for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Hits:
    """What metrics are made of, one number an example.

    log_likelihood: of the true kind. kind_rank, cell_rank: how many kinds or cells were held likelier than the true one;
    of equal ones the first counts as likelier, so that a constant answer earns nothing. distance: in cells.
    """

    log_likelihood: Table
    kind_rank: Ints
    cell_rank: Ints
    distance: Table

    @staticmethod
    def none() -> "Hits":
        """Of no example."""
        numbers, ranks = np.zeros(0), np.zeros(0, dtype=np.int64)
        return Hits(log_likelihood=numbers, kind_rank=ranks, cell_rank=ranks, distance=numbers)

    def part(self, start: int, stop: int) -> "Hits":
        """Of some examples in a row."""
        return Hits(**{name: getattr(self, name)[start:stop] for name in self.__slots__})


class Scorer:
    """Figures of one model on the same examples, for the weights of any number of rounds.

    Where the trunk is frozen, it computes in float32, its features of the first KEPT_EXAMPLES examples are computed once, and
    a score costs the heads.
    """

    def __init__(self, model: str, trainable: str, pool: Pool) -> None:
        """Raises SettingError for an unknown model or choice."""
        catalogue.shapes(model, trainable)
        self._trainable = trainable
        self._network = load(model).double()  # finite float32 heads, however large, then give finite logits
        self._seeing = load(model) if trainable == "heads" else self._network
        self._pool = pool
        self._kept_until = min(len(pool), KEPT_EXAMPLES) if trainable == "heads" else 0
        self._kept = tuple(_frozen(self._seeing, pool, stop=self._kept_until))

    def score(self, weights: Floats) -> Metrics:
        """Raises: SettingError for weights of another length or type or not finite, and for an empty pool."""
        return metrics([self.hits(weights)])

    def hits(self, weights: Floats) -> Hits:
        """What `score` summarises, an entry an example, in the pool's order. Raises: as `score`, but for an empty pool."""
        _set_finite(self._network, self._trainable, weights)
        others = _frozen(self._seeing, self._pool, start=self._kept_until)
        return _hits(self._network, chain(self._kept, others))


def score(model: str, trainable: str, weights: Floats, pool: Pool) -> Metrics:
    """The named model with these trained weights, once, on every example of `pool`. Raises: as `Scorer`."""
    return Scorer(model, trainable, pool).score(weights)


def score_network(network: Network, pool: Pool) -> Metrics:
    """A network at hand, such as one just fitted. Raises SettingError for an empty pool."""
    network = deepcopy(network).double()
    return metrics([_hits(network, _frozen(network, pool))])


def _set_finite(network: Network, trainable: str, weights: Floats) -> None:
    set_vector(network, trainable, weights)
    if not np.isfinite(weights).all():
        raise SettingError("the weights hold NaN or infinity, so nothing can be scored; nothing was changed")


def _frozen(network: Network, pool: Pool, *, start: int = 0, stop: int | None = None) -> Iterator[Frozen]:
    stop = len(pool) if stop is None else stop
    for first in range(start, stop, _EXAMPLES_AT_ONCE):
        rows = np.arange(first, min(first + _EXAMPLES_AT_ONCE, stop))
        yield freeze(network, take(pool, rows, size=len(rows)))


def _hits(network: Network, parts: Iterable[Frozen]) -> Hits:
    found, quick = [Hits.none()], deepcopy(network.heads).float()  # four times as fast; differs in the seventh digit
    for part in parts:
        with torch.no_grad():
            kind, cell = quick(part.seen)
            if not (kind.isfinite().all() and cell.isfinite().all()):  # of weights that are too large for it
                seen = part.seen
                kind, cell = network.heads(
                    Features(kind=seen.kind.double(), grid=seen.grid.double(), place=seen.place.double())
                )
        found.append(hits(torch.log_softmax(kind.double(), dim=1).numpy(), cell.double().numpy(), part))
    return Hits(**{name: np.concatenate([getattr(one, name) for one in found]) for name in Hits.__slots__})


def hits(kind_log_probabilities: Table, cell_scores: Table, labels: Pool | Frozen) -> Hits:
    """Compare predictions with labels.

    kind_log_probabilities: (n, KINDS), natural logarithms. cell_scores: (n, CELLS), larger is likelier. NaN, which absurd
    weights of the trunk can give, counts as impossible: it must not pass for a hit.
    """
    kinds = np.where(np.isnan(kind_log_probabilities), -np.inf, kind_log_probabilities)
    cells = np.where(np.isnan(cell_scores), -np.inf, cell_scores)
    every = np.arange(len(labels))
    guess = cells.argmax(axis=1)
    down = guess // CELLS_X - labels.next_cell // CELLS_X
    across = guess % CELLS_X - labels.next_cell % CELLS_X
    return Hits(
        log_likelihood=kinds[every, labels.next_kind],
        kind_rank=_ranks(kinds, labels.next_kind),
        cell_rank=_ranks(cells, labels.next_cell),
        distance=np.hypot(down, across),
    )


def metrics(parts: Sequence[Hits]) -> Metrics:
    """Summarise; the parts are batches of the same predictor. Raises SettingError where there is no example at all."""
    examples = sum(len(part.kind_rank) for part in parts)
    if examples == 0:
        raise SettingError("there are no examples to score; a metric needs at least one; nothing was changed")
    kind, cell = (np.concatenate([getattr(part, name) for part in parts]) for name in ("kind_rank", "cell_rank"))
    distance = np.concatenate([part.distance for part in parts])
    mean = float(np.concatenate([part.log_likelihood for part in parts]).clip(_WORST_LOG_LIKELIHOOD).mean())
    return Metrics(
        top1=float((kind < 1).mean()),
        top3=float((kind < 3).mean()),
        perplexity=float(np.exp(-mean)),
        cell_top1=float((cell < 1).mean()),
        cell_top3=float((cell < 3).mean()),
        cell_distance=float(distance.mean()),
        cell_distance_median=float(np.median(distance)),
        examples=examples,
    )


def _ranks(scores: Table, labels: Ints) -> Ints:
    true = np.take_along_axis(scores, labels[:, None], axis=1)
    earlier = np.arange(scores.shape[1]) < labels[:, None]
    ranks: Ints = ((scores > true) | ((scores == true) & earlier)).sum(axis=1)
    return ranks
