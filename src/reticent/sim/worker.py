"""One worker: some people's answers to one round, one after another, as a partial sum."""

import os
import platform
import resource
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reticent.actions.pool import Pool
from reticent.aggregate.total import Total
from reticent.errors import StateError
from reticent.model import catalogue
from reticent.model.own import Model
from reticent.model.tensors import Floats
from reticent.privacy.mechanism import payload_bound
from reticent.privacy.noise import NoiseSource, SeededNoise
from reticent.recordings import source
from reticent.records.plan import LocalTraining, Plan
from reticent.sim.clipping import AdaptiveClip
from reticent.sim.population import Population

if TYPE_CHECKING:
    from reticent.learn.plain import AnyLearner
    from reticent.learn.train import Learn, Prepared

Longs = npt.NDArray[np.int64]

MB = 1 << 20
_STACKED = 256  # people at once: their features alone are some 500 MB


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PartialSum:
    """values: shape (P,), or (P + 1,) with a count, int64, grid units: the exact sum of `released` releases. peak_rss_mb: of the worker's process,
    which no other worker's `process` names. unkept_mb: of what was prepared for this answer and found no room between rounds."""

    values: Longs
    released: int
    peak_rss_mb: float
    process: str
    unkept_mb: float = 0.0

    def __repr__(self) -> str:
        return f"<PartialSum of {self.released} releases>"


class Worker:
    """Keeps one network in place, and what it prepared of people as long as that fits into `cache_bytes`."""

    def __init__(
        self,
        *,
        plan: Plan,
        plan_id: str,
        population: Population,
        seed: int,
        cache_bytes: int,
        clip: AdaptiveClip | None = None,
        stacked_on: str | None = None,
    ) -> None:
        """stacked_on: the device where many people train at once; None trains them one after another on the CPU."""
        from reticent.learn.plain import learner_of  # here: who only asks workers needs no machine learning

        self._plan = plan
        self._plan_id = plan_id
        self._population = population
        self._seed = seed
        self._clip = clip
        self._learner = learner_of(plan)
        self._cache = _Cache(cache_bytes)
        self._stacked_on = stacked_on

    def answer(self, number: int, people: Sequence[int], weights: Floats, clip_norm: float | None = None) -> PartialSum:
        """Everybody's release for round `number`, summed exactly. weights: shape (P,), float32. clip_norm: of this round, where
        it is adapted; each release then has one coordinate more, that of the count.

        A person's noise depends on the seed, the round and the person alone: neither on the worker nor on the order.
        """
        from reticent.client import Task, answer

        plan, clip, size = self._plan, self._clip, self._plan.parameters
        if clip is not None and clip_norm is not None:
            release = clip.release(plan.release, clip_norm=clip_norm, parameters=size)
            plan, size = plan.model_copy(update={"release": release}), size + 1
        task, release = Task(plan=plan, plan_id=self._plan_id, round=number), plan.release
        scale = {"clip_norm": release.clip_norm, "noise_multiplier": release.noise_multiplier, "grid": release.grid}
        total, unkept = Total(size, bound=payload_bound(**scale)), self._cache.unkept_bytes
        at_once = 1 if self._stacked_on is None else _STACKED
        for start in range(0, len(people), at_once):
            some = [self._held(person) for person in people[start : start + at_once]]
            noise = [SeededNoise(_mixed(self._seed, number, person)) for person in people[start : start + at_once]]
            for held, own, learn in zip(some, noise, self._learns(some, noise, weights), strict=True):
                if clip is not None and clip_norm is not None:
                    learn = clip.counting(learn, clip_norm=clip_norm)
                total.add(answer(task, weights, held.examples, own, learn=learn).values)
        return PartialSum(
            values=total.values(),
            released=len(people),
            peak_rss_mb=peak_rss_mb(),
            process=_process(),
            unkept_mb=(self._cache.unkept_bytes - unkept) / MB,
        )

    def _learns(self, some: Sequence["_Person"], noise: Sequence[SeededNoise], weights: Floats) -> "list[Learn]":
        alone: list[Learn] = [held.update for held in some]
        if self._stacked_on is None:
            return alone
        from reticent.sim.stacking import stacked

        prepared = [held.prepared for held in some]
        return stacked(alone, prepared, noise, weights, plan=self._plan, device=self._stacked_on)

    def _held(self, person: int) -> "_Person":
        held = self._cache.get(person)
        if held is None:
            pool = self._population.pool(person)
            held = _Person(pool=pool, prepared=self._learner.prepare(pool), learner=self._learner)
            self._cache.put(person, held)
        return held


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Person:
    """One person's examples, and what the worker's learner prepared of them."""

    pool: Pool
    prepared: "Prepared"
    learner: "AnyLearner"

    @property
    def nbytes(self) -> int:
        return self.pool.nbytes + self.prepared.nbytes

    def examples(self) -> Pool:
        """What `client.answer` calls, once a round."""
        return self.pool

    def update(
        self, pool: Pool, weights: Floats, *, model: str, trainable: str, training: LocalTraining, noise: NoiseSource
    ) -> Floats:
        """As `local_update`, to the bit."""
        prepared = self.prepared if pool is self.pool else self.learner.prepare(pool)
        return self.learner.update(prepared, weights, training=training, noise=noise)


class _Cache:
    """Who came first stays, up to `limit_bytes`. Rounds go through people in turn, so whoever was used last is needed last:
    making room for them would leave nobody whose turn comes again. unkept_bytes: of all that found no room, each time."""

    def __init__(self, limit_bytes: int) -> None:
        self.unkept_bytes = 0
        self._left_bytes = limit_bytes
        self._held: dict[int, _Person] = {}

    def get(self, person: int) -> _Person | None:
        return self._held.get(person)

    def put(self, person: int, held: _Person) -> None:
        if held.nbytes <= self._left_bytes:
            self._left_bytes -= held.nbytes
            self._held[person] = held
        else:
            self.unkept_bytes += held.nbytes


def floats_of(weights: bytes) -> Floats:
    """Flat weights, shape (P,), from 4 * P bytes, float32 little-endian."""
    return np.frombuffer(weights, dtype="<f4").astype(np.float32)


def make_worker(models: Mapping[str, Model], sha256: str | None, *, population: Population, **arguments: Any) -> Worker:
    """A worker, on whichever machine: it knows the models that the caller had registered, and reads the same recording.

    sha256: of the population's recording, where it is one. arguments: more of `Worker`. Raises: StateError for another recording.
    """
    for name, model in models.items():
        catalogue.register(name, model)
    if source.sha256(population.source) != sha256:
        raise StateError("a worker's machine holds another recording at data.path; nothing was trained there")
    return Worker(population=population, **arguments)


def _mixed(seed: int, number: int, person: int) -> int:
    """A seed of its own for every (seed, round, person)."""
    words = np.random.SeedSequence([seed, number, person]).generate_state(4, np.uint32)
    return int.from_bytes(words.tobytes(), sys.byteorder)


def _process() -> str:
    return f"{platform.node()}/{os.getpid()}"


def peak_rss_mb() -> float:
    """The largest resident set of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
