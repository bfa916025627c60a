"""Which files lie in a folder that somebody else made? Links are never followed, and nothing is waited for."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reticent.errors import FormatError, StateError
from reticent.records.files import read_regular

MAX_FILES = 500_000
_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Tree:
    """files: sorted. others: how many more have a fitting name and are links, pipes or the like."""

    files: tuple[Path, ...]
    others: int


def find(root: Path, fits: Callable[[str], bool]) -> Tree:
    """Files below `root` whose name fits; hidden folders are left alone. Raises FormatError for too many."""
    found: list[Path] = []
    others = 0
    waiting = [(root, 0)]
    while waiting:
        where, depth = waiting.pop()
        with os.scandir(where) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if depth < _MAX_DEPTH and not entry.name.startswith("."):
                        waiting.append((Path(entry.path), depth + 1))
                elif not fits(entry.name):
                    continue
                elif entry.is_file(follow_symlinks=False):
                    found.append(Path(entry.path))
                else:
                    others += 1
                if len(found) > MAX_FILES:
                    raise FormatError(f"{root} holds more than {MAX_FILES:,} files; nothing was written")
    return Tree(tuple(sorted(found)), others)


def read(path: Path, *, limit_bytes: int) -> bytes:
    """A found file. Raises FormatError, whose message is a reason to skip it."""
    try:
        return read_regular(path, what="file", limit_bytes=limit_bytes)
    except StateError:
        raise FormatError("not to be opened") from None
    except FormatError:
        raise FormatError("too large") from None
