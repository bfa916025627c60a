"""What Python itself reports before doing it: the second line, and the only one where the kernel offers none.

It can't see native code, and code that is bent on it can walk round it; it stops mistakes and libraries that call home.
Each refusal is a PermissionError, as the kernel's would be.
"""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

_AF_UNIX: Final = 1
_LOOK_UPS: Final = frozenset(
    f"socket.{name}" for name in ("getaddrinfo", "gethostbyname", "gethostbyaddr", "getnameinfo")
)
_ADDRESSED: Final = frozenset(f"socket.{name}" for name in ("connect", "bind", "sendto", "sendmsg"))
_PROGRAMS: Final = frozenset(
    {
        "subprocess.Popen",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.startfile",
        "os.system",
        "pty.spawn",
    }
)
_FILES: Final = frozenset({"open", "os.listdir", "os.scandir", "os.link", "os.symlink", "os.rename", "os.truncate"})
_STRANGERS: Final = frozenset({"torch", "opacus", "pynput", "mss"})
_PRIVATE: Final = frozenset({"capture", "learn", "keeper", "client", "egress"})


def watch_keeper() -> None:
    """Refuse every socket but AF_UNIX, and every look-up of a name."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if not event.startswith("socket."):
            return
        if event in _LOOK_UPS:
            raise PermissionError("the keeper has no network and looks up no names; nothing was sent")
        if event == "socket.__new__" and arguments[1] not in (_AF_UNIX, -1):
            raise PermissionError("the keeper opens no socket but AF_UNIX; nothing was sent")
        if event in _ADDRESSED and not isinstance(arguments[1], str | bytes | None):
            raise PermissionError("the keeper talks to no address on a network; nothing was sent")

    sys.addaudithook(hook)


def watch_courier(*, hidden: Path, code: Sequence[Path], ports: Sequence[int]) -> None:
    """Refuse opening anything below `hidden`, starting programs, code from elsewhere than `code`, and other ports."""
    below = os.path.realpath(hidden)
    roots = tuple(f"{os.path.realpath(root)}{os.sep}" for root in code)

    def from_here(name: object, *, depth: int) -> bool:
        text = os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else ""
        if text.startswith("<frozen "):
            return True
        if not text or text.startswith("<"):  # made by a library as it is loaded: dataclasses, namedtuple, attrs
            text = sys._getframe(depth).f_code.co_filename
            return text.startswith("<frozen ") or os.path.realpath(text).startswith(roots)
        return os.path.realpath(text).startswith(roots)

    def no_program(_: tuple[Any, ...]) -> None:
        raise PermissionError("the courier starts no other program; nothing was started")

    def not_hidden(arguments: tuple[Any, ...]) -> None:
        for name in arguments[:2]:
            if isinstance(name, str | bytes | os.PathLike):
                path = os.path.realpath(os.fsdecode(name))
                if path == below or path.startswith(below + os.sep):
                    raise PermissionError("the courier opens nothing of the keeper's; nothing was opened")

    def no_stranger(arguments: tuple[Any, ...]) -> None:
        parts = str(arguments[0]).split(".")
        if parts[0] in _STRANGERS or (parts[0] == "reticent" and _PRIVATE.intersection(parts[1:2])):
            raise PermissionError(f"the courier never imports {parts[0]}'s private half; nothing was imported")

    def known_code(arguments: tuple[Any, ...]) -> None:
        if not from_here(getattr(arguments[0], "co_filename", ""), depth=3):
            raise PermissionError("the courier runs no code but its own; nothing was run")

    def known_source(arguments: tuple[Any, ...]) -> None:
        if not from_here(arguments[1], depth=3):
            raise PermissionError("the courier compiles no code but its own; nothing was run")

    def no_pickle(_: tuple[Any, ...]) -> None:
        raise PermissionError("the courier reads no pickles; nothing was read")

    def known_port(arguments: tuple[Any, ...]) -> None:
        address = arguments[1]
        if address is None:  # sendmsg on what is connected already
            return
        if not (isinstance(address, tuple) and len(address) >= 2 and address[1] in ports):
            raise PermissionError("the courier connects to its gateway only; nothing was sent")

    def no_serving(_: tuple[Any, ...]) -> None:
        raise PermissionError("the courier listens nowhere; nothing was opened")

    refusals: dict[str, Callable[[tuple[Any, ...]], None]] = {
        **dict.fromkeys(_PROGRAMS, no_program),
        **dict.fromkeys(_FILES, not_hidden),
        "import": no_stranger,
        "exec": known_code,
        "compile": known_source,
        "pickle.find_class": no_pickle,
        "socket.connect": known_port,
        "socket.sendto": known_port,  # TCP Fast Open connects as it sends; no hook is told the flags, so the port counts
        "socket.sendmsg": known_port,
        "socket.bind": no_serving,
    }

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        refusal = refusals.get(event)
        if refusal is not None:
            refusal(arguments)

    sys.addaudithook(hook)
