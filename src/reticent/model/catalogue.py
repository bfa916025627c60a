"""Which models exist, and what shape is each? Names and numbers only: a server or courier asks here without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from types import MappingProxyType

from reticent.errors import SettingError

Shapes = Mapping[str, tuple[int, ...]]

TRAINABLE = ("heads", "all")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One architecture with its public weights.

    heads, trunk: parameter names and shapes. statistics: names and shapes of public constants, never trained.
    file, sha256: the shipped public weights in `model/data`, and their digest.
    """

    heads: Shapes
    trunk: Shapes
    statistics: Shapes
    file: str
    sha256: str


_OFFICE_60K = Entry(
    heads=MappingProxyType(
        {
            "heads.cell_grid.weight": (1, 54),
            "heads.cell_place.bias": (192,),
            "heads.cell_place.weight": (192, 32),
            "heads.kind.bias": (12,),
            "heads.kind.weight": (12, 496),
        }
    ),
    trunk=MappingProxyType(
        {
            "trunk.grid1.bias": (32,),
            "trunk.grid1.weight": (32, 31, 3, 3),
            "trunk.grid1_norm.bias": (32,),
            "trunk.grid1_norm.weight": (32,),
            "trunk.grid2.bias": (32,),
            "trunk.grid2.weight": (32, 32, 3, 3),
            "trunk.grid2_norm.bias": (32,),
            "trunk.grid2_norm.weight": (32,),
            "trunk.history1.bias": (56,),
            "trunk.history1.weight": (56, 184),
            "trunk.history2.bias": (56,),
            "trunk.history2.weight": (56, 56),
            "trunk.mix.bias": (56,),
            "trunk.mix.weight": (56, 136),
            "trunk.patch1.bias": (8,),
            "trunk.patch1.weight": (8, 1, 3, 3),
            "trunk.patch2.bias": (16,),
            "trunk.patch2.weight": (16, 8, 3, 3),
            "trunk.place.bias": (32,),
            "trunk.place.weight": (32, 112),
            "trunk.screen1.bias": (16,),
            "trunk.screen1.weight": (16, 1, 5, 5),
            "trunk.screen1_norm.bias": (16,),
            "trunk.screen1_norm.weight": (16,),
            "trunk.screen2.bias": (24,),
            "trunk.screen2.weight": (24, 16, 3, 3),
            "trunk.screen2_norm.bias": (24,),
            "trunk.screen2_norm.weight": (24,),
            "trunk.steer.bias": (32,),
            "trunk.steer.weight": (32, 56),
        }
    ),
    statistics=MappingProxyType(
        {
            "trunk.grid_whitening.matrix": (54, 54),
            "trunk.grid_whitening.mean": (54,),
            "trunk.kind_whitening.matrix": (496, 496),
            "trunk.kind_whitening.mean": (496,),
            "trunk.place_whitening.matrix": (32, 32),
            "trunk.place_whitening.mean": (32,),
        }
    ),
    file="office-60k.safetensors",
    sha256="0bf0f74837fc18589f918504420ef8c897b2d51714992c63a9296335893ae428",
)

_MODELS: Mapping[str, Entry] = MappingProxyType({"office-60k": _OFFICE_60K})


def names() -> tuple[str, ...]:
    """Every model that a plan may name."""
    return tuple(_MODELS)


def entry(name: str) -> Entry:
    """Raises SettingError for a name that is not in the catalogue."""
    if name not in _MODELS:
        raise SettingError(f"there is no model of this name; the models are {', '.join(_MODELS)}; nothing was loaded")
    return _MODELS[name]


def shapes(name: str, trainable: str) -> Shapes:
    """What is trained, in the order of the flat vector: sorted by name, each tensor in C order.

    trainable: "heads", or "all" for heads and trunk; every head's name sorts before every trunk's.
    Raises SettingError for an unknown model or choice.
    """
    model = entry(name)
    if trainable not in TRAINABLE:
        raise SettingError(f"a model trains {' or '.join(TRAINABLE)} and nothing else; nothing was loaded")
    chosen = dict(model.heads) if trainable == "heads" else {**model.heads, **model.trunk}
    return MappingProxyType({key: chosen[key] for key in sorted(chosen)})


def parameters(name: str, trainable: str) -> int:
    """P, the length of the flat vector. Raises SettingError as `shapes` does."""
    return sum(prod(shape) for shape in shapes(name, trainable).values())


def check(name: str, trainable: str, parameters_asked: int) -> None:
    """Raises SettingError unless the named model trains exactly `parameters_asked` numbers under that choice."""
    known = parameters(name, trainable)
    if parameters_asked != known:
        raise SettingError(
            f"{name} trains {known} parameters with trainable={trainable}, not {parameters_asked:.12g}; nothing was loaded"
        )
