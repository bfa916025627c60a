"""An X display of its own, with a window manager and real programs."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import pytest
from Xlib import X, Xatom
from Xlib.display import Display

NEEDED = ("Xvfb", "openbox", "xterm", "xdotool")
Answer = TypeVar("Answer")


def until(ask: Callable[[], Answer], *, timeout_s: float = 30.0) -> Answer:
    """The first true answer; fails the test if none comes."""
    deadline = time.monotonic() + timeout_s
    while not (answer := ask()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout_s:.0f} s in vain")
        time.sleep(0.02)
    return answer


class Desk:
    """A display, and the programs on it."""

    server: "subprocess.Popen[bytes]"
    manager: "subprocess.Popen[bytes]"

    def __init__(self, number: str) -> None:
        self.number = number
        self._processes: list[subprocess.Popen[bytes]] = []

    def run(self, *command: str, **settings: Any) -> "subprocess.Popen[bytes]":
        environment = os.environ | {"DISPLAY": self.number, "HOME": "/nonexistent"}
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **settings,
        )
        self._processes.append(process)
        return process

    def end(self, process: "subprocess.Popen[bytes]") -> None:
        self._processes.remove(process)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        for process in reversed(list(self._processes)):
            self.end(process)

    def is_managed(self) -> bool:
        """Has the window manager begun to work?"""
        display = Display(self.number)
        try:
            check = display.intern_atom("_NET_CLIENT_LIST")  # set once it has seen all windows
            return display.screen().root.get_full_property(check, X.AnyPropertyType) is not None
        finally:
            display.close()

    def mark_as_manager(self, name: str) -> None:
        """Point the root's mark of a window manager at an ordinary window."""
        window = int(self.window(name))
        display = Display(self.number)
        check = display.intern_atom("_NET_SUPPORTING_WM_CHECK")
        display.screen().root.change_property(check, Xatom.WINDOW, 32, [window])
        display.sync()
        display.close()

    def xdotool(self, script: str) -> str:
        """Carry out a chain of xdotool commands; the display has processed all of it when this returns."""
        done = subprocess.run(
            ["xdotool", *script.split()],
            env=os.environ | {"DISPLAY": self.number},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout.strip()

    def xterm(
        self, name: str, *, place: str = "80x24+50+50", colour: str = "white", inside: str = "cat"
    ) -> "subprocess.Popen[bytes]":
        """A terminal with this window class, which has the focus when this returns."""
        process = self.run("xterm", "-class", name, "-geometry", place, "-bg", colour, "-fg", colour, "-e", inside)
        self.focus(name)
        return process

    def window(self, name: str) -> str:
        """The number of the visible window of this class; empty if there is none."""
        return self.xdotool(f"search --onlyvisible --class ^{name}$")

    def rename(self, name: str, title: str) -> None:
        """Give a window of this class another title, as a browser does on another page."""
        window = self.window(name)
        subprocess.run(
            ["xdotool", "set_window", "--name", title, window],
            env=os.environ | {"DISPLAY": self.number},
            timeout=30,
            check=True,
        )

    def focus(self, name: str) -> None:
        def has_focus() -> bool:
            window = self.window(name)
            if window and self.xdotool("getactivewindow") != window:
                self.xdotool(f"windowactivate {window}")
            return bool(window) and self.xdotool("getactivewindow") == window

        until(has_focus)


_SESSION = ("DISPLAY", "WAYLAND_DISPLAY", "XDG_SESSION_TYPE", "XDG_SESSION_ID")


def missing() -> list[str]:
    """Which programs a display needs and this machine lacks."""
    return [name for name in NEEDED if shutil.which(name) is None]


@contextmanager
def display() -> Iterator[Desk]:
    """An empty display of 1024 by 768 with openbox; DISPLAY names it, as long as it is there."""
    before = {name: os.environ.pop(name, None) for name in _SESSION}
    read_end, write_end = os.pipe()
    desk = Desk("")
    command = ["Xvfb", "-displayfd", str(write_end), "-screen", "0", "1024x768x24", "-nolisten", "tcp", "-noreset"]
    try:
        desk.server = desk.run(*command, pass_fds=(write_end,))
        os.close(write_end)
        with os.fdopen(read_end) as told:
            desk.number = f":{told.readline().strip()}"
        if desk.number == ":":
            pytest.skip("Xvfb does not start here")
        os.environ["DISPLAY"] = desk.number
        desk.manager = desk.run("openbox")
        until(desk.is_managed)  # a window that shows before would be forgotten
        yield desk
    finally:
        desk.close()
        os.environ.pop("DISPLAY", None)
        os.environ.update({name: value for name, value in before.items() if value is not None})
