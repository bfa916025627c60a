"""What the kernel keeps a process from: the keeper from the network, the courier from what was captured.

Each wall returns what really stands, e.g. `seccomp+audit`, and `audit only` where the platform has no more to offer:
the audit hook sees what goes through Python only. Nothing here is ever undone; a child inherits the kernel's part.
Not promised: that hostile code in the keeper can't ask another program over AF_UNIX, say the session bus, to fetch a
page.
"""

import os
import stat
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from reticent.errors import WallError
from reticent.walls import landlock, places, seccomp
from reticent.walls.audit import watch_courier, watch_keeper
from reticent.walls.kernel import Kernel, set_undumpable, socket_domain
from reticent.walls.seccomp import AF_INET, AF_INET6, AF_UNIX, SOCK_DGRAM, SOCK_STREAM

AUDIT_ONLY: Final = "audit only"


def keeper_wall() -> str:
    """Take the network from this process, its threads and its children. AF_UNIX stays, for display and keyring.

    Also: no tracing of others, no core dump, and no other program of the same account can read this one's memory.
    Returns: what stands, "seccomp+audit" or "audit only".
    Raises: WallError, if an IP socket is open already or the kernel took the filter and still opens one.
    """
    strangers = [domain for domain in _open_socket_domains() if domain != AF_UNIX]
    if strangers:
        raise WallError(
            f"the keeper was started with {len(strangers)} network socket(s) open; it may have none; nothing was read"
        )
    stands = []
    kernel = Kernel.here()
    if kernel is not None:
        set_undumpable(kernel)
        if seccomp.install(kernel, seccomp.keeper_rules(kernel.machine)):
            _check_refused(kernel, domains=(AF_INET, AF_INET6), who="keeper")
            stands.append("seccomp")
    watch_keeper()
    return _named(stands)


def courier_wall(
    *,
    hidden: Path,
    readable: Iterable[Path],
    writable: Iterable[Path],
    ports: Sequence[int],
    around: str | None = None,
) -> str:
    """Leave this process a Python to run, `readable` and `writable` with all below, and TCP to `ports`; nothing else.

    hidden: the keeper's folder; no path leads there afterwards. Call it while there is one thread only.
    ports: TCP ports to connect to; port 53 among them means that host names are looked up (UDP too).
    around: the name of a wall that this process was started in, so that `hidden` doesn't exist for it; it is checked.
    Returns: what stands: "landlock+seccomp+audit", or less, or "audit only".
    Raises: WallError, if what must be readable holds `hidden`, or if `hidden` still opens once a wall stands.
    """
    readable, writable = tuple(readable), tuple(writable)
    needed = (*readable, *writable, *places.of_python(), *places.of_the_system(names=53 in ports))
    for place in needed:
        if hidden.resolve().is_relative_to(place.resolve()):
            raise WallError(
                f"the courier must read {place}, which holds the keeper's folder; "
                "move the state folder elsewhere; nothing was sent"
            )
    stands = []
    if around is not None:
        _check_hidden(hidden)
        stands.append(around)
    kernel = Kernel.here()
    if kernel is not None:
        if landlock.restrict(kernel, read=needed, write=writable, connect=ports):
            _check_hidden(hidden)
            stands.append("landlock")
        kinds = (SOCK_STREAM, SOCK_DGRAM) if 53 in ports else (SOCK_STREAM,)
        if seccomp.install(kernel, seccomp.courier_rules(kernel.machine, kinds=kinds, pid=os.getpid())):
            _check_refused(kernel, domains=(AF_UNIX,), who="courier")
            stands.append("seccomp")
    watch_courier(hidden=hidden, code=places.of_python(), ports=ports)
    return _named(stands)


def _named(stands: Sequence[str]) -> str:
    return "+".join([*stands, "audit"]) if stands else AUDIT_ONLY


def _open_socket_domains() -> tuple[int, ...]:
    """The address families of the sockets that this process holds; empty where the platform doesn't tell."""
    kernel = Kernel.here()
    if kernel is None:
        return ()
    domains = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if stat.S_ISSOCK(os.fstat(int(entry.name)).st_mode):
                domains.append(socket_domain(kernel, int(entry.name)))
        except OSError:  # the listing's own descriptor is closed again
            continue
    return tuple(domains)


def _check_refused(kernel: Kernel, *, domains: Sequence[int], who: str) -> None:
    for domain in domains:
        descriptor = kernel.call("socket", domain, SOCK_STREAM, 0)
        if descriptor >= 0:
            os.close(descriptor)
            raise WallError(f"the {who}'s wall was accepted by the kernel and doesn't stand; nothing was read or sent")


def _check_hidden(hidden: Path) -> None:
    try:
        os.close(os.open(hidden, os.O_RDONLY))
    except OSError:
        return
    raise WallError("the courier's wall was put up and the keeper's folder still opens; nothing was sent")


if sys.platform == "win32":  # pragma: no cover - the spool needs POSIX; said here so that it is said once
    raise WallError("reticent's daemons run on Linux and macOS; nothing was started")
