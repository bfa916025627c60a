"""The process that workers are forked from."""

import gc
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from reticent.sim.helper import get_ready


def test_what_workers_share_is_never_touched_by_their_garbage_collectors():
    get_ready()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("forkserver")) as pool:
        assert pool.submit(gc.get_freeze_count).result() > 50_000  # what torch and the rest of a worker's modules are
