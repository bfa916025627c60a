"""The courier's wall, tried from inside: no file of the keeper's, no program, nothing that came later."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.walls.inside import CONFINED, KERNEL, confined, inside, native_only, needs_landlock

pytestmark = pytest.mark.skipif(KERNEL is None, reason="no kernel walls on this platform")


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
