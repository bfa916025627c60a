"""What a row of the table is, what a door is, and the bad inputs that fit every file."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.doors.place import Change, Place

Words = list[object]


@dataclass(frozen=True)
class Row:
    """spoil: makes the bad input in a place; what it returns is entered while the command runs, if it is a context.

    words: the command; those of the courier begin with "courier". says: what its sentence must hold. code: 2, or 1 where
    evidence doesn't hold together.
    """

    door: str
    input: str
    spoil: Callable[[Place], object]
    words: Callable[[Place], Words]
    says: str
    code: int = 2

    @property
    def id(self) -> str:
        return f"{self.door} x {self.input}"


@dataclass(frozen=True)
class Door:
    """A file that a command reads. names: what each sentence must hold, for inputs that the bytes don't explain better."""

    name: str
    file: Callable[[Place], Path]
    words: Callable[[Place], Words]
    names: str
    inputs: tuple[tuple[str, Change | None, str], ...]
    codes: dict[str, int] = field(default_factory=dict)

    def rows(self) -> Iterator[Row]:
        for title, change, says in self.inputs:
            yield Row(
                self.name,
                title,
                _spoiled(self.file, change, title),
                self.words,
                says or self.names,
                self.codes.get(title, 2),
            )


def _spoiled(file: Callable[[Place], Path], change: Change | None, title: str) -> Callable[[Place], object]:
    def spoil(place: Place) -> None:
        path = file(place)
        data = path.read_bytes()
        path.unlink()
        if title == "a folder in its place":
            path.mkdir()
        elif title == "a pipe in its place":
            os.mkfifo(path)
        elif change is not None:
            path.write_bytes(change(data))
            path.chmod(0o600)

    return spoil


def replaced(old: bytes, new: bytes) -> Change:
    def change(data: bytes) -> bytes:
        assert data.count(old) >= 1, old
        return data.replace(old, new, 1)

    return change


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def changed_signature(data: bytes) -> bytes:
    at = data.rindex(b'"signature":"') + len(b'"signature":"')
    return data[:at] + (b"0" if data[at : at + 1] != b"0" else b"1") + data[at + 1 :]


GIANT = b'{"a":"' + b"x" * 9_000_000 + b'"}'

EVERY_FILE: tuple[tuple[str, Change | None, str], ...] = (
    ("missing", None, ""),
    ("a folder in its place", None, ""),
    ("a pipe in its place", None, ""),
    ("empty", lambda data: b"", ""),
    ("truncated", half, ""),
    ("giant", lambda data: GIANT, ""),
    ("binary", lambda data: bytes(range(256)) * 16, ""),
)
JSON_FILE = (
    *EVERY_FILE,
    ("a list", lambda data: b"[1,2,3]", ""),
    ("nested without end", lambda data: b"[" * 60_000, ""),
)


def draft(name: str, number: str, value: str, text: str) -> tuple[tuple[str, Change | None, str], ...]:
    """Inputs of a YAML file. number: a field, with its value in the shipped draft; text: a field that holds a name."""
    line = f"{number}: {value}".encode()

    def other(to: str) -> Change:
        return replaced(line, f"{number}: {to}".encode())

    return (
        *EVERY_FILE,
        ("a list", lambda data: b"- a\n- b\n", name),
        ("NaN", other(".nan"), number),
        ("infinity", other(".inf"), number),
        ("a number too large to be one", other("1e999"), number),
        ("negative", other("-1"), number),
        ("zero", other("0"), number),
        ("text for a number", other("plenty"), number),
        ("a list for a number", other("[1]"), number),
        ("null for a number", other("null"), number),
        ("a field too many", lambda data: data + b"\nsurprise: 1\n", "surprise"),
        ("a field twice", lambda data: data + line + b"\n", number),
        ("a field too few", replaced(line, b""), number),
        ("a number for text", replaced(f"{text}:".encode(), f"{text}: 7\n#".encode()), text),
    )


def with_(data: bytes, **changes: object) -> bytes:
    """A JSON file with other fields."""
    return json.dumps(json.loads(data) | changes).encode()
