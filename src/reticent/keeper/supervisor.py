"""`reticent device run`: starts courier and keeper, and ends both together.

The courier confines itself first and says which wall stands, so that the keeper can record it with every charge.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from reticent.errors import StateError, printable
from reticent.keeper.state import existing
from reticent.walls.parent import end_with_parent

STOP_TIMEOUT_S = 15
POLL_S = 0.1


def stop_flag() -> Callable[[], bool]:
    """Ask the returned function whether SIGTERM, SIGINT or SIGHUP has come.

    The handlers only note it: setting a threading.Event there can deadlock with the wait that it interrupts.
    """
    came: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: came.append(number))
    return lambda: bool(came)


def run(root: Path, *, report: Callable[[str], None], stopped: Callable[[], bool]) -> int:
    """Run both processes until `stopped` or one of them ends. Returns the first bad exit code, or 0.

    report: takes one line for a person. Raises: StateError, if the device has no connection or a process ends at its start.
    """
    folder = existing(root)
    if not folder.connection.exists():
        raise StateError(f"{root} is not enrolled; use 'reticent device enroll {root} TICKET'; nothing was sent")
    children: list[subprocess.Popen[str]] = []
    try:
        courier = _start(children, "reticent.courier", str(root))
        wall = _ready(courier, "courier")["wall"]
        keeper = _start(children, "reticent.keeper", str(root), "--courier-wall", str(wall))
        walls = _ready(keeper, "keeper")["walls"]
        report(f"keeper wall: {walls['keeper']}; courier wall: {walls['courier']}")
        report("ready")
        while not stopped():
            time.sleep(POLL_S)
            ended = [child.poll() for child in children if child.poll() is not None]
            if ended:
                return next((code for code in ended if code), 0)
        return 0
    finally:
        _end(children)


def _start(children: list[subprocess.Popen[str]], module: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in {"PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"}
    }
    environment |= {
        "OMP_NUM_THREADS": "1",
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],  # -P: no code from the folder that this was started in
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,  # a terminal would be a way out: TIOCSTI types into it
        start_new_session=True,
        preexec_fn=end_with_parent(signal.SIGKILL),
        text=True,
        errors="replace",
    )
    children.append(child)
    threading.Thread(target=_pass_on, args=(child.stderr,), daemon=True).start()
    return child


def _ready(child: subprocess.Popen[str], name: str) -> dict[str, dict[str, str]]:
    """The line with which a process says that it stands; the rest of its output is passed on."""
    assert child.stdout is not None  # noqa: S101 - asked for in _start
    for line in child.stdout:
        if line.startswith('{"ready"'):
            answer: dict[str, dict[str, str]] = json.loads(line)
            threading.Thread(target=_pass_on, args=(child.stdout,), daemon=True).start()
            return answer
    raise StateError(
        f"the {name} ended at its start (exit {child.wait()}); its own message stands above; nothing was sent"
    )


def _pass_on(output: IO[str]) -> None:
    for line in output:
        with contextlib.suppress(OSError):  # whoever listened has gone; a daemon must not stop for want of a reader
            sys.stderr.write(printable(line.rstrip("\n")) + "\n")


def _end(children: list[subprocess.Popen[str]]) -> None:
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
    for child in children:
        try:
            child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
