"""One round of a simulation: who is asked, which worker answers for whom, and the exact sum of it all."""

import time
from collections.abc import Iterable
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from flwr.app import ConfigRecord, Message

from reticent.aggregate.attempt import TRAIN_MESSAGE, Tally
from reticent.aggregate.optimiser import Optimiser, ServerState
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
    optimiser: Optimiser
    peak_rss_mb: float = 0.0

    def __call__(self, number: int, state: ServerState, weights: bytes, tally: Tally) -> ServerState:
        """Raises: RoundAborted, if a worker died; the state is as before."""
        began = time.monotonic()
        asked = cohort(number, people=self.people, size=self.size, seed=self.seed)
        nodes = list(self.grid.get_node_ids())
        record = ConfigRecord({"weights": weights})
        slices = {node: asked[asked % len(nodes) == place] for place, node in enumerate(nodes)}
        total = np.zeros(self.plan.parameters, dtype=np.int64)
        peaks: dict[str, float] = {}
        messages = [
            Message(
                encode_slice(number, some, record), dst_node_id=node, message_type=TRAIN_MESSAGE, group_id=str(number)
            )
            for node, some in slices.items()
            if len(some)
        ]
        try:
            for reply in self.grid.send_and_receive(messages):
                share = decode_share(reply.content)
                total += share.values
                tally.released += share.released
                peaks[share.process] = max(share.peak_rss_mb, peaks.get(share.process, 0.0))
        except BrokenExecutor:
            raise RoundAborted("a worker of the simulation died (was memory short?); nothing was applied") from None
        tally.asked = tally.joined = len(asked)
        tally.bytes_received = VALUE_BYTES * self.plan.parameters * tally.released
        tally.seconds_train = time.monotonic() - began
        self.peak_rss_mb = max(self.peak_rss_mb, sum(peaks.values()))
        mean = total * self.plan.release.grid / tally.released
        return self.optimiser.step(state, mean, step=number, steps=self.plan.rounds)
