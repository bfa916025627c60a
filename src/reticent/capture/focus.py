"""May what happens now be recorded, and which parts of the screen must be masked? Titles never leave this module."""

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from reticent.capture.display import check_display
from reticent.capture.exclusions import Exclusions, is_locker
from reticent.capture.lock import LockProbe
from reticent.capture.monitors import Rect
from reticent.errors import StateError

_RESCAN_S: Final = 2.0  # windows are looked at anew at least this often, whatever the display announced
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


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Names:
    """What tells a window apart, while it is judged."""

    classes: tuple[str, ...]
    title: str


class Focus:
    """Looks at this display's windows and their manager's properties (EWMH). For one thread: each needs its own.

    Guarantee: an unknown active window, a window manager that is missing or names none, a locked screen and a display
    that fails to answer all give `permitted=False`.
    """

    def __init__(self, *, exclusions: Exclusions, screens: tuple[Rect, ...], lock: LockProbe) -> None:
        """Raises StateError without an X11 display."""
        check_display()
        from ewmh import EWMH
        from Xlib import X, Xatom, error
        from Xlib.display import Display

        self._x, self._name_atom = X, Xatom.WM_NAME
        self._gone = (error.BadWindow, error.BadDrawable, error.BadMatch)
        try:
            self._display: Any = Display()
        except Exception as cause:  # Xlib raises a dozen unrelated classes for a display that doesn't answer
            raise StateError(
                f"capture was asked for, but the display doesn't answer ({type(cause).__name__}); nothing was recorded"
            ) from None
        self._display.set_error_handler(lambda *_: None)  # windows vanish while they are looked at
        self._ewmh: Any = EWMH(self._display)
        self._root: Any = self._display.screen().root
        self._root.change_attributes(event_mask=X.SubstructureNotifyMask | X.PropertyChangeMask)
        self._atom = {name: self._display.intern_atom(name) for name in _TELLING}
        self._exclusions, self._screens, self._lock = exclusions, screens, lock
        self._watched: set[int] = set()
        self._changes = 0
        self._moved = False
        self._scanned_s = float("-inf")
        self._seen = Sight(permitted=False, masked=screens, changes=0)

    def __repr__(self) -> str:
        return "<Focus>"

    def close(self) -> None:
        """Let go of the display; safe on one that has died."""
        with suppress(Exception):  # a connection that is broken is closed already
            self._display.close()

    def exclude(self, exclusions: Exclusions) -> None:
        """From the next look on, these rules hold."""
        self._exclusions, self._scanned_s = exclusions, float("-inf")

    def rearrange(self, screens: tuple[Rect, ...]) -> None:
        """Monitors were plugged in or out."""
        self._screens, self._scanned_s = screens, float("-inf")

    def look(self, *, exact: bool) -> Sight:
        """What may be recorded now. Never raises: a display that fails to answer permits nothing.

        exact: `masked` follows windows that were only moved or resized too; whoever takes no picture needs no such care.
        """
        try:
            return self._look(exact)
        except Exception:  # whatever broke, the only safe answer is no
            self._scanned_s = float("-inf")
            self._changes += 1
            return Sight(permitted=False, masked=self._screens, changes=self._changes)

    def _look(self, exact: bool) -> Sight:
        asleep = self._saver_is_on() or self._lock.locked()
        self._display.sync()  # what the display announced before this has arrived
        told = self._changes
        for _ in range(self._display.pending_events()):
            self._notice(self._display.next_event())
        stale = time.monotonic() - self._scanned_s > _RESCAN_S
        if told != self._changes or stale or (exact and self._moved):
            self._moved, self._scanned_s = False, time.monotonic()
            if len(self._watched) > 10_000:
                self._watched.clear()
            self._seen = self._scan()
        return Sight(
            permitted=self._seen.permitted and not asleep, masked=self._seen.masked, changes=self._changes
        )

    def _notice(self, event: Any) -> None:
        if event.type == self._x.PropertyNotify:
            self._changes += event.atom in self._atom.values()
        elif event.type in (self._x.MapNotify, self._x.UnmapNotify):
            self._changes += 1
        elif event.type in (self._x.ConfigureNotify, self._x.CirculateNotify):
            self._moved = True

    def _scan(self) -> Sight:
        """Judge every window anew.

        What an application draws outside its windows (menus, lists) often has no name; it shares its X client with the
        application's windows and is judged by them. A dock and the window manager's own popups show other windows'
        titles: they are masked while an excluded window is open, shown or not.
        """
        manager = self._manager()
        clients = {client.id: client for client in self._ewmh.getClientList() or ()}
        names = {number: found for number, client in clients.items() if (found := self._names(client)) is not None}
        shut = {number for number, found in names.items() if self._excludes(found)}
        owners = {self._owner(number) for number, found in names.items() if any(found.classes)}
        shut_owners = {self._owner(number) for number in shut}
        frames = self._frames(clients)
        masked: list[Rect] = []
        hidden = False
        for top in self._root.query_tree().children:
            rect = self._shown(top)
            if rect is None:
                continue
            number = frames.get(top.id)
            if number is not None:
                hide = number not in names or number in shut or (bool(shut) and self._is_dock(clients[number]))
                found: _Names | None = names.get(number)
            else:
                found = self._names(top)
                nameless = found is None or not any(found.classes)
                if self._owner(top.id) == manager:
                    hide, nameless = bool(shut), False
                elif nameless:
                    hide = self._owner(top.id) in shut_owners or self._owner(top.id) not in owners
                    nameless = self._owner(top.id) not in owners
                else:
                    hide = found is None or self._excludes(found) or self._owner(top.id) in shut_owners
                hidden |= nameless and any(rect.covers(screen) for screen in self._screens)
            hidden |= found is not None and is_locker(found.classes)
            if hide:
                masked.append(rect)
        active = self._ewmh.getActiveWindow() if manager is not None else None
        known = active is not None and active.id in names and active.id not in shut and self._shown(active) is not None
        return Sight(permitted=known and not hidden, masked=tuple(masked), changes=self._changes)

    def _excludes(self, names: _Names) -> bool:
        return self._exclusions.excludes(classes=names.classes, title=names.title)

    def _owner(self, number: int) -> int:
        """The X client that made this window: windows of one program share it."""
        return number & ~int(self._display.display.info.resource_id_mask)

    def _manager(self) -> int | None:
        """The window manager's X client; None if there is none, or it has died and left its mark behind."""
        atom = self._atom["_NET_SUPPORTING_WM_CHECK"]
        named = self._root.get_full_property(atom, self._x.AnyPropertyType)
        if named is None or not len(named.value):
            return None
        number = int(named.value[0])
        try:
            own = self._display.create_resource_object("window", number).get_full_property(atom, self._x.AnyPropertyType)
        except self._gone:
            return None
        return self._owner(number) if own is not None and len(own.value) and int(own.value[0]) == number else None

    def _frames(self, clients: dict[int, Any]) -> dict[int, int]:
        """From the root's child that holds a client, its frame or itself, to the client."""
        frames = {}
        for number, client in clients.items():
            with suppress(*self._gone):
                window = client
                while (parent := window.query_tree().parent) != 0 and parent.id != self._root.id:
                    window = parent
                frames[window.id] = number
        return frames

    def _shown(self, window: Any) -> Rect | None:
        """The window's rectangle; None if it isn't shown, shows no pixels, or has gone."""
        try:
            attributes = window.get_attributes()
            if attributes.map_state != self._x.IsViewable or attributes.win_class == self._x.InputOnly:
                return None
            size, place = window.get_geometry(), window.translate_coords(self._root, 0, 0)
        except self._gone:
            return None
        edge = size.border_width
        return Rect(
            left=-place.x - edge, top=-place.y - edge, width=size.width + 2 * edge, height=size.height + 2 * edge
        )

    def _names(self, window: Any) -> _Names | None:
        """Class and titles (the newer and the older property may differ); None for a window that has gone."""
        try:
            if window.id not in self._watched:
                window.change_attributes(event_mask=self._x.PropertyChangeMask)
                self._watched.add(window.id)
            older = window.get_full_property(self._name_atom, self._x.AnyPropertyType)
            titles = (self._ewmh.getWmName(window), None if older is None else older.value)
            return _Names(classes=tuple(window.get_wm_class() or ()), title="\n".join(_text(title) for title in titles))
        except self._gone:
            return None

    def _is_dock(self, window: Any) -> bool:
        return "_NET_WM_WINDOW_TYPE_DOCK" in (self._ewmh.getWmWindowType(window, str=True) or ())

    def _saver_is_on(self) -> bool:
        if not self._display.has_extension("MIT-SCREEN-SAVER"):
            return False
        return bool(self._root.screensaver_query_info().state == 1)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
