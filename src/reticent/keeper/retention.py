"""How long do captures stay? As long as the accepted policy says, and no longer than an hour beyond."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

from reticent.capture.vault import Vault
from reticent.records.layout import DeviceFolder

PASS_S = 3_600


class Retention:
    """Deletes what is too old, at the first call and then every hour; a machine that slept does so when it wakes.

    retention_days: of the accepted policy; None where none was accepted, and then nothing is deleted. now: Unix seconds.
    """

    def __init__(
        self, folder: DeviceFolder, vault: Vault, *, retention_days: int | None, now: Callable[[], float]
    ) -> None:
        self._note = note_file(folder)
        self._vault = vault
        self._retention_days = retention_days
        self._now = now
        self._last: float | None = None

    def enforce(self) -> int:
        """Delete what is too old if it is time to look, and return how many sessions that were.

        Raises: StateError, if the vault can't be changed; a keeper that can't delete what it promised to delete stops.
        """
        now = self._now()
        if self._retention_days is None or (self._last is not None and 0 <= now - self._last < PASS_S):
            return 0
        gone = self._vault.forget(older_than_days=self._retention_days)
        self._last = now
        if gone:
            with contextlib.suppress(OSError):  # a note for its person, worth less than the deletion
                self._note.write_text(json.dumps({"version": 1, "sessions": deleted_by_age(self._note) + gone}))
        return gone


def note_file(folder: DeviceFolder) -> Path:
    """Where it is kept how many sessions were deleted by age."""
    return folder.keeper / "retention.json"


def deleted_by_age(note: Path) -> int:
    """How many sessions were deleted by age since the device was made; 0 where nothing readable says so."""
    try:
        return int(json.loads(note.read_bytes())["sessions"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
