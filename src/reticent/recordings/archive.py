"""Recorded sessions of many people in one file.

::

    reticent-recording 1 <sha256 of every byte after this line, hex>\\n
    {"datasheet":...,"people":[{"block":{counts},"bytes":...,"person":...}, ...],"title":...}\\n
    one packed block a person, in that order (see `packing`)

Version 2 is the same with `"public":false` in its header: nobody in it may be taken for a public person.
The digest finds damage; it is no signature. Reading trusts nothing else that the file says: sizes are capped before
anything is unpacked, and people are unpacked one at a time, so a device that needs one person pays for one.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reticent.errors import FormatError, NewerFormatError, SettingError, StateError
from reticent.recordings.packing import MAX_BLOCK_BYTES, MAX_EVENTS, BlockCounts, pack, unpack
from reticent.recordings.recorded import PERSON, RecordedSession, check, check_person, session

__all__ = [
    "Archive",
    "PackedPerson",
    "RecordedSession",
    "pack_person",
    "read_archive",
    "session",
    "write_archive",
    "write_packed",
]

VERSION = 2
_OPEN, _CLOSED = 1, 2  # the versions of a file whose people may be public, and of one whose people may not
MAX_FILE_BYTES = 512 * 2**20
MAX_HEADER_BYTES = 8 * 2**20
MAX_PEOPLE = 100_000
_FIRST_LINE = re.compile(rb"reticent-recording ([1-9][0-9]{0,8}) ([^\n]{0,80})\n")


class _Person(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    person: str = Field(pattern=f"^{PERSON.pattern}$")
    block: BlockCounts
    bytes: int = Field(ge=0, le=MAX_FILE_BYTES)


class _Header(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    title: str = Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")  # shown on terminals
    datasheet: str = Field(max_length=100_000)
    people: tuple[_Person, ...] = Field(max_length=MAX_PEOPLE)


class _ClosedHeader(_Header):
    public: Literal[False]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PackedPerson:
    """One person's sessions as they will lie in a file."""

    name: str
    counts: BlockCounts
    block: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonCounts:
    """How much of one person an archive holds; known without unpacking."""

    sessions: int
    events: int
    frames: int
    thumbnails: int
    patches: int


class Archive:
    """An archive whose digest and header hold; people are unpacked when asked for.

    public: whether its people may be public ones, whom a trunk may learn from.
    """

    def __init__(self, header: _Header, blocks: dict[str, bytes], *, sha256: str, file_bytes: int) -> None:
        self._entries = {person.person: person for person in header.people}
        self._blocks = blocks
        self.title = header.title
        self.datasheet = header.datasheet
        self.public = not isinstance(header, _ClosedHeader)
        self.people = tuple(self._entries)
        self.sha256 = sha256  # of everything after the first line, which gives it
        self.file_bytes = file_bytes

    def __repr__(self) -> str:
        return f"<Archive of {len(self.people)} people>"

    def counts(self, person: str) -> PersonCounts:
        """Raises SettingError for a person who is not in the archive."""
        block = self._person(person).block
        return PersonCounts(
            sessions=len(block.sessions),
            events=block.events,
            frames=block.frames,
            thumbnails=block.thumbnails,
            patches=block.patches,
        )

    def sessions(self, person: str) -> tuple[RecordedSession, ...]:
        """One person's sessions in the order they were written.

        Raises SettingError for a person who is not in the archive, FormatError for a block that is not what it claims.
        """
        entry = self._person(person)
        return unpack(entry.block, self._blocks[person], person=person)

    def _person(self, person: str) -> _Person:
        if person in self._entries:
            return self._entries[person]
        raise SettingError(f"the archive has no such person; it has {len(self.people)} others; nothing was read")


def write_archive(
    path: str | Path, sessions: Iterable[RecordedSession], *, title: str, datasheet: str, public: bool = True
) -> None:
    """Write `sessions`, grouped by person, to `path` in one atomic step, replacing what was there.

    public: whether a trunk may learn from some of these people; False for those who agreed to less.
    The same sessions give the same bytes. Raises SettingError, and writes nothing, for what could not be read back:
    a position outside [0, 1], decreasing times, another frame shape, an action without a frame, nobody. StateError where the
    file can't be written.
    """
    grouped: dict[str, list[RecordedSession]] = {}
    for recorded in sessions:
        if not isinstance(recorded, RecordedSession):
            raise SettingError(
                "a recording consists of RecordedSessions, as record_session makes them; nothing was written"
            )
        grouped.setdefault(recorded.person, []).append(recorded)
    if not grouped:
        raise SettingError("a recording needs somebody who is recorded; nothing was written")
    packed = [pack_person(person, theirs) for person, theirs in grouped.items()]
    write_packed(Path(path), packed, title=title, datasheet=datasheet, public=public)


