"""The whole path on real parts: SuperLink, TLS, gateway, node authentication, keepers and couriers in their own processes."""

import base64
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from reticent.model.checkpoint_file import read_weights
from reticent.model.public import initial
from reticent.records.ledger import read_ledger
from reticent.records.messages import ReleaseReply
from reticent.records.plan import Plan
from reticent.records.signed import Signed
from tests.capture.desk import missing
from tests.e2e import typed
from tests.e2e.federation import RETICENT, Federation, audit, reticent, until
from tests.world import reply_header

pytestmark = pytest.mark.timeout(600)

PEOPLE = ("drawn-0001", "drawn-0002", "drawn-0004", "drawn-0005")


@dataclass(frozen=True)
class Disturbed:
    """A round in which a device was killed. snapshot: the state of another one, copied before that round."""

    outcome: dict[str, Any]
    last_entry: str
    snapshot: Path


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with Federation(tmp_path_factory.mktemp("federation")) as running:
        if not missing():  # the first person types a secret, for real
            running.device("device-1", sessions=typed.sessions())
        for number, person in enumerate(PEOPLE, 1):
            if not (running.folder / f"device-{number}").exists():
                running.device(f"device-{number}", person)
        running.run_devices(*(running.folder / f"device-{number}" for number in range(1, 5)))
        yield running


@pytest.fixture(scope="module")
def states(federation: Federation) -> list[Path]:
    return [federation.folder / f"device-{number}" for number in range(1, 5)]


@pytest.fixture(scope="module")
def finished(federation: Federation) -> dict[str, Any]:
    return federation.run_plan(rounds=2)


def test_all_rounds_are_applied_with_every_device(federation: Federation, finished: dict[str, Any]) -> None:
    assert finished["complete"]
    applied = [line for line in federation.rounds(finished["plan_id"]) if line["status"] == "applied"]
    assert [line["round"] for line in applied] == [0, 1]
    assert all(line["released"] == 4 and not line["dropped"] for line in applied)
    assert all(0 < line["metrics"]["top1"] <= 1 and 0 < line["metrics"]["cell_top1"] <= 1 for line in applied)


def test_the_ledgers_verify_and_reconcile_with_the_receipts(
    federation: Federation, states: list[Path], finished: dict[str, Any]
) -> None:
    for state in states:
        reticent("audit", "verify", state)
        kinds = [entry.kind for entry in read_ledger((state / "keeper" / "ledger.jsonl").read_bytes())]
        assert kinds == ["genesis", "consent", *(["charge", "receipt", "release"] * 2)]
    audit(federation.server, states)


def test_what_the_server_received_is_byte_for_byte_what_lies_in_the_outboxes(
    federation: Federation, states: list[Path], finished: dict[str, Any]
) -> None:
    received = {path.read_bytes() for path in (federation.server / "runs" / finished["plan_id"] / "replies").iterdir()}
    sent = {path.read_bytes() for state in states for path in (state / "spool" / "outbox").iterdir()}
    releases = {data for data in sent if isinstance(reply_header(data), ReleaseReply)}
    assert len(releases) == 8
    assert releases == received


def test_the_weights_follow_from_the_stored_payloads_by_hand(federation: Federation, finished: dict[str, Any]) -> None:
    """Mean of the integers, times the grid, through the server's momentum: nothing else went into the model."""
    from reticent.aggregate.optimiser import Momentum

    run = federation.server / "runs" / finished["plan_id"]
    plan = Plan.from_bytes(Signed.from_bytes((run / "plan.json").read_bytes()).body, limit_bytes=1 << 16)
    state = Momentum().start(initial(plan.model, plan.trainable))
    for number in range(2):
        payloads = [
            np.frombuffer(path.read_bytes().split(b"\n", 1)[1], dtype="<i4").astype(np.int64)
            for path in (run / "replies").glob(f"{number}-*.reply")
        ]
        mean = np.sum(payloads, axis=0) * plan.release.grid / len(payloads)
        state = Momentum().step(state, mean, step=number, steps=plan.rounds)
    assert np.array_equal(read_weights(run / "model.safetensors").weights, state.weights)


def test_asking_the_finished_plan_again_changes_nothing(
    federation: Federation, states: list[Path], finished: dict[str, Any]
) -> None:
    before = [(state / "keeper" / "ledger.jsonl").read_bytes() for state in states]
    reticent("server", "run", federation.server, "--resume", finished["plan_id"])
    assert [(state / "keeper" / "ledger.jsonl").read_bytes() for state in states] == before


def test_a_second_daemon_on_one_state_folder_is_refused(states: list[Path], finished: dict[str, Any]) -> None:
    said = reticent("device", "run", states[0], code=2)
    assert "another" in said or "in use" in said


def test_an_operator_learns_at_once_that_devices_would_refuse(federation: Federation, states: list[Path]) -> None:
    with pytest.raises(AssertionError, match="min_cohort"):
        federation.run_plan(min_cohort=1)


def test_the_network_side_is_locked_out_of_the_keeper(states: list[Path], federation: Federation) -> None:
    log = federation.log("device-1").read_text()
    if "landlock" not in log:
        pytest.skip("no Landlock on this kernel")
    assert "keeper wall: seccomp+audit; courier wall: landlock+seccomp+audit" in log


