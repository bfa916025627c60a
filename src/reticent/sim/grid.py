"""A Flower Grid in this process: its nodes are workers, and each answers for its slice of the cohort."""

import contextlib
import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

from reticent.sim.worker import PartialSum, Worker

MakeWorker = Callable[[], Worker]

_FIRST_NODE = 1  # node ids count from 1: 0 is the SuperLink's own in Flower
_workers: list[Worker] = []  # the one of this process, if it belongs to a grid


class InProcessGrid(Grid):
    """Workers on this machine: one in this process, or several processes of one thread each.

    Open it with `with`: leaving ends the processes. A worker that dies gives no reply, and the pull of it raises.
    """

    def __init__(self, make_worker: MakeWorker, *, workers: int) -> None:
        """make_worker: makes the one worker of a process; it is pickled where there is more than one."""
        TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = 1, 1, 1  # as Flower does for a ServerApp
        self._run: Any = None
        self._make_worker = make_worker
        self._workers = workers
        self._here: Worker | None = None
        self._numbers = itertools.count()
        self._pools: list[ProcessPoolExecutor] = []
        self._pending: dict[str, tuple[Message, Future[PartialSum] | Callable[[], PartialSum]]] = {}

    def __enter__(self) -> "InProcessGrid":
        if self._workers == 1:
            self._here = self._make_worker()
            return self
        context = multiprocessing.get_context("spawn")
        with _one_thread():
            self._pools = [
                ProcessPoolExecutor(1, mp_context=context, initializer=_begin, initargs=(self._make_worker,))
                for _ in range(self._workers)
            ]
            self.processes()  # they start at the first task
        return self

    def __exit__(self, *_: object) -> None:
        for pool in self._pools:
            pool.shutdown(wait=True, cancel_futures=True)

    def processes(self) -> list[int]:
        """The ids of the workers' processes; none where the one worker is in this process."""
        return [asked.result() for asked in [pool.submit(os.getpid) for pool in self._pools]]

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
        return range(_FIRST_NODE, _FIRST_NODE + self._workers)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        return [self._push(message) for message in messages]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies that are there. Raises: what the worker raised; BrokenProcessPool if its process died."""
        replies = []
        for identifier in message_ids:
            if identifier not in self._pending:
                continue
            message, work = self._pending[identifier]
            if isinstance(work, Future):
                if not work.done():
                    continue
                share = work.result()
            else:
                share = work()
            del self._pending[identifier]
            replies.append(Message(encode_share(share), reply_to=message))
        return replies

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """The replies that are there after at most `timeout` seconds. Raises: as `pull_messages`."""
        sent = list(self.push_messages(messages))
        wait([work for _, work in self._pending.values() if isinstance(work, Future)], timeout=timeout)
        return self.pull_messages(sent)

    def _push(self, message: Message) -> str:
        identifier = f"slice-{next(self._numbers)}"
        message.metadata.__dict__["_message_id"] = identifier
        number, people, weights = decode_slice(message.content)
        here = self._here
        if here is not None:
            self._pending[identifier] = (message, lambda: here.answer(number, people, weights))
        else:
            pool = self._pools[message.metadata.dst_node_id - _FIRST_NODE]
            self._pending[identifier] = (message, pool.submit(_answer, number, people, weights))
        return identifier


def encode_slice(number: int, people: Iterable[int], weights: ConfigRecord) -> RecordDict:
    """What one worker is asked: the round, which people, and one record of weights that all workers share."""
    return RecordDict(
        {"slice": ConfigRecord({"round": number, "people": [int(one) for one in people]}), "weights": weights}
    )


def decode_slice(content: RecordDict) -> tuple[int, list[int], Any]:
    """The inverse of `encode_slice`; the weights as float32, shape (P,)."""
    asked: Any = content["slice"]
    given: Any = content["weights"]
    return int(asked["round"]), list(asked["people"]), np.frombuffer(given["weights"], dtype="<f4").astype(np.float32)


def encode_share(share: PartialSum) -> RecordDict:
    """A worker's reply."""
    return RecordDict(
        {
            "sum": ConfigRecord(
                {
                    "values": share.values.astype("<i8").tobytes(),
                    "released": share.released,
                    "peak_rss_mb": share.peak_rss_mb,
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
    )


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Processes started inside compute with one thread each: a worker a core, and no more."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _begin(make_worker: MakeWorker) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells its workers when to end
    _workers.append(make_worker())


def _answer(number: int, people: list[int], weights: Any) -> PartialSum:
    return _workers[0].answer(number, people, weights)
