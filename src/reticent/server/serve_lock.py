"""Who serves a folder: one lock, held as long as `reticent server serve` runs."""

import contextlib
import fcntl
import time
from collections.abc import Iterator

from reticent.errors import StateError
from reticent.server.settings import ServerPaths


def is_served(paths: ServerPaths) -> bool:
    """True while some `serve` holds the folder."""
    try:
        with paths.serve_lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextlib.contextmanager
def locked(paths: ServerPaths) -> Iterator[None]:
    """Hold the folder. Raises StateError where another `serve` does."""
    with paths.serve_lock.open("ab") as file:
        for attempt in range(10):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if attempt == 9:
                    raise StateError(f"{paths.root} is served already; nothing was started") from None
                time.sleep(0.02)  # `status` looks for an instant
        yield