def test_a_typed_secret_is_in_no_byte_sent_log_spool_or_server_file(
    federation: Federation, states: list[Path], finished: dict[str, Any]
) -> None:
    """Searched in several writings, whole and in pieces; the vault is searched as well, it is encrypted."""
    if missing():
        pytest.skip(f"this machine has no {', '.join(missing())}")
    secret = typed.SECRET
    pieces = {secret, secret[:7], secret[7:14], secret[-7:], secret.lower(), secret[::-1]}
    writings = {piece.encode(code) for piece in pieces for code in ("utf-8", "utf-16-le", "utf-32-le")}
    writings |= {base64.b64encode(secret.encode()[start:])[4:-4] for start in range(3)}
    writings |= {secret.encode().hex().encode(), repr(list(secret.encode())).encode()}
    opened = [path for path in federation.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(opened) > 50
    assert any("outbox" in path.parts for path in opened)
    for path in opened:
        data = path.read_bytes()
        assert not [one for one in writings if one in data], path
    planted = federation.folder / "planted"
    planted.write_text(f"log: {secret}")  # the search can find it
    assert any(one in planted.read_bytes() for one in writings)
    planted.unlink()


def test_nothing_readable_as_a_capture_lies_outside_the_vault(federation: Federation, states: list[Path]) -> None:
    """The person's own frames, as bytes, are in no file of server, spool, ledger or log."""
    from reticent.recordings import source

    frames = [
        frame.thumbnail.tobytes() for session in source.sessions("drawn", PEOPLE[1]) for frame in session.frames[:20]
    ]
    telling = [row for frame in frames for row in (frame[64 * 20 : 64 * 22], frame[64 * 30 : 64 * 32])]
    telling = [row for row in telling if len(set(row)) > 8]
    assert telling
    for path in federation.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not any(row in data for row in telling), path


@pytest.fixture(scope="module")
def disturbed(federation: Federation, states: list[Path], finished: dict[str, Any]) -> Disturbed:
    """One more round, in which the last device is killed once it has charged, and nothing more.

    The first device sleeps until then, so the round can't end before its victim is dead.
    """
    snapshot = federation.folder / "snapshot"
    shutil.copytree(states[2], snapshot)  # nothing is asked of it now
    victim, sleeper = states[3], federation.started[states[0].name].pid
    sleeping = [psutil.Process(sleeper), *psutil.Process(sleeper).children(recursive=True)]
    ledger = victim / "keeper" / "ledger.jsonl"
    charged = ledger.read_bytes().count(b'"kind":"charge"')

    def kill_when_it_has_charged() -> None:
        try:
            until(lambda: ledger.read_bytes().count(b'"kind":"charge"') > charged, "the victim charges")
            federation.stop(victim.name, signal.SIGKILL)
        finally:
            for process in reversed(sleeping):
                process.resume()

    for process in sleeping:
        process.suspend()
    killer = threading.Thread(target=kill_when_it_has_charged)
    killer.start()
    try:
        outcome = federation.run_plan(rounds=1, lifetime_days=0.5)
    finally:
        killer.join()
    last = read_ledger(ledger.read_bytes())[-1].kind
    federation.run_devices(victim)
    return Disturbed(outcome=outcome, last_entry=last, snapshot=snapshot)


def applied(federation: Federation, outcome: dict[str, Any]) -> dict[str, Any]:
    """The journal's line of the one round of a run."""
    (line,) = [line for line in federation.rounds(outcome["plan_id"]) if line["status"] == "applied"]
    return line


def test_a_device_killed_mid_round_does_not_stop_the_round(federation: Federation, disturbed: Disturbed) -> None:
    assert disturbed.outcome["complete"]
    line = applied(federation, disturbed.outcome)
    assert line["released"] == 3
    assert line["dropped"] in ({"node_error": 1}, {"silent": 1})
    assert disturbed.last_entry == "charge"


def test_a_restored_snapshot_is_caught_by_the_receipt_index(
    federation: Federation, states: list[Path], disturbed: Disturbed
) -> None:
    """The snapshot is of before the last round, for which this device paid."""
    restored = states[2]
    federation.stop(restored.name)
    assert len((restored / "keeper" / "ledger.jsonl").read_bytes()) > len(
        (disturbed.snapshot / "keeper" / "ledger.jsonl").read_bytes()
    )
    shutil.rmtree(restored)
    shutil.copytree(disturbed.snapshot, restored)
    federation.run_devices(restored)
    outcome = federation.run_plan(rounds=1, lifetime_days=0.3)
    assert applied(federation, outcome)["released"] == 3
    report = audit(federation.server, states, code=1)
    assert "receipt" in str(report)


def test_ctrl_c_ends_every_process_of_a_device(federation: Federation, states: list[Path]) -> None:
    child = federation.started[states[0].name]
    pids = [child.pid, *(member.pid for member in psutil.Process(child.pid).children(recursive=True))]
    assert len(pids) == 3  # supervisor, courier, keeper
    federation.stop(states[0].name, signal.SIGINT)
    assert child.returncode == 0
    assert not [pid for pid in pids if _alive(pid)]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_command_s_help_shows_an_example() -> None:
    for words in (["device"], ["server"], ["audit"], ["privacy"], ["data"], ["doctor"], ["evaluate"]):
        child = subprocess.run([*RETICENT, *words, "--help"], capture_output=True, text=True, check=True)
        assert "Example" in child.stdout, words
