"""Which recorded people are there, who of them may train, sit at a device, be tuned on, or test, and which of their time is held out?

`office`: real pixels, recorded by scripts without a person, embedded in the package. `web`: scripted people too, at the web
tasks of MiniWoB++, frames drawn from elements of the pages; embedded, to learn from: all are public but a few to test on. `drawn`
and `drawn-web`: generated, any number, at long work with programs and on short errands on small pages.
Beside them every recording file is a source; `of_file` gives its name.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from reticent.actions.action import Session
from reticent.actions.examples import pool as windows
from reticent.actions.pool import Pool
from reticent.errors import FormatError, SettingError, StateError
from reticent.recordings import drawn
from reticent.recordings.archive import Archive, read_archive, session
from reticent.recordings.drawn import errands
from reticent.records.files import naming

OFFICE = Path(__file__).parent / "data" / "office.recording"
WEB = OFFICE.with_name("web.recording")
Part = Literal["validation", "test"]

DRAWN: Mapping[str, Callable[[int], str]] = MappingProxyType(
    {"drawn": drawn.name, "drawn-web": errands.name}
)  # any index
DRAWN_PEOPLE = 200  # how many of each are listed
FIRST_CLIENT = 1_000_000  # drawn people from here on train in simulations and nowhere else
_FILE = "file:"
_TEST_EVERY = 3  # every third person tests: at least a quarter, whatever the number of people
_WEB_TEST_EVERY = 10  # of `web`, where nobody is a client
_VALIDATE_EVERY = {
    True: 3,
    False: 7,
}  # of clients, where others are public and where nobody is: about a tenth of all people
_HELD_OUT_EVERY = 3  # of a person's sessions, one in three is held out, and at least the last


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Four disjoint groups of a source's people.

    public: what a trunk may learn from. client: who trains, in simulations and at the quickstart's devices.
    validation: who settings are chosen on. test: who a model is tested on, once it is chosen.
    """

    public: tuple[str, ...]
    client: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def part(self, name: Part) -> tuple[str, ...]:
        """Whom results are about. Raises SettingError where there is nobody."""
        found = self.validation if name == "validation" else self.test
        if not found:
            raise SettingError(
                f"these recordings are of too few people to have {name} people; evaluate.part=test scores on test people, and a "
                "dozen people have both; nothing was trained"
            )
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """People of a source whose actions baselines count, without privacy; public: or clients, where nobody is."""

    source: str
    people: tuple[str, ...]
    public: bool


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
    public: Callable[[], bool]
    sessions: Callable[[str], tuple[Session, ...]]
    screens: Callable[[], bool] = lambda: True


def names() -> tuple[str, ...]:
    """The sources that this package brings."""
    return tuple(_SOURCES)


def embedded(name: str) -> Path | None:
    """The file of a source that the package embeds; a contact sheet lies beside it."""
    return {"office": OFFICE, "web": WEB}.get(name)


def contact_sheet_of(path: Path) -> Path:
    """Where the contact sheet of an embedded recording lies."""
    return path.with_name(f"{path.stem}-frames.png")


def of_file(path: Path) -> str:
    """The name of the source that a recording file is, wherever it is read: also by a worker started elsewhere."""
    return f"{_FILE}{path.resolve()}"


def named(name_or_path: str) -> str:
    """The source of that name, or the one that the recording file of that path is. Raises SettingError for neither."""
    if name_or_path in _SOURCES:
        return name_or_path
    if Path(name_or_path).is_file():
        return of_file(Path(name_or_path))
    raise SettingError(
        f"there is no data of this name, nor a recording there; there are: {', '.join(_SOURCES)}; nothing was read"
    )


def people(name: str) -> tuple[str, ...]:
    """The people of a source, sorted. Raises SettingError for another name, StateError or FormatError for its file."""
    return _source(name).people()


def sha256(name: str) -> str | None:
    """What a recording file's first line gives, and its content has; None for what this package brings. Raises: as `people`."""
    return _read(_path(name)).sha256 if name.startswith(_FILE) else None


def has_screens(name: str) -> bool:
    """Whether anybody's screen ever changes: recordings of a mouse alone have one empty picture. Raises: as `people`."""
    return _source(name).screens()


def sessions(name: str, person: str) -> tuple[Session, ...]:
    """One person's sessions. Raises SettingError for a person or source there is not, StateError or FormatError for its file."""
    return _source(name).sessions(person)


def pool(name: str, person: str) -> Pool:
    """One person's training windows. Raises: as `sessions`."""
    return windows(sessions(name, person))


