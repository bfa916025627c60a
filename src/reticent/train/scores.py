"""Who scores a run's weights? This process, or one beside the workers, so that this one needs no torch and can go on."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from reticent.errors import RoundAborted
from reticent.model import catalogue
from reticent.model.own import Model
from reticent.model.tensors import Floats
from reticent.sim.worker import peak_rss_mb
from reticent.sim.workers import NEVER_BEGAN, check_begun, own_process
from reticent.train.early import has_helper
from reticent.train.settings import Settings

if TYPE_CHECKING:
    from reticent.train.scoring import Scoring

T = TypeVar("T")
Figures = Mapping[str, float | int]


class Scores(Protocol):
    """`train.scoring.Scoring`, wherever it runs."""

    def __call__(self, weights: Floats) -> Figures: ...

    def results(self, weights: Floats) -> dict[str, Any]: ...

    def trained(
        self, weights: Floats, people: Sequence[str], *, noise_multiplier: float, seed: int
    ) -> dict[str, Any]: ...

    def peak_rss_mb(self) -> float:
        """Of a process beside this one; 0 where there is none."""


@contextmanager
def scores(settings: Settings) -> Iterator[Scores]:
    """Of one run. What is asked of them raises what `Scoring` raises, and RoundAborted where their process died."""
    if not has_helper(settings.engine):
        yield _scoring(settings)
        return
    process = own_process(_begin, settings, catalogue.registered())
    try:
        yield Beside(process)
    finally:
        process.shutdown(wait=True, cancel_futures=True)


def _scoring(settings: Settings) -> "Scoring":
    from reticent.train.scoring import Scoring  # torch

    return Scoring(
        settings.data.origin, part=settings.evaluate.part, model=settings.model.name, trainable=settings.learn.trainable
    )


class Beside:
    """Scores in a process of its own."""

    def __init__(self, process: ProcessPoolExecutor) -> None:
        self._process = process
        self._answered = False

    def __call__(self, weights: Floats) -> Figures:
        return self._ask(_score, weights)

    def results(self, weights: Floats) -> dict[str, Any]:
        return self._ask(_results, weights)

    def trained(self, weights: Floats, people: Sequence[str], *, noise_multiplier: float, seed: int) -> dict[str, Any]:
        return self._ask(_trained, weights, people, noise_multiplier, seed)

    def peak_rss_mb(self) -> float:
        return self._ask(peak_rss_mb)

    def _ask(self, function: Callable[..., T], *arguments: object) -> T:
        try:
            found = self._process.submit(function, *arguments).result()
        except BrokenExecutor:
            why = "died (was memory short?)" if self._answered else NEVER_BEGAN
            raise RoundAborted(f"the process that scores {why}; resume goes on from the last round") from None
        self._answered = True
        return found


_held: "list[Scoring]" = []  # the one of this process, if it was started for one


def _begin(settings: Settings, models: Mapping[str, Model]) -> None:
    for name, model in models.items():
        catalogue.register(name, model)
    _held.append(_scoring(settings))


def _here() -> "Scoring":
    check_begun()
    return _held[0]


def _score(weights: Floats) -> Figures:
    return _here()(weights)


def _results(weights: Floats) -> dict[str, Any]:
    return _here().results(weights)


def _trained(weights: Floats, people: Sequence[str], noise_multiplier: float, seed: int) -> dict[str, Any]:
    return _here().trained(weights, people, noise_multiplier=noise_multiplier, seed=seed)
