"""May what happens now be recorded, and which parts of the screen must be masked?"""

import time
from dataclasses import dataclass
from typing import Any, Final

from reticent.capture.display import connect, hang_up
from reticent.capture.exclusions import Exclusions
from reticent.capture.lock import LockProbe
from reticent.capture.monitors import Rect
from reticent.capture.windows import Surveyor, Verdict, judge

_RESURVEY_S: Final = 2.0  # windows are looked at anew at least this often, whatever the display announced
_SAVER_ON: Final = 1
_TELLING: Final = (  # properties whose change can change the answer
    "_NET_ACTIVE_WINDOW",
    "_NET_CLIENT_LIST",
    "_NET_CURRENT_DESKTOP",
    "_NET_SUPPORTING_WM_CHECK",
    "_NET_WM_NAME",
    "WM_NAME",
    "WM_CLASS",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What may be recorded at one moment; no name or title is in it.

    permitted: the active window is known and not excluded, and the screen isn't locked.
    masked: rectangles, in root pixels, of every visible window that is excluded or unknown.
    changes: counts changes of focus, of titles and of which windows show.
    """

    permitted: bool
    masked: tuple[Rect, ...]
    changes: int


class Focus:
    """Looks at this display's windows and their manager's properties (EWMH). For one thread: each needs its own.

    Guarantee: an unknown active window, a window manager that is missing or names none, a locked screen and a display
    that fails to answer all give `permitted=False`.
    """

    def __init__(self, *, exclusions: Exclusions, screens: tuple[Rect, ...], lock: LockProbe) -> None:
        """Raises StateError without an X11 display that answers."""
        self._display: Any = connect()
        from Xlib import X

        self._x = X
        self._exclusions, self._screens, self._lock = exclusions, screens, lock
        self._display.set_error_handler(lambda *_: None)  # windows vanish while they are looked at
        self._root: Any = self._display.screen().root
        self._root.change_attributes(event_mask=X.SubstructureNotifyMask | X.PropertyChangeMask)
        self._atoms = frozenset(self._display.intern_atom(name) for name in _TELLING)
        self._has_saver = bool(self._display.has_extension("MIT-SCREEN-SAVER"))
        self._surveyor = Surveyor(self._display)
        self._changes = 0
        self._moved = False
        self._surveyed_s = float("-inf")
        self._verdict = Verdict(permitted=False, masked=screens)

    def __repr__(self) -> str:
        return "<Focus>"

    def close(self) -> None:
        """Let go of the display; safe on one that has died."""
        hang_up(self._display)

    def exclude(self, exclusions: Exclusions) -> None:
        """From the next look on, these rules hold."""
        self._exclusions, self._surveyed_s = exclusions, float("-inf")

    def rearrange(self, screens: tuple[Rect, ...]) -> None:
        """Monitors were plugged in or out."""
        self._screens, self._surveyed_s = screens, float("-inf")

    def look(self, *, exact: bool) -> Sight:
        """What may be recorded now. Never raises: a display that fails to answer permits nothing.

        exact: `masked` follows windows that were only moved or resized too; who takes no picture needs no such care.
        """
        try:
            return self._look(exact)
        except Exception:  # whatever broke, the only safe answer is no
            self._surveyed_s = float("-inf")
            self._changes += 1
            return Sight(permitted=False, masked=self._screens, changes=self._changes)

    def _look(self, exact: bool) -> Sight:
        asleep = self._saver_is_on() or self._lock.locked()
        self._display.sync()  # what the display announced before this has arrived
        known = self._changes
        for _ in range(self._display.pending_events()):
            self._notice(self._display.next_event())
        stale = time.monotonic() - self._surveyed_s > _RESURVEY_S
        if known != self._changes or stale or (exact and self._moved):
            self._moved, self._surveyed_s = False, time.monotonic()
            self._verdict = judge(self._surveyor.survey(), exclusions=self._exclusions, screens=self._screens)
        return Sight(
            permitted=self._verdict.permitted and not asleep, masked=self._verdict.masked, changes=self._changes
        )

    def _notice(self, event: Any) -> None:
        if event.type == self._x.PropertyNotify:
            self._changes += event.atom in self._atoms
        elif event.type in (self._x.MapNotify, self._x.UnmapNotify):
            self._changes += 1
        elif event.type in (self._x.ConfigureNotify, self._x.CirculateNotify):
            self._moved = True

    def _saver_is_on(self) -> bool:
        return self._has_saver and self._root.screensaver_query_info().state == _SAVER_ON
