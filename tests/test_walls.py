"""The walls, tried from inside a walled process: nothing here trusts what a wall says of itself."""

import ctypes.util
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from reticent.walls import landlock
from reticent.walls.kernel import MACHINES, SYSCALLS, Kernel, number_of
from reticent.walls.seccomp import assemble, courier_rules, keeper_rules

KERNEL = Kernel.here()

pytestmark = pytest.mark.skipif(KERNEL is None, reason="no kernel walls on this platform")

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


# The filters themselves.


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


# The keeper.


def test_the_keeper_opens_no_socket_by_any_way() -> None:
    seen = inside("""
        wall = keeper_wall()
        kinds = dict(tcp=(2, 1, 0), tcp6=(10, 1, 0), udp=(2, 2, 0), udp6=(10, 2, 0), raw=(2, 3, 1), icmp=(2, 2, 1),
            sctp=(2, 1, 132), mptcp=(2, 1, 262), packet=(17, 3, 768), netlink=(16, 3, 0), vsock=(40, 1, 0),
            bluetooth=(31, 1, 3), alg=(38, 5, 0), can=(29, 3, 1), tipc=(30, 1, 0), xdp=(44, 3, 0), key=(15, 3, 2),
            rds=(21, 5, 0), smc=(43, 1, 0), unspecified=(0, 1, 0), negative=(-1, 1, 0))
        told(
            wall=wall,
            raw={name: raw("socket", *kind) for name, kind in kinds.items()},
            wide=raw("socket", ctypes.c_long(0x100000002), 1, 0),
            pair=raw("socketpair", 2, 1, 0, (ctypes.c_int * 2)()),
            python={name: tried(socket.socket, *kind) for name, kind in kinds.items() if kind[0] > 0},
            connect=tried(socket.create_connection, ("127.0.0.1", 9)),
            name=tried(socket.getaddrinfo, "example.org", 80),
            number=tried(socket.getaddrinfo, "127.0.0.1", 80),
            host=tried(socket.gethostbyname, "localhost"),
            uring=raw("io_uring_setup", 8, ctypes.create_string_buffer(256)),
            x32=raw(SYSCALLS["socket"][COLUMN] | 0x40000000, 2, 1, 0) if COLUMN == 0 else "EPERM",
        )
    """)
    assert seen["wall"] == "seccomp+audit"
    assert set(seen["raw"].values()) == {"EACCES"}
    assert set(seen["python"].values()) == {"PermissionError"}
    assert seen["wide"] == seen["pair"] == "EACCES"
    assert {seen[name] for name in ("connect", "name", "number", "host")} == {"PermissionError"}
    assert (seen["uring"], seen["x32"]) == ("ENOSYS", "EPERM")


def test_the_keeper_s_children_and_threads_have_no_network_either() -> None:
    seen = inside("""
        import asyncio
        started = threading.Event()
        go = threading.Event()
        answers = {}
        def earlier():
            started.set()
            go.wait()
            answers["earlier thread"] = raw("socket", 2, 1, 0)
        thread = threading.Thread(target=earlier)
        thread.start()
        started.wait()
        keeper_wall()
        go.set()
        thread.join()
        later = threading.Thread(target=lambda: answers.update(later=raw("socket", 10, 2, 0)))
        later.start()
        later.join()
        child = "import socket\\ntry: socket.socket()\\nexcept OSError as error: print(error.errno)"
        answers["child"] = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stdout.strip()
        shell = ["sh", "-c", "exec 3<>/dev/tcp/127.0.0.1/9"]
        answers["shell"] = subprocess.run(["bash", *shell[1:]], capture_output=True).returncode
        if (pid := os.fork()) == 0:
            os._exit(7 if raw("socket", 2, 1, 0) == "EACCES" else 0)
        answers["fork"] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        async def connect():
            try:
                await asyncio.open_connection("127.0.0.1", 9)
            except OSError as error:
                return type(error).__name__
        answers["asyncio"] = asyncio.run(connect())
        told(**answers)
    """)
    assert seen["earlier thread"] == seen["later"] == "EACCES"
    assert seen["child"] == "13"
    assert seen["shell"] != 0
    assert seen["fork"] == 7
    assert seen["asyncio"] == "PermissionError"


