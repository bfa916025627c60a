"""The courier's wall, tried from inside: one port of one protocol, by whatever call."""

import textwrap
from pathlib import Path

import pytest

from tests.walls.inside import CONFINED, KERNEL, confined, inside, native_only, needs_landlock

pytestmark = pytest.mark.skipif(KERNEL is None, reason="no kernel walls on this platform")


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


def test_host_names_are_looked_up_only_where_that_was_asked_for(state: Path) -> None:
    code = """
        wall = courier_wall(hidden=root / "keeper", readable=(), writable=(), ports=(9, 53))
        told(udp=raw("socket", 2, 2, 0) not in ("EACCES", "EPERM"), name=tried(socket.getaddrinfo, "localhost", 9))
    """
    assert inside("root = Path(sys.argv[1])\n" + textwrap.dedent(code), state) == {"udp": True, "name": "DONE"}
