"""Which recorded people are there, who of them may train, sit at a device, or test, and which of their time is held out?

`office`: real pixels, recorded by scripts without a person, embedded in the package. `drawn`: generated, any number.
"""

from collections.abc import Callable, Sequence
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
OFFICE_FRAMES = OFFICE.with_name("office-frames.png")  # a contact sheet of it
DRAWN_PEOPLE = 200  # how many are listed; any other index works too
DEVICES = 4
_TEST_EVERY = 3  # every third person tests: at least a quarter, whatever the number of people
_HELD_OUT_EVERY = 3  # of a person's sessions, one in three is held out, and at least the last


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Three disjoint groups of a source's people.

    public: what a trunk may learn from. device: who sits at the quickstart's devices. test: who a model is tested on.
    """

    public: tuple[str, ...]
    device: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonTime:
    """One person's windows in two disjoint parts, cut between two sessions.

    earlier: what may be learned from. later: what came after all of it, to test a model on people it has seen.
    """

    earlier: Pool
    later: Pool


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


def held_out(sessions: Sequence[Session]) -> int:
    """How many of a person's sessions, the last ones, are held out: a third, rounded up, but never the only one."""
    return -(-len(sessions) // _HELD_OUT_EVERY) if len(sessions) > 1 else 0


def split_time(name: str, person: str) -> PersonTime:
    """One person's windows, the last sessions apart from those before. Raises: as `sessions`."""
    theirs = sessions(name, person)
    cut = len(theirs) - held_out(theirs)
    return PersonTime(earlier=windows(theirs[:cut]), later=windows(theirs[cut:]))


def split(name: str) -> Split:
    """Who is who in a source. Raises: as `people`."""
    return split_people(people(name))


def split_people(everyone: tuple[str, ...]) -> Split:
    """A fixed rule over the sorted people: every third tests, the next DEVICES have devices, all others are public."""
    test = everyone[::_TEST_EVERY]
    rest = tuple(person for person in everyone if person not in set(test))
    return Split(public=rest[DEVICES:], device=rest[:DEVICES], test=test)


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
