"""One round of a simulation: who is asked, which worker answers for whom, and the exact sum of it all."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import cycle
from typing import Protocol

import numpy as np
import numpy.typing as npt
from flwr.app import ConfigRecord, Message

from reticent.aggregate.attempt import TRAIN_MESSAGE, Tally
from reticent.aggregate.centre import Aggregation, Mean
from reticent.aggregate.optimiser import Doubles, Momentum, Optimiser, ServerState
from reticent.errors import IntegrityError, RoundAborted
from reticent.records.messages import VALUE_BYTES
from reticent.records.plan import Plan, Release
from reticent.sim.clipping import AdaptiveClip
from reticent.sim.cohorts import Indices, cohort
from reticent.sim.grid import decode_share, encode_slice
from reticent.sim.worker import PartialSum

_AT_ONCE = 64  # people whose single releases are on their way


class Nodes(Protocol):
    """What a round uses of a Flower `Grid`."""

    def get_node_ids(self) -> Iterable[int]: ...

    def send_and_receive(self, messages: Iterable[Message]) -> Iterable[Message]: ...


Ask = Callable[[Sequence[tuple[int, list[int]]]], Iterable[PartialSum]]
"""Asks nodes for the partial sums of their people."""


@dataclass(slots=True, kw_only=True)
class _Answered:
    """What the workers gave for one round. values: of all releases, grid units, a sum `over` so many or a centre, over 1.
    peaks_mb: of memory, by process. unkept_mb: of what workers had no room for."""

    values: npt.NDArray[np.int64] | Doubles
    over: int
    asked: int
    released: int
    peaks_mb: dict[str, float]
    unkept_mb: float
    seconds: float


@dataclass(slots=True, kw_only=True)
class _Heard:
    """What partial sums bring beside their values."""

    released: int = 0
    peaks_mb: dict[str, float] = field(default_factory=dict)
    unkept_mb: float = 0.0


@dataclass(slots=True, kw_only=True)
class SimulatedRound:
    """Plays a plan's rounds over workers; `aggregate.rounds.run_course` calls it.

    In mode secure the sum is what secure aggregation would show: every person's share of noise is in it, exactly, as
    integers. That nobody saw the single shares is assumed here, and reports say so.
    aggregation: anything but the mean asks for every person's release by itself. clip: adapts the clip norm; `clip_norm` is
    that of the first round then. peak_rss_mb: of all workers together, so far. asked, unkept_mb: sums over the rounds that
    were played here: of people, and of what workers prepared of them and had no room for.
    """

    grid: Nodes
    plan: Plan
    people: int
    size: int
    seed: int
    optimiser: Optimiser = field(default_factory=Momentum)
    aggregation: Aggregation = field(default_factory=Mean)
    clip: AdaptiveClip | None = None
    clip_norm: float = 0.0
    peak_rss_mb: float = 0.0
    asked: int = 0
    unkept_mb: float = 0.0
    _begun: tuple[tuple[int, bytes, float | None], Future[_Answered]] | None = None

    def begin(self, number: int, weights: bytes, clip_norm: float | None) -> None:
        """Let the workers answer for a round that is called for later, beside what this process does until then."""
        aside = ThreadPoolExecutor(1)
        self._begun = (number, weights, clip_norm), aside.submit(self._answered, number, weights, clip_norm)
        aside.shutdown(wait=False)

    def __call__(self, number: int, state: ServerState, weights: bytes, tally: Tally) -> ServerState:
        """Raises: RoundAborted, if a worker died; the state is as before."""
        release = self._release(state)
        mean = self._mean(number, weights, tally, release=release, clip_norm=state.clip_norm)
        after = self.optimiser.step(state, mean[: self.plan.parameters], step=number, steps=self.plan.rounds)
        if self.clip is None or state.clip_norm is None:
            return after
        return replace(after, clip_norm=self.clip.next(state.clip_norm, counts=float(mean[-1]), first=self.clip_norm))

    def mean(self, number: int, weights: bytes, tally: Tally) -> Doubles:
        """Of the releases of everybody who is asked in that round, in weight space. Raises: as a round."""
        return self._mean(number, weights, tally, release=self.plan.release, clip_norm=None)

    def _mean(self, number: int, weights: bytes, tally: Tally, *, release: Release, clip_norm: float | None) -> Doubles:
        begun, self._begun = self._begun, None
        if begun is not None and begun[0] != (number, weights, clip_norm):
            begun[1].exception()  # a worker answers one question at a time
            begun = None
        try:
            answered = self._answered(number, weights, clip_norm) if begun is None else begun[1].result()
        except BrokenExecutor:
            raise RoundAborted("a worker of the simulation died (was memory short?); nothing was applied") from None
        tally.asked = tally.joined = answered.asked
        tally.released = answered.released
        tally.bytes_received = VALUE_BYTES * len(answered.values) * tally.released
        tally.seconds_train = answered.seconds
        self.peak_rss_mb = max(self.peak_rss_mb, sum(answered.peaks_mb.values()))
        self.asked += answered.asked
        self.unkept_mb += answered.unkept_mb
        mean: Doubles = answered.values * release.grid / answered.over  # as devices' server computes it, to the bit
        return mean

    def _answered(self, number: int, weights: bytes, clip_norm: float | None) -> _Answered:
        began, heard = time.monotonic(), _Heard()
        asked = cohort(number, people=self.people, size=self.size, seed=self.seed)
        ask = partial(self._ask, number, ConfigRecord({"weights": weights}), clip_norm, heard)
        values, over = self._centre(asked, ask, parameters=self.plan.parameters + (clip_norm is not None))
        return _Answered(
            values=values,
            over=over,
            asked=len(asked),
            released=heard.released,
            peaks_mb=heard.peaks_mb,
            unkept_mb=heard.unkept_mb,
            seconds=time.monotonic() - began,
        )

    def _release(self, state: ServerState) -> Release:
        """What the door does to everybody's update in this round."""
        if (self.clip is None) is not (state.clip_norm is None):
            raise IntegrityError("the checkpoint and the settings don't agree whether the clip norm is adapted")
        if self.clip is None or state.clip_norm is None:
            return self.plan.release
        return self.clip.release(self.plan.release, clip_norm=state.clip_norm, parameters=self.plan.parameters)

    def _centre(self, asked: Indices, ask: Ask, *, parameters: int) -> tuple[npt.NDArray[np.int64] | Doubles, int]:
        """Of all releases, shape (parameters,), grid units: their sum and their number, or a robust centre and 1."""
        nodes = list(self.grid.get_node_ids())
        if isinstance(self.aggregation, Mean):
            total = np.zeros(parameters, dtype=np.int64)
            slices = ((node, asked[asked % len(nodes) == place].tolist()) for place, node in enumerate(nodes))
            for share in ask([one for one in slices if one[1]]):
                total += share.values
            return total, len(asked)
        releases = np.empty((len(asked), parameters), dtype=np.int32)
        alone = [(node, [person]) for node, person in zip(cycle(nodes), asked.tolist(), strict=False)]
        for start in range(0, len(alone), _AT_ONCE):
            for place, share in enumerate(ask(alone[start : start + _AT_ONCE]), start=start):
                releases[place] = share.values
        return self.aggregation.of(releases), 1

    def _ask(
        self,
        number: int,
        weights: ConfigRecord,
        clip_norm: float | None,
        heard: _Heard,
        slices: Sequence[tuple[int, list[int]]],
    ) -> Iterator[PartialSum]:
        """The partial sums of some slices, each a node and its people, as they come."""
        messages = [
            Message(
                encode_slice(number, people, weights, clip_norm),
                dst_node_id=node,
                message_type=TRAIN_MESSAGE,
                group_id=str(number),
            )
            for node, people in slices
        ]
        for reply in self.grid.send_and_receive(messages):
            share = decode_share(reply.content)
            heard.released += share.released
            heard.unkept_mb += share.unkept_mb
            heard.peaks_mb[share.process] = max(share.peak_rss_mb, heard.peaks_mb.get(share.process, 0.0))
            yield share
