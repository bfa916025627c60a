"""Is the session locked, as far as the system knows?"""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

_INTERVAL_S: Final = 2.0
_TIMEOUT_S: Final = 2.0


def ask_logind(environment: Mapping[str, str] | None = None) -> bool | None:
    """logind's LockedHint for this session; None where there is no logind or it doesn't know the session.

    Desktops set the hint when they lock. A logind that hangs counts as locked.
    """
    session = (os.environ if environment is None else environment).get("XDG_SESSION_ID", "")
    command = shutil.which("loginctl")
    if not session or command is None:
        return None
    try:
        answer = subprocess.run(
            [command, "show-session", session, "--property=LockedHint", "--value"],
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        ).stdout.strip()
    except subprocess.TimeoutExpired:
        return True
    return {b"yes": True, b"no": False}.get(answer)


class LockProbe:
    """Remembers the answer for two seconds; may be shared by threads."""

    def __init__(self, *, ask: Callable[[], bool | None] = ask_logind, clock: Callable[[], float] = time.monotonic):
        self._ask, self._clock = ask, clock
        self._guard = threading.Lock()
        self._asked_s = float("-inf")
        self._locked = False
        self._unlocked_s = float("-inf")

    def __repr__(self) -> str:
        return "<LockProbe>"

    def locked(self) -> bool:
        """Was the session locked when last asked? False where nothing can tell: lockers' windows still can."""
        with self._guard:
            now_s = self._clock()
            if now_s - self._asked_s >= _INTERVAL_S:
                answer = self._ask()
                self._asked_s = now_s
                self._locked = answer is True
                if answer is not True:
                    self._unlocked_s = now_s
            return self._locked

    @property
    def unlocked_s(self) -> float:
        """When the session was last seen not to be locked, on the clock; what came later may have gone to a locker."""
        with self._guard:
            return self._unlocked_s
