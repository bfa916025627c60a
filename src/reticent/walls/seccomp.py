"""Which system calls this process may make: a seccomp filter, written as classic BPF.

Not libseccomp: the filter is short enough to read, and a promise must not hang on whether a C library is installed.
Source: the kernel's docs, userspace-api/seccomp_filter; <linux/filter.h>, <linux/seccomp.h>.
"""

import ctypes
import errno
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from reticent.errors import WallError
from reticent.walls.kernel import MACHINES, Kernel, number_of, promise_no_new_privileges

AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10
SOCK_STREAM, SOCK_DGRAM = 1, 2
_SOCK_TYPE_MASK: Final = 0xF
_CLONE_THREAD: Final = 0x10000
_X32: Final = 0x40000000

_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16  # struct seccomp_data; both machines are little-endian
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_SET_MODE_FILTER, _TSYNC = 1, 1

_SPYING: Final = ("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", "process_madvise")
_KERNEL_DOORS: Final = (
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
)
_IO_URING: Final = ("io_uring_setup", "io_uring_enter", "io_uring_register")  # it opens sockets past any filter
_NEW_PROGRAMS: Final = ("execve", "execveat", "fork", "vfork")
_OTHER_ROOTS: Final = (
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "unshare",
    "setns",
    "open_tree",
    "move_mount",
    "fsopen",
    "mount_setattr",
    "open_by_handle_at",
    "name_to_handle_at",
)
# What Landlock leaves open: changing who may read a file one can't read oneself.
_PERMISSIONS: Final = (
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "removexattr",
    "lremovexattr",
    "fremovexattr",
)
_LINKS: Final = ("link", "linkat", "symlink", "symlinkat", "mknod", "mknodat")
_OTHERS: Final = ("kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open", "pidfd_send_signal")
_KEYRINGS: Final = ("add_key", "request_key", "keyctl")
_SERVING: Final = ("bind", "listen", "accept", "accept4")
# What Landlock leaves open as well: a live feed of names in any folder, and the times of files one can't read.
_WATCHING: Final = ("inotify_add_watch", "fanotify_init", "utimensat", "utime", "utimes", "futimesat")
_TCP, _UDP = 6, 17
_FAST_OPEN: Final = 0x20000000  # MSG_FASTOPEN connects past Landlock's rule about ports
_TYPING: Final = (0x5412, 0x541C)  # TIOCSTI and TIOCLINUX type into a terminal that this process holds


@dataclass(frozen=True, slots=True)
class Rule:
    """A system call and what becomes of it: refused with `error`, unless its arguments are as `only` and `never` say.

    only: (argument's index, mask, allowed values of argument & mask), all of which must hold; the low 32 bits count,
    which is all that the kernel takes of these arguments. never: likewise, values of which none may hold; all else may.
    """

    name: str
    error: int = errno.EPERM
    only: tuple[tuple[int, int, tuple[int, ...]], ...] = field(default=())
    never: tuple[tuple[int, int, tuple[int, ...]], ...] = field(default=())


def keeper_rules(machine: str) -> tuple[Rule, ...]:
    """No socket but AF_UNIX, by any way there is; no spying on others."""
    domains = ((0, 0xFFFFFFFF, (AF_UNIX,)),)
    return _known(
        machine,
        Rule("socket", errno.EACCES, domains),
        Rule("socketpair", errno.EACCES, domains),
        _no_typing(),
        *(Rule(name, errno.ENOSYS) for name in _IO_URING),  # as if the kernel had none: libraries then do without
        *(Rule(name) for name in _SPYING + _KERNEL_DOORS),
    )


