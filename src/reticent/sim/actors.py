"""Workers as actors of Ray, on this machine or on a cluster of them. Ray is imported here, and only when it is asked for."""

import os
import pickle
import signal
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import psutil

from reticent.errors import ReticentError, StateError
from reticent.sim.helper import environment
from reticent.sim.worker import PartialSum, Worker, floats_of
from reticent.sim.workers import MakeWorker

_RETRIES = 3  # of one slice whose actor was lost
_START_S = 600.0  # a cluster's actors may wait so long for cores that others use, for a machine in place of a lost one, and for their imports
_END_S = 2.0  # for Ray's processes to end by themselves
_LOOK_S = 0.02
_ANSWER_S = 10.0  # for a connection to a cluster's head
_QUIET = {"RAY_DEDUP_LOGS": "0", "RAY_COLOR_PREFIX": "0"}  # what processes print is passed on line by line
_LOCAL = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # on every system: without clusters, Ray listens on loopback alone
    "http_proxy": "http://127.0.0.1:1",  # nobody's: its usage module asks the cloud's metadata address even when off
}
ADDRESS = r"(auto|[A-Za-z0-9._\-\[\]:]+:[0-9]{1,5})"
_NOTHING = "nothing was trained"


def check_installed(word: str) -> None:
    """word: of the command line, which asks for Ray. Raises: StateError, where it is not installed."""
    if find_spec("ray") is None:
        raise StateError(f"{word} needs the package ray: pip install 'reticent[ray]'; {_NOTHING}")


def in_use() -> bool:
    """Is this process connected to Ray?"""
    ray = sys.modules.get("ray")
    return ray is not None and ray.is_initialized()


@contextmanager
def connected(address: str | None, *, cores: int, setting: str = "engine") -> Iterator[int]:
    """Ray, for as long as the `with` lasts; gives the number of its cores.

    address: of a cluster that this machine belongs to, host:port or auto; None starts Ray here, with `cores`, on loopback
    and without a dashboard. setting: what address is below, in sentences. Where this process is connected already, that Ray is used and left as it is.
    Raises: StateError, if there is no Ray at the address.
    """
    if in_use():
        if _in_task():
            raise StateError(
                f"a run that is itself a task of Ray (hydra/launcher=ray) takes engine=inprocess; {_NOTHING}"
            )
        if address is not None:
            raise StateError(f"this process is connected to Ray already; {setting}.address must be null; {_NOTHING}")
        yield _cores()
        return
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="reticent-", ignore_cleanup_errors=True))
        stack.enter_context(_sigterm_stops())
        aside = stack.enter_context(ThreadPoolExecutor(1))
        stack.callback(_shutdown, frozenset(psutil.Process().children()))
        stack.enter_context(environment(**_QUIET))
        _whole(partial(_start, cores=cores, folder=folder) if address is None else partial(_connect, address), aside)
        yield _cores()


def _in_task() -> bool:
    """Tasks that wait for actors hold the cores that those wait for."""
    import ray

    return bool(ray.get_runtime_context().worker.mode == ray.WORKER_MODE)


def _start(*, cores: int, folder: str) -> None:
    with environment(**_LOCAL), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a tip about accelerators
        import ray

        if ray.util.get_node_ip_address() not in ("127.0.0.1", "::1"):
            raise StateError(
                f"Ray was imported before, and would listen on the network: start a new process, or call ray.init first; {_NOTHING}"
            )
        ray.init(address="local", num_cpus=cores, include_dashboard=False, logging_level="error", _temp_dir=folder)


