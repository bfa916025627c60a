"""What is a model that somebody else brings? The name of a trunk, a file of public weights, and the file's hash.

Shapes are the file's own, so they can't contradict it, and asking for them needs neither torch nor the trunk's code.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from reticent.errors import FormatError, SettingError
from reticent.model.architecture import Shapes, head_shapes, statistics_shapes
from reticent.model.tensors import check_shapes, decode, read_limited

LIMIT_BYTES = 16 * 2**20  # of a file of public weights: about four million numbers
OWN = "trunk.own."  # begins the name of every tensor of the trunk that was brought
_TRUNK = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A declaration; making one reads nothing and imports nothing.

    trunk: "module:Class" of a torch module without arguments, from `Inputs` of n examples to their `Features`; it neither
    mixes examples nor keeps buffers. weights: what `make_model` wrote. sha256: of that file; another file is refused.
    """

    trunk: str
    weights: Path
    sha256: str

    def __post_init__(self) -> None:
        if not (isinstance(self.trunk, str) and _TRUNK.fullmatch(self.trunk)):
            raise SettingError('a model names its trunk as "module:Class"; nothing was loaded')
        if not isinstance(self.weights, Path):
            raise SettingError("a model gives its public weights as a Path; nothing was loaded")
        if not (isinstance(self.sha256, str) and _HASH.fullmatch(self.sha256)):
            raise SettingError(
                "a model gives its weights' SHA-256 as 64 lower-case hexadecimal digits; nothing was loaded"
            )

    def read(self) -> bytes:
        """The public weights. Raises: StateError where no file can be read, FormatError for another file."""
        data = read_limited(self.weights, limit_bytes=LIMIT_BYTES)
        if sha256(data).hexdigest() != self.sha256:
            raise FormatError(f"{self.weights.name} is not the file whose SHA-256 its model gives; nothing was loaded")
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWidths:
    """As `Architecture`, of a trunk that was brought. made_by: its "module:Class". shapes: of its own tensors, by name."""

    made_by: str
    kind_features: int
    cell_features: int
    place: int
    shapes: tuple[tuple[str, tuple[int, ...]], ...]

    def heads(self) -> Shapes:
        """Every head's tensors."""
        return head_shapes(self)

    def trunk(self) -> Shapes:
        """Every tensor that is frozen unless a plan trains all."""
        return MappingProxyType(dict(self.shapes))

    def statistics(self) -> Shapes:
        """Public constants, never trained."""
        return statistics_shapes(self)


@lru_cache(maxsize=16)
def own_widths(model: Model) -> OwnWidths:
    """Raises: as `Model.read`; FormatError for a file that holds anything but heads, whitening and the trunk's tensors."""
    tensors, _ = decode(model.read())
    shapes = {name: values.shape for name, values in tensors.items()}
    kind, cell, place = (_inputs(shapes, f"heads.{head}.weight") for head in ("kind", "cell_grid", "cell_place"))
    own = tuple((name, shape) for name, shape in sorted(shapes.items()) if name.startswith(OWN))
    widths = OwnWidths(made_by=model.trunk, kind_features=kind, cell_features=cell, place=place, shapes=own)
    check_shapes(tensors, {**widths.heads(), **widths.trunk(), **widths.statistics()})
    return widths


def _inputs(shapes: Mapping[str, tuple[int, ...]], head: str) -> int:
    shape = shapes.get(head, ())
    if len(shape) != 2 or shape[1] < 1:
        raise FormatError("the file doesn't hold the linear heads that every model has; nothing was loaded")
    return shape[1]
