"""Which models exist, and what shape is each? Names and numbers only: a server or courier asks here without torch.

Three kinds: this package's own; those of installed packages (`installed`); and what this very process registered, which
no other process knows and no device ever does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from math import prod
from types import MappingProxyType

from reticent.errors import SettingError
from reticent.model import installed
from reticent.model.architecture import Architecture, Screen, Shapes
from reticent.model.own import Model, OwnWidths, own_widths

TRAINABLE = ("heads", "all")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One architecture, and the digest of its public weights: those that ship in `model/data`, or those of a `model` brought."""

    architecture: Architecture | OwnWidths
    sha256: str
    model: Model | None = None


_MODELS: Mapping[str, Entry] = MappingProxyType(
    {
        "history": Entry(
            architecture=Architecture(hidden=40, map=16, place=16, groups=4, screen=None),
            sha256="b6fd1ef2223e81a73485ccb5077e827c69a4a5145d70e73504f341ceb4a952d4",
        ),
        "office-10k": Entry(
            architecture=Architecture(
                hidden=10, map=8, place=8, groups=2, screen=Screen(first=4, second=6, patch=4, look=4)
            ),
            sha256="16fcbd7c305bec430302fdc3a4262b8ce4aa1d8ac3aa4f74ef284b878b74e5c0",
        ),
        "office-60k": Entry(
            architecture=Architecture(
                hidden=56, map=32, place=32, groups=4, screen=Screen(first=16, second=24, patch=8, look=16)
            ),
            sha256="0b5ae63764d1b298100bffeece3aa7d9a3eaa795fae462cc35784b79aa88e46d",
        ),
        "office-170k": Entry(
            architecture=Architecture(
                hidden=112, map=64, place=32, groups=4, screen=Screen(first=24, second=48, patch=12, look=24)
            ),
            sha256="35c6c64948c466c80ae667a2c39c2c01c41ad6a4b346b2bd3675f9981bc27981",
        ),
    }
)


BUILT_IN = tuple(_MODELS)
_registered: dict[str, Model] = {}


def names() -> tuple[str, ...]:
    """Every model that a plan may name, this package's own first. Imports nothing."""
    others = installed.names(taken=_MODELS)
    return (*_MODELS, *others, *(name for name in _registered if name not in others))


def entry(name: str) -> Entry:
    """Raises SettingError for a name that is not in the catalogue, or whose package brings what can't be used."""
    if name in _MODELS:
        return _MODELS[name]
    brought = _registered.get(name) or installed.model(name)
    if brought is None:
        raise SettingError(f"there is no model of this name; the models are {', '.join(names())}; nothing was loaded")
    return Entry(architecture=own_widths(brought), sha256=brought.sha256, model=brought)


def register(name: str, model: Model) -> None:
    """Let this process, and the workers of its simulations, name `model`; registered again, the name means the newer one.

    No device and no other process learns of it: they know what is installed there. Raises SettingError for a name that no
    plan could give or that is taken, FormatError or StateError for a model whose file isn't sound.
    """
    if not installed.well_formed(name):
        raise SettingError("a model's name is lower case letters, digits, . _ -, up to 64; nothing was registered")
    if name in _MODELS or name in installed.names(taken=()):
        raise SettingError(f"{name} is the name of an installed model; choose another; nothing was registered")
    if not isinstance(model, Model):
        raise SettingError("what is registered is a Model, as make_model gives one; nothing was registered")
    own_widths(model)
    _registered[name] = model


def registered() -> Mapping[str, Model]:
    """What this process registered."""
    return _registered.copy()


def problems() -> tuple[str, ...]:
    """A sentence for each model of an installed package that can't be used. Imports those packages."""
    return tuple(installed.problems(taken=_MODELS))


def public_bytes(name: str) -> bytes:
    """The file of its public weights, as it lies there now. Raises: SettingError; StateError or FormatError, if it was brought."""
    model = entry(name).model
    if model is None:
        return files("reticent.model").joinpath("data", file(name)).read_bytes()
    return model.read()


def largest() -> int:
    """The most parameters that any usable model trains. Imports what is installed."""
    sizes = []
    for name in names():
        try:
            sizes.append(parameters(name, "all"))
        except SettingError:  # it says so where it is named
            continue
    return max(sizes)


def file(name: str) -> str:
    """Where in `model/data` the public weights of one of this package's own are."""
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
