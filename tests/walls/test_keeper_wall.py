"""The keeper's wall, tried from inside: no network by any way, and torch trains behind it."""

from pathlib import Path

import pytest

from tests.walls.inside import KERNEL, inside

pytestmark = pytest.mark.skipif(KERNEL is None, reason="no kernel walls on this platform")


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
