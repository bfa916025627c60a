"""The process that workers are forked from."""

import gc
import multiprocessing
import re
import signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import forkserver
from pathlib import Path

from reticent.sim.helper import get_ready


def test_ctrl_c_never_reaches_the_helper():
    """A traceback of what it imports would be all that a person sees."""
    get_ready()
    status = Path(f"/proc/{forkserver._forkserver._forkserver_pid}/status").read_text()  # type: ignore[attr-defined]
    blocked = int(re.search(r"^SigBlk:\s*(\w+)", status, re.MULTILINE)[1], 16)  # type: ignore[index]
    assert blocked & 1 << (signal.SIGINT - 1)


def test_what_workers_share_is_never_touched_by_their_garbage_collectors():
    get_ready()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("forkserver")) as pool:
        assert pool.submit(gc.get_freeze_count).result() > 50_000  # what torch and the rest of a worker's modules are