def pack_person(person: str, sessions: Sequence[RecordedSession]) -> PackedPerson:
    """One person's sessions, in order, so that a large archive is made a person at a time. Raises: as `write_archive`."""
    check_person(person)
    for recorded in sessions:
        check(recorded)
        try:
            session(recorded)
        except FormatError as error:
            raise SettingError(f"{error}; nothing was written") from None
    counts, block = pack(sessions)
    if counts.events > MAX_EVENTS or counts.raw_bytes > MAX_BLOCK_BYTES:
        raise SettingError(
            f"one person takes at most {MAX_EVENTS} events and {MAX_BLOCK_BYTES} unpacked bytes; nothing was written"
        )
    return PackedPerson(name=person, counts=counts, block=block)


def write_packed(path: Path, people: Iterable[PackedPerson], *, title: str, datasheet: str, public: bool) -> None:
    """`write_archive` for people who are packed already."""
    ordered = sorted(people, key=lambda one: one.name)
    entries = tuple(_Person(person=one.name, block=one.counts, bytes=len(one.block)) for one in ordered)
    try:
        header = _Header(title=title, datasheet=datasheet, people=entries)
    except ValidationError:
        raise SettingError(
            "a title takes one line of up to 200 characters, a datasheet 100,000; nothing was written"
        ) from None
    said = header.model_dump() | ({} if public else {"public": False})
    line = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
    body = b"".join((line, b"\n", *(one.block for one in ordered)))
    if len(line) > MAX_HEADER_BYTES or len(body) > MAX_FILE_BYTES - 100:
        raise SettingError(f"an archive takes at most {MAX_FILE_BYTES} bytes; nothing was written")
    version = _OPEN if public else _CLOSED
    first = f"reticent-recording {version} {hashlib.sha256(body).hexdigest()}\n".encode()
    beside = path.with_name(path.name + ".part")
    try:
        beside.write_bytes(first + body)
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise StateError(f"{path} can't be written ({error.strerror}); nothing was written") from error


def read_archive(path: str | Path) -> Archive:
    """The archive at `path`, its digest and header checked.

    Raises StateError for a file that cannot be opened, NewerFormatError for a newer release's file, FormatError for
    everything else.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise StateError(f"the recording {path} cannot be opened ({error.strerror}); nothing was read") from None
    if len(data) > MAX_FILE_BYTES:
        raise FormatError(f"the recording is larger than {MAX_FILE_BYTES} bytes; nothing was read")
    return parse_archive(data)


def parse_archive(data: bytes) -> Archive:
    """`read_archive` for bytes."""
    match = _FIRST_LINE.match(data)
    if match is None:
        raise FormatError("this is not a reticent recording; nothing was read")
    if int(match[1]) > VERSION:
        raise NewerFormatError(
            f"the recording is of version {int(match[1])}; this release reads up to {VERSION}; nothing was read"
        )
    if match[2] != hashlib.sha256(memoryview(data)[match.end() :]).hexdigest().encode():
        raise FormatError("the recording's digest does not match: it is truncated or damaged; nothing was read")
    end = data.find(b"\n", match.end(), match.end() + MAX_HEADER_BYTES)
    try:
        kind = _ClosedHeader if int(match[1]) == _CLOSED else _Header
        header = kind.model_validate_json(data[match.end() : max(end, 0)])
    except ValidationError:
        raise FormatError("the recording's header is not what this release writes; nothing was read") from None
    blocks: dict[str, bytes] = {}
    at = end + 1
    for person in header.people:
        blocks[person.person] = data[at : at + person.bytes]
        at += person.bytes
    if at != len(data) or len(blocks) != len(header.people):
        raise FormatError("the recording's blocks do not fill it as its header says; nothing was read")
    return Archive(header, blocks, sha256=match[2].decode(), file_bytes=len(data))