def test_the_keeper_still_talks_to_the_display_and_the_keyring(tmp_path: Path) -> None:
    seen = inside(
        """
        keeper_wall()
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
            listener.bind(sys.argv[1])
            listener.listen()
            client.connect(sys.argv[1])
            served, _ = listener.accept()
            client.sendall(b"x")
            received = served.recv(1).decode()
            served.close()
        left, right = socket.socketpair()
        left.send(b"y")
        told(unix=received, pair=right.recv(1).decode())
        """,
        tmp_path / "s",
    )
    assert seen == {"unix": "x", "pair": "y"}


def test_the_keeper_spies_on_nobody_and_nobody_reads_its_memory() -> None:
    seen = inside("""
        keeper_wall()
        status = Path("/proc/self/status").read_text()
        import resource
        told(
            ptrace=raw("ptrace", 16, os.getppid(), 0, 0),
            read=raw("process_vm_readv", os.getppid(), 0, 0, 0, 0, 0),
            steal=raw("pidfd_getfd", 3, 0, 0),
            bpf=raw("bpf", 0, 0, 0),
            core=resource.getrlimit(resource.RLIMIT_CORE)[1],
            dumpable=LIBC.prctl(3, 0, 0, 0, 0),
            privileges="NoNewPrivs:\\t1" in status,
        )
    """)
    assert {seen[name] for name in ("ptrace", "read", "steal", "bpf")} == {"EPERM"}
    assert (seen["core"], seen["dumpable"], seen["privileges"]) == (0, 0, True)


def test_a_keeper_that_was_handed_a_network_socket_does_not_start() -> None:
    seen = inside("""
        from reticent.errors import WallError
        held = socket.socket(socket.AF_INET)
        try:
            keeper_wall()
        except WallError as error:
            told(said=str(error))
    """)
    assert "network socket" in seen["said"]


def test_torch_trains_and_opendp_samples_behind_the_keeper_s_wall() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("opendp")
    seen = inside("""
        wall = keeper_wall()
        import torch
        import opendp.prelude as dp
        weights = torch.zeros(4, 3, requires_grad=True)
        torch.nn.functional.linear(torch.ones(2, 4), weights.T).sum().backward()
        dp.enable_features("contrib")
        space = dp.vector_domain(dp.atom_domain(T=int)), dp.l2_distance(T=float)
        noise = space >> dp.m.then_gaussian(scale=10.0)
        told(wall=wall, gradient=float(weights.grad.sum()), drawn=len(noise([0, 0, 0])))
    """)
    assert seen == {"wall": "seccomp+audit", "gradient": 24.0, "drawn": 3}


def test_the_audit_hook_alone_stops_what_goes_through_python() -> None:
    seen = inside("""
        from reticent.walls import audit
        audit.watch_keeper()
        left, right = socket.socketpair()
        told(
            tcp=tried(socket.socket),
            connect=tried(socket.create_connection, ("127.0.0.1", 9)),
            name=tried(socket.gethostbyname, "localhost"),
            unix=tried(socket.socket, socket.AF_UNIX),
            native=raw("socket", 2, 1, 0) not in ("EACCES", "EPERM"),
        )
    """)
    assert {seen[name] for name in ("tcp", "connect", "name")} == {"PermissionError"}
    assert seen["unix"] == "DONE"
    assert seen["native"] is True  # what `audit only` can't see, and doesn't claim to


def test_without_a_kernel_wall_the_keeper_says_audit_only() -> None:
    seen = inside("""
        from reticent.walls.kernel import Kernel
        Kernel.here = classmethod(lambda cls: None)
        told(wall=keeper_wall(), tcp=tried(socket.socket))
    """)
    assert seen == {"wall": "audit only", "tcp": "PermissionError"}


# The courier.


@pytest.fixture
def state(tmp_path: Path) -> Path:
    root = tmp_path / "state"
    for name in ("keeper", "courier", "spool/inbox", "spool/outbox"):
        (root / name).mkdir(parents=True)
    for name in ("keeper/ledger.jsonl", "keeper/vault.db", "keeper/device.key", "courier/node.key", "spool/outbox/a"):
        (root / name).write_text("content")
    return root


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