def _connect(address: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray

        try:
            if address != "auto":
                host, _, port = address.rpartition(":")
                socket.create_connection(
                    (host.strip("[]"), int(port)), timeout=_ANSWER_S
                ).close()  # Ray asks for minutes
            ray.init(address=address, logging_level="error")
        except (OSError, OverflowError, RuntimeError, ValueError, AssertionError) as error:
            raise StateError(
                f"there is no Ray {ray.__version__} cluster of this machine at {address} ({type(error).__name__}); {_NOTHING}"
            ) from None


def _whole(start: Callable[[], None], aside: ThreadPoolExecutor) -> None:
    """Start Ray to the end, whatever interrupts this: a Ray that was begun by half leaves processes. The interruption comes after.

    aside: of one thread, which Ray leaves SIGTERM to us in; its processes are killed when that thread ends.
    """
    started, interrupted = aside.submit(start), False
    while not started.done():
        try:
            wait([started], timeout=_LOOK_S)
            _terminated_is_interrupted()  # again and again: Ray's libraries have a handler of their own
        except KeyboardInterrupt:
            interrupted = True
    started.result()
    if interrupted:
        raise KeyboardInterrupt


@contextmanager
def _sigterm_stops() -> Iterator[None]:
    """SIGTERM is like Ctrl-C, and Ray ends with the run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    _terminated_is_interrupted()
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _terminated_is_interrupted() -> None:
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def _shutdown(before: frozenset[psutil.Process]) -> None:
    """End Ray with all its processes; those that it starts last outlive it by a minute else. before: this process's children then."""
    import ray

    its_own = str(Path(ray.__file__).parent)
    roots = [one for one in set(psutil.Process().children()) - before if its_own in " ".join(_words(one))]
    started = [process for root in roots for process in (root, *_descendants(root))]
    ray.shutdown()
    for one in psutil.wait_procs(started, timeout=_END_S)[1]:
        with suppress(psutil.NoSuchProcess):
            one.kill()


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


def _cores() -> int:
    import ray

    return int(ray.cluster_resources().get("CPU", 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """What makes a worker, on its way to another process. path: where the sender finds modules."""

    path: tuple[str, ...]
    make_worker: bytes


def packed(make_worker: MakeWorker) -> Packed:
    """For `unpacked` in an actor."""
    return Packed(path=tuple(sys.path), make_worker=pickle.dumps(make_worker))


@lru_cache(maxsize=1)
def unpacked(worker: Packed) -> Worker:
    """The one worker of this process, which computes with one thread from now on."""
    import torch

    torch.set_num_threads(1)
    sys.path.extend(folder for folder in worker.path if folder not in sys.path)
    make_worker: MakeWorker = pickle.loads(worker.make_worker)  # noqa: S301  # of the process that started this one
    return make_worker()


class Actors:
    """Actors of one core each. One that is lost is started again, maybe elsewhere, and its slice is asked again.

    That changes no result: an answer depends on what is asked alone.
    """

    def __init__(self, make_worker: MakeWorker, *, workers: int) -> None:
        self._packed = packed(make_worker)
        self._workers = workers
        self._actors: list[Any] = []
        self._shared: tuple[bytes, Any] | None = None  # one round's weights, and where Ray keeps them

    def __enter__(self) -> Self:
        import ray

        kind = ray.remote(num_cpus=1, max_restarts=-1)(_Actor)
        try:
            self._actors = [kind.remote(self._packed) for _ in range(self._workers)]
            self.processes()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        for actor in self._actors:
            ray.kill(actor, no_restart=True)

    def __len__(self) -> int:
        return self._workers

    def processes(self) -> list[int]:
        """Their process ids, each on its machine. Raises: what making a worker raised; StateError, if they don't start."""
        import ray

        begun = [_begun(actor) for actor in self._actors]
        try:
            return list(ray.get(begun, timeout=_START_S))
        except ray.exceptions.RayTaskError as error:
            raise _cause(error) from None
        except (ray.exceptions.GetTimeoutError, ray.exceptions.RayActorError):
            raise StateError(f"Ray didn't start {self._workers} actors of one core; {_NOTHING}") from None

    def ask(
        self, place: int, number: int, people: Sequence[int], weights: bytes, clip_norm: float | None = None
    ) -> Future[PartialSum]:
        import ray

        if self._shared is None or self._shared[0] is not weights:
            self._shared = (weights, ray.put(weights))
        asked = (number, people, self._shared[1], clip_norm)
        answered: Future[PartialSum] = Future()
        _ask(self._actors[place], asked, answered, retries=_RETRIES)
        return answered


def _ask(actor: Any, asked: tuple[Any, ...], answered: Future[PartialSum], *, retries: int) -> None:
    """Have `answered` done with what the actor answers, asked again where it is lost, up to `retries` times; else BrokenExecutor."""
    import ray

    def pass_on(done: Future[PartialSum]) -> None:
        error = done.exception()
        if error is None:
            answered.set_result(done.result())
        elif isinstance(error, ray.exceptions.RayTaskError):
            answered.set_exception(_cause(error))
        elif isinstance(error, ray.exceptions.RayActorError) and retries > 0:
            _when_back(actor, lambda: _ask(actor, asked, answered, retries=retries - 1), otherwise=broken)
        else:
            broken()

    def broken() -> None:
        answered.set_exception(BrokenExecutor())

    actor.answer.remote(*asked).future().add_done_callback(pass_on)


def _when_back(actor: Any, then: Callable[[], None], *, otherwise: Callable[[], None]) -> None:
    """Do one of both, once: Ray finds out by itself that a machine is gone, and may have to wait for another."""
    waits = threading.Lock()

    def first(step: Callable[[], None]) -> None:
        if waits.acquire(blocking=False):
            patience.cancel()
            step()

    patience = threading.Timer(_START_S, first, (otherwise,))
    patience.daemon = True
    patience.start()
    _begun(actor).future().add_done_callback(lambda done: first(otherwise if done.exception() else then))


def _begun(actor: Any) -> Any:
    """That the actor is ready, as Ray's reference; asked again for as long as it isn't."""
    return actor.begin.options(max_task_retries=-1).remote()


def _cause(error: Any) -> Exception:
    """What was raised in an actor, without the traceback that Ray writes into its message."""
    cause = error.cause
    return cause if isinstance(cause, Exception) else ReticentError("an actor failed; no unfinished round was applied")


class _Actor:
    """In a process of Ray's. It makes its worker when first asked, so a restarted one needs nothing more."""

    def __init__(self, packed: Packed) -> None:
        self._packed = packed

    def begin(self) -> int:
        """Be ready; the id of this process."""
        unpacked(self._packed)
        return os.getpid()

    def answer(self, number: int, people: Sequence[int], weights: bytes, clip_norm: float | None) -> PartialSum:
        return unpacked(self._packed).answer(number, people, floats_of(weights), clip_norm)
