"""A real federation for tests: `reticent` commands in processes of their own, on loopback."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from reticent.actions.action import Session
from reticent.keeper import enrolment

ROOT = Path(__file__).resolve().parents[2]
POLICY = ROOT / "scripts" / "quickstart-settings" / "policy.yaml"
SETTINGS = Path(__file__).parent  # where plan.yaml lies
RETICENT = [sys.executable, "-m", "reticent.cli"]
ENVIRONMENT = os.environ | {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
}
PATIENCE_S = 180


def reticent(*arguments: object, code: int = 0) -> str:
    """Run one command to its end and return what it printed."""
    words = [str(argument) for argument in arguments]
    child = subprocess.run(
        [*RETICENT, *words], env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    assert child.returncode == code, f"reticent {' '.join(words)}: {child.returncode}\n{child.stdout}"
    return child.stdout


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S} s: {what}"
        time.sleep(0.05)


@dataclass
class Federation:
    """One server and its devices, below one folder. `with` ends every process that it started."""

    folder: Path
    started: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def server(self) -> Path:
        return self.folder / "server"

    def __enter__(self) -> "Federation":
        (self.folder / "logs").mkdir(parents=True)
        reticent("server", "init", self.server, "--address", "127.0.0.1:0")
        policy = yaml.safe_load(POLICY.read_text()) | {
            "epsilon_employee": 50.0,
            "epsilon_example": 50.0,
            "trainable": ["heads", "nothing"],
        }
        (self.folder / "policy.yaml").write_text(yaml.safe_dump(policy))  # room for many runs
        reticent("server", "policy", self.server, self.folder / "policy.yaml")
        self.start("serve", "server", "serve", self.server)
        return self

    def __exit__(self, *_: object) -> None:
        for name in reversed(list(self.started)):
            self.stop(name)

    def start(self, name: str, *arguments: object) -> subprocess.Popen[bytes]:
        """Start a command that says "ready", and wait until it does."""
        self._launch(name, *arguments)
        return self._ready(name)

    def _launch(self, name: str, *arguments: object) -> None:
        with self.log(name).open("wb") as output:
            self.started[name] = subprocess.Popen(
                [*RETICENT, *map(str, arguments)],
                env=ENVIRONMENT,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _ready(self, name: str) -> subprocess.Popen[bytes]:
        child, log = self.started[name], self.log(name)
        until(lambda: child.poll() is not None or "\nready" in "\n" + log.read_text(errors="replace"), f"{name} ready")
        assert child.poll() is None, log.read_text()
        return child

    def stop(self, name: str, number: int = signal.SIGTERM) -> None:
        child = self.started.pop(name)
        if number == signal.SIGKILL:
            child.kill()  # the kernel ends keeper and courier with it
        elif child.poll() is None:
            child.send_signal(number)
        child.wait(60)

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def device(self, name: str, person: str | None = None, *, sessions: tuple[Session, ...] = ()) -> Path:
        """Make and enrol a device that holds a drawn person's sessions, or these."""
        state = self.folder / name
        if person is None:
            enrolment.create(state, sessions=sessions)
        else:
            reticent("device", "init", state, "--recording", "drawn", "--person", person)
        self.enroll(state)
        return state

    def enroll(self, state: Path) -> None:
        ticket = state / "ticket.json"
        reticent("server", "enroll", self.server, state / "enrolment-request.json", "--out", ticket)
        shown = reticent("device", "enroll", state, ticket, code=2)  # no terminal: it says what to accept, and stops
        accept = re.search(r"--accept ([0-9a-f]{16})", shown)
        assert accept is not None, shown
        reticent("device", "enroll", state, ticket, "--accept", accept[1])

    def run_devices(self, *states: Path) -> None:
        """Start devices beside each other, and wait until all are ready."""
        for state in states:
            self._launch(state.name, "device", "run", state)
        for state in states:
            self._ready(state.name)

    def run_plan(self, code: int = 0, **changes: Any) -> dict[str, Any]:
        """Run plan.yaml with changes; returns the outcome that the command printed."""
        draft = yaml.safe_load((SETTINGS / "plan.yaml").read_text()) | changes
        path = self.folder / "plan.yaml"
        path.write_text(yaml.safe_dump(draft))
        printed = reticent("server", "run", self.server, path, "--json", code=code)
        outcome: dict[str, Any] = json.loads(printed[printed.index("{") :])  # notes on stderr stand before it
        return outcome

    def rounds(self, plan_id: str) -> list[dict[str, Any]]:
        lines = (self.server / "runs" / plan_id / "rounds.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


def audit(server: Path, states: Sequence[Path], code: int = 0) -> dict[str, Any]:
    """Reconcile ledgers with the server's receipts."""
    report: dict[str, Any] = json.loads(
        reticent("audit", "reconcile", "--server", server, *states, "--json", code=code)
    )
    return report