def pools(name: str, people: Iterable[str], *, examples: int) -> list[Pool]:
    """The windows of the first people, until there are so many: own recordings may be of any size. Raises: as `sessions`."""
    found: list[Pool] = []
    for person in people:
        if examples <= 0:
            break
        found.append(pool(name, person))
        examples -= len(found[-1])
    return found


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
    if name == "web":
        return split_to_learn_from(people(name))
    return split_people(people(name), public=_source(name).public())


def split_to_learn_from(everyone: tuple[str, ...]) -> Split:
    """The rule of `web`: every tenth tests, all others are public, and nobody is a client."""
    test = everyone[::_WEB_TEST_EVERY]
    tested = set(test)
    return Split(
        public=tuple(person for person in everyone if person not in tested), client=(), validation=(), test=test
    )


def split_people(everyone: tuple[str, ...], *, public: bool = True) -> Split:
    """A fixed rule over the sorted people: every third tests, and the others are clients and public by turns; of the clients,
    some are kept for validation.

    public: whether anybody may be public; without, all the others are clients.
    """
    test = everyone[::_TEST_EVERY]
    tested = set(test)
    rest = tuple(person for person in everyone if person not in tested)
    client, every = rest[::2] if public else rest, _VALIDATE_EVERY[public]
    validation = client[every - 1 :: every]
    kept = set(validation)
    return Split(
        public=rest[1::2] if public else (),
        client=tuple(person for person in client if person not in kept),
        validation=validation,
        test=test,
    )


def counted(name: str) -> Counted:
    """Whom baselines count: public people; where a source has none its clients, and where it has neither the drawn ones.

    Raises: as `people`.
    """
    groups = split(name)
    if groups.public:
        return Counted(source=name, people=groups.public, public=True)
    if groups.client:
        return Counted(source=name, people=groups.client, public=False)
    return Counted(source="drawn", people=split("drawn").public, public=True)


def clients(name: str, *, people: int | None) -> tuple[str, ...]:
    """Who may train: up to `people` of a source's clients; drawn sources have as many as are asked for. Raises: as `people`."""
    if name in DRAWN and people is not None:
        return tuple(DRAWN[name](FIRST_CLIENT + index) for index in range(people))
    return split(name).client[:people]


def _source(name: str) -> _Source:
    if name.startswith(_FILE):
        return _of_archive(lambda: _read(_path(name)))
    if name not in _SOURCES:
        raise SettingError(f"there is no source of that name; there are: {', '.join(_SOURCES)}; nothing was read")
    return _SOURCES[name]


def _path(name: str) -> Path:
    return Path(name.removeprefix(_FILE))


def _of_archive(archive: Callable[[], Archive]) -> _Source:
    return _Source(
        people=lambda: tuple(sorted(archive().people)),
        public=lambda: archive().public,
        sessions=lambda person: tuple(session(recorded) for recorded in archive().sessions(person)),
        screens=lambda: any(archive().counts(person).thumbnails > 1 for person in archive().people),
    )


def _read(path: Path) -> Archive:
    if not path.is_file():
        raise StateError(f"there is no recording {path}; nothing was read")
    status = path.stat()
    with naming(path):
        if status.st_size == 0:  # so say what the kernel writes, too, of which a read may not return
            raise FormatError("the recording is empty; nothing was read")
        return _archive(path, (status.st_ino, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=1)
def _archive(path: Path, status: tuple[int, int, int]) -> Archive:
    """One file, packed as it is; people are unpacked one at a time. status: a file that was written again is read again."""
    return read_archive(path)


@lru_cache(maxsize=1)
def _office() -> Archive:
    return _embedded(OFFICE, "office")


@lru_cache(maxsize=1)
def _web() -> Archive:
    return _embedded(WEB, "web")


def _embedded(path: Path, name: str) -> Archive:
    if not path.is_file():
        raise StateError(
            f"the embedded recording '{name}' is not in this installation; use 'drawn', or install it again; "
            "nothing was read"
        )
    return read_archive(path)


def _of_drawn(name: str, sessions: Callable[[str], tuple[Session, ...]]) -> _Source:
    return _Source(
        people=lambda: tuple(DRAWN[name](index) for index in range(DRAWN_PEOPLE)),
        public=lambda: True,
        sessions=sessions,
    )


_SOURCES = {
    "office": _of_archive(lambda: _office()),
    "web": _of_archive(lambda: _web()),
    "drawn": _of_drawn("drawn", drawn.sessions),
    "drawn-web": _of_drawn("drawn-web", errands.sessions),
}
