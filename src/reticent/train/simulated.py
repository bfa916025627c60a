"""The plan's rounds over simulated people, wherever their workers run."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from reticent.aggregate.attempt import Tally, weights_bytes
from reticent.aggregate.optimiser import ServerState
from reticent.aggregate.rounds import Course, Play, run_course
from reticent.model import catalogue
from reticent.model.checkpoint_file import SavedWeights, write_weights
from reticent.model.public import initial
from reticent.model.tensors import Floats
from reticent.records.canonical import digest
from reticent.sim.population import Population
from reticent.sim.rounds import Nodes, SimulatedRound
from reticent.sim.worker import make_worker
from reticent.train.folder import RunFolder
from reticent.train.hosts import Host
from reticent.train.planning import Planned
from reticent.train.scores import Scores


def simulate(
    made: Planned,
    people: Population,
    host: Host,
    *,
    folder: RunFolder,
    scores: Scores,
    told: Callable[[Mapping[str, Any]], None],
    crowded: Callable[[float], None],
) -> float:
    """Play all rounds, or those that are left; the folder then holds rounds.jsonl, checkpoint/ and the model.

    crowded: called at most once, with how many MB of what is prepared of people workers had no room for.
    Returns: the peak memory of the workers together, in MB. The result depends on the settings alone: neither on the engine,
    nor on how many workers there are, nor on where it was stopped. Raises: RoundAborted, StateError, FormatError, IntegrityError.
    """
    plan = made.plan
    plan_id = digest(plan.to_bytes())
    clip = made.settings.privacy.adaptive_clip
    make = partial(
        make_worker,
        catalogue.registered(),
        made.settings.data.sha256,
        plan=plan,
        plan_id=plan_id,
        population=people,
        seed=made.settings.seed,
        cache_bytes=host.cache_bytes,
        clip=clip,
        stacked_on=None if host.device == "cpu" else host.device,
    )

    def publish(rounds_done: int, weights: Floats) -> None:
        saved = SavedWeights(
            model=plan.model, trainable=plan.trainable, plan_id=plan_id, round=rounds_done, weights=weights
        )
        write_weights(folder.model, saved)

    course = Course(
        plan_id=plan_id,
        terms=plan,
        run_folder=folder.root,
        score=scores,
        publish=publish,
        optimiser=made.settings.server.optimiser,
        clip_norm=None if clip is None else made.settings.privacy.clip_norm,
        told=told,
        now=lambda: 0.0,
    )
    peaks_mb = []

    def rounds(grid: Nodes) -> None:
        play = SimulatedRound(
            grid=grid,
            plan=plan,
            people=len(people),
            size=made.cohort,
            seed=made.settings.seed,
            optimiser=course.optimiser,
            aggregation=made.settings.server.aggregation,
            clip=clip,
            clip_norm=made.settings.privacy.clip_norm,
        )
        start = initial(plan.model, plan.trainable)
        if not (folder.root / "checkpoint").exists():
            play.begin(0, weights_bytes(start), course.clip_norm)  # while the start is scored
        run_course(course, start, _watching(play, made, crowded))
        peaks_mb.append(play.peak_rss_mb)

    host.play(make, rounds)
    return sum(peaks_mb)


def _watching(play: SimulatedRound, made: Planned, crowded: Callable[[float], None]) -> Play:
    """Tell once, when everybody was asked and rounds are left, of how much workers had no room for."""

    def watched(number: int, state: ServerState, weights: bytes, tally: Tally) -> ServerState:
        before, after = play.asked, play(number, state, weights, tally)
        if before < made.people <= play.asked and play.unkept_mb and number + 1 < made.plan.rounds:
            crowded(play.unkept_mb)
        return after

    return watched
