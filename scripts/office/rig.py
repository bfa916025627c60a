"""Which processes does a scripted person need, and how do they all end?"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import psutil

NEEDED = ("Xvfb", "openbox", "chromium", "chromedriver", "mousepad", "xterm")
PATIENCE_S = 60.0
Answer = TypeVar("Answer")


def missing() -> tuple[str, ...]:
    """Programs that this machine lacks."""
    return tuple(name for name in NEEDED if shutil.which(name) is None)


def wait_for(ask: Callable[[], Answer | None], *, what: str, patience_s: float = PATIENCE_S) -> Answer:
    """The first answer that is neither None nor false."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.05)
    raise TimeoutError(f"waited {patience_s:.0f} s for {what}")


class Rig:
    """An own X display with a window manager, a scratch home, and every process started on them."""

    def __init__(self, *, width: int, height: int) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="office-"))
        self.width, self.height = width, height
        self._processes: list[subprocess.Popen[bytes]] = []
        self.environment = dict(os.environ)

    def __enter__(self) -> "Rig":
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        read_end, write_end = os.pipe()
        size = f"{self.width}x{self.height}x24"
        self.run(
            ["Xvfb", "-displayfd", str(write_end), "-screen", "0", size, "-nolisten", "tcp", "-noreset"],
            pass_fds=(write_end,),
        )
        os.close(write_end)
        with os.fdopen(read_end) as told:
            number = told.readline().strip()
        if not number:
            raise RuntimeError("Xvfb ended before it named a display")
        for name in ("WAYLAND_DISPLAY", "XDG_SESSION_TYPE", "XDG_SESSION_ID", "DBUS_SESSION_BUS_ADDRESS"):
            self.environment.pop(name, None)
            os.environ.pop(name, None)
        self.environment.update(
            DISPLAY=f":{number}",
            HOME=str(self.home),
            OFFICE_RIG=str(self.home),
            XDG_CONFIG_HOME=str(self.home / ".config"),
            XDG_CACHE_HOME=str(self.home / ".cache"),
            XDG_DATA_HOME=str(self.home / ".local/share"),
            XDG_RUNTIME_DIR=str(self.home / ".run"),
            GSETTINGS_BACKEND="keyfile",
            NO_AT_BRIDGE="1",
            LANG="C.UTF-8",
            SHELL="/bin/bash",
            HISTFILE="/dev/null",
        )
        (self.home / ".run").mkdir(mode=0o700)
        os.environ["DISPLAY"] = f":{number}"
        self.run(["openbox"])

    def run(self, command: Sequence[str], **settings: object) -> "subprocess.Popen[bytes]":
        """Start a program in a process group of its own, its output thrown away."""
        process = subprocess.Popen(
            command,
            env=self.environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **settings,  # type: ignore[call-overload]
        )
        self._processes.append(process)
        return process

    def close(self) -> None:
        """End everything that was started, the display last, and remove the scratch home."""
        for process in reversed(self._processes):
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(2.0)
                    break
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # whoever is left of its group
        self._processes.clear()
        end_strays(str(self.home))
        shutil.rmtree(self.home, ignore_errors=True)


def end_strays(home: str) -> None:
    """End what programs of this rig have started themselves, known by a variable that they inherited."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("OFFICE_RIG") == home and process.pid != os.getpid():
                process.kill()
