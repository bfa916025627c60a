"""The kernel's filters themselves: the right numbers, and the same verdict on every machine."""

import ctypes.util

import pytest

from reticent.walls.kernel import MACHINES, SYSCALLS, number_of
from reticent.walls.seccomp import assemble, courier_rules, keeper_rules
from tests.walls.inside import KERNEL

pytestmark = pytest.mark.skipif(KERNEL is None, reason="no kernel walls on this platform")


def _run_filter(program: bytes, arch: int, number: int, arguments: list[int]) -> int:
    """Classic BPF, as far as the filters use it."""
    import struct

    data = struct.pack("<iIQ6Q", number, arch, 0, *(arguments + [0] * 6)[:6])
    code = [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]
    at, held = 0, 0
    while True:
        operation, if_true, if_false, value = code[at]
        at += 1
        if operation == 0x20:
            held = struct.unpack_from("<I", data, value)[0]
        elif operation == 0x54:
            held &= value
        elif operation == 0x15:
            at += if_true if held == value else if_false
        elif operation == 0x35:
            at += if_true if held >= value else if_false
        else:
            assert operation == 0x06
            return value


def test_the_numbers_are_those_of_libseccomp() -> None:
    if ctypes.util.find_library("seccomp") is None:
        pytest.skip("libseccomp isn't here to compare with")
    pyseccomp = pytest.importorskip("pyseccomp")
    arches = {"x86_64": pyseccomp.Arch.X86_64, "aarch64": pyseccomp.Arch.AARCH64}
    unknown = []
    for name in SYSCALLS:
        for machine, arch in arches.items():
            known = pyseccomp.resolve_syscall(arch, name)
            ours = number_of(name, machine)
            if known < 0 and ours is not None:
                unknown.append(name)  # newer than this libseccomp
            elif known >= 0:
                assert ours == known, (name, machine)
    assert set(unknown) <= {"fchmodat2"}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("domain", [1, 2, 10, 16, 17, 40, 0x1_0000_0002])
def test_the_filter_decides_the_same_on_every_machine(machine: str, domain: int) -> None:
    rules = keeper_rules(machine)
    socket = number_of("socket", machine)
    assert socket is not None
    verdict = _run_filter(assemble(machine, rules), MACHINES[machine], socket, [domain, 1, 0])
    assert verdict == (0x7FFF0000 if domain == 1 else 0x50000 | 13)
    assert _run_filter(assemble(machine, rules), 0x40000003, socket, [1, 1, 0]) == 0x50000 | 1  # a 32-bit call
    if machine == "x86_64":
        assert _run_filter(assemble(machine, rules), MACHINES[machine], socket | 0x40000000, [1]) == 0x50000 | 1


@pytest.mark.parametrize("machine", MACHINES)
def test_the_courier_s_filter_lets_threads_start_and_nothing_else(machine: str) -> None:
    program = assemble(machine, courier_rules(machine, kinds=(1,), pid=77))

    def verdict(name: str, *arguments: int) -> str:
        number = number_of(name, machine)
        assert number is not None
        allowed = _run_filter(program, MACHINES[machine], number, [*arguments, 0, 0, 0]) == 0x7FFF0000
        return "allowed" if allowed else "refused"

    assert verdict("clone", 0x10000 | 0xF00) == "allowed"
    assert verdict("clone", 17) == "refused"
    assert verdict("socket", 2, 1) == verdict("socket", 10, 1 | 0x80000) == "allowed"  # SOCK_CLOEXEC
    for domain, kind in ((1, 1), (2, 2), (2, 3), (16, 3), (17, 3), (2, 1 | 2)):
        assert verdict("socket", domain, kind) == "refused"
    assert verdict("tgkill", 77) == "allowed"
    assert verdict("tgkill", 78) == "refused"
    assert verdict("socket", 2, 1, 6) == "allowed"
    for protocol in (17, 132, 256, 262):  # UDP's, SCTP, SMC, MPTCP
        assert verdict("socket", 2, 1, protocol) == verdict("socket", 10, 1, protocol) == "refused"
    for call, *before in (("sendto", 3, 0, 0), ("sendmsg", 3, 0), ("sendmmsg", 3, 0, 0)):
        assert verdict(str(call), *map(int, before), 0x4000) == "allowed"  # MSG_NOSIGNAL
        assert verdict(str(call), *map(int, before), 0x20004000) == "refused"  # and MSG_FASTOPEN
    for name in ("inotify_add_watch", "fanotify_init", "utimensat"):
        assert verdict(name) == "refused"
    for name in ("execve", "execveat", "ptrace", "process_vm_readv", "io_uring_setup", "bind", "fchmodat", "linkat"):
        assert verdict(name) == "refused"
    assert verdict("getsockopt") == verdict("landlock_add_rule") == "allowed"


@pytest.mark.parametrize("machine", MACHINES)
def test_both_filters_refuse_typing_into_a_terminal_and_no_other_ioctl(machine: str) -> None:
    number = number_of("ioctl", machine)
    assert number is not None
    for rules in (keeper_rules(machine), courier_rules(machine, kinds=(1,), pid=77)):
        program = assemble(machine, rules)
        for request in (0x5412, 0x541C, 0x1_0000_5412):  # TIOCSTI, TIOCLINUX; the kernel takes the low 32 bits
            assert _run_filter(program, MACHINES[machine], number, [0, request]) == 0x50000 | 1
        for request in (0x5413, 0x5401, 0x541B):  # TIOCGWINSZ, TCGETS, FIONREAD
            assert _run_filter(program, MACHINES[machine], number, [0, request]) == 0x7FFF0000