@needs_landlock
@pytest.mark.parametrize("run", [confined, native_only])
def test_the_courier_reaches_nothing_of_the_keeper_s_by_any_path(run: Any, state: Path) -> None:
    (state / "courier/link").symlink_to(state / "keeper")
    (state / "spool/inbox/link").symlink_to(state / "keeper/ledger.jsonl")
    seen = run(
        """
        home = os.open(root / "courier", os.O_PATH)
        paths = dict(
            straight=root / "keeper/ledger.jsonl", dots=root / "courier/../keeper/ledger.jsonl",
            folder_link=root / "courier/link/ledger.jsonl", file_link=root / "spool/inbox/link",
            own_root=f"/proc/self/root{root}/keeper/ledger.jsonl", thread=f"/proc/thread-self/root{root}/keeper/vault.db",
            own_number=f"/proc/{os.getpid()}/root{root}/keeper/device.key", cwd="/proc/self/cwd/keeper/ledger.jsonl",
            descriptor=f"/proc/self/fd/{home}/../keeper/ledger.jsonl", twice=f"//proc/self/root/{root}//keeper/./vault.db",
            first=f"/proc/1/root{root}/keeper/ledger.jsonl", parent=f"/proc/{os.getppid()}/root{root}/keeper/ledger.jsonl",
        )
        os.chdir(root)
        answers = {name: tried(open, path, "rb") for name, path in paths.items()}
        answers["write"] = tried(open, root / "keeper/ledger.jsonl", "ab")
        answers["new"] = tried(open, root / "keeper/new", "wb")
        answers["list"] = tried(os.listdir, root / "keeper")
        answers["relative"] = tried(lambda: os.open("../keeper/ledger.jsonl", os.O_RDONLY, dir_fd=home))
        answers["truncate"] = tried(os.truncate, root / "keeper/ledger.jsonl", 0)
        answers["remove"] = tried(os.remove, root / "keeper/ledger.jsonl")
        answers["rename"] = tried(os.rename, root / "keeper/ledger.jsonl", root / "spool/inbox/stolen")
        answers["rename folder"] = tried(os.rename, root / "keeper", root / "spool/inbox/stolen")
        answers["hard link"] = tried(os.link, root / "keeper/ledger.jsonl", root / "spool/inbox/stolen")
        answers["soft link"] = tried(os.symlink, root / "keeper/ledger.jsonl", root / "spool/inbox/stolen")
        answers["mode"] = tried(os.chmod, root / "keeper/ledger.jsonl", 0o777)
        answers["owner"] = tried(os.chown, root / "keeper/ledger.jsonl", 1, 1)
        answers["attribute"] = tried(os.setxattr, root / "keeper/ledger.jsonl", "user.x", b"x")
        answers["mount"] = raw("mount", b"/", b"/", 0, 4096, 0) == "EPERM" and "PermissionError"
        answers["handle"] = raw("open_by_handle_at", -100, 0, 0) == "EPERM" and "PermissionError"
        told(**answers)
        """,
        state,
    )
    assert set(seen.values()) <= {"PermissionError", "FileNotFoundError"}, seen
    assert [name for name, answer in seen.items() if answer == "FileNotFoundError"] in ([], ["descriptor"])
    assert (state / "keeper/ledger.jsonl").read_text() == "content"
    assert (state / "keeper/ledger.jsonl").stat().st_mode & 0o777 != 0o777


@needs_landlock
@pytest.mark.parametrize("run", [confined, native_only])
def test_the_courier_reads_its_own_and_writes_its_side_of_the_spool_only(run: Any, state: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "letter").write_text("private")
    seen = run(
        """
        told(
            wall=wall,
            key=(root / "courier/node.key").read_text(),
            reply=(root / "spool/outbox/a").read_text(),
            deliver=tried((root / "spool/inbox/new").write_text, "x"),
            folder=tried((root / "spool/inbox/folder").mkdir),
            move=tried((root / "spool/inbox/new").rename, root / "spool/inbox/moved"),
            remove=tried((root / "spool/inbox/moved").unlink),
            forge=tried((root / "spool/outbox/b").write_text, "x"),
            replace=tried((root / "spool/outbox/a").write_text, "x"),
            delete=tried((root / "spool/outbox/a").unlink),
            own_key=tried((root / "courier/node.key").write_text, "x"),
            home=tried((Path(os.environ["HOME"]) / "letter").read_text),
            tmp=tried(Path("/tmp/reticent-walls-test").write_text, "x"),
            shadow=tried(Path("/etc/shadow").read_text),
            others=tried(Path("/proc/1/environ").read_bytes),
        )
        """,
        state,
        HOME=str(home),
    )
    assert (seen["wall"], seen["key"], seen["reply"]) == ("landlock+seccomp+audit", "content", "content")
    assert {seen[name] for name in ("deliver", "folder", "move", "remove")} == {"DONE"}
    refused = ("forge", "replace", "delete", "own_key", "home", "tmp", "shadow", "others")
    assert {seen[name] for name in refused} == {"PermissionError"}


