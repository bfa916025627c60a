"""Killed in the middle of each of its rounds, a run comes to the end that an undisturbed one would have come to."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml

from reticent.aggregate.optimiser import Momentum
from reticent.model.checkpoint_file import read_weights
from reticent.model.public import initial
from reticent.records.ledger import read_ledger
from reticent.records.messages import ReleaseReply
from reticent.records.plan import Plan
from reticent.records.signed import Signed
from tests.e2e.federation import ENVIRONMENT, RETICENT, SETTINGS, Federation, audit, reticent, until
from tests.world import reply_header

pytestmark = pytest.mark.timeout(900)

PEOPLE = ("drawn-0001", "drawn-0002", "drawn-0004")
ROUNDS = 3


@dataclass
class Story:
    """What happened, and what lay in the outboxes when it did."""

    federation: Federation
    states: list[Path]
    plan_id: str = ""
    outboxes: dict[Path, bytes] = field(default_factory=dict)
    left_alive: list[int] = field(default_factory=list)
    said_by_run: str = ""
    run_status: int | None = None
    said_by_serve: list[str] = field(default_factory=list)

    @property
    def run(self) -> Path:
        return self.federation.server / "runs" / self.plan_id

    def when_a_device_is_charged(self, rounds: int, strike: Callable[[], None]) -> None:
        """Wait until somebody has paid for so many rounds and the last of them isn't applied, then strike."""
        until(lambda: max(map(charges, self.states)) >= rounds, f"charge {rounds}")
        strike()
        self.outboxes |= {path: path.read_bytes() for state in self.states for path in outbox(state)}
        applied = [line for line in self.federation.rounds(self.plan_id) if line["status"] == "applied"]
        assert len(applied) == rounds - 1, "the round was over before it could be interrupted"


PLAN = re.compile(r"^plan ([0-9a-f]{64})$", re.MULTILINE)  # what `server run` says first, but for a note on noise


def charges(state: Path) -> int:
    return (state / "keeper" / "ledger.jsonl").read_bytes().count(b'"kind":"charge"')


def outbox(state: Path) -> list[Path]:
    return [path for path in (state / "spool" / "outbox").iterdir() if not path.name.startswith(".")]


def process(federation: Federation, name: str) -> psutil.Process:
    told = json.loads((federation.server / "serve.json").read_bytes())
    return psutil.Process(told["processes"][name]["pid"])


