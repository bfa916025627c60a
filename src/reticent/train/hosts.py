"""Where do simulated people's workers run? engine=inprocess and engine=ray."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flwr.serverapp import Grid

from reticent.errors import SettingError
from reticent.sim import actors
from reticent.sim.grid import WorkerGrid
from reticent.sim.workers import MakeWorker, Workers, local_workers
from reticent.train.settings import NOTHING, InProcess, Simulation

_MB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """workers: how many there will be. cache_bytes: of each. start: makes them, unopened."""

    workers: int
    cache_bytes: int
    start: Callable[[MakeWorker], Workers]

    def play(self, make_worker: MakeWorker, rounds: Callable[[Grid], None]) -> None:
        """Play `rounds` over a grid of the workers, which end with it."""
        with WorkerGrid(self.start(make_worker)) as grid:
            rounds(grid)


@contextmanager
def host_of(engine: Simulation, *, cohort: int) -> Iterator[Host]:
    """Ready to start the engine's workers, not more than the cohort has people.

    Raises: StateError or SettingError, if what the engine needs isn't there.
    """
    here = len(os.sched_getaffinity(0))
    if isinstance(engine, InProcess):
        yield _host(engine, min(engine.workers or here, cohort), local_workers)
    else:
        actors.check_installed(engine.name)
        wanted = engine.workers and min(engine.workers, cohort)
        with actors.connected(engine.address, cores=wanted or min(here, cohort)) as cores:
            if (wanted or 1) > cores:
                raise SettingError(f"engine.workers is {wanted or 1}, and Ray has {cores} cores; {NOTHING}")
            yield _host(engine, wanted or min(cores, cohort), actors.Actors)


def _host(engine: Simulation, workers: int, kind: Callable[..., Workers]) -> Host:
    return Host(
        workers=workers,
        cache_bytes=engine.cache_mb * _MB // workers,
        start=lambda make_worker: kind(make_worker, workers=workers),
    )
