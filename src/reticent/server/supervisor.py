"""`reticent server serve`: keeps the SuperLink, the SuperExec and the gateway running, in the foreground."""

import datetime
import http.client
import ipaddress
import json
import os
import select
import signal
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from reticent.errors import StateError
from reticent.records.files import naming, replace_private
from reticent.server import flower
from reticent.server.certificates import trust, validity
from reticent.server.creation import port_trouble
from reticent.server.launcher import Child, Program, environment, executable
from reticent.server.resumption import Resumption, left_over
from reticent.server.serve_lock import serving
from reticent.server.settings import (
    ServerPaths,
    ServerSettings,
    join_address,
    open_folder,
    read_capped,
)

_START_S = 120.0
_PEM_LIMIT_BYTES = 64 * 1024
_GRACE_S = 5.0
_BACK_OFF_S = (1.0, 30.0)
_STEADY_S = 60.0  # a process that lived this long starts again with the shortest wait


def serve(root: Path, *, say: Callable[[str], None] = print) -> None:
    """Run a server until SIGTERM or SIGINT; `say` gets one line when devices can connect, and one a run that goes on.

    Every child has ended when this returns or raises, whatever happened.
    Raises: StateError if the folder is served already, a port is taken, the certificate has ended or a process can't
    start; nothing runs then.
    """
    paths, settings = open_folder(root)
    _check_certificate(paths.certificate)
    with serving(paths), _Signals() as signals:
        for what, host, port in (
            ("the gateway", settings.listen, settings.port),
            ("the SuperLink", "127.0.0.1", settings.superlink_port),
        ):
            trouble = port_trouble(host, port)
            if trouble is not None:
                raise StateError(f"port {port} on {host}, which {what} needs, {trouble}; nothing was started")
        # Written anew each time: the folder may have been moved, or a port changed by hand.
        replace_private(paths.flower_home / "config.toml", flower.connection(paths, settings).encode())
        left = left_over(paths)
        supervisor = _Supervisor(paths, settings)
        try:
            supervisor.start()
            if supervisor.wait_until_ready(signals):
                say(f"ready at https://{settings.address}")
                with Resumption(paths, left, say=say):
                    supervisor.watch(signals, say=say)
        finally:
            supervisor.end()


def _check_certificate(path: Path) -> None:
    """Raises StateError for a certificate that devices would refuse today, FormatError for none."""
    now = datetime.datetime.now(datetime.UTC)
    try:
        with naming(path):
            begins, ends = validity(read_capped(path, limit_bytes=_PEM_LIMIT_BYTES))
    except FileNotFoundError:
        raise StateError(f"{path} does not exist; nothing was started") from None
    if not begins <= now < ends:
        when = f"ended on {ends:%Y-%m-%d}" if now >= ends else f"begins on {begins:%Y-%m-%d}"
        raise StateError(
            f"the server's certificate {when} and this machine's clock says {now:%Y-%m-%d}; devices would refuse it, "
            "nothing was started"
        )


def programs(paths: ServerPaths, settings: ServerSettings) -> tuple[Program, ...]:
    """The three processes, in the order in which they start."""
    superlink = join_address("127.0.0.1", settings.superlink_port)
    return (
        Program(
            name="superlink",
            arguments=(
                executable("flower-superlink"),
                *("--host", "127.0.0.1", "--port", str(settings.superlink_port)),
                *("--ssl-ca-certfile", str(paths.ca_certificate)),
                *("--ssl-certfile", str(paths.certificate), "--ssl-keyfile", str(paths.certificate_key)),
                *("--enable-supernode-auth", "--database", str(paths.database)),
                *("--isolation", "process", "--superexec-auth-secret-file", str(paths.superexec_secret)),
                "--disable-runtime-dependency-installation",
            ),
            log=paths.logs / "superlink.log",
        ),
        Program(
            name="superexec",
            arguments=(
                executable("flower-superexec"),
                *("--root-certificates", str(paths.ca_certificate), "--runtime-api-address", superlink),
                *("--superexec-auth-secret-file", str(paths.superexec_secret)),
                *("--parent-pid", str(os.getpid())),
            ),
            log=paths.logs / "superexec.log",
        ),
        Program(
            name="gateway",
            arguments=(sys.executable, "-P", "-m", "reticent.server.gateway", str(paths.root)),
            log=paths.logs / "gateway.log",
        ),
    )


