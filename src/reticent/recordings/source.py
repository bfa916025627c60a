"""Which recorded people are there, and who of them may train, sit at a device, or test?

`office`: real pixels, recorded by scripts without a person, embedded in the package. `drawn`: generated, any number.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from reticent.actions.action import Session
from reticent.actions.examples import pool as windows
from reticent.actions.pool import Pool
from reticent.errors import SettingError, StateError
from reticent.recordings import drawn
from reticent.recordings.archive import Archive, read_archive, session

OFFICE = Path(__file__).parent / "data" / "office.recording"
DRAWN_PEOPLE = 200  # how many are listed; any other index works too
DEVICES = 4
FIRST_CLIENT = 1_000_000  # drawn people from here on train in simulations and nowhere else
_TEST_EVERY = 3  # every third person tests: at least a quarter, whatever the number of people


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Three disjoint groups of a source's people.

    public: what a trunk may learn from. device: who sits at the quickstart's devices. test: who a model is tested on.
    """

    public: tuple[str, ...]
    device: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    people: Callable[[], tuple[str, ...]]
    sessions: Callable[[str], tuple[Session, ...]]


def names() -> tuple[str, ...]:
    """The sources there are."""
    return tuple(_SOURCES)


def people(name: str) -> tuple[str, ...]:
    """The people of a source, sorted. Raises SettingError for another name, StateError if its file is missing."""
    return _source(name).people()


def sessions(name: str, person: str) -> tuple[Session, ...]:
    """One person's sessions. Raises SettingError for a person or source there is not, StateError for a missing file."""
    return _source(name).sessions(person)


def pool(name: str, person: str) -> Pool:
    """One person's training windows. Raises: as `sessions`."""
    return windows(sessions(name, person))


def split(name: str) -> Split:
    """Who is who, by a fixed rule over the sorted people: every third tests, the next DEVICES have devices, all others
    are public. Raises: as `people`.
    """
    everyone = people(name)
    test = everyone[::_TEST_EVERY]
    rest = tuple(person for person in everyone if person not in set(test))
    return Split(public=rest[DEVICES:], device=rest[:DEVICES], test=test)


def clients(name: str, *, people: int | None) -> tuple[str, ...]:
    """Who may train in a simulation: up to `people` people whom neither the public weights nor any test has seen.

    `drawn` has as many as are asked for, DRAWN_PEOPLE where people is None. Raises: as `people`.
    """
    if name == "drawn":
        return tuple(drawn.name(FIRST_CLIENT + index) for index in range(DRAWN_PEOPLE if people is None else people))
    return split(name).device[:people]


def _source(name: str) -> _Source:
    if name not in _SOURCES:
        raise SettingError(f"there is no source of that name; there are: {', '.join(_SOURCES)}; nothing was read")
    return _SOURCES[name]


@lru_cache(maxsize=1)
def _office() -> Archive:
    if not OFFICE.is_file():
        raise StateError(
            "the embedded recording 'office' is not in this installation; use 'drawn', or install it again; "
            "nothing was read"
        )
    return read_archive(OFFICE)


def _drawn_people() -> tuple[str, ...]:
    return tuple(drawn.name(index) for index in range(DRAWN_PEOPLE))


_SOURCES = {
    "office": _Source(
        people=lambda: _office().people,
        sessions=lambda person: tuple(session(recorded) for recorded in _office().sessions(person)),
    ),
    "drawn": _Source(people=_drawn_people, sessions=drawn.sessions),
}
