"""The public weights of a model by name, checked, as named arrays: no torch is needed to begin a run or to serve one."""

from hashlib import sha256

import numpy as np

from reticent.errors import FormatError
from reticent.model import catalogue
from reticent.model.checkpoint_file import check_version
from reticent.model.tensors import Floats, check_shapes, decode

PUBLIC_VERSION = 1


def initial(name: str, trainable: str) -> Floats:
    """The public start of training, shape (P,), float32: heads and trunk fitted on public data.

    Raises: SettingError (unknown name or choice), FormatError (the file is not the one whose hash the catalogue holds).
    """
    shapes = catalogue.shapes(name, trainable)
    tensors = public_tensors(public_bytes(name), name=name)
    return np.concatenate([tensors[tensor].ravel() for tensor in shapes])


def public_bytes(name: str) -> bytes:
    """The file with the hash that the catalogue holds. Raises: SettingError, FormatError."""
    data = catalogue.public_bytes(name)
    if sha256(data).hexdigest() != catalogue.entry(name).sha256:
        raise FormatError(
            f"the public weights of {name} in this installation are not the ones it was released with; nothing was loaded"
        )
    return data


def public_tensors(data: bytes, *, name: str) -> dict[str, Floats]:
    """Parameters and statistics by name. Raises: FormatError, NewerFormatError for bytes that are not the named model's."""
    widths = catalogue.entry(name).architecture
    tensors, metadata = decode(data)
    check_version(metadata, known=PUBLIC_VERSION)
    check_shapes(tensors, {**widths.heads(), **widths.trunk(), **widths.statistics()})
    return tensors
