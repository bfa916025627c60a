"""Can input be watched on this display? One clear sentence where it can't; and connections that never use the network."""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from reticent.errors import StateError

_LOCAL: Final = re.compile(r"(?:unix/?)?(:[0-9]{1,5}(?:\.[0-9]{1,3})?)")


def check_display(environment: Mapping[str, str] | None = None) -> str:
    """The local X11 display's name, such as ":0". Raises StateError where there is none that can be watched.

    On Wayland an X client sees other X clients' input only: a recording would silently lack all native windows. A
    display behind the network (ssh, another host) would carry what is captured over it.
    """
    here = os.environ if environment is None else environment
    if here.get("XDG_SESSION_TYPE", "").casefold() == "wayland" or here.get("WAYLAND_DISPLAY"):
        raise StateError(
            "capture was asked for in a Wayland session, where input to native windows can't be seen; "
            "log in with an X11 session; nothing was recorded"
        )
    name = here.get("DISPLAY", "")
    if not name:
        raise StateError(
            "capture was asked for without a display; start it inside an X11 session (DISPLAY is not set); "
            "nothing was recorded"
        )
    local = _LOCAL.fullmatch(name)
    if local is None:
        raise StateError(
            "capture was asked for on a display behind the network; only a local one such as :0 is recorded; "
            "nothing was recorded"
        )
    return local[1]


def connect() -> Any:
    """A new Xlib connection through the display's socket file: Xlib alone would try TCP next.

    Raises StateError where the display can't be watched or doesn't answer.
    """
    name = check_display()
    if not _listens(name):
        raise StateError("capture was asked for, but nothing answers as this display; nothing was recorded")
    from Xlib.display import Display

    try:
        return Display(f"unix/{name}")
    except Exception as cause:  # Xlib raises a dozen unrelated classes for a display that doesn't answer
        raise StateError(
            f"capture was asked for, but the display doesn't answer ({type(cause).__name__}); nothing was recorded"
        ) from None


def _listens(name: str) -> bool:
    """Is there a socket for this display, in the file system or in the abstract namespace?"""
    path = f"/tmp/.X11-unix/X{int(name[1:].partition('.')[0])}"  # noqa: S108 (X's own place)
    if Path(path).exists():
        return True
    with suppress(OSError):
        return any(line.endswith(f"@{path}") for line in Path("/proc/net/unix").read_text().splitlines())
    return False


def hang_up(display: Any) -> None:
    """Close an Xlib connection, its socket too where the display has died and Xlib would leave it open."""
    with suppress(Exception):  # Xlib raises a dozen unrelated classes for a connection that is broken
        display.close()
    with suppress(Exception):
        display.display.socket.close()
