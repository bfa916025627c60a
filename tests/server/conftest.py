"""A real server: three processes on loopback, started as an operator starts them; and a gateway alone."""

import datetime
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from functools import partial
from pathlib import Path

import psutil
import pytest

os.environ.update(FLWR_TELEMETRY_ENABLED="0", FLWR_DISABLE_UPDATE_CHECK="1")
with warnings.catch_warnings():  # Flower's command line uses names that click will remove
    warnings.simplefilter("ignore", DeprecationWarning)
    import flwr.supernode.fleet_http_client
    import flwr.supernode.node_auth_http_interceptor  # noqa: F401

from reticent.server import policies
from reticent.server.creation import create
from reticent.server.settings import ServerPaths
from tests.server.door import Door, opened

START_S = 120  # generous: the machine may be loaded


class Served:
    """`reticent server serve` on one folder."""

    def __init__(self, root: Path) -> None:
        self.paths = ServerPaths(root)
        if not root.exists():
            create(root, address="127.0.0.1:0", now=datetime.datetime.now(datetime.UTC))
        self.settings = json.loads(self.paths.settings.read_bytes())
        self.process: subprocess.Popen[str] | None = None
        self.lines: list[str] = []

    @property
    def root(self) -> Path:
        return self.paths.root

    def start(self) -> "Served":
        self.process = self.command("serve", str(self.root))
        self.lines = [self.process.stdout.readline()]
        assert self.lines[0].startswith("ready at https://127.0.0.1:"), self.process.communicate(timeout=START_S)
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def _listen(self) -> None:
        self.lines.extend(self.process.stdout)

    @staticmethod
    def command(*words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "reticent.cli", "server", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
        )

    def told(self) -> dict:
        return json.loads(self.paths.serving.read_bytes())

    def pids(self) -> dict[str, int]:
        return {name: facts["pid"] for name, facts in self.told()["processes"].items()}

    def end(self) -> int:
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.terminate()
        status = self.process.wait(timeout=60)
        for pipe in (self.process.stdout, self.process.stderr):
            pipe.close()
        return status


def gone(pid: int) -> bool:
    """True once nothing runs under this id (a zombie runs nothing)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def until(condition, *, seconds: float = START_S):
    """The first true value of `condition`."""
    waiting, ends = threading.Event(), time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < ends, "it did not happen"
        waiting.wait(0.05)
    return value


@pytest.fixture(name="until")
def _until():
    return until


@pytest.fixture(name="gone")
def _gone():
    return gone


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """One server for all tests that don't end it."""
    server = Served(tmp_path_factory.mktemp("organisation") / "srv")
    policies.publish(server.paths, server.paths.policy_draft, council=None)
    server.start()
    yield server
    pids = server.pids().values()
    assert server.end() == 0  # SIGTERM
    assert all(gone(pid) for pid in pids)


@pytest.fixture
def own_server(tmp_path):
    """A server of the test's own, not started yet."""
    server = Served(tmp_path / "srv")
    yield server
    server.end()


@pytest.fixture(scope="session")
def gateway(tmp_path_factory):
    with opened(tmp_path_factory.mktemp("gateway")) as door:
        yield door


@pytest.fixture
def door(gateway) -> Door:
    """A gateway before an upstream that has seen nothing yet."""
    gateway.upstream.seen.clear()
    return gateway