@pytest.mark.parametrize("run", [confined, native_only])
def test_the_courier_starts_no_program_and_no_process(run: Any, state: Path) -> None:
    seen = run(
        """
        def shell():
            if os.system("/bin/true") != 0:
                raise PermissionError
        told(
            run=tried(subprocess.run, ["/bin/true"]),
            spawn=tried(os.posix_spawn, "/bin/true", ["true"], {}),
            execute=tried(os.execv, "/bin/true", ["true"]),
            fork=tried(os.fork),
            system=tried(shell),
            raw=raw("execve", b"/bin/true", 0, 0),
            at=raw("execveat", -100, b"/bin/true", 0, 0, 0),
            clone=raw("clone", 17, 0, 0, 0, 0),
            clone3=raw("clone3", 0, 0),
        )
        """,
        state,
    )
    assert {seen[name] for name in ("run", "spawn", "execute", "fork", "system")} == {"PermissionError"}
    assert {seen["raw"], seen["at"], seen["clone"], seen["clone3"]} == {"EPERM", "ENOSYS"}


def test_the_courier_still_starts_threads(state: Path) -> None:
    seen = confined(
        """
        answers = {}
        thread = threading.Thread(target=lambda: answers.update(ran=True))
        thread.start()
        thread.join()
        told(**answers)
        """,
        state,
    )
    assert seen == {"ran": True}


SECRETIVE = """
import ctypes, os, sys
secret = ctypes.create_string_buffer(b"what the keeper holds")
print(ctypes.addressof(secret), flush=True)
sys.stdin.read()
"""


