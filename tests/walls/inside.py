"""Code that runs in a process of its own, behind a wall or beside one: nothing here trusts what a wall says of itself."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from reticent.walls import landlock
from reticent.walls.kernel import Kernel

KERNEL = Kernel.here()


PREAMBLE = """
import ctypes, errno, json, os, platform, socket, struct, subprocess, sys, threading
from pathlib import Path
from reticent.walls import keeper_wall, courier_wall
from reticent.walls.kernel import SYSCALLS
LIBC = ctypes.CDLL(None, use_errno=True)
COLUMN = ["x86_64", "aarch64"].index(platform.machine())
def raw(name, *arguments):
    number = name if isinstance(name, int) else SYSCALLS[name][COLUMN]
    result = LIBC.syscall(ctypes.c_long(number), *arguments)
    return errno.errorcode[ctypes.get_errno()] if result == -1 else result
def tried(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except OSError as error:
        return type(error).__name__
    return "DONE"
def told(**answers):
    print(json.dumps(answers))
"""


def inside(code: str, *arguments: object, **environment: str) -> dict[str, Any]:
    """What a fresh process tells about itself."""
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


CONFINED = """
root = Path(sys.argv[1])
wall = courier_wall(
    hidden=root / "keeper", readable=(root / "courier", root / "spool/outbox"), writable=(root / "spool/inbox",),
    ports=(int(os.environ.get("PORT", "9")),),
)
"""


def confined(code: str, state: Path, **environment: str) -> dict[str, Any]:
    return inside(CONFINED + textwrap.dedent(code), state, **environment)


def native_only(code: str, state: Path, **environment: str) -> dict[str, Any]:
    """The same without the audit hook, so that it is the kernel that refuses."""
    return inside(
        "import reticent.walls\nreticent.walls.watch_courier = lambda **_: None\n" + CONFINED + textwrap.dedent(code),
        state,
        **environment,
    )


needs_landlock = pytest.mark.skipif(
    KERNEL is None or landlock.version(KERNEL) == 0, reason="this kernel has no Landlock"
)