def alive(pids: list[int]) -> list[int]:
    """Those that still run (a zombie runs nothing)."""
    there = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    return [one.pid for one in there if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with Federation(tmp_path_factory.mktemp("federation")) as federation:
        states = [federation.device(f"device-{number}", person) for number, person in enumerate(PEOPLE, 1)]
        federation.run_devices(*states)
        told = Story(federation, states)
        plan = yaml.safe_load((SETTINGS / "plan.yaml").read_text()) | {"rounds": ROUNDS, "min_cohort": len(PEOPLE)}
        (federation.folder / "plan.yaml").write_text(yaml.safe_dump(plan))
        command = [*RETICENT, "server", "run", str(federation.server), str(federation.folder / "plan.yaml")]
        log = federation.log("run")
        with log.open("wb") as output:
            waiting = subprocess.Popen(command, env=ENVIRONMENT, stdout=output, stderr=subprocess.STDOUT)
        try:
            until(lambda: re.search(PLAN, log.read_text()) is not None, "the plan is submitted")
            told.plan_id = re.findall(PLAN, log.read_text())[0]
            told.when_a_device_is_charged(1, lambda: kill_the_server(told))
            federation.start("serve", "server", "serve", federation.server)
            told.when_a_device_is_charged(2, lambda: kill_the_server_app(told))
            told.when_a_device_is_charged(3, lambda: process(federation, "superlink").kill())
            told.run_status = waiting.wait(timeout=180)
        finally:
            waiting.kill()
            waiting.wait()
        told.said_by_run = log.read_text()
        told.said_by_serve = federation.log("serve").read_text().splitlines()
        yield told


def kill_the_server(told: Story) -> None:
    """kill -9 of `serve`: the kernel and their own watch end what it had started."""
    federation = told.federation
    serve = psutil.Process(federation.started["serve"].pid)
    tree = [serve.pid, *(one.pid for one in serve.children(recursive=True))]
    assert len(tree) >= 5  # serve, SuperLink, SuperExec, gateway, ServerApp
    federation.stop("serve", signal.SIGKILL)
    until(lambda: not alive(tree), "every process of the server is gone")


def kill_the_server_app(told: Story) -> None:
    children = process(told.federation, "superexec").children(recursive=True)
    assert children
    for child in children:
        os.kill(child.pid, signal.SIGKILL)


def test_one_command_after_the_crash_brings_the_plan_to_its_end(story: Story) -> None:
    """That command was `serve`; the `run` that had been waiting since the beginning saw the end."""
    assert story.run_status == 0, story.said_by_run
    assert f"all {ROUNDS} rounds were applied" in story.said_by_run
    killed = "its process was killed, or the machine lost power"
    went_on = [line for line in story.said_by_serve if "goes on" in line]
    # a third line, where the SuperLink died while its ServerApp was uploading to it: that ends the process, not the run
    assert went_on[:2] == [
        f"plan {story.plan_id} goes on with round {number} of {ROUNDS}: {killed}" for number in (1, 2)
    ]
    assert f"resumed  with round 1: {killed}" in story.said_by_run


def test_each_round_is_applied_once_by_every_device(story: Story) -> None:
    lines = story.federation.rounds(story.plan_id)
    applied = [line for line in lines if line["status"] == "applied"]
    assert [line["round"] for line in applied] == list(range(ROUNDS))
    assert all(line["released"] == len(PEOPLE) and not line["incidents"] for line in applied)
    assert [line["round"] for line in lines if line["status"] == "resumed"][:2] == [0, 1]


def test_every_device_paid_once_for_each_round_and_the_ledgers_reconcile(story: Story) -> None:
    for state in story.states:
        kinds = [entry.kind for entry in read_ledger((state / "keeper" / "ledger.jsonl").read_bytes())]
        assert kinds == ["genesis", "consent", *(["charge", "receipt", "release"] * ROUNDS)]
    receipts = (story.federation.server / "receipts.jsonl").read_bytes().splitlines()
    assert len(receipts) == ROUNDS * len(PEOPLE)
    audit(story.federation.server, story.states)


def test_what_was_made_before_the_crash_is_what_was_sent_after_it(story: Story) -> None:
    assert story.outboxes
    for path, data in story.outboxes.items():
        assert path.read_bytes() == data
    sent = [path.read_bytes() for state in story.states for path in outbox(state)]
    releases = {data for data in sent if isinstance(reply_header(data), ReleaseReply)}
    received = {path.read_bytes() for path in (story.run / "replies").iterdir()}
    assert len(releases) == ROUNDS * len(PEOPLE)
    assert releases == received


def test_the_final_weights_are_those_of_an_undisturbed_run_fed_the_same_payloads(story: Story) -> None:
    plan = Plan.from_bytes(Signed.from_bytes((story.run / "plan.json").read_bytes()).body, limit_bytes=1 << 16)
    state = Momentum().start(initial(plan.model, plan.trainable))
    for number in range(ROUNDS):
        payloads = [
            np.frombuffer(path.read_bytes().split(b"\n", 1)[1], dtype="<i4").astype(np.int64)
            for path in (story.run / "replies").glob(f"{number}-*.reply")
        ]
        mean = np.sum(payloads, axis=0) * plan.release.grid / len(payloads)
        state = Momentum().step(state, mean, step=number, steps=ROUNDS)
    assert np.array_equal(read_weights(story.run / "model.safetensors").weights, state.weights)


def test_status_says_how_it_ended(story: Story) -> None:
    assert f"run      {story.plan_id} {ROUNDS} of {ROUNDS} rounds applied, finished" in reticent(
        "server", "status", story.federation.server
    )
