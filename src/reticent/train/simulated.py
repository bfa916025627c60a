"""engine=inprocess: the plan's rounds over simulated people on this machine."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from reticent.aggregate.optimiser import ServerMomentum
from reticent.aggregate.rounds import Course, run_course
from reticent.model import catalogue
from reticent.model.checkpoint_file import SavedWeights, write_weights
from reticent.model.network import initial
from reticent.model.tensors import Floats
from reticent.records.canonical import digest
from reticent.sim.grid import WorkerGrid
from reticent.sim.population import Population
from reticent.sim.rounds import SimulatedRound
from reticent.sim.worker import make_worker
from reticent.sim.workers import local_workers
from reticent.train.folder import RunFolder
from reticent.train.planning import Planned
from reticent.train.scoring import Scoring
from reticent.train.settings import InProcess

_MB = 1 << 20


def simulate(
    made: Planned,
    people: Population,
    engine: InProcess,
    *,
    folder: RunFolder,
    scoring: Scoring,
    told: Callable[[Mapping[str, Any]], None],
) -> float:
    """Play all rounds, or those that are left; the folder then holds rounds.jsonl, checkpoint/ and the model.

    Returns: the peak memory of the workers together, in MB. The result depends on the settings alone: neither on how many
    workers there are nor on where it was stopped. Raises: RoundAborted, StateError, FormatError, IntegrityError.
    """
    plan = made.plan
    plan_id = digest(plan.to_bytes())
    workers = min(engine.workers or len(os.sched_getaffinity(0)), made.cohort)
    make = partial(
        make_worker,
        catalogue.registered(),
        plan=plan,
        plan_id=plan_id,
        population=people,
        seed=made.settings.seed,
        cache_bytes=engine.cache_mb * _MB // workers,
    )

    def publish(rounds_done: int, weights: Floats) -> None:
        saved = SavedWeights(
            model=plan.model, trainable=plan.trainable, plan_id=plan_id, round=rounds_done, weights=weights
        )
        write_weights(folder.model, saved)

    course = Course(
        plan_id=plan_id, terms=plan, run_folder=folder.root, score=scoring, publish=publish, told=told, now=lambda: 0.0
    )
    with WorkerGrid(local_workers(make, workers=workers)) as grid:
        play = SimulatedRound(
            grid=grid,
            plan=plan,
            people=len(people),
            size=made.cohort,
            seed=made.settings.seed,
            optimiser=ServerMomentum(),
        )
        run_course(course, initial(plan.model, plan.trainable), play)
    return play.peak_rss_mb
