"""Can input be watched here at all? One clear sentence where it can't."""

import os
from collections.abc import Mapping

from reticent.errors import StateError


def check_display(environment: Mapping[str, str] | None = None) -> None:
    """Raise StateError unless this is an X11 session with a display.

    On Wayland an X client sees other X clients' input only: a recording would silently lack all native windows.
    """
    here = os.environ if environment is None else environment
    if here.get("XDG_SESSION_TYPE", "").casefold() == "wayland" or here.get("WAYLAND_DISPLAY"):
        raise StateError(
            "capture was asked for in a Wayland session, where input to native windows can't be seen; "
            "log in with an X11 session; nothing was recorded"
        )
    if not here.get("DISPLAY"):
        raise StateError(
            "capture was asked for without a display; start it inside an X11 session (DISPLAY is not set); "
            "nothing was recorded"
        )
