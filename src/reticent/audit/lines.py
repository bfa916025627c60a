"""How evidence is read: copies of files of any origin, read-only, one line at a time."""

import os
from collections.abc import Iterator
from pathlib import Path

from reticent.errors import LedgerError
from reticent.records.files import open_regular


def read_lines(path: Path, *, what: str, limit_bytes: int) -> Iterator[bytes]:
    """Yield a file's lines, each with its newline; the last one may lack it: a torn tail.

    limit_bytes: the longest line that makes sense, without its newline; memory never holds more.
    Raises: StateError, for anything but a regular file; LedgerError, for a longer line.
    """
    with os.fdopen(open_regular(path, what=what), "rb") as file:
        while line := file.readline(limit_bytes + 1):
            if len(line) > limit_bytes and not line.endswith(b"\n"):
                raise LedgerError(f"the {what} {path.name} holds a line of more than {limit_bytes} bytes")
            yield line
