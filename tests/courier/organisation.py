"""A real organisation for the courier's tests: SuperLink with TLS and node authentication, SuperExec, one endless run.

The run's ServerApp (hand.py) does what the tests write into a folder; its ClientApp (thief.py) is hostile.
"""

import contextlib
import ctypes
import datetime
import itertools
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from reticent.server.certificates import issue

HERE = Path(__file__).parent
COMMANDS = Path(sys.executable).parent
PATIENCE_S = 90.0


def wait_until(condition: Callable[[], Any], *, what: str, seconds: float = PATIENCE_S) -> Any:
    """What `condition` returns once it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Process:
    """A process in a group of its own, which ends with everything that it started."""

    def __init__(self, *command: object, log: Path, environment: dict[str, str]) -> None:
        self.log = log
        with log.open("ab") as file:
            self.popen = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=environment,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def wait(self, *, seconds: float = 20.0) -> int:
        return self.popen.wait(seconds)

    def end(self, *, number: int = signal.SIGKILL) -> None:
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(20)


@dataclass
class Answer:
    """A reply as the ServerApp saw it. error: (code, reason). records: name → the one value of the record of that name."""

    type: str
    error: tuple[int, str] | None
    records: dict[str, bytes]
    seconds: float


@dataclass
class Organisation:
    """Starts, kills and restarts its parts; `ask` sends one message to one node and waits for the answer."""

    root: Path
    port: int = field(default_factory=free_port)
    superlink: Process | None = None
    superexec: Process | None = None
    _numbers: Any = field(default_factory=lambda: itertools.count())

    def __post_init__(self) -> None:
        self.home, self.orders, self.loot = self.root / "flwr", self.root / "orders", self.root / "loot"
        for folder in (self.home, self.orders, self.loot):
            folder.mkdir()
        made = issue(["127.0.0.1"], now=datetime.datetime.now(datetime.UTC))
        self.ca_certificate = made.ca_certificate.decode()
        for name, content in (
            ("ca.crt", made.ca_certificate),
            ("server.pem", made.certificate),
            ("server.key", made.key),
            ("secret.bin", secrets.token_bytes(32)),
        ):
            (self.root / name).write_bytes(content)
        (self.home / "config.toml").write_text(
            f'[superlink]\ndefault = "local"\n[superlink.local]\naddress = "127.0.0.1:{self.port}"\n'
            f'root-certificates = "{self.root}/ca.crt"\n'
        )

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{COMMANDS}:/usr/bin:/bin",
            "HOME": str(self.home),
            "FLWR_HOME": str(self.home),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.5",
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
        }

    def start(self) -> None:
        self.start_superlink()
        self.superexec = Process(
            COMMANDS / "flower-superexec",
            *("--root-certificates", self.root / "ca.crt", "--runtime-api-address", f"127.0.0.1:{self.port}"),
            *("--superexec-auth-secret-file", self.root / "secret.bin"),
            log=self.root / "superexec.log",
            environment=self.environment,
        )
        self._write_bundle()
        self.start_run()

    def start_run(self) -> None:
        config = self.root / "run.toml"
        config.write_text(f'orders = "{self.orders}"\n')
        self.run_id = self.flwr("run", self.root / "bundle", "local", "--run-config", config)["run-id"]

    def restart_run(self) -> None:
        """Stop the run, as an operator does, and start another."""
        self.flwr("stop", self.run_id, "local")
        (self.orders / "end").touch()
        self.orders = self.root / f"orders-{next(self._numbers)}"
        self.orders.mkdir()
        self.start_run()

    def _write_bundle(self) -> None:
        bundle = self.root / "bundle"
        bundle.mkdir()
        (bundle / "hand.py").write_text((HERE / "hand.py").read_text())
        (bundle / "thief.py").write_text(
            f"from pathlib import Path\nPath({str(self.loot)!r}, 'imported').touch()\n"
            "from flwr.clientapp import ClientApp\napp = ClientApp()\n"
            f"@app.train()\ndef train(message, context):\n    Path({str(self.loot)!r}, 'ran').touch()\n"
        )
        (bundle / "LICENSE").write_text("none\n")
        (bundle / "pyproject.toml").write_text(
            '[project]\nname = "hand"\nversion = "1.0.0"\ndescription = "x"\nlicense = { file = "LICENSE" }\n'
            'dependencies = ["flwr>=1.41.0"]\n[tool.flwr.app]\npublisher = "test"\nfab-format-version = 1\n'
            'flwr-version-target = "1.41.0"\n[tool.flwr.app.components]\nserverapp = "hand:app"\n'
            'clientapp = "thief:app"\n[tool.flwr.app.config]\norders = ""\n'
        )

    def start_superlink(self) -> None:
        self.superlink = Process(
            *(COMMANDS / "flower-superlink", "--host", "127.0.0.1", "--port", self.port),
            *("--ssl-ca-certfile", self.root / "ca.crt", "--ssl-certfile", self.root / "server.pem"),
            *("--ssl-keyfile", self.root / "server.key", "--enable-supernode-auth"),
            *("--database", self.root / "state.db", "--isolation", "process"),
            *("--superexec-auth-secret-file", self.root / "secret.bin", "--disable-runtime-dependency-installation"),
            log=self.root / "superlink.log",
            environment=self.environment,
        )
        wait_until(lambda: listens(self.port), what="the SuperLink listens")

    def kill_superlink(self) -> None:
        assert self.superlink is not None
        self.superlink.end(number=signal.SIGKILL)

    def end(self) -> None:
        (self.orders / "end").touch()
        for process in (self.superexec, self.superlink):
            if process is not None:
                process.end()

    def flwr(self, *words: object) -> dict[str, Any]:
        done = subprocess.run(
            [str(COMMANDS / "flwr"), *map(str, words), "--format", "json"],
            env=self.environment,
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        answer = json.loads(done.stdout or b"{}")
        assert answer.get("success") is True, (done.stdout, done.stderr)
        return dict(answer)

    def register(self, key: ec.EllipticCurvePrivateKey) -> int:
        path = self.root / f"{secrets.token_hex(4)}.pub"
        path.write_bytes(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
        return int(self.flwr("supernode", "register", path, "local")["node-id"])

    def push(self, node_id: int, kind: str, records: dict[str, Any]) -> Path:
        """Have a message sent. records: name → {key: bytes}, or "npy" for an array, or {key: other} for other values."""
        path = self.orders / f"{next(self._numbers):04d}"
        order = {"node": node_id, "type": kind, "records": {name: _spelled(value) for name, value in records.items()}}
        path.with_suffix(".new").write_text(json.dumps(order))
        path.with_suffix(".new").rename(path.with_suffix(".order"))
        return path.with_suffix(".answer")

    def await_answer(self, path: Path, *, seconds: float = PATIENCE_S) -> Answer:
        wait_until(path.exists, what=f"an answer to {path.stem}", seconds=seconds)
        said = json.loads(path.read_text())
        return Answer(
            type=said["type"],
            error=tuple(said["error"]) if said["error"] else None,
            records={name: bytes.fromhex(value) for name, value in said["records"].items()},
            seconds=said["seconds"],
        )

    def ask(self, node_id: int, kind: str, records: dict[str, Any], *, seconds: float = PATIENCE_S) -> Answer:
        return self.await_answer(self.push(node_id, kind, records), seconds=seconds)


def _spelled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: {"hex": item.hex()} if isinstance(item, bytes) else item for key, item in value.items()}
    return value


def node_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """A new key at `path`, as ssh-keygen would write it."""
    key = ec.generate_private_key(ec.SECP384R1())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    path.chmod(0o600)
    return key
