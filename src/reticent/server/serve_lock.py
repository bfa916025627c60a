"""Who serves a folder: one lock, held as long as `reticent server serve` runs."""

from contextlib import AbstractContextManager

from reticent.records.files import is_locked, locked
from reticent.server.settings import ServerPaths


def is_served(paths: ServerPaths) -> bool:
    """True while some `serve` holds the folder."""
    return is_locked(paths.serve_lock)


def serving(paths: ServerPaths) -> AbstractContextManager[None]:
    """Hold the folder. Raises StateError where another `serve` does."""
    return locked(paths.serve_lock, patience_s=0.2, taken=f"{paths.root} is served already; nothing was started")
