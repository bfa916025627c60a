"""Which files and TCP ports this process may use: Landlock, from Linux 5.13 on.

Source: the kernel's docs, userspace-api/landlock; <linux/landlock.h>.
"""

import ctypes
import os
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from reticent.errors import WallError
from reticent.walls.kernel import Kernel, promise_no_new_privileges

_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG, _TRUNCATE = 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 14
_READ: Final = _READ_FILE | _READ_DIR  # never the right to execute: mapping a library doesn't need it
_WRITE: Final = _READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _TRUNCATE
_OF_A_FILE: Final = _WRITE_FILE | _READ_FILE | _TRUNCATE
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1
_SCOPE_ABSTRACT_UNIX, _SCOPE_SIGNAL = 1 << 0, 1 << 1
_RULE_PATH, _RULE_PORT = 1, 2
_ASK_VERSION: Final = 1

# Rights that each version of the interface knows; asking for one too many is refused as a whole.
_RIGHTS: Final = {1: 1 << 13, 2: 1 << 14, 3: 1 << 15, 4: 1 << 15, 5: 1 << 16}


def version(kernel: Kernel) -> int:
    """The interface's version, 0 where the kernel has none or it is switched off."""
    return max(0, kernel.call("landlock_create_ruleset", None, 0, _ASK_VERSION))


def here() -> bool:
    """Whether this machine's kernel has Landlock."""
    kernel = Kernel.here()
    return kernel is not None and version(kernel) > 0


def restrict(kernel: Kernel, *, read: Iterable[Path], write: Iterable[Path], connect: Sequence[int]) -> bool:
    """Leave this thread, and those it starts, `read` and `write` with all below, and TCP to the ports in `connect`.

    Places that don't exist are passed over. From version 4 on ports count, from 6 on signals to others are refused.
    Returns: False where the kernel has no Landlock; then nothing changed.
    Raises: WallError, if more than one thread runs (they would stay free) or the kernel refuses a rule.
    """
    known = version(kernel)
    if known == 0:
        return False
    if len(list(Path("/proc/self/task").iterdir())) != 1:
        raise WallError("the courier's wall must stand before a second thread is started; nothing was sent")
    handled = _RIGHTS[min(known, max(_RIGHTS))] - 1
    attributes = struct.pack(
        "=QQQ",
        handled,
        _BIND_TCP | _CONNECT_TCP if known >= 4 else 0,
        _SCOPE_ABSTRACT_UNIX | _SCOPE_SIGNAL if known >= 6 else 0,
    )[: 8 if known < 4 else 16 if known < 6 else 24]
    ruleset = _checked(kernel.call("landlock_create_ruleset", attributes, len(attributes), 0))
    try:
        for places, rights in ((read, _READ), (write, _WRITE)):
            for place in places:
                _allow_path(kernel, ruleset, place, rights & handled)
        for port in connect if known >= 4 else ():
            rule = struct.pack("=QQ", _CONNECT_TCP, port)
            _checked(kernel.call("landlock_add_rule", ruleset, _RULE_PORT, rule, 0))
        promise_no_new_privileges(kernel)
        _checked(kernel.call("landlock_restrict_self", ruleset, 0))
    finally:
        os.close(ruleset)
    return True


def _allow_path(kernel: Kernel, ruleset: int, place: Path, rights: int) -> None:
    try:
        anchor = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not place.is_dir():
            rights &= _OF_A_FILE
        rule = struct.pack("=Qi", rights, anchor)
        _checked(kernel.call("landlock_add_rule", ruleset, _RULE_PATH, ctypes.c_char_p(rule), 0))
    finally:
        os.close(anchor)


def _checked(result: int) -> int:
    if result < 0:
        raise WallError(f"the kernel refuses a Landlock rule ({os.strerror(-result)}); nothing was sent")
    return result
