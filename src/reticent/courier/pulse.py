"""Heartbeats, in a thread of their own, so that nothing else can hold them up; and which can't die unnoticed."""

import random
import threading
from collections.abc import Callable
from typing import Final

from reticent.courier.connection import HEARTBEAT_S, Cause, Fleet, Trouble
from reticent.courier.pace import Backoff

_SHARE: Final = (0.5, 0.7)  # of the interval; the SuperLink allows for two
_FAREWELL_S: Final = 1.0


class Pulse:
    """Sends heartbeats until it is stopped or the SuperLink no longer knows the node; then `lost` says why."""

    def __init__(self, fleet: Fleet, *, wake: Callable[[], None]) -> None:
        self.lost: Cause | None = None
        self._fleet, self._wake = fleet, wake
        self._again = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def now(self) -> None:
        """Send one without waiting for its time."""
        self._again.set()

    def stop(self) -> None:
        """End it; a call under way may take a little longer and no longer matters."""
        self._stopped = True
        self._again.set()
        self._thread.join(_FAREWELL_S)

    def _run(self) -> None:
        backoff = Backoff()
        try:
            while not self._stopped:
                wait_s = HEARTBEAT_S * random.uniform(*_SHARE)  # noqa: S311
                try:
                    self._fleet.heartbeat()
                    backoff.reset()
                except Trouble as trouble:
                    if trouble.cause in (Cause.UNKNOWN, Cause.REFUSED):
                        self.lost = trouble.cause
                        return
                    wait_s = backoff.wait_s()
                self._again.wait(wait_s)
                self._again.clear()
        except BaseException:
            self.lost = Cause.MALFORMED
            if not self._stopped:
                raise
        finally:
            self._wake()
