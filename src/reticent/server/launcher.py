"""How a child process of the server starts and ends: clean environment, own process group, one log file, no orphans."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from reticent.aggregate.standing import ENDS_WITH_PARENT
from reticent.errors import StateError
from reticent.server.settings import ServerPaths
from reticent.walls.parent import end_with_parent

_LOG_LIMIT_BYTES = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Program:
    """One of the three processes: its name, its argument list, its log."""

    name: str
    arguments: tuple[str, ...]
    log: Path


def environment(paths: ServerPaths) -> dict[str, str]:
    """All that a child inherits. Nothing of the operator's own environment but the search path's system part."""
    return {
        "PATH": f"{executables()}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(paths.flower_home),
        "LANG": "C.UTF-8",
        "FLWR_HOME": str(paths.flower_home),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.5",
        ENDS_WITH_PARENT: "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONSAFEPATH": "1",
        "NO_COLOR": "1",
    }


def executables() -> Path:
    """Where this installation's commands stand."""
    return Path(sys.executable).parent


def executable(name: str) -> str:
    """The absolute path of one of Flower's commands. Raises StateError if the installation lacks it."""
    path = executables() / name
    if not path.exists():
        raise StateError(f"{name} is not beside {sys.executable}; install reticent with its `server` extra")
    return str(path)


class Child:
    """A running program. Its process group has its own id, so that it ends with everything it started."""

    def __init__(self, program: Program, *, environment: Mapping[str, str]) -> None:
        self.program = program
        self.started = time.monotonic()
        _rotate(program.log)
        with program.log.open("ab") as log:
            self._first_byte = log.tell()
            self._process = subprocess.Popen(
                program.arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd="/",
                umask=0o077,
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGKILL),
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def ask_to_end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)

    def end(self, *, grace_s: float) -> None:
        """SIGTERM to the group, SIGKILL after `grace_s`; returns when nothing of the group is left."""
        self.ask_to_end()
        deadline = time.monotonic() + grace_s
        while self._alive():
            if time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, signal.SIGKILL)
            time.sleep(0.02)
        self._process.wait()

    def _alive(self) -> bool:
        return self._process.poll() is None or bool(group_members(self.pid))

    def last_words(self) -> str:
        """The last line that it wrote to its log."""
        with self.program.log.open("rb") as log:
            log.seek(self._first_byte)
            lines = log.read()[-4096:].decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it wrote nothing")


def group_members(group: int) -> tuple[int, ...]:
    """Ids of the live processes of a process group (zombies don't count: they run nothing)."""
    members = []
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError, PermissionError, psutil.Error):
            if os.getpgid(pid) == group and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                members.append(pid)
    return tuple(members)


def _rotate(log: Path) -> None:
    """One older log is kept; a server that restarts for years fills no disk."""
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".old.log"))
