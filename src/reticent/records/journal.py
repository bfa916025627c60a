"""How a ledger's lines get onto the disk: one owner, whole lines, or nothing."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from reticent.errors import LedgerError, StateError
from reticent.records.chain import LINE_LIMIT_BYTES
from reticent.records.files import open_regular, sync_folder

_CHUNK_BYTES = 1 << 20


class Journal:
    """An open, locked file of lines. `size` is how much of it counts; the lock ends with the file."""

    def __init__(self, path: Path, descriptor: int, size: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._size = size
        self._whole = size
        self._broken: str | None = None

    @classmethod
    def create(cls, path: Path, first: bytes) -> Self:
        """Make a new file that holds `first`, under its name only once it is whole and on the disk.

        Raises: StateError; then nothing is left behind.
        """
        try:
            descriptor, unnamed = tempfile.mkstemp(prefix=".ledger-", dir=path.parent)
        except OSError as error:
            raise StateError(f"the ledger {path} can't be made: {error.strerror}; nothing was written") from None
        try:
            try:
                _lock(descriptor, path)
                _write(descriptor, first, 0)
                os.fsync(descriptor)
                os.link(unnamed, path)  # unlike a rename, refuses to replace
            finally:
                Path(unnamed).unlink()
            sync_folder(path.parent)
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, FileExistsError):
                raise StateError(f"the ledger {path} exists and is never overwritten; nothing was written") from None
            if isinstance(error, OSError):
                raise StateError(f"the ledger {path} can't be made: {error.strerror}; nothing was written") from None
            raise
        return cls(path, descriptor, len(first))

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing regular file, not through a link, and lock out everybody else.

        Raises: StateError.
        """
        descriptor = open_regular(path, what="ledger", writable=True)
        try:
            _lock(descriptor, path)
            journal = cls(path, descriptor, os.fstat(descriptor).st_size)
            journal._check_in_place()
        except BaseException:
            os.close(descriptor)
            raise
        return journal

    def lines(self) -> Iterator[bytes]:
        """Yield the whole lines, without their newlines. What follows the last newline is the torn tail, for `repair`.

        Raises: LedgerError, for a line longer than any entry.
        """
        rest, offset, whole = b"", 0, 0
        while offset < self._size:
            chunk = os.pread(self._descriptor, min(_CHUNK_BYTES, self._size - offset), offset)
            if not chunk:
                break
            offset += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                whole += len(line) + 1
                yield line
            if len(rest) > LINE_LIMIT_BYTES:
                raise LedgerError(f"the ledger {self._path} holds a line longer than any entry; nothing was changed")
        self._whole = whole

    def repair(self) -> None:
        """Cut off the torn tail that a full run of `lines` found.

        Raises: StateError.
        """
        if self._whole == self._size:
            return
        try:
            os.ftruncate(self._descriptor, self._whole)
            os.fsync(self._descriptor)
        except OSError as error:
            raise StateError(
                f"the ledger {self._path} can't be repaired: {error.strerror}; close it and look"
            ) from None
        self._size = self._whole

    def append(self, line: bytes) -> None:
        """Put a line on the disk, all of it, before returning.

        Raises: StateError, where the disk refuses: the file is as it was; and from then on, where that isn't sure.
        LedgerError, where somebody else changed or replaced the file.
        """
        if self._broken:
            raise StateError(f"{self._broken}; nothing was written; restart to read it again")
        self._check_in_place()
        # Until both steps are done, and whatever ends them (a signal too), nobody knows what is on the disk.
        self._broken = f"an append to the ledger {self._path} was cut short"
        try:
            _write(self._descriptor, line, self._size)
        except OSError as error:
            self._take_back()
            self._broken = None
            raise StateError(
                f"the ledger {self._path} can't grow: {error.strerror}; it is as it was, nothing was sent or charged"
            ) from None
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            # A later fsync may succeed although these bytes were dropped: no more appends to this descriptor.
            self._broken = f"the ledger {self._path} could not be put on the disk ({error.strerror})"
            with contextlib.suppress(StateError):
                self._take_back()
            raise StateError(f"{self._broken}; nothing was sent or charged; restart to read it again") from None
        self._broken = None
        self._size += len(line)

    def close(self) -> None:
        """Let go of the file and its lock. May be called again."""
        if self._descriptor >= 0:
            _unlock(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
        self._broken = f"the ledger {self._path} is closed"

    def _take_back(self) -> None:
        """Undo a write that did not finish."""
        try:
            os.ftruncate(self._descriptor, self._size)
            os.fsync(self._descriptor)
        except OSError as error:
            self._broken = f"the ledger {self._path} may end in half an entry ({error.strerror})"
            raise StateError(f"{self._broken}; nothing was sent or charged; restart to repair it") from None

    def _check_in_place(self) -> None:
        """Refuse to go on where the file under the name is another one, or has another length than was written."""
        status = os.fstat(self._descriptor)
        try:
            named = self._path.stat(follow_symlinks=False)
        except OSError:
            named = None
        if named is None or (named.st_dev, named.st_ino) != (status.st_dev, status.st_ino):
            raise LedgerError(f"the ledger {self._path} was removed or replaced while in use; nothing was written")
        if status.st_size != self._size:
            raise LedgerError(
                f"the ledger {self._path} was changed by another program while in use; nothing was written"
            )


def _write(descriptor: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


def _lock(descriptor: int, path: Path) -> None:
    """Take the exclusive lock, which lasts as long as the descriptor, or refuse at once.

    Raises: StateError.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StateError(
            f"the ledger {path} is in use: another daemon runs for this device; nothing was changed"
        ) from None
    except OSError as error:
        raise StateError(f"the ledger {path} can't be locked: {error.strerror}; nothing was changed") from None


def _unlock(descriptor: int) -> None:
    """Give the lock up at once: a process started meanwhile may hold the descriptor for a moment longer."""
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)
