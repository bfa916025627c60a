"""Where do simulated people's workers run? engine=inprocess, engine=ray and engine=flower."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from reticent.errors import SettingError, StateError
from reticent.sim import actors
from reticent.sim.grid import WorkerGrid
from reticent.sim.rounds import Nodes
from reticent.sim.worker import MB
from reticent.sim.workers import MakeWorker, Workers, local_workers
from reticent.train.planning import Planned
from reticent.train.settings import NOTHING, InProcess, Ray, Simulation

Rounds = Callable[[Nodes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """cache_bytes: for each worker. play: plays rounds over workers that are made for them and end with them. device: where
    people train."""

    cache_bytes: int
    play: Callable[[MakeWorker, Rounds], None]
    device: str = "cpu"


_CUDA = Path("/dev/nvidiactl")  # the driver's


@contextmanager
def host_of(engine: Simulation, made: Planned) -> Iterator[Host]:
    """Ready to start the engine's workers, not more than the cohort has people.

    Raises: StateError or SettingError, if what the engine needs isn't there.
    """
    here = min(len(os.sched_getaffinity(0)), made.cohort)
    wanted = None if engine.workers is None else min(engine.workers, made.cohort)
    if isinstance(engine, InProcess):
        device = "cpu"
        if engine.device == "cuda" or (engine.device == "auto" and _CUDA.exists()):
            from reticent.sim.stacking import chosen_device  # torch: nobody waits for it where there is no card

            device = chosen_device(engine.device, made.plan, cores=wanted or here)
        workers = wanted or (here if device == "cpu" else 1)
        yield replace(_host(engine, workers, _over(local_workers, workers)), device=device)
        return
    actors.check_installed(f"engine={engine.name}")
    if isinstance(engine, Ray):
        with actors.connected(engine.address, cores=wanted or here) as cores:
            if (wanted or 1) > cores:
                raise SettingError(f"engine.workers is {wanted or 1}, and Ray has {cores} cores; {NOTHING}")
            workers = wanted or min(cores, made.cohort)
            yield _host(engine, workers, _over(actors.Actors, workers))
    else:
        if actors.in_use():
            raise StateError(f"engine=flower would end the Ray that this process uses: ray.shutdown() first; {NOTHING}")
        from reticent.sim import flower  # imports much

        with actors.connected(None, cores=wanted or here):
            yield _host(engine, wanted or here, partial(flower.play, people=made.people))


def _host(engine: Simulation, workers: int, play: Callable[[MakeWorker, Rounds], None]) -> Host:
    return Host(cache_bytes=engine.cache_mb * MB // workers, play=play)


def _over(kind: Callable[..., Workers], workers: int) -> Callable[[MakeWorker, Rounds], None]:
    def play(make_worker: MakeWorker, rounds: Rounds) -> None:
        with WorkerGrid(kind(make_worker, workers=workers)) as grid:
            rounds(grid)

    return play
