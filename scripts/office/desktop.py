"""Where are the windows, and which has the focus?"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ewmh import EWMH
from rig import wait_for
from Xlib import X, error
from Xlib.display import Display


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle in root pixels."""

    left: int
    top: int
    width: int
    height: int


class Desktop:
    """What a person sees of the window manager."""

    def __init__(self) -> None:
        self._display: Any = Display()
        self._ewmh: Any = EWMH(self._display)
        self._root: Any = self._display.screen().root

    def close(self) -> None:
        self._display.close()

    def managed(self) -> bool:
        """Is there a window manager?"""
        return (
            self._root.get_full_property(self._display.intern_atom("_NET_SUPPORTING_WM_CHECK"), X.AnyPropertyType)
            is not None
        )

    def find(self, name: str) -> Any | None:
        """The newest window of this class."""
        found = None
        for window in self._ewmh.getClientList() or ():
            try:
                if name in [part.casefold() for part in window.get_wm_class() or ()]:
                    found = window
            except error.BadWindow:
                continue
        return found

    def has_focus(self, name: str) -> bool:
        active = self._ewmh.getActiveWindow()
        try:
            return active is not None and name in [part.casefold() for part in active.get_wm_class() or ()]
        except error.BadWindow:
            return False

    def place(self, name: str, box: Box) -> None:
        """Move a window's frame there; only while the scene is set, never while somebody works."""
        window = wait_for(lambda: self.find(name), what=f"a window of {name}")
        self._ewmh.setMoveResizeWindow(
            window, gravity=X.NorthWestGravity, x=box.left, y=box.top, w=box.width, h=box.height
        )
        self._display.sync()

    def raise_up(self, name: str) -> None:
        window = wait_for(lambda: self.find(name), what=f"a window of {name}")
        self._ewmh.setActiveWindow(window)
        self._display.sync()
        wait_for(lambda: self.has_focus(name), what=f"focus on {name}")

    def box(self, name: str) -> Box:
        """A window's content, without its frame."""
        window = wait_for(lambda: self.find(name), what=f"a window of {name}")
        size, place = window.get_geometry(), window.translate_coords(self._root, 0, 0)
        return Box(left=-place.x, top=-place.y, width=size.width, height=size.height)

    def title(self, name: str) -> str:
        """What stands in the title bar of the newest window of this class that is no dialog."""
        for window in reversed(self._ewmh.getClientList() or ()):
            with suppress(error.BadWindow):
                if name in [part.casefold() for part in window.get_wm_class() or ()] and not self._is_dialog(window):
                    return bytes(self._ewmh.getWmName(window) or b"").decode(errors="replace")
        return ""

    def dialog(self, name: str) -> Box | None:
        """The content of the newest dialog of a window of this class."""
        for window in reversed(self._ewmh.getClientList() or ()):
            with suppress(error.BadWindow, error.BadDrawable):
                if name in [part.casefold() for part in window.get_wm_class() or ()] and self._is_dialog(window):
                    size, place = window.get_geometry(), window.translate_coords(self._root, 0, 0)
                    return Box(left=-place.x, top=-place.y, width=size.width, height=size.height)
        return None

    def _is_dialog(self, window: Any) -> bool:
        return "_NET_WM_WINDOW_TYPE_DIALOG" in (self._ewmh.getWmWindowType(window, str=True) or ())

    def order(self) -> list[Box]:
        """Frames, the topmost last."""
        return [self._frame(window) for window in self._ewmh.getClientListStacking() or ()]

    def _frame(self, window: Any) -> Box:
        left, right, top, bottom = 0, 0, 0, 0
        extents = window.get_full_property(self._display.intern_atom("_NET_FRAME_EXTENTS"), X.AnyPropertyType)
        if extents is not None:
            left, right, top, bottom = extents.value
        size, place = window.get_geometry(), window.translate_coords(self._root, 0, 0)
        return Box(
            left=-place.x - left, top=-place.y - top, width=size.width + left + right, height=size.height + top + bottom
        )

    def spot(self, name: str) -> tuple[int, int] | None:
        """A visible point of a window that is safe to click: on its title bar first, or None."""
        window = self.find(name)
        if window is None:
            return None
        stack = list(self._ewmh.getClientListStacking() or ())
        above = [self._frame(other) for other in stack[[one.id for one in stack].index(window.id) + 1 :]]
        frame = self._frame(window)
        for part in (0.3, 0.5, 0.15, 0.7):
            x, y = frame.left + int(frame.width * part), frame.top + 10
            if y > 0 and not any(
                box.left <= x < box.left + box.width and box.top <= y < box.top + box.height for box in above
            ):
                return x, y
        return None

    def popups(self) -> Iterator[Box]:
        """Menus and lists that show now, the topmost first."""
        for top in reversed(self._root.query_tree().children):
            try:
                attributes = top.get_attributes()
                if attributes.map_state != X.IsViewable or not attributes.override_redirect or not top.get_wm_class():
                    continue
                size = top.get_geometry()
            except (error.BadWindow, error.BadDrawable):
                continue
            if size.x >= 0 and size.y >= 0 and size.width > 30 and size.height > 30:
                yield Box(left=size.x, top=size.y, width=size.width, height=size.height)