def test_the_courier_can_t_read_or_stop_the_keeper_s_process(state: Path) -> None:
    keeper = subprocess.Popen(
        [sys.executable, "-c", SECRETIVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert keeper.stdout is not None
        address = keeper.stdout.readline().strip()
        code = """
            pid, address = (int(value) for value in os.environ["KEEPER"].split(","))
            buffer = ctypes.create_string_buffer(16)
            local = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 16)
            remote = (ctypes.c_size_t * 2)(address, 16)
            told(
                memory=tried(open, f"/proc/{pid}/mem", "rb"),
                maps=tried(Path(f"/proc/{pid}/maps").read_text),
                environ=tried(Path(f"/proc/{pid}/environ").read_bytes),
                descriptors=tried(os.listdir, f"/proc/{pid}/fd"),
                vector=raw("process_vm_readv", pid, local, 1, remote, 1, 0),
                attach=raw("ptrace", 16, pid, 0, 0),
                open=raw("pidfd_open", pid, 0),
                kill=tried(os.kill, pid, 9),
                pause=raw("tgkill", pid, pid, 19),
                got=buffer.raw.hex(),
            )
        """
        seen = native_only(code, state, KEEPER=f"{keeper.pid},{address}")
        assert {seen[name] for name in ("memory", "maps", "environ", "descriptors", "kill")} == {"PermissionError"}
        assert {seen[name] for name in ("vector", "attach", "open", "pause")} == {"EPERM"}
        assert seen["got"] == "00" * 16
        assert keeper.poll() is None
    finally:
        keeper.communicate("")


@needs_landlock
def test_the_courier_connects_to_one_port_and_serves_none(state: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as gateway, socket.create_server(("127.0.0.1", 0)) as other:
        code = """
            def connect(port):
                with socket.socket() as made:
                    made.connect(("127.0.0.1", port))
            told(
                gateway=tried(connect, int(os.environ["PORT"])),
                other=tried(connect, int(os.environ["OTHER"])),
                udp=raw("socket", 2, 2, 0),
                raw=raw("socket", 2, 3, 6),
                unix=raw("socket", 1, 1, 0),
                netlink=raw("socket", 16, 3, 0),
                packet=raw("socket", 17, 3, 768),
                serve=tried(lambda: socket.socket().bind(("127.0.0.1", 0))),
                uring=raw("io_uring_setup", 8, ctypes.create_string_buffer(256)),
            )
        """
        ports = {"PORT": str(gateway.getsockname()[1]), "OTHER": str(other.getsockname()[1])}
        for run in (confined, native_only):
            seen = run(code, state, **ports)
            assert (seen["gateway"], seen["other"], seen["serve"]) == ("DONE", "PermissionError", "PermissionError")
            assert {seen[name] for name in ("udp", "raw", "unix", "netlink", "packet")} == {"EACCES"}
            assert seen["uring"] == "ENOSYS"


@needs_landlock
def test_the_courier_passes_its_port_by_no_other_protocol_and_watches_no_folder(state: Path) -> None:
    """Multipath TCP and TCP Fast Open evade Landlock's rule about ports; inotify and utime its rule about folders."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as gateway, socket.create_server(("127.0.0.1", 0)) as other:
        code = """
            FAST_OPEN, address = 0x20000000, ("127.0.0.1", int(os.environ["OTHER"]))
            def fresh(call):
                with socket.socket() as made:
                    call(made)
            allowed = socket.create_connection(("127.0.0.1", int(os.environ["PORT"])))
            told(
                multipath=raw("socket", 2, 1, 262),
                fast_sendto=tried(fresh, lambda made: made.sendto(b"x", FAST_OPEN, address)),
                fast_sendmsg=tried(fresh, lambda made: made.sendmsg([b"x"], [], FAST_OPEN, address)),
                sends=[tried(allowed.send, b"x"), tried(allowed.sendmsg, [b"x"])],
                watch=raw("inotify_add_watch", LIBC.inotify_init1(0), str(root / "keeper").encode(), 0xFFF),
                touch=raw("utimensat", -100, str(root / "keeper/ledger.jsonl").encode(), None, 0),
            )
        """
        ports = {"PORT": str(gateway.getsockname()[1]), "OTHER": str(other.getsockname()[1])}
        other.settimeout(0.2)
        seen = native_only(code, state, **ports)
        assert seen["multipath"] == "EACCES"
        assert (seen["fast_sendto"], seen["fast_sendmsg"]) == ("PermissionError", "PermissionError")
        assert seen["sends"] == ["DONE", "DONE"]
        assert (seen["watch"], seen["touch"]) == ("EPERM", "EPERM")
        with pytest.raises(TimeoutError):
            other.accept()


@needs_landlock
def test_the_courier_reaches_no_other_port_through_mptcp(state: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as other:
        code = """
            def connect():
                with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262) as made:
                    made.connect(("127.0.0.1", int(os.environ["OTHER"])))
            told(mptcp=tried(connect), made=[raw("socket", family, 1, 262) for family in (2, 10)])
        """
        seen = native_only(code, state, OTHER=str(other.getsockname()[1]))
        assert seen == {"mptcp": "PermissionError", "made": ["EACCES", "EACCES"]}
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()


@needs_landlock
def test_the_courier_s_native_calls_reach_no_other_port_through_tcp_fast_open(state: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as other:
        code = """
            there = struct.pack("=H", 2) + struct.pack("!H", int(os.environ["OTHER"])) + bytes((127, 0, 0, 1)) + bytes(8)
            held = ctypes.create_string_buffer(there, 16)
            at = ctypes.addressof(held)
            vector = (ctypes.c_size_t * 2)(at, 1)
            header = struct.pack("@QI4xQQQQI4xI4x", at, 16, ctypes.addressof(vector), 1, 0, 0, 0, 0)
            message = ctypes.create_string_buffer(header, len(header))
            def sent(name, *arguments):
                with socket.socket() as made:
                    return raw(name, made.fileno(), *arguments)
            told(
                sendto=sent("sendto", b"x", 1, 0x20000000, held, 16),
                sendmsg=sent("sendmsg", message, 0x20000000),
                sendmmsg=sent("sendmmsg", message, 1, 0x20000000),
            )
        """
        seen = native_only(code, state, OTHER=str(other.getsockname()[1]))
        assert seen == {"sendto": "EACCES", "sendmsg": "EACCES", "sendmmsg": "EACCES"}
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()


def test_the_courier_watches_no_folder_through_inotify_or_fanotify(state: Path) -> None:
    seen = confined(
        """
        watcher = LIBC.inotify_init1(0)
        places = (root / "keeper", root / "keeper/ledger.jsonl", "/home", root / "spool/inbox")
        told(
            inotify=[raw("inotify_add_watch", watcher, os.fsencode(place), 0xFFF) for place in places],
            fanotify=raw("fanotify_init", 0x200, 0),  # FAN_REPORT_FID, which needs no rights
        )
        """,
        state,
    )
    assert seen == {"inotify": ["EPERM"] * 4, "fanotify": "EPERM"}


def test_the_courier_changes_the_ledger_s_times_by_no_call(state: Path) -> None:
    ledger = state / "keeper/ledger.jsonl"
    os.utime(ledger, (1e9, 1e9))
    seen = confined(
        """
        name = os.fsencode(root / "keeper/ledger.jsonl")
        calls = dict(utimensat=(-100, name, 0, 0), utime=(name, 0), utimes=(name, 0), futimesat=(-100, name, 0))
        here = {call: given for call, given in calls.items() if SYSCALLS[call][COLUMN] is not None}
        told(python=tried(os.utime, name, (0, 0)), **{call: raw(call, *given) for call, given in here.items()})
        """,
        state,
    )
    assert seen.pop("python") == "PermissionError"
    assert set(seen.values()) == {"EPERM"}
    assert ledger.stat().st_mtime == 1e9


def test_the_audit_hook_alone_keeps_the_courier_s_fast_open_to_its_port(state: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as gateway, socket.create_server(("127.0.0.1", 0)) as other:
        code = """
            def fresh(call):
                with socket.socket() as made:
                    call(made)
            there = ("127.0.0.1", int(os.environ["OTHER"]))
            allowed = socket.create_connection(("127.0.0.1", int(os.environ["PORT"])))
            told(
                sendto=tried(fresh, lambda made: made.sendto(b"x", 0x20000000, there)),
                sendmsg=tried(fresh, lambda made: made.sendmsg([b"x"], [], 0x20000000, there)),
                sends=[tried(allowed.send, b"x"), tried(allowed.sendmsg, [b"x"])],
            )
        """
        no_kernel = "from reticent.walls.kernel import Kernel\nKernel.here = classmethod(lambda cls: None)\n"
        ports = {"PORT": str(gateway.getsockname()[1]), "OTHER": str(other.getsockname()[1])}
        seen = inside(no_kernel + CONFINED + textwrap.dedent(code), state, **ports)
        assert seen == {"sendto": "PermissionError", "sendmsg": "PermissionError", "sends": ["DONE", "DONE"]}


@pytest.mark.parametrize("side", ["keeper", "courier"])
def test_no_side_types_into_the_terminal_that_it_was_started_from(side: str, state: Path) -> None:
    """TIOCSTI would hand a command to the person's shell, outside every wall."""
    code = """
        import fcntl, pty, termios
        pid, terminal = pty.fork()
        if pid == 0:  # has the pty as its terminal
            walled()
            typed = [tried(fcntl.ioctl, 0, request, b"x") for request in (termios.TIOCSTI, termios.TIOCLINUX)]
            os.write(1, json.dumps({"typed": typed, "size": tried(os.get_terminal_size, 0)}).encode() + b"\\n")
            os._exit(0)
        said = b""
        while not said.endswith(b"\\n"):
            said += os.read(terminal, 4096)
        os.waitpid(pid, 0)
        print(said.decode().strip())
    """
    keeper = "def walled():\n    keeper_wall()\n"
    courier = "def walled():\n" + textwrap.indent(CONFINED, "    ")
    seen = inside((keeper if side == "keeper" else courier) + textwrap.dedent(code), state)
    assert seen == {"typed": ["PermissionError", "PermissionError"], "size": "DONE"}


def test_host_names_are_looked_up_only_where_that_was_asked_for(state: Path) -> None:
    code = """
        wall = courier_wall(hidden=root / "keeper", readable=(), writable=(), ports=(9, 53))
        told(udp=raw("socket", 2, 2, 0) not in ("EACCES", "EPERM"), name=tried(socket.getaddrinfo, "localhost", 9))
    """
    assert inside("root = Path(sys.argv[1])\n" + textwrap.dedent(code), state) == {"udp": True, "name": "DONE"}


def test_the_courier_runs_and_imports_nothing_that_came_later(state: Path) -> None:
    (state / "spool/inbox/app.py").write_text("print('ran')")
    seen = inside(
        "ready_made = compile('1', '/somewhere/app.py', 'exec')\n"
        + CONFINED
        + textwrap.dedent("""
        def run_file():
            path = str(root / "spool/inbox/app.py")
            exec(compile(open(path).read(), path, "exec"))
        def import_it():
            sys.path.insert(0, str(root / "spool/inbox"))
            import app
        import pickle
        from dataclasses import dataclass, make_dataclass
        told(
            file=tried(run_file),
            text=tried(lambda: exec("1")),
            ready_made=tried(lambda: exec(ready_made)),
            imported=tried(import_it),
            torch=tried(__import__, "torch"),
            capture=tried(__import__, "reticent.capture"),
            pynput=tried(__import__, "pynput"),
            pickle=tried(pickle.loads, pickle.dumps(os.system)),
            library=tried(make_dataclass, "Made", ["x"]),
            json=tried(__import__, "xml.dom"),
        )
        """),
        state,
    )
    assert {seen[name] for name in ("library", "json")} == {"DONE"}
    assert {answer for name, answer in seen.items() if name not in ("library", "json")} == {"PermissionError"}


def test_the_audit_hook_alone_keeps_the_courier_from_the_keeper_s_folder(state: Path) -> None:
    (state / "courier/link").symlink_to(state / "keeper")
    seen = inside(
        "from reticent.walls.kernel import Kernel\nKernel.here = classmethod(lambda cls: None)\n"
        + CONFINED
        + textwrap.dedent("""
            told(
                wall=wall,
                read=tried(open, root / "keeper/ledger.jsonl"),
                link=tried(open, root / "courier/link/ledger.jsonl"),
                bytes=tried(open, os.fsencode(root / "keeper/ledger.jsonl")),
                list=tried(os.listdir, root / "keeper"),
                run=tried(subprocess.run, ["/bin/true"]),
                own=tried(open, root / "courier/node.key"),
            )
        """),
        state,
    )
    assert seen.pop("wall") == "audit only"
    assert seen.pop("own") == "DONE"
    assert set(seen.values()) == {"PermissionError"}


def test_a_state_folder_that_must_be_readable_is_refused(state: Path) -> None:
    code = """
        from reticent.errors import WallError
        root = Path(sys.argv[1])
        try:
            courier_wall(hidden=root / "keeper", readable=(root.parent,), writable=(), ports=())
        except WallError as error:
            told(said=str(error))
    """
    assert "move the state folder" in inside(code, state)["said"]


@needs_landlock
def test_a_second_thread_would_stay_free_so_the_courier_s_wall_refuses(state: Path) -> None:
    code = """
        from reticent.errors import WallError
        root, go = Path(sys.argv[1]), threading.Event()
        threading.Thread(target=go.wait).start()
        try:
            courier_wall(hidden=root / "keeper", readable=(), writable=(), ports=())
        except WallError as error:
            told(said=str(error))
        go.set()
    """
    assert "second thread" in inside(code, state)["said"]


def test_walls_import_nothing_of_capture_flower_or_torch() -> None:
    seen = inside("""
        told(found=sorted({name.split(".")[0] for name in sys.modules} & {"flwr", "torch", "numpy", "httpx", "pynput"}),
             ours=sorted(name for name in sys.modules if name.startswith("reticent.")))
    """)
    assert seen["found"] == []
    assert all(name == "reticent.errors" or name.startswith("reticent.walls") for name in seen["ours"])
