"""One round of a simulation: who is asked, which worker answers for whom, and the exact sum of it all."""

import time
from collections.abc import Iterable
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
from flwr.app import ConfigRecord, Message

from reticent.aggregate.attempt import TRAIN_MESSAGE, Tally
from reticent.aggregate.optimiser import ServerMomentum, ServerState
from reticent.errors import RoundAborted
from reticent.records.messages import VALUE_BYTES
from reticent.records.plan import Plan
from reticent.sim.cohorts import cohort
from reticent.sim.grid import decode_share, encode_slice


class Nodes(Protocol):
    """What a round uses of a Flower `Grid`."""

    def get_node_ids(self) -> Iterable[int]: ...

    def send_and_receive(self, messages: Iterable[Message]) -> Iterable[Message]: ...


@dataclass(slots=True, kw_only=True)
class _Answered:
    """What the workers gave for one round. peaks_mb: of memory, by process."""

    total: npt.NDArray[np.int64]
    asked: int
    released: int = 0
    peaks_mb: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(slots=True, kw_only=True)
class SimulatedRound:
    """Plays a plan's rounds over workers; `aggregate.rounds.run_course` calls it.

    In mode secure the sum is what secure aggregation would show: every person's share of noise is in it, exactly, as
    integers. That nobody saw the single shares is assumed here, and reports say so.
    peak_rss_mb: of all workers together, so far.
    """

    grid: Nodes
    plan: Plan
    people: int
    size: int
    seed: int
    optimiser: ServerMomentum
    peak_rss_mb: float = 0.0
    _begun: tuple[int, bytes, Future[_Answered]] | None = None

    def begin(self, number: int, weights: bytes) -> None:
        """Let the workers answer for a round that is called for later, beside what this process does until then."""
        aside = ThreadPoolExecutor(1)
        self._begun = (number, weights, aside.submit(self._answered, number, weights))
        aside.shutdown(wait=False)

    def __call__(self, number: int, state: ServerState, weights: bytes, tally: Tally) -> ServerState:
        """Raises: RoundAborted, if a worker died; the state is as before."""
        begun, self._begun = self._begun, None
        if begun is not None and begun[:2] != (number, weights):
            begun[2].exception()  # a worker answers one question at a time
            begun = None
        try:
            answered = self._answered(number, weights) if begun is None else begun[2].result()
        except BrokenExecutor:
            raise RoundAborted("a worker of the simulation died (was memory short?); nothing was applied") from None
        tally.asked = tally.joined = answered.asked
        tally.released = answered.released
        tally.bytes_received = VALUE_BYTES * self.plan.parameters * tally.released
        tally.seconds_train = answered.seconds
        self.peak_rss_mb = max(self.peak_rss_mb, sum(answered.peaks_mb.values()))
        mean = answered.total * self.plan.release.grid / tally.released
        return self.optimiser.step(state, mean, step=number, steps=self.plan.rounds)

    def _answered(self, number: int, weights: bytes) -> _Answered:
        began = time.monotonic()
        asked = cohort(number, people=self.people, size=self.size, seed=self.seed)
        nodes = list(self.grid.get_node_ids())
        record = ConfigRecord({"weights": weights})
        slices = {node: asked[asked % len(nodes) == place] for place, node in enumerate(nodes)}
        messages = [
            Message(
                encode_slice(number, some, record), dst_node_id=node, message_type=TRAIN_MESSAGE, group_id=str(number)
            )
            for node, some in slices.items()
            if len(some)
        ]
        found = _Answered(total=np.zeros(self.plan.parameters, dtype=np.int64), asked=len(asked))
        for reply in self.grid.send_and_receive(messages):
            share = decode_share(reply.content)
            found.total += share.values
            found.released += share.released
            found.peaks_mb[share.process] = max(share.peak_rss_mb, found.peaks_mb.get(share.process, 0.0))
        found.seconds = time.monotonic() - began
        return found