def courier_rules(machine: str, *, kinds: Sequence[int], pid: int) -> tuple[Rule, ...]:
    """IP sockets of these kinds to connect from; no new process or program, no other root, no spying, no signals.

    kinds: SOCK_STREAM, and SOCK_DGRAM where host names are looked up. pid: this process, which may signal itself.
    """
    families, types = (0, 0xFFFFFFFF, (AF_INET, AF_INET6)), (1, _SOCK_TYPE_MASK, tuple(kinds))
    protocols = (
        2,
        0xFFFFFFFF,
        (0, _TCP, _UDP) if SOCK_DGRAM in kinds else (0, _TCP),
    )  # not MPTCP, which evades Landlock
    return _known(
        machine,
        Rule("socket", errno.EACCES, (families, types, protocols)),
        Rule("sendto", errno.EACCES, ((3, _FAST_OPEN, (0,)),)),
        Rule("sendmsg", errno.EACCES, ((2, _FAST_OPEN, (0,)),)),
        Rule("sendmmsg", errno.EACCES, ((3, _FAST_OPEN, (0,)),)),
        _no_typing(),
        Rule("socketpair", errno.EACCES),
        Rule("clone3", errno.ENOSYS),  # its flags lie in memory, where no filter can look; libc then uses clone
        Rule("clone", errno.EPERM, ((0, _CLONE_THREAD, (_CLONE_THREAD,)),)),
        Rule("tgkill", errno.EPERM, ((0, 0xFFFFFFFF, (pid,)),)),
        *(Rule(name, errno.ENOSYS) for name in _IO_URING),
        *(Rule(name) for name in _SPYING + _KERNEL_DOORS + _NEW_PROGRAMS + _OTHER_ROOTS),
        *(Rule(name) for name in _PERMISSIONS + _LINKS + _OTHERS + _KEYRINGS + _SERVING + _WATCHING),
    )


def _no_typing() -> Rule:
    return Rule("ioctl", never=((1, 0xFFFFFFFF, _TYPING),))


def install(kernel: Kernel, rules: Sequence[Rule]) -> bool:
    """Apply the rules to every thread of this process and all that they start.

    Returns: False where the kernel has no seccomp filters; then nothing changed.
    Raises: WallError, if some thread can't take the filter.
    """
    promise_no_new_privileges(kernel)
    program = assemble(kernel.machine, rules)
    instructions = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions))
    result = kernel.call("seccomp", _SET_MODE_FILTER, _TSYNC, header)
    if result in (-errno.ENOSYS, -errno.EINVAL):
        return False
    if result != 0:
        raise WallError("the kernel can't confine every thread of this process; nothing was read or sent")
    return True


def assemble(machine: str, rules: Sequence[Rule]) -> bytes:
    """The filter: another machine's calls are refused, then each rule in turn, and the rest is allowed."""
    code = [_statement(_LOAD, _ARCH_AT), _jump(_EQUAL, MACHINES[machine], 1, 0), _refuse(errno.EPERM)]
    code.append(_statement(_LOAD, _NUMBER_AT))
    if machine == "x86_64":
        code += [_jump(_AT_LEAST, _X32, 0, 1), _refuse(errno.EPERM)]
    for rule in rules:
        body = _conditions(rule)
        number = number_of(rule.name, machine)
        if number is None:
            continue
        code += [_jump(_EQUAL, number, 0, len(body)), *body]
    code.append(_statement(_RETURN, _ALLOW))
    return b"".join(code)


def _conditions(rule: Rule) -> list[bytes]:
    """Refuse unless every argument is as it should be and none as it must not be.

    Ends in a return on every way, so the accumulator may change.
    """
    code = []
    for index, mask, allowed in rule.only:
        code += [_statement(_LOAD, _ARGUMENTS_AT + 8 * index), _statement(_AND, mask)]
        for position, value in enumerate(allowed):
            code.append(_jump(_EQUAL, value, len(allowed) - position, 0))  # past the refusal
        code.append(_refuse(rule.error))
    for index, mask, forbidden in rule.never:
        code += [_statement(_LOAD, _ARGUMENTS_AT + 8 * index), _statement(_AND, mask)]
        for value in forbidden:
            code += [_jump(_EQUAL, value, 0, 1), _refuse(rule.error)]
    code.append(_statement(_RETURN, _ALLOW) if rule.only or rule.never else _refuse(rule.error))
    return code


def _known(machine: str, *rules: Rule) -> tuple[Rule, ...]:
    return tuple(rule for rule in rules if number_of(rule.name, machine) is not None)


def _statement(operation: int, value: int) -> bytes:
    return struct.pack("=HBBI", operation, 0, 0, value)


def _jump(operation: int, value: int, if_true: int, if_false: int) -> bytes:
    return struct.pack("=HBBI", operation, if_true, if_false, value)


def _refuse(error: int) -> bytes:
    return _statement(_RETURN, _ERRNO | error)
