"""Lines and folders that are on the disk when a call returns."""

import contextlib
import os
from pathlib import Path

from reticent.errors import FormatError, StateError
from reticent.records.files import sync_folder


def make_folder(path: Path) -> None:
    """Make a folder where there is none; its own entry is on the disk when this returns.

    Raises: OSError, as mkdir does.
    """
    path.mkdir(parents=True, exist_ok=True)
    sync_folder(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Append `line` and a newline to `path`; see `append`. For one writer: several need a lock of their own."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StateError(f"{path} could not be opened ({error.strerror}); nothing was written") from error
    try:
        append(descriptor, line, name=path.name)
        sync_folder(path.parent)
    finally:
        os.close(descriptor)


def append(descriptor: int, line: bytes, *, name: str) -> None:
    """Cut off what an interrupted append left behind, then append `line` and a newline and fsync.

    Guarantee: when it returns, the line is on the disk; when it raises, the file holds the whole lines it held before.
    Raises: StateError, if the disk refuses.
    """
    if b"\n" in line:
        raise FormatError(f"a line of {name} can't hold a newline; nothing was written")
    end = cut_torn_tail(descriptor)
    try:
        data = line + b"\n"
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    except OSError as error:
        with contextlib.suppress(OSError):  # the next append, or the next reader, cuts what is left
            os.ftruncate(descriptor, end)
        raise StateError(f"{name} could not be extended ({error.strerror}); it is as it was") from error


def cut_torn_tail(descriptor: int) -> int:
    """Truncate to the end of the last whole line, go there, and return that position in bytes.

    What follows the last newline was never acknowledged to anybody: `append` returns after the newline is on the disk.
    """
    size = os.lseek(descriptor, 0, os.SEEK_END)
    end = size
    while end > 0:
        start = max(0, end - 65_536)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        os.ftruncate(descriptor, end)
    os.lseek(descriptor, end, os.SEEK_SET)
    return end


def whole_lines(data: bytes) -> list[bytes]:
    """The lines of `data` without their newlines; a tail without one was never acknowledged and isn't returned."""
    return data.split(b"\n")[:-1]
