"""A plan's rounds over a Flower Grid, from the last checkpoint to the end.

Everything is keyed by plan id, round and weights hash, never by Flower's run id. A run that was stopped anywhere is
started again with the same call: it goes on after the last checkpoint, devices answer what they answered before from
their cache, and no round is applied twice.
"""

import time

import numpy as np

from reticent.aggregate.attempt import Attempt, Organisation, Tally, weights_bytes
from reticent.aggregate.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from reticent.aggregate.journal import Journal, RoundLine, Status
from reticent.aggregate.optimiser import ServerState, Vector
from reticent.errors import RoundAborted, SettingError
from reticent.privacy.events import Mode
from reticent.records.canonical import digest


def run_plan(organisation: Organisation, initial: Vector, *, earlier: str = "it had ended before") -> ServerState:
    """Run the plan's rounds, or those that are left, and return the last state.

    initial: shape (P,), float32: the public weights; not looked at where a checkpoint exists. earlier: why an earlier
    process that worked on the plan ended; rounds.jsonl says so where rounds are left.
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
    journal = Journal(organisation.run_folder / "rounds.jsonl")
    folder = organisation.run_folder / "checkpoint"
    checkpoint = read_checkpoint(folder, plan_id=organisation.plan.id, parameters=terms.parameters)
    begun = checkpoint is not None
    if checkpoint is None:
        checkpoint = _beginning(organisation, initial)
        write_checkpoint(folder, checkpoint)
    journal.catch_up(checkpoint.line)
    if begun and checkpoint.round + 1 < terms.rounds:
        journal.append(_resumed(checkpoint, earlier).to_json())
    organisation.publish(checkpoint.round + 1, checkpoint.state.weights)
    while checkpoint.round + 1 < terms.rounds:
        checkpoint = _round(organisation, checkpoint, journal)
        write_checkpoint(folder, checkpoint)
        journal.catch_up(checkpoint.line)
        organisation.publish(checkpoint.round + 1, checkpoint.state.weights)
    return checkpoint.state


def _beginning(organisation: Organisation, initial: Vector) -> Checkpoint:
    parameters = organisation.terms.parameters
    if initial.shape != (parameters,) or initial.dtype != np.float32 or not np.isfinite(initial).all():
        raise SettingError(
            f"the public weights aren't {parameters} finite float32 numbers, as the plan says; nothing was sent"
        )
    hashed = digest(weights_bytes(initial))
    line = RoundLine(
        plan_id=organisation.plan.id,
        round=-1,
        status=Status.START,
        weights_hash=hashed,
        new_weights_hash=hashed,
        metrics=organisation.score(initial),
    )
    return Checkpoint(plan_id=line.plan_id, round=-1, state=ServerState.start(initial), line=line.to_json())


def _resumed(checkpoint: Checkpoint, earlier: str) -> RoundLine:
    return RoundLine(
        plan_id=checkpoint.plan_id,
        round=checkpoint.round + 1,
        status=Status.RESUMED,
        weights_hash=digest(weights_bytes(checkpoint.state.weights)),
        new_weights_hash=None,
        reason=earlier,
    )


def _round(organisation: Organisation, before: Checkpoint, journal: Journal) -> Checkpoint:
    """One round, asked again where too few answered."""
    number, pace = before.round + 1, organisation.pace
    weights = weights_bytes(before.state.weights)
    reason = ""
    for attempt in range(pace.attempts):
        if attempt:
            time.sleep(pace.retry_s)
        if organisation.now() >= organisation.terms.expires_at:
            raise RoundAborted(f"the plan expired before round {number}; the weights of round {number - 1} stay")
        began, tally = time.monotonic(), Tally()
        try:
            state = Attempt(organisation, number, before.state, weights, tally).run()
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
            seconds_join=round(tally.seconds_join, 3),
            seconds_train=round(tally.seconds_train, 3),
            seconds=round(time.monotonic() - began, 3),
            metrics=None if state is None else organisation.score(state.weights),
            reason=None if state is not None else reason,
        )
        if state is not None:
            return Checkpoint(plan_id=before.plan_id, round=number, state=state, line=line.to_json())
        journal.append(line.to_json())
    raise RoundAborted(f"round {number} was aborted {pace.attempts} times; the last time, {reason}")
