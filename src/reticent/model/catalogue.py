"""Which models exist, and what shape is each? Names and numbers only: a server or courier asks here without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from types import MappingProxyType

from reticent.errors import SettingError
from reticent.model.architecture import Architecture, Screen, Shapes

TRAINABLE = ("heads", "all")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One architecture, and the digest of the public weights that ship for it in `model/data`."""

    architecture: Architecture
    sha256: str


_MODELS: Mapping[str, Entry] = MappingProxyType(
    {
        "history": Entry(
            architecture=Architecture(hidden=40, map=16, place=16, groups=4, screen=None),
            sha256="02a5d54c9fd18df157ed25b7f148c70cfba30a1f490875fa522fc92b9cc0a775",
        ),
        "office-10k": Entry(
            architecture=Architecture(
                hidden=10, map=8, place=8, groups=2, screen=Screen(first=4, second=6, patch=4, look=4)
            ),
            sha256="da14936db7f3d7c84a066e41029ae2ccd095a454050219714853a6cb54c21322",
        ),
        "office-60k": Entry(
            architecture=Architecture(
                hidden=56, map=32, place=32, groups=4, screen=Screen(first=16, second=24, patch=8, look=16)
            ),
            sha256="c1fb65b454306f0572b295fb62f22e9aa80e264beb539aa5abecc7823c13d70d",
        ),
        "office-170k": Entry(
            architecture=Architecture(
                hidden=112, map=64, place=32, groups=4, screen=Screen(first=24, second=48, patch=12, look=24)
            ),
            sha256="4a37d9cf13e3b8258f239cc783ef0216439370b6e297c612ae2ccefae83aa70a",
        ),
    }
)


def names() -> tuple[str, ...]:
    """Every model that a plan may name."""
    return tuple(_MODELS)


def entry(name: str) -> Entry:
    """Raises SettingError for a name that is not in the catalogue."""
    if name not in _MODELS:
        raise SettingError(f"there is no model of this name; the models are {', '.join(_MODELS)}; nothing was loaded")
    return _MODELS[name]


def file(name: str) -> str:
    """Where in `model/data` its public weights are."""
    return f"{name}.safetensors"


def shapes(name: str, trainable: str) -> Shapes:
    """What is trained, in the order of the flat vector: sorted by name, each tensor in C order.

    trainable: "heads", or "all" for heads and trunk; every head's name sorts before every trunk's.
    Raises SettingError for an unknown model or choice.
    """
    model = entry(name).architecture
    if trainable not in TRAINABLE:
        raise SettingError(f"a model trains {' or '.join(TRAINABLE)} and nothing else; nothing was loaded")
    chosen = dict(model.heads()) if trainable == "heads" else {**model.heads(), **model.trunk()}
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