class _Supervisor:
    def __init__(self, paths: ServerPaths, settings: ServerSettings) -> None:
        self._paths = paths
        self._settings = settings
        self._programs = {program.name: program for program in programs(paths, settings)}
        self._environment = environment(paths)
        self._children: dict[str, Child] = {}
        self._restarts = dict.fromkeys(self._programs, 0)
        self._wait_s = dict.fromkeys(self._programs, _BACK_OFF_S[0])
        self._due: dict[str, float] = {}  # name → when it starts again, on the monotonic clock

    def start(self) -> None:
        for name in self._programs:
            self._launch(name)
        self._tell(ready=False)

    def _launch(self, name: str) -> None:
        try:
            self._children[name] = Child(self._programs[name], environment=self._environment)
        except OSError as error:
            raise StateError(f"the {name} can't be started: {error.strerror}") from None

    def wait_until_ready(self, signals: "_Signals") -> bool:
        """Until the SuperLink and the gateway answer; False if asked to end before. Raises StateError if one dies."""
        deadline = time.monotonic() + _START_S
        listen = "127.0.0.1" if ipaddress.ip_address(self._settings.listen).is_unspecified else self._settings.listen
        context = trust(self._paths.ca_certificate)
        missing = [
            ("superlink", "127.0.0.1", self._settings.superlink_port, "/health", 200),
            ("gateway", listen, self._settings.port, "/", 404),
        ]
        while missing:
            for child in self._children.values():
                if child.exit_status is not None:
                    name = child.program.name
                    raise StateError(f"the {name} ended at once: {child.last_words()[:300]} (logs/{name}.log)")
            missing = [check for check in missing if not _answers(context, *check[1:])]
            if missing and time.monotonic() > deadline:
                raise StateError(f"the {missing[0][0]} gave no answer in {_START_S:.0f} s; everything was stopped")
            if missing and signals.wait(0.1):
                return False
        self._tell(ready=True)
        return True

    def watch(self, signals: "_Signals", *, say: Callable[[str], None]) -> None:
        """Until asked to end: whatever dies starts again, at once at first and ever later if it keeps dying."""
        while not signals.wait(self._rest_s()):
            for name, child in self._children.items():
                if name in self._due or child.exit_status is None:
                    continue
                child.end(grace_s=0)  # what it had started itself
                lived_s = time.monotonic() - child.started
                wait_s = _BACK_OFF_S[0] if lived_s > _STEADY_S else self._wait_s[name]
                self._wait_s[name] = min(2 * wait_s, _BACK_OFF_S[1])
                self._due[name] = time.monotonic() + wait_s
                say(f"the {name} ended ({_manner(child.exit_status)}); it starts again in {wait_s:.0f} s")
                self._tell(ready=True)
            for name in [name for name, due in self._due.items() if due <= time.monotonic()]:
                del self._due[name]
                self._restarts[name] += 1
                self._launch(name)
                self._tell(ready=True)

    def _rest_s(self) -> float:
        return max(0.0, min((0.5, *(due - time.monotonic() for due in self._due.values()))))

    def end(self) -> None:
        """The SuperExec first, with the ServerApp that it runs, so that the SuperLink still hears how the run ended."""
        for names in (("superexec",), ("gateway", "superlink")):
            children = [self._children[name] for name in names if name in self._children]
            for child in children:
                child.ask_to_end()
            for child in children:
                child.end(grace_s=_GRACE_S)
        self._paths.serving.unlink(missing_ok=True)

    def _tell(self, *, ready: bool) -> None:
        """serve.json: what `status` shows, and what others wait for."""
        status = {
            "version": 1,
            "pid": os.getpid(),
            "ready": ready,
            "address": self._settings.address,
            "superlink_port": self._settings.superlink_port,
            "processes": {
                name: {
                    "pid": None if name in self._due else child.pid,
                    "restarts": self._restarts[name],
                    "log": str(child.program.log),
                }
                for name, child in self._children.items()
            },
        }
        replace_private(self._paths.serving, (json.dumps(status, indent=2) + "\n").encode())


class _Signals:
    """SIGTERM, SIGINT and SIGHUP as something to wait for.

    By the wake-up byte, so that none is lost and none, a second Ctrl-C included, interrupts anything.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        os.set_blocking(self._read, False)
        self._before: dict[signal.Signals, object] = {}
        self._wakeup = -1

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a shell's background job
                self._before[number] = signal.signal(number, _noted)
        self._wakeup = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        return self

    def wait(self, seconds: float) -> bool:
        """True as soon as the process is asked to end, False after `seconds`."""
        ready, _, _ = select.select([self._read], [], [], seconds)
        return bool(ready)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        os.close(self._read)
        os.close(self._write)


def _noted(number: int, frame: FrameType | None) -> None:
    """The wake-up byte says it all."""


def _answers(context: ssl.SSLContext, host: str, port: int, path: str, status: int) -> bool:
    connection = http.client.HTTPSConnection(host, port, context=context, timeout=5.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == status
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _manner(status: int) -> str:
    return f"exit {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"
