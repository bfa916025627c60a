"""A Flower Grid over workers: each is a node, and answers for its slice of the cohort."""

import itertools
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, wait
from typing import Any, Self

import numpy as np
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

from reticent.sim.worker import PartialSum
from reticent.sim.workers import Workers

_FIRST_NODE = 1  # node ids count from 1: 0 is the SuperLink's own in Flower


class WorkerGrid(Grid):
    """Open it with `with`: leaving ends the workers. The pull of a reply raises what its worker raised."""

    def __init__(self, workers: Workers) -> None:
        TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = 1, 1, 1  # as Flower does for a ServerApp
        self._run: Any = None
        self._workers = workers
        self._numbers = itertools.count()
        self._pending: dict[str, tuple[Message, Future[PartialSum]]] = {}

    def __enter__(self) -> Self:
        self._workers.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        self._workers.__exit__(*raised)

    def set_run(self, run: Any) -> None:
        self._run = run

    @property
    def run(self) -> Any:
        return self._run

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        return Message(content, dst_node_id=dst_node_id, message_type=message_type, group_id=group_id, ttl=ttl)

    def get_node_ids(self) -> Iterable[int]:
        return range(_FIRST_NODE, _FIRST_NODE + len(self._workers))

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        return [self._push(message) for message in messages]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies that are there. Raises: what the worker raised; BrokenExecutor if it died."""
        replies = []
        for identifier in message_ids:
            message, share = self._pending.get(identifier, (None, None))
            if message is None or share is None or not share.done():
                continue
            del self._pending[identifier]
            replies.append(Message(encode_share(share.result()), reply_to=message))
        return replies

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """The replies that are there after at most `timeout` seconds. Raises: as `pull_messages`."""
        sent = list(self.push_messages(messages))
        wait([share for _, share in self._pending.values()], timeout=timeout)
        return self.pull_messages(sent)

    def _push(self, message: Message) -> str:
        identifier = f"slice-{next(self._numbers)}"
        message.metadata.__dict__["_message_id"] = identifier
        place = message.metadata.dst_node_id - _FIRST_NODE
        self._pending[identifier] = (message, self._workers.ask(place, *decode_slice(message.content)))
        return identifier


def encode_slice(
    number: int, people: Iterable[int], weights: ConfigRecord, clip_norm: float | None = None
) -> RecordDict:
    """What one worker is asked: the round, which people, one record of weights that all workers share, and the round's clip
    norm where it is adapted."""
    asked = ConfigRecord({"round": number, "people": [int(one) for one in people]})
    if clip_norm is not None:
        asked["clip_norm"] = clip_norm
    return RecordDict({"slice": asked, "weights": weights})


def decode_slice(content: RecordDict) -> tuple[int, Sequence[int], bytes, float | None]:
    """The inverse of `encode_slice`; the weights as float32 little-endian, 4 * P bytes."""
    asked: Any = content["slice"]
    given: Any = content["weights"]
    clip_norm = float(asked["clip_norm"]) if "clip_norm" in asked else None
    return int(asked["round"]), list(asked["people"]), given["weights"], clip_norm


def encode_share(share: PartialSum) -> RecordDict:
    """A worker's reply."""
    return RecordDict(
        {
            "sum": ConfigRecord(
                {
                    "values": share.values.astype("<i8").tobytes(),
                    "released": share.released,
                    "peak_rss_mb": share.peak_rss_mb,
                    "process": share.process,
                    "unkept_mb": share.unkept_mb,
                }
            )
        }
    )


def decode_share(content: RecordDict) -> PartialSum:
    """The inverse of `encode_share`."""
    given: Any = content["sum"]
    return PartialSum(
        values=np.frombuffer(given["values"], dtype="<i8").astype(np.int64),
        released=int(given["released"]),
        peak_rss_mb=float(given["peak_rss_mb"]),
        process=str(given["process"]),
        unkept_mb=float(given["unkept_mb"]),
    )
