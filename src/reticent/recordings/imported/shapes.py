"""In which shape does a folder hold the data that is asked for: as upstream publishes it, or as tables made of that?"""

from collections.abc import Callable
from pathlib import Path

from reticent.errors import StateError
from reticent.recordings.imported import balabit_files, balabit_tables, miniwob_files, miniwob_tables
from reticent.recordings.imported.taken import Opened


def miniwob(source: Path) -> Opened:
    """Raises StateError for a folder with neither shape, StateError or FormatError for what can't be read of it."""
    return _first(
        source,
        (miniwob_tables.open_tables, miniwob_files.open_files),
        "demonstrations (*.json.gz or *.json) nor tables (demos.parquet, events.parquet, frames.npz)",
    )


def balabit(source: Path) -> Opened:
    """Raises: as `miniwob`."""
    return _first(
        source,
        (balabit_tables.open_tables, balabit_files.open_files),
        "sessions (training_files/USER/session_*) nor the table actions.parquet",
    )


def _first(source: Path, ways: tuple[Callable[[Path], Opened | None], ...], what: str) -> Opened:
    for way in ways:
        if (opened := way(source)) is not None:
            return opened
    raise StateError(f"{source} holds neither {what}; nothing was written")
