"""The helper process that workers are forked from. Nothing is imported here that takes time: it should begin before all else."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator
from multiprocessing import forkserver, resource_tracker

_IMPORTED = ("reticent.sim.worker", "reticent.learn.plain", "reticent.client", "reticent.sim.forking")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def get_ready() -> None:
    """Let the helper process begin to import what `Processes` will need; returns at once. May be called again."""
    multiprocessing.set_forkserver_preload(list(_IMPORTED))
    resource_tracker.ensure_running()  # which unblocks SIGINT as it ends
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # else Ctrl-C shows a traceback of its imports
    try:
        with environment(**_ONE_THREAD):
            forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


@contextlib.contextmanager
def environment(**changes: str) -> Iterator[None]:
    """What processes that are started inside find in their environment."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
