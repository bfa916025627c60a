"""How are a run's trained weights kept: model.safetensors, with what they belong to.

Metadata, all strings: version, model, trainable, plan_id, round. Tensors: what is trained, by the catalogue's names and
shapes, float32.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reticent.errors import FormatError, NewerFormatError, SettingError
from reticent.model import catalogue
from reticent.model.tensors import (
    Floats,
    check_shapes,
    decode,
    encode,
    limit_bytes,
    read_limited,
    write_atomically,
)

VERSION = 1
NO_PLAN = "0" * 64  # weights that belong to no plan: a public start
_FIELDS = ("version", "model", "trainable", "plan_id", "round")
_PLAN_ID = re.compile(r"[0-9a-f]{64}")
_COUNT = re.compile(r"0|[1-9][0-9]{0,15}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedWeights:
    """Weights after `round` rounds of a plan.

    weights: shape (P,), float32, the flat vector in the catalogue's order. plan_id: 64 hexadecimal digits.
    """

    model: str
    trainable: str
    plan_id: str
    round: int
    weights: Floats

    def __post_init__(self) -> None:
        """Raises SettingError for what no run can have written."""
        parameters = catalogue.parameters(self.model, self.trainable)
        if self.weights.shape != (parameters,) or self.weights.dtype != np.float32:
            raise SettingError(f"{self.model} needs {parameters} float32 weights; nothing was written")
        if not np.isfinite(self.weights).all():
            raise SettingError("weights that are NaN or infinite are not saved; nothing was written")
        if not _PLAN_ID.fullmatch(self.plan_id):
            raise SettingError("a plan id is 64 hexadecimal digits; nothing was written")
        if not (0 <= self.round < 10**16):
            raise SettingError("a round is a number from 0; nothing was written")


def write_weights(path: Path, saved: SavedWeights) -> None:
    """Write atomically: a crash leaves the old file or the new one. Raises StateError when the disk refuses."""
    metadata = {
        "version": str(VERSION),
        "model": saved.model,
        "trainable": saved.trainable,
        "plan_id": saved.plan_id,
        "round": str(saved.round),
    }
    tensors, start = {}, 0
    for name, shape in catalogue.shapes(saved.model, saved.trainable).items():
        size = int(np.prod(shape))
        tensors[name] = saved.weights[start : start + size].reshape(shape)
        start += size
    write_atomically(path, encode(tensors, metadata))


def read_weights(path: Path) -> SavedWeights:
    """Read what `write_weights` wrote; believe nothing that the file says before it is checked.

    Raises: StateError (no such file), NewerFormatError, FormatError (truncated, too large, another model's shapes, NaN,
    infinity).
    """
    tensors, metadata = decode(read_limited(path, limit_bytes=limit_bytes(catalogue.largest())))
    check_version(metadata, known=VERSION)
    if set(metadata) != set(_FIELDS) or not _COUNT.fullmatch(metadata["round"]):
        raise FormatError("the file's metadata are not those of trained weights; nothing was loaded")
    try:
        shapes = catalogue.shapes(metadata["model"], metadata["trainable"])
        check_shapes(tensors, shapes)
        return SavedWeights(
            model=metadata["model"],
            trainable=metadata["trainable"],
            plan_id=metadata["plan_id"],
            round=int(metadata["round"]),
            weights=np.concatenate([tensors[name].ravel() for name in shapes]),
        )
    except SettingError as error:
        raise FormatError(f"the file's metadata don't fit: {error}") from error


def check_version(metadata: dict[str, str], *, known: int) -> None:
    """Raises NewerFormatError for a version beyond `known`, FormatError for none."""
    version = metadata.get("version", "")
    if not _COUNT.fullmatch(version) or version == "0":
        raise FormatError("the file doesn't say which version it has; nothing was loaded")
    if int(version) > known:
        raise NewerFormatError(f"the file has version {version}; this release reads up to {known}; nothing was loaded")
