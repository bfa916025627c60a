"""Which windows are there, and which of them must not be seen? A survey of the display, and its judgement."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from reticent.capture.exclusions import Exclusions, is_locker
from reticent.capture.monitors import Rect


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Window:
    """One window, while it is judged. Its title goes no further than this module.

    owner: the X client that made it; the windows of one program share it. rect: what it covers, its frame included, or
    None where it isn't shown. managed: the window manager lists it. dock: a panel or taskbar.
    """

    number: int
    owner: int
    rect: Rect | None
    classes: tuple[str, ...]
    title: str
    managed: bool
    dock: bool = False

    def __repr__(self) -> str:
        return "<Window>"

    @property
    def named(self) -> bool:
        """Does it say which application it belongs to?"""
        return any(self.classes)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Survey:
    """All windows; the active one's number and the window manager's X client, None where there is none."""

    windows: tuple[Window, ...]
    active: int | None
    manager: int | None

    def __repr__(self) -> str:
        return f"<Survey of {len(self.windows)} windows>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """permitted: what is done now may be recorded. masked: what must be blackened, in root pixels."""

    permitted: bool
    masked: tuple[Rect, ...]


def judge(survey: Survey, *, exclusions: Exclusions, screens: tuple[Rect, ...]) -> Verdict:
    """What may be recorded with these windows on these monitors.

    What a program draws outside its windows (menus, lists) often has no name; it is judged by the program's windows. A
    dock and the window manager's own popups show other windows' titles: they are masked while an excluded window is
    open, shown or not. A window that can't be judged is masked; one that also hides a whole monitor may be a locker.
    """
    excluded = {
        window.number
        for window in survey.windows
        if (window.managed or window.named) and exclusions.excludes(classes=window.classes, title=window.title)
    }
    owners = {window.owner for window in survey.windows if window.managed and window.named}
    barred = {window.owner for window in survey.windows if window.number in excluded}

    def hides(window: Window) -> bool:
        if window.number in excluded:
            return True
        if window.dock or (not window.managed and window.owner == survey.manager):
            return bool(excluded)
        return not window.managed and (window.owner in barred or not (window.named or window.owner in owners))

    shown = [(window, window.rect) for window in survey.windows if window.rect is not None]
    locked = any(
        is_locker(window.classes)
        or (
            not window.named
            and window.owner not in owners | {survey.manager}
            and any(rect.covers(screen) for screen in screens)
        )
        for window, rect in shown
    )
    known = survey.manager is not None and any(
        window.number == survey.active and window.managed and window.number not in excluded for window, _ in shown
    )
    return Verdict(permitted=known and not locked, masked=tuple(rect for window, rect in shown if hides(window)))


class Surveyor:
    """Asks the display for its windows. Windows vanish while they are asked; one that has is left out."""

    def __init__(self, display: Any) -> None:
        from ewmh import EWMH
        from Xlib import X, Xatom, error

        self._x, self._name_atom = X, Xatom.WM_NAME
        self._gone = (error.BadWindow, error.BadDrawable, error.BadMatch)
        self._display = display
        self._root: Any = display.screen().root
        self._ewmh: Any = EWMH(display)
        self._check_atom = display.intern_atom("_NET_SUPPORTING_WM_CHECK")
        self._mask = ~int(display.display.info.resource_id_mask)
        self._watched: set[int] = set()

    def __repr__(self) -> str:
        return "<Surveyor>"

    def survey(self) -> Survey:
        """Everything that shows or is listed, now. Raises whatever a broken connection raises."""
        clients = list(self._ewmh.getClientList() or ())
        active = self._ewmh.getActiveWindow()
        return Survey(
            windows=tuple(self._windows(clients)),
            active=None if active is None else active.id,
            manager=self._manager(),
        )

    def _windows(self, clients: list[Any]) -> Iterator[Window]:
        frames: set[int] = set()
        for client in clients:
            with suppress(*self._gone):
                frame = self._frame(client)
                frames.add(frame.id)
                dock = "_NET_WM_WINDOW_TYPE_DOCK" in (self._ewmh.getWmWindowType(client, str=True) or ())
                yield self._describe(client, rect=self._rect(frame), managed=True, dock=dock)
        for top in self._root.query_tree().children:
            if top.id not in frames:
                with suppress(*self._gone):
                    rect = self._rect(top)
                    if rect is not None:
                        yield self._describe(top, rect=rect, managed=False, dock=False)

    def _frame(self, window: Any) -> Any:
        """The root's child that holds a window: its frame, or itself."""
        while (parent := window.query_tree().parent) != 0 and parent.id != self._root.id:
            window = parent
        return window

    def _rect(self, window: Any) -> Rect | None:
        attributes = window.get_attributes()
        if attributes.map_state != self._x.IsViewable or attributes.win_class == self._x.InputOnly:
            return None
        size, place = window.get_geometry(), window.translate_coords(self._root, 0, 0)
        edge = size.border_width
        return Rect(
            left=-place.x - edge, top=-place.y - edge, width=size.width + 2 * edge, height=size.height + 2 * edge
        )

    def _describe(self, window: Any, *, rect: Rect | None, managed: bool, dock: bool) -> Window:
        if window.id not in self._watched:  # from now on the display announces when its title or class changes
            window.change_attributes(event_mask=self._x.PropertyChangeMask)
            if len(self._watched) > 10_000:
                self._watched.clear()
            self._watched.add(window.id)
        older = window.get_full_property(self._name_atom, self._x.AnyPropertyType)
        titles = (self._ewmh.getWmName(window), None if older is None else older.value)  # the two may differ
        return Window(
            number=window.id,
            owner=window.id & self._mask,
            rect=rect,
            classes=tuple(window.get_wm_class() or ()),
            title="\n".join(_text(title) for title in titles),
            managed=managed,
            dock=dock,
        )

    def _manager(self) -> int | None:
        """The window manager's X client; None if there is none, or it has died and left its mark behind."""
        named = self._root.get_full_property(self._check_atom, self._x.AnyPropertyType)
        if named is None or not len(named.value):
            return None
        number = int(named.value[0])
        try:
            child = self._display.create_resource_object("window", number)
            own = child.get_full_property(self._check_atom, self._x.AnyPropertyType)
        except self._gone:
            return None
        marked = own is not None and len(own.value) > 0 and int(own.value[0]) == number
        return number & self._mask if marked else None


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
