"""How do named float32 arrays become a safetensors file, and a file that nobody vouches for become arrays again?

The bytes are a function of the contents: the library's own writer orders metadata at random, which no hash survives.
"""

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors

from reticent.errors import FormatError, SettingError, StateError

Floats = npt.NDArray[np.float32]

_HEADER_LIMIT_BYTES = 64 * 1024
_LENGTH_BYTES = 8


def encode(tensors: Mapping[str, Floats], metadata: Mapping[str, str]) -> bytes:
    """Safetensors bytes: header sorted by name, then the arrays in the same order, little-endian.

    Raises SettingError for an array that is not float32 or holds NaN or infinity; nothing is written.
    """
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    parts, offset = [], 0
    for name, values in sorted(tensors.items()):
        if values.dtype != np.float32 or not np.isfinite(values).all():
            raise SettingError("only finite float32 weights are saved; nothing was written")
        data = np.ascontiguousarray(values, dtype="<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [offset, offset + len(data)]}
        parts.append(data)
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _LENGTH_BYTES)
    return b"".join([len(text).to_bytes(_LENGTH_BYTES, "little"), text, *parts])


def decode(data: bytes) -> tuple[dict[str, Floats], dict[str, str]]:
    """Returns: arrays by name and the metadata.

    Raises FormatError for bytes that are not safetensors, for any type but float32, and for NaN or infinity, which the
    library lets through.
    """
    metadata = _metadata(data)
    try:
        tensors = load_safetensors(data)
    except (SafetensorError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise FormatError("the file is truncated or is not safetensors; nothing was loaded") from error
    for values in tensors.values():
        if values.dtype != np.float32:
            raise FormatError("the file holds weights of another type than float32; nothing was loaded")
        if not np.isfinite(values).all():
            raise FormatError("the file holds weights that are NaN or infinite; nothing was loaded")
    return tensors, metadata


def check_shapes(tensors: Mapping[str, Floats], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises FormatError unless `tensors` has exactly these names and shapes."""
    if {name: values.shape for name, values in tensors.items()} != dict(shapes):
        raise FormatError("the file's tensors have other names or shapes than the model's; nothing was loaded")


def read_limited(path: Path, *, limit_bytes: int) -> bytes:
    """The file's bytes. Raises StateError where there is no readable file, FormatError for one beyond the limit."""
    try:
        with path.open("rb") as file:
            data = file.read(limit_bytes + 1)
    except OSError as error:
        raise StateError(f"no weights can be read at {path} ({error.strerror}); nothing was loaded") from error
    if len(data) > limit_bytes:
        raise FormatError(f"the file is larger than any known model's {limit_bytes} bytes; nothing was loaded")
    return data


def limit_bytes(parameters: int) -> int:
    """The largest file that `parameters` float32 numbers can need."""
    return 4 * parameters + _HEADER_LIMIT_BYTES


def write_atomically(path: Path, data: bytes) -> None:
    """Either the whole file is there afterwards, on disk, or what was there before. Raises StateError."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StateError(f"the weights can't be written there ({error.strerror}); the old file is untouched") from error


def _metadata(data: bytes) -> dict[str, str]:
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if len(data) < _LENGTH_BYTES or length > min(_HEADER_LIMIT_BYTES, len(data) - _LENGTH_BYTES):
        raise FormatError("the file is truncated or is not safetensors; nothing was loaded")
    try:
        header = json.loads(data[_LENGTH_BYTES : _LENGTH_BYTES + length])
    except (ValueError, RecursionError) as error:
        raise FormatError("the file is truncated or is not safetensors; nothing was loaded") from error
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise FormatError("the file says nothing about which model it holds; nothing was loaded")
    return metadata
