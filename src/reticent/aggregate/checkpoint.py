"""What a run needs to go on after a stop: weights, velocity and the line of the round that made them."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from reticent.aggregate.durable import make_folder
from reticent.aggregate.optimiser import ServerState
from reticent.errors import FormatError, IntegrityError, NewerFormatError, StateError
from reticent.records.files import replace_private, sync_folder

VERSION = 1
KEPT = 2

_STATE = "state.safetensors"
_FACTS = "checkpoint.json"
_FIELDS = {"version", "plan_id", "round", "state_hash", "line"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The state after `round` of plan `plan_id`, and the line that belongs into rounds.jsonl for it.

    Rounds count from 0; the state before any of them, the public weights, is that of round -1.
    """

    plan_id: str
    round: int
    state: ServerState
    line: Mapping[str, Any]


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Put the checkpoint down as `folder`/applied-N (N rounds are in it), all or nothing, and keep the last KEPT.

    This rename is the moment at which a round counts as applied.
    Raises: StateError, if that round has one already or the disk refuses; the older ones stay.
    """
    target = folder / _name(checkpoint.round)
    temporary = folder / f".{target.name}.new"
    if target.exists():
        raise StateError(f"round {checkpoint.round} was applied before ({target}); it wasn't applied again")
    tensors = {"weights": checkpoint.state.weights, "velocity": checkpoint.state.velocity}
    state = save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()})
    facts = {
        "version": VERSION,
        "plan_id": checkpoint.plan_id,
        "round": checkpoint.round,
        "state_hash": hashlib.sha256(state).hexdigest(),
        "line": dict(checkpoint.line),
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


def read_checkpoint(folder: Path, *, plan_id: str, parameters: int) -> Checkpoint | None:
    """The newest checkpoint, or None where nothing was ever begun.

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
    if set(facts) != _FIELDS or facts["version"] != VERSION or not isinstance(facts["line"], dict):
        raise FormatError(f"{newest} isn't a checkpoint of version {VERSION}; nothing was applied or changed")
    if hashlib.sha256(state).hexdigest() != facts["state_hash"] or newest.name != _name(facts["round"]):
        raise IntegrityError(f"{newest} isn't what was written; nothing was applied or changed")
    if facts["plan_id"] != plan_id:
        raise IntegrityError(f"{newest} belongs to another plan; nothing was applied or changed")
    return Checkpoint(
        plan_id=plan_id, round=facts["round"], state=_state(state, parameters, newest), line=facts["line"]
    )


def _state(data: bytes, parameters: int, place: Path) -> ServerState:
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise FormatError(f"{place} holds no tensors; nothing was applied or changed") from error
    shape = {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()}
    asked = {
        "weights": (np.dtype(np.float32), (parameters,)),
        "velocity": (np.dtype(np.float64), (parameters,)),
    }
    if shape != asked or not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise FormatError(f"{place} doesn't hold {parameters} finite weights; nothing was applied or changed")
    return ServerState(tensors["weights"], tensors["velocity"])


def _name(round_number: object) -> str:
    return f"applied-{round_number + 1:07d}" if type(round_number) is int else ""
