"""Which models do installed packages bring? Entry points of one group, listed without importing anything.

    [project.entry-points."reticent.models"]
    tiny = "tiny_model:TINY"

An entry point is code: whoever may install packages on a machine decided on it, as on this package itself. No plan can
install one, and none is imported before its model is named by the machine's own command, or by a plan that the accepted
policy lets name it. What lies in the working folder is never looked at.
"""

import re
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, distributions
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from reticent.errors import ReticentError, SettingError
from reticent.model.own import Model, own_widths

GROUP = "reticent.models"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")  # as a plan and a policy may name a model


@dataclass(frozen=True, slots=True)
class _Offer:
    package: str
    point: EntryPoint


def well_formed(name: str) -> bool:
    """Whether a plan could name a model like this."""
    return _NAME.fullmatch(name) is not None


def names(taken: Collection[str]) -> tuple[str, ...]:
    """Names that exactly one package offers, sorted, without those `taken` by this package's own models."""
    return tuple(
        name
        for name, offers in sorted(_offers().items())
        if len(offers) == 1 and well_formed(name) and name not in taken
    )


def model(name: str) -> Model | None:
    """The declaration, whose file is there and sound; None where no package offers one.

    Imports the package that offers it. Raises: SettingError, naming the package, for what can't be used.
    """
    offers = _offers().get(name, ())
    if not offers:
        return None
    packages = " and ".join(offer.package for offer in offers)
    if len(offers) > 1:
        raise SettingError(f"{packages} both bring a model named {name}; uninstall one of them; nothing was loaded")
    try:
        return _declared(offers[0].point)
    except ReticentError as error:
        raise SettingError(f"the model {name} of the package {packages} can't be used: {error}") from None


def problems(taken: Collection[str]) -> Iterator[str]:
    """A sentence for everything that packages offer and that can't be used."""
    for name, offers in sorted(_offers().items()):
        packages = " and ".join(offer.package for offer in offers)
        if name in taken:
            yield f"{packages} brings a model named {name}, which is reticent's own; reticent's is used"
        elif not well_formed(name):
            yield f"{packages} brings a model whose name no plan can give: lower case, digits, dot, hyphen, underscore"
        else:
            try:
                model(name)
            except SettingError as error:
                yield str(error)


def _offers() -> Mapping[str, tuple[_Offer, ...]]:
    """By name, in the order of the search path; a folder that was installed into is read again."""
    folders = [Path(folder) for folder in sys.path if folder and Path(folder).exists()]
    return _found(tuple((str(one), one.stat().st_mtime_ns) for one in folders if not _is_here(one)))


@lru_cache(maxsize=4)
def _found(folders: tuple[tuple[str, int], ...]) -> Mapping[str, tuple[_Offer, ...]]:
    """folders: each with the time of its last change. Of a package that lies there twice, the first counts."""
    found: dict[str, tuple[_Offer, ...]] = {}
    seen: set[str] = set()
    for package in distributions(path=[folder for folder, _ in folders]):
        name = package.metadata["Name"] or "without a name"
        if name.lower() in seen:
            continue
        seen.add(name.lower())
        for point in package.entry_points.select(group=GROUP):
            found[point.name] = (*found.get(point.name, ()), _Offer(f"{name} {package.version}", point))
    return MappingProxyType(found)


def _declared(point: EntryPoint) -> Model:
    _check_place(point.module)
    try:
        declared = point.load()
    except Exception as error:  # it is somebody else's code; whatever it does, the other models stay usable
        raise SettingError(f"importing {point.value} fails ({type(error).__name__}); nothing was loaded") from error
    if not isinstance(declared, Model):
        raise SettingError(f"{point.value} is no reticent.Model; nothing was loaded")
    _check_place(declared.trunk.partition(":")[0])
    own_widths(declared)
    return declared


def _check_place(module: str) -> None:
    """Raises SettingError for a module that isn't there, or that the working folder would stand in for."""
    first = module.partition(".")[0]
    try:
        spec = find_spec(first)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        raise SettingError(f"there is no module {first}; nothing was loaded")
    origin = Path(spec.origin)
    if _is_here(origin.parent if spec.submodule_search_locations is None else origin.parent.parent):
        raise SettingError(f"its module {first} lies in the current folder; start elsewhere; nothing was loaded")


def _is_here(folder: Path) -> bool:
    return folder.resolve() == Path.cwd()
