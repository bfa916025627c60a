"""What a run needs to go on after a stop: the optimiser's state, and the line of the round that made it."""

import hashlib
import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from reticent.aggregate.durable import make_folder
from reticent.aggregate.optimiser import Momentum, Optimiser, ServerState
from reticent.errors import FormatError, IntegrityError, NewerFormatError, StateError
from reticent.records.files import replace_private, sync_folder

VERSION = 2
KEPT = 2

_STATE = "state.safetensors"
_FACTS = "checkpoint.json"
_FIELDS = {"version", "plan_id", "round", "state_hash", "line", "optimiser", "clip_norm"}
_BEFORE = {"optimiser": Momentum().to_value(), "clip_norm": None, "version": VERSION}  # what version 1 didn't say


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The state after `round` of plan `plan_id` under one optimiser, and the line that belongs into rounds.jsonl for it.

    Rounds count from 0; the state before any of them, the public weights, is that of round -1.
    """

    plan_id: str
    round: int
    state: ServerState
    line: Mapping[str, Any]
    optimiser: Optimiser = field(default_factory=Momentum)


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Put the checkpoint down as `folder`/applied-N (N rounds are in it), all or nothing, and keep the last KEPT.

    This rename is the moment at which a round counts as applied.
    Raises: StateError, if that round has one already or the disk refuses; the older ones stay.
    """
    target = folder / _name(checkpoint.round)
    temporary = folder / f".{target.name}.new"
    if target.exists():
        raise StateError(f"round {checkpoint.round} was applied before ({target}); it wasn't applied again")
    tensors = {"weights": checkpoint.state.weights, **checkpoint.state.moments}
    state = save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()})
    facts = {
        "version": VERSION,
        "plan_id": checkpoint.plan_id,
        "round": checkpoint.round,
        "state_hash": hashlib.sha256(state).hexdigest(),
        "line": dict(checkpoint.line),
        "optimiser": checkpoint.optimiser.to_value(),
        "clip_norm": checkpoint.state.clip_norm,
    }
    try:
        make_folder(folder)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        replace_private(temporary / _STATE, state)
        replace_private(temporary / _FACTS, json.dumps(facts, sort_keys=True, allow_nan=False).encode())
        temporary.rename(target)
        sync_folder(folder)
        for old in sorted(folder.glob("applied-*"))[:-KEPT]:
            shutil.rmtree(old)
    except OSError as error:
        raise StateError(f"{target} could not be written ({error.strerror}); the checkpoints before it stay") from error


def read_checkpoint(folder: Path, *, plan_id: str, parameters: int, optimiser: Optimiser) -> Checkpoint | None:
    """The newest checkpoint, or None where nothing was ever begun. optimiser: whose state it must be.

    A damaged one is never passed over for an older one: that would apply a round twice.
    Raises: FormatError, NewerFormatError, IntegrityError; nothing is changed.
    """
    names = sorted(folder.glob("applied-*"))
    if not names:
        return None
    newest = names[-1]
    try:
        facts = json.loads((newest / _FACTS).read_bytes())
        state = (newest / _STATE).read_bytes()
    except (OSError, ValueError) as error:
        raise FormatError(f"{newest} can't be read; nothing was applied or changed") from error
    if not isinstance(facts, dict):
        raise FormatError(f"{newest} isn't a checkpoint; nothing was applied or changed")
    if isinstance(facts.get("version"), int) and facts["version"] > VERSION:
        raise NewerFormatError(f"{newest} was written by a newer release; nothing was applied or changed")
    if facts.get("version") == 1 and not _BEFORE.keys() - {"version"} & facts.keys():
        facts |= _BEFORE
    if set(facts) != _FIELDS or facts["version"] != VERSION or not isinstance(facts["line"], dict):
        raise FormatError(f"{newest} isn't a checkpoint of version 1 or {VERSION}; nothing was applied or changed")
    if hashlib.sha256(state).hexdigest() != facts["state_hash"] or newest.name != _name(facts["round"]):
        raise IntegrityError(f"{newest} isn't what was written; nothing was applied or changed")
    if facts["plan_id"] != plan_id:
        raise IntegrityError(f"{newest} belongs to another plan; nothing was applied or changed")
    if facts["optimiser"] != optimiser.to_value():
        raise IntegrityError(f"{newest} was made by another optimiser than the run's; nothing was applied or changed")
    return Checkpoint(
        plan_id=plan_id,
        round=facts["round"],
        state=_state(state, facts["clip_norm"], optimiser.start(np.zeros(parameters, dtype=np.float32)), newest),
        line=facts["line"],
        optimiser=optimiser,
    )


def _state(data: bytes, clip_norm: object, like: ServerState, place: Path) -> ServerState:
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise FormatError(f"{place} holds no tensors; nothing was applied or changed") from error
    asked: dict[str, Any] = {"weights": like.weights, **like.moments}
    fits = tensors.keys() == asked.keys() and all(
        (tensor.dtype, tensor.shape) == (asked[name].dtype, asked[name].shape) and np.isfinite(tensor).all()
        for name, tensor in tensors.items()
    )
    if not fits:
        raise FormatError(f"{place} doesn't hold {len(like.weights)} finite weights; nothing was applied or changed")
    if clip_norm is not None and not (isinstance(clip_norm, float) and 0 < clip_norm < math.inf):
        raise FormatError(f"{place} holds a clip norm that is none; nothing was applied or changed")
    return ServerState(tensors.pop("weights"), tensors, clip_norm)


def _name(round_number: object) -> str:
    return f"applied-{round_number + 1:07d}" if type(round_number) is int else ""
