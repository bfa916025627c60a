"""A plan's rounds, from the last checkpoint to the end: over devices, or however else a round is played.

Everything is keyed by plan id, round and weights hash, never by Flower's run id. A run that was stopped anywhere is
started again with the same call: it goes on after the last checkpoint, devices answer what they answered before from
their cache, and no round is applied twice.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from reticent.aggregate.attempt import Attempt, Organisation, Tally, weights_bytes
from reticent.aggregate.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from reticent.aggregate.journal import Journal, Metrics, RoundLine, Status
from reticent.aggregate.optimiser import Momentum, Optimiser, ServerState, Vector
from reticent.errors import RoundAborted, SettingError
from reticent.privacy.events import Mode
from reticent.records.canonical import digest
from reticent.records.plan import Plan

ENDED = "it had ended before"

Play = Callable[[int, ServerState, bytes, Tally], ServerState]
"""One attempt at one round: its number, the state and the bytes of the weights before it, and where to count. Returns the state
after it, or raises RoundAborted; it changes no weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What the rounds of a plan need, whoever plays them: devices behind a SuperLink, or simulated people.

    run_folder: where rounds.jsonl and checkpoint/ lie. score: metrics of some weights on public people, or None.
    optimiser: makes the first state, and is what `Play` steps with. clip_norm: of the first round, where `Play` adapts it;
    None where the plan's holds for all. publish: takes the number of rounds applied and the model
    after them; called again for the same number on a restart.
    told: takes each line of rounds.jsonl of this run as it is written. earlier: why an earlier process that worked on the
    plan ended; rounds.jsonl says so where rounds are left. now: Unix seconds.
    """

    plan_id: str
    terms: Plan
    run_folder: Path
    score: Callable[[Vector], Metrics | None]
    publish: Callable[[int, Vector], None]
    optimiser: Optimiser = field(default_factory=Momentum)
    told: Callable[[Mapping[str, Any]], None] = lambda line: None
    earlier: str = ENDED
    clip_norm: float | None = None
    attempts: int = 1
    retry_s: float = 0.0
    now: Callable[[], float] = time.time


def run_plan(organisation: Organisation, initial: Vector, *, earlier: str = ENDED) -> ServerState:
    """Run the plan's rounds, or those that are left, over devices, and return the last state.

    initial: shape (P,), float32: the public weights; not looked at where a checkpoint exists. earlier: as in `Course`.
    Guarantee: the checkpoint holds whole rounds only, each of at least `min_cohort` validated releases, one a device.
    Raises: RoundAborted, if a round failed as often as the pace allows, or the plan expired; SettingError for a plan
    that can't be run here; StateError, FormatError or IntegrityError for files that don't hold together. Nothing of
    an unfinished round is applied.
    """
    terms = organisation.terms
    if terms.release.mode is not Mode.LOCAL:
        raise SettingError(
            f"this plan's mode is {terms.release.mode}; sums of single releases are for mode local; nothing was sent"
        )
    course = Course(
        plan_id=organisation.plan.id,
        terms=terms,
        run_folder=organisation.run_folder,
        score=organisation.score,
        publish=organisation.publish,
        optimiser=organisation.optimiser,
        earlier=earlier,
        attempts=organisation.pace.attempts,
        retry_s=organisation.pace.retry_s,
        now=organisation.now,
    )
    return run_course(course, initial, lambda *round_: Attempt(organisation, *round_).run())


def run_course(course: Course, initial: Vector, play: Play) -> ServerState:
    """Play the rounds of a plan, or those that are left after a stop, and return the last state.

    Guarantee: no round is applied twice, whenever it was stopped. Raises: as `run_plan`.
    """
    journal = Journal(course.run_folder / "rounds.jsonl", told=course.told)
    folder = course.run_folder / "checkpoint"
    checkpoint = read_checkpoint(
        folder, plan_id=course.plan_id, parameters=_length(course, initial), optimiser=course.optimiser
    )
    begun = checkpoint is not None
    if checkpoint is None:
        journal.check_unbegun()
        checkpoint = _beginning(course, initial)
        write_checkpoint(folder, checkpoint)
    journal.catch_up(checkpoint.line)
    if begun and checkpoint.round + 1 < course.terms.rounds:
        journal.append(_resumed(checkpoint, course.earlier).to_json())
    course.publish(checkpoint.round + 1, checkpoint.state.published)
    while checkpoint.round + 1 < course.terms.rounds:
        checkpoint = _round(course, checkpoint, journal, play)
        write_checkpoint(folder, checkpoint)
        journal.catch_up(checkpoint.line)
        course.publish(checkpoint.round + 1, checkpoint.state.published)
    return checkpoint.state


def _length(course: Course, initial: Vector) -> int:
    """Of the weights. A plan that measures leaves them as they are, and its releases are shorter."""
    return initial.size if course.terms.measures else course.terms.parameters


def _beginning(course: Course, initial: Vector) -> Checkpoint:
    parameters = _length(course, initial)
    if initial.shape != (parameters,) or initial.dtype != np.float32 or not np.isfinite(initial).all():
        raise SettingError(
            f"the public weights aren't {parameters} finite float32 numbers, as the plan says; nothing was sent"
        )
    hashed = digest(weights_bytes(initial))
    line = RoundLine(
        plan_id=course.plan_id,
        round=-1,
        status=Status.START,
        weights_hash=hashed,
        new_weights_hash=hashed,
        metrics=course.score(initial),
    )
    state = replace(course.optimiser.start(initial), clip_norm=course.clip_norm)
    return Checkpoint(plan_id=line.plan_id, round=-1, state=state, line=line.to_json(), optimiser=course.optimiser)


def _resumed(checkpoint: Checkpoint, earlier: str) -> RoundLine:
    return RoundLine(
        plan_id=checkpoint.plan_id,
        round=checkpoint.round + 1,
        status=Status.RESUMED,
        weights_hash=digest(weights_bytes(checkpoint.state.weights)),
        new_weights_hash=None,
        reason=earlier,
    )


def _round(course: Course, before: Checkpoint, journal: Journal, play: Play) -> Checkpoint:
    """One round, asked again where too few answered."""
    number = before.round + 1
    weights = weights_bytes(before.state.weights)
    reason = ""
    for attempt in range(course.attempts):
        if attempt:
            time.sleep(course.retry_s)
        if course.now() >= course.terms.expires_at:
            raise RoundAborted(f"the plan expired before round {number}; the weights of round {number - 1} stay")
        began, tally = time.monotonic(), Tally()
        try:
            state = play(number, before.state, weights, tally)
        except RoundAborted as error:
            reason = str(error)
            state = None
        line = RoundLine(
            plan_id=before.plan_id,
            round=number,
            status=Status.ABORTED if state is None else Status.APPLIED,
            weights_hash=digest(weights),
            new_weights_hash=None if state is None else digest(weights_bytes(state.weights)),
            asked=tally.asked,
            joined=tally.joined,
            released=tally.released,
            stored=tally.stored,
            abstained=tally.abstained,
            dropped=dict(tally.dropped),
            incidents=tally.incidents,
            bytes_received=tally.bytes_received,
            clip_norm=before.state.clip_norm or course.terms.release.clip_norm,
            seconds_join=round(tally.seconds_join, 3),
            seconds_train=round(tally.seconds_train, 3),
            seconds=round(max(time.monotonic() - began, tally.seconds_join + tally.seconds_train), 3),
            metrics=None if state is None else course.score(state.published),
            reason=None if state is not None else reason,
        )
        if state is not None:
            return replace(before, round=number, state=state, line=line.to_json())
        journal.append(line.to_json())
    raise RoundAborted(f"round {number} was aborted {course.attempts} times; the last time, {reason}")
