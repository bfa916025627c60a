"""How a file is opened that somebody may have swapped, written whole or not at all for its owner alone, or held by one process."""

import contextlib
import fcntl
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from reticent.errors import FormatError, IntegrityError, StateError


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Whatever is wrong with what is read inside is told with the file's name before it."""
    try:
        yield
    except (FormatError, IntegrityError) as error:
        if str(path) in str(error):
            raise
        raise type(error)(f"{path}: {error}") from None


@contextlib.contextmanager
def all_or_nothing(root: Path, *, claim: str) -> Iterator[None]:
    """Make what belongs into a new folder, or leave nothing: what is made inside is gone again if the block fails.

    root: an empty folder, or one that isn't there yet; made with mode 700. claim: the folder in it that is made first, so that
    of two who begin at once one stops and takes nothing away from the other.
    Raises: StateError, where `root` holds anything or can't be made; then it is as it was.
    """
    existed = root.exists()
    try:
        if existed and any(root.iterdir()):
            raise StateError(f"{root} is not empty; a new folder is needed; nothing was changed")
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        (root / claim).mkdir(mode=0o700)
    except OSError as error:
        raise StateError(f"{root} can't be made: {error.strerror}; nothing was changed") from None
    try:
        yield
    except BaseException:
        for path in list(root.iterdir()):
            shutil.rmtree(path, ignore_errors=True)
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            if not existed:
                root.rmdir()
        raise


def open_regular(path: Path, *, what: str, writable: bool = False) -> int:
    """Return a descriptor of an existing regular file. A link, folder, pipe or device is refused.

    Raises: StateError.
    """
    mode = os.O_RDWR if writable else os.O_RDONLY
    try:
        # O_NONBLOCK: opening a pipe without it would wait for somebody to write.
        descriptor = os.open(path, mode | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        reason = "it is a link" if path.is_symlink() else error.strerror
        raise StateError(f"the {what} {path} can't be opened: {reason}; nothing was changed") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StateError(f"the {what} {path} is not a regular file; nothing was changed")
    return descriptor


def read_regular(path: Path, *, what: str, limit_bytes: int) -> bytes:
    """Return all of a regular file.

    Raises: StateError, as `open_regular`; FormatError, beyond `limit_bytes`.
    """
    with os.fdopen(open_regular(path, what=what), "rb") as file:
        data = file.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise FormatError(f"the {what} {path} has more than {limit_bytes} bytes; nothing was read")
    return data


def write_private(path: Path, data: bytes) -> None:
    """Write a new file of mode 600; it is on the disk when this returns.

    Raises: StateError, where anything is there already or the disk refuses; no part of it stays then.
    """
    try:
        with _new_file(path, data):
            sync_folder(path.parent)
    except FileExistsError:
        raise StateError(f"{path} exists and is never overwritten; nothing was written") from None
    except OSError as error:
        raise StateError(f"{path} can't be written: {error.strerror}; nothing was written") from None


def replace_private(path: Path, data: bytes) -> None:
    """Write a file of mode 600: whoever opens it later, after a crash too, sees what was there before or all of `data`.

    Raises: StateError, where the disk refuses; what was there stays then.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:
        with _new_file(fresh, data):
            fresh.replace(path)
            sync_folder(path.parent)
    except OSError as error:
        raise StateError(f"{path} can't be replaced: {error.strerror}; what was there stays unchanged") from None


@contextlib.contextmanager
def _new_file(path: Path, data: bytes) -> Iterator[None]:
    """A file with `data` on the disk; gone again where the block fails."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        yield
    except OSError:
        path.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Put a folder's entries on the disk, so that a file that was made or renamed in it survives a crash."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path, *, patience_s: float, taken: str) -> Iterator[None]:
    """Hold the lock of `path`, a file that is made where there is none and never removed.

    taken: what the StateError says if another holds it for longer than `patience_s`. Who looks, by `is_locked`, holds it for an
    instant: a patience of 0 would mistake that for work.
    """
    deadline = time.monotonic() + patience_s
    with path.open("ab") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StateError(taken) from None
                time.sleep(0.02)
        yield


def is_locked(path: Path) -> bool:
    """True while some process holds the lock of `path`. Changes nothing."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
