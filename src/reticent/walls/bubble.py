"""A file tree with nothing else in it, by bubblewrap: for kernels without Landlock. Linux; `bwrap` must be installed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from reticent.errors import WallError
from reticent.walls import places

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def available() -> bool:
    """Whether bubblewrap is installed and may make namespaces here; distributions differ in that."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return False
    attempt = [bwrap, "--ro-bind", "/", "/", "--unshare-pid", "--proc", "/proc", "--", "/bin/true"]
    return subprocess.run(attempt, capture_output=True, check=False).returncode == 0


def run(command: Sequence[str], *, readable: Iterable[Path], writable: Iterable[Path], names: bool) -> int:
    """Run `command` where only Python, `readable` and `writable` exist, and pass on SIGTERM, SIGINT and SIGHUP.

    names: whether host names are looked up, which needs the resolver's settings.
    Returns: its exit code, or minus the signal that ended it. It dies with this process.
    Raises: WallError, if bubblewrap doesn't start.
    """
    tree = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--as-pid-1", "--new-session"]
    tree += ["--die-with-parent", "--cap-drop", "ALL", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]  # noqa: S108
    interpreters = {Path(sys.executable).parent, Path(sys.executable).resolve().parent}
    shown = [Path("/dev"), Path("/proc")]
    for place in sorted({*places.of_python(), *interpreters, *places.of_the_system(names=names), *readable}):
        if not any(place.is_relative_to(parent) for parent in shown):
            shown.append(place)
            tree += ["--ro-bind", str(place), str(place)]
    for place in writable:
        tree += ["--bind", str(place), str(place)]
    reader, writer = os.pipe()
    child: list[int] = []
    asked: list[int] = []

    def pass_on(number: int, _: object) -> None:
        asked.append(number)
        if child:
            os.kill(child[0], number)

    earlier = {number: signal.signal(number, pass_on) for number in _SIGNALS}
    try:
        started = subprocess.Popen(
            ["bwrap", "--info-fd", str(writer), *tree, "--chdir", "/", "--", *command], pass_fds=(writer,)
        )
        os.close(writer)
        with os.fdopen(reader) as file:
            said = file.read(4096)
        if said:
            child.append(int(json.loads(said)["child-pid"]))
            for number in asked:
                os.kill(child[0], number)
        elif started.wait() != 0:
            raise WallError("bubblewrap is installed and doesn't start; nothing was sent")
        return started.wait()
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
