"""Who computes the answers to one round? One worker in this process, or several in processes of their own.

Those are forked from one helper process, which imports what workers need once: so they start at once and share its memory.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from types import TracebackType
from typing import Protocol, Self

from reticent.errors import SettingError
from reticent.sim.helper import get_ready
from reticent.sim.worker import PartialSum, Worker, floats_of

NEVER_BEGAN = "never began (a script calls run below `if __name__ == '__main__':`; or was memory short?)"

MakeWorker = Callable[[], Worker]


class Workers(Protocol):
    """Some workers, counted from 0. Open them with `with`: leaving ends what was started for them."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def __len__(self) -> int: ...

    def ask(
        self, place: int, number: int, people: Sequence[int], weights: bytes, clip_norm: float | None = None
    ) -> Future[PartialSum]:
        """One worker's sum for round `number`. weights: float32 little-endian, the same object for all of a round.
        clip_norm: of the round, where it is adapted.

        The future raises what the worker raised, and BrokenExecutor where the worker died.
        """


def local_workers(make_worker: MakeWorker, *, workers: int) -> Workers:
    """make_worker: makes the one worker of a process; it is pickled where there is more than one."""
    return _Here(make_worker) if workers == 1 else Processes(make_worker, workers=workers)


class _Here:
    """The one worker is in this process, and has answered when `ask` returns."""

    def __init__(self, make_worker: MakeWorker) -> None:
        self._worker = make_worker()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __len__(self) -> int:
        return 1

    def ask(
        self, place: int, number: int, people: Sequence[int], weights: bytes, clip_norm: float | None = None
    ) -> Future[PartialSum]:
        answered: Future[PartialSum] = Future()
        answered.set_result(self._worker.answer(number, people, floats_of(weights), clip_norm))
        return answered


class Processes:
    """Processes of one thread each on this machine, started when they are first asked. One that dies is not replaced."""

    def __init__(self, make_worker: MakeWorker, *, workers: int) -> None:
        self._make_worker = make_worker
        self._workers = workers
        self._pools: list[ProcessPoolExecutor] = []

    def __enter__(self) -> Self:
        self._pools = [own_process(_make, self._make_worker) for _ in range(self._workers)]
        return self

    def __exit__(self, *_: object) -> None:
        for pool in self._pools:
            pool.shutdown(wait=True, cancel_futures=True)

    def __len__(self) -> int:
        return self._workers

    def processes(self) -> list[int]:
        """Their ids."""
        return [asked.result() for asked in [pool.submit(os.getpid) for pool in self._pools]]

    def ask(
        self, place: int, number: int, people: Sequence[int], weights: bytes, clip_norm: float | None = None
    ) -> Future[PartialSum]:
        return self._pools[place].submit(_answer, number, people, weights, clip_norm)


def own_process(begin: Callable[..., None], *arguments: object) -> ProcessPoolExecutor:
    """One process of one thread, forked from the helper when it is first asked, which calls `begin(*arguments)` before all else.
    It is not replaced where it dies, and ends with this process. What is called in it calls `check_begun` first.

    Raises: SettingError in a process that may start none.
    """
    if multiprocessing.current_process().daemon:
        raise SettingError(
            "this is a daemon process of multiprocessing, which may start no others: engine.workers=1 needs none; nothing was trained"
        )
    get_ready()
    context = multiprocessing.get_context("forkserver")
    return ProcessPoolExecutor(1, mp_context=context, initializer=_begin, initargs=(begin, arguments))


def check_begun() -> None:
    """Raises: in a process that `own_process` started, what its `begin` raised. (A pool would print that and then say nothing.)"""
    if _failed:
        raise _failed[0]


_failed: list[Exception] = []
_workers: list[Worker] = []  # the one of this process, if it was started for one


def _begin(begin: Callable[..., None], arguments: tuple[object, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells its processes when to end
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        begin(*arguments)
    except Exception as error:
        _failed.append(error)


def _make(make_worker: MakeWorker) -> None:
    _workers.append(make_worker())


def _end_with_parent() -> None:
    """One that was killed tells nobody, and its workers would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _answer(number: int, people: Sequence[int], weights: bytes, clip_norm: float | None) -> PartialSum:
    check_begun()
    return _workers[0].answer(number, people, floats_of(weights), clip_norm)
