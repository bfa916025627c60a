"""A power switch: ends this process before its n-th durable step, and takes back what the disk hadn't been told to keep.

What a disk may lose is what no fsync came after: the tail of a file, an entry of a folder (a new file, a new folder, a
rename). `cut=False` is kill -9: the operating system lives on and keeps everything that was written.
"""

import os
import shutil
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

CALLS = ("open", "write", "fsync", "ftruncate", "mkdir", "rename", "replace", "unlink", "rmdir")


class PowerSwitch:
    """Counts the calls that change the disk below `root`, and whatever else is told to `step`."""

    def __init__(self, root: Path, *, at: int, cut: bool) -> None:
        self._root = root
        self._left = at
        self._cut = cut
        self._real = {name: getattr(os, name) for name in CALLS}
        self._undo: dict[Path, list[Callable[[], None]]] = {}  # folder → how to take back its entries, oldest first
        self._tails: dict[Path, int] = {}  # file → how many of its bytes are on the disk
        for name in CALLS:
            setattr(os, name, self._wrapped(name))

    def step(self, what: str) -> None:
        self._left -= 1
        if self._left == 0:
            if self._cut:
                self._lose()
            os.kill(os.getpid(), signal.SIGKILL)

    def _wrapped(self, name: str) -> Callable[..., Any]:
        note = getattr(self, f"_{name}", None)

        def counted(*arguments: Any, **options: Any) -> Any:
            if name != "open" or arguments[1] & os.O_CREAT:
                self.step(name)
            if note is not None:
                note(*arguments)
            if name == "fsync":  # the machine stays up, and the test fast
                return None
            return self._real[name](*arguments, **options)

        return counted

    def _open(self, path: Any, flags: int, *rest: int) -> None:
        path = Path(path)
        if flags & os.O_CREAT and not path.exists():
            self._entry(path, lambda: path.unlink(missing_ok=True))
            self._tails[path] = 0

    def _mkdir(self, path: Any, *rest: int) -> None:
        path = Path(path)
        if not path.exists():
            self._entry(path, lambda: shutil.rmtree(path, ignore_errors=True))

    def _rename(self, source: Any, target: Any) -> None:
        source, target = Path(source), Path(target)
        before = target.read_bytes() if target.is_file() else None

        def back() -> None:
            self._real["rename"](target, source)
            if before is not None:
                target.write_bytes(before)

        self._entry(target, back)
        self._tails.pop(target, None)
        if source in self._tails:
            self._tails[target] = self._tails.pop(source)

    _replace = _rename

    def _write(self, descriptor: int, data: bytes) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        self._tails.setdefault(path, path.stat().st_size if path.is_file() else 0)

    def _fsync(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            self._undo.pop(path, None)
        else:
            self._tails.pop(path, None)

    def _entry(self, path: Path, back: Callable[[], None]) -> None:
        if path.is_relative_to(self._root):
            self._undo.setdefault(path.parent, []).append(back)

    def _lose(self) -> None:
        for name, real in self._real.items():
            setattr(os, name, real)
        for path, kept in self._tails.items():
            if path.is_file() and path.is_relative_to(self._root):
                size = path.stat().st_size
                os.truncate(path, kept + (size - kept) // 2)
        for folder in sorted(self._undo, reverse=True):  # the innermost first
            for back in reversed(self._undo[folder]):
                back()
