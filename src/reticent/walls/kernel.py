"""System calls by number, for what Python's standard library doesn't offer. Linux on x86-64 and 64-bit Arm."""

import ctypes
import errno
import os
import platform
import resource
import sys
from dataclasses import dataclass
from typing import Final, Self

from reticent.errors import WallError

MACHINES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""Machine → AUDIT_ARCH_* of <linux/audit.h>."""

# Name → number on (x86_64, aarch64), None where that machine has no such call. Source: <asm/unistd_64.h> and
# <asm-generic/unistd.h>; tests/walls/test_filters.py compares them with libseccomp's own table.
SYSCALLS: Final[dict[str, tuple[int | None, int | None]]] = {
    "accept": (43, 202),
    "accept4": (288, 242),
    "add_key": (248, 217),
    "bind": (49, 200),
    "bpf": (321, 280),
    "chmod": (90, None),
    "chown": (92, None),
    "chroot": (161, 51),
    "clone": (56, 220),
    "clone3": (435, 435),
    "delete_module": (176, 106),
    "execve": (59, 221),
    "execveat": (322, 281),
    "fanotify_init": (300, 262),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "finit_module": (313, 273),
    "fork": (57, None),
    "fremovexattr": (199, 16),
    "fsetxattr": (190, 7),
    "fsopen": (430, 430),
    "futimesat": (261, None),
    "getsockopt": (55, 209),
    "init_module": (175, 105),
    "inotify_add_watch": (254, 27),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioctl": (16, 29),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "kill": (62, 129),
    "landlock_add_rule": (445, 445),
    "landlock_create_ruleset": (444, 444),
    "landlock_restrict_self": (446, 446),
    "lchown": (94, None),
    "link": (86, None),
    "linkat": (265, 37),
    "listen": (50, 201),
    "lremovexattr": (198, 15),
    "lsetxattr": (189, 6),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pivot_root": (155, 41),
    "prctl": (157, 167),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "removexattr": (197, 14),
    "request_key": (249, 218),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "seccomp": (317, 277),
    "sendmmsg": (307, 269),
    "sendmsg": (46, 211),
    "sendto": (44, 206),
    "setns": (308, 268),
    "setxattr": (188, 5),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "tgkill": (234, 131),
    "tkill": (200, 130),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "utime": (132, None),
    "utimensat": (280, 88),
    "utimes": (235, None),
    "vfork": (58, None),
}

_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_SOL_SOCKET: Final = 1
_SO_DOMAIN: Final = 39


@dataclass(frozen=True, slots=True)
class Kernel:
    """The system calls of this machine. `call` returns the result, or minus the error number."""

    machine: str
    library: ctypes.CDLL

    @classmethod
    def here(cls) -> Self | None:
        """This machine's, or None where its numbers aren't known: then there is no kernel wall."""
        machine = platform.machine()
        if not sys.platform.startswith("linux") or machine not in MACHINES or sys.maxsize < 2**32:
            return None
        return cls(machine, ctypes.CDLL(None, use_errno=True))

    def call(self, name: str, *arguments: object) -> int:
        number = number_of(name, self.machine)
        if number is None:
            return -errno.ENOSYS
        wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
        result = int(self.library.syscall(ctypes.c_long(number), *wide))
        return -ctypes.get_errno() if result == -1 else result


def number_of(name: str, machine: str) -> int | None:
    """The number of a system call, or None where the machine has none of that name."""
    return SYSCALLS[name][list(MACHINES).index(machine)]


def promise_no_new_privileges(kernel: Kernel) -> None:
    """No program started from here gains rights: what the kernel asks for before it takes a filter."""
    if kernel.call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise WallError("the kernel refuses to give up privileges, so no wall can stand; nothing was read or sent")


def set_undumpable(kernel: Kernel) -> None:
    """No core dump, and no other process of this account may trace this one or read its memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if kernel.call("prctl", _PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise WallError("the kernel refuses to protect this process's memory; nothing was read")


def socket_domain(kernel: Kernel, descriptor: int) -> int:
    """The address family of an open socket.

    Raises: OSError, if it is none.
    """
    domain, size = ctypes.c_int(), ctypes.c_uint32(4)
    result = kernel.call("getsockopt", descriptor, _SOL_SOCKET, _SO_DOMAIN, ctypes.byref(domain), ctypes.byref(size))
    if result != 0:
        raise OSError(-result, os.strerror(-result))
    return domain.value
