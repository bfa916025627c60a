"""The main job on one machine, by the commands that people type: serve, enrol four devices, three rounds, audit, one table."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from reticent.walls.parent import end_with_parent

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = ROOT / "scripts" / "quickstart-settings"
DEVICES = 4
START_TIMEOUT_S = 120
WINDOWS = 9  # HISTORY + 1: the windows that one action lies in
RETICENT = [sys.executable, "-m", "reticent.cli"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/quickstart", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the folder to look at")
    parser.add_argument("--json", action="store_true", help="print the table as JSON too")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="reticent-quickstart-"))
    try:
        lines = federate(folder)
        checked = audit(folder)
        table(folder, lines)
        if arguments.json:
            print(json.dumps(lines))
        print(f"\n{time.monotonic() - began:.0f} seconds in all", end="; ")
    except KeyboardInterrupt:
        print("\nstopped; every process it started has ended", file=sys.stderr)
        return 130
    except StepFailed as failure:
        arguments.keep = True
        print(f"\nquickstart: {failure}; logs: {folder / 'logs'} and {folder / 'server' / 'logs'}", file=sys.stderr)
        return 1
    finally:
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)
    if arguments.keep:
        print(f"everything lies in {folder}:")
        print("  server/runs/*/                rounds, replies, checkpoint, model")
        print("  device-*/spool/outbox/        the exact bytes that each device sent")
        print("  device-*/keeper/ledger.jsonl  what each device accepted, paid and released")
    else:
        print("the folder was removed; --keep leaves it to look at")
    return 0 if checked else 1


class StepFailed(Exception):
    """A step of the quickstart ended with an error."""


def federate(folder: Path) -> list[dict[str, Any]]:
    """Serve, enrol, train; returns the lines of rounds.jsonl. Every process has ended when this returns."""
    server = folder / "server"
    (folder / "logs").mkdir()
    say("1. a server: fresh CA, TLS, node authentication, protected Runtime API, gateway for the fleet path only")
    reticent("server", "init", server, "--address", "127.0.0.1:0")
    reticent("server", "policy", server, SETTINGS / "policy.yaml")
    with ExitStack() as running:
        running.enter_context(process(folder, "serve", "server", "serve", server, ready="ready"))
        say(f"2. {DEVICES} devices, each its own keeper and courier, each with another person's recorded sessions")
        policy_hash = json.loads((server / "policy.json").read_bytes())["policy"]
        devices = [folder / f"device-{number}" for number in range(1, DEVICES + 1)]
        for device, person in zip(devices, people(), strict=False):
            reticent("device", "init", device, "--recording", "office", "--person", person)
            ticket = device / "ticket.json"
            reticent("server", "enroll", server, device / "enrolment-request.json", "--out", ticket)
            reticent("device", "enroll", device, ticket, "--accept", digest_of(policy_hash))
        starting = [
            running.enter_context(process(folder, device.name, "device", "run", device, ready=None))
            for device in devices
        ]
        for device, child in zip(devices, starting, strict=True):
            wait_ready(child, folder / "logs" / f"{device.name}.log", "ready")
        print(
            "   "
            + " | ".join(
                line
                for line in (folder / "logs/device-1.log").read_text().splitlines()
                if line.startswith("keeper wall")
            )
        )
        say("3. training")
        reticent("server", "run", server, SETTINGS / "plan.yaml", show=True)
    say("4. everything is stopped; the audit reads what was left on disk")
    (run,) = (server / "runs").iterdir()
    return [json.loads(line) for line in (run / "rounds.jsonl").read_text().splitlines()]


def people() -> Sequence[str]:
    """Whose recordings the devices hold."""
    from reticent.recordings import source

    return source.clients("office", people=DEVICES)


def digest_of(policy: dict[str, Any]) -> str:
    """The hash by which a person accepts the policy."""
    from reticent.records.signed import Signed

    return Signed.from_json(policy).id


def audit(folder: Path) -> bool:
    """Verify each ledger, then all of them against the server's receipts."""
    devices = sorted(folder.glob("device-*"))
    policy = folder / "server" / "policy.json"
    good = [reticent("audit", "verify", device, "--policy", policy, check=False) == 0 for device in devices]
    print(f"   {sum(good)} of {len(devices)} ledgers hold")
    whole = reticent("audit", "reconcile", "--server", folder / "server", *devices, show=True, check=False) == 0
    return whole and all(good)


def table(folder: Path, lines: list[dict[str, Any]]) -> None:
    """One line a round, then what these numbers can and can't mean."""
    from reticent.records.keys import SigningKey
    from reticent.records.layout import ServerFolder
    from reticent.records.plan import read_plan
    from reticent.records.signed import Signed

    server = ServerFolder(folder / "server")
    (run,) = (server.root / "runs").iterdir()
    plan = read_plan(Signed.from_bytes((run / "plan.json").read_bytes()), SigningKey.load(server.operator_key).public)
    policy = json.loads(server.policy.read_bytes())["policy"]["body"]
    say(
        "5. what happened (metrics on held-out people; epsilon against the server, zero-out, delta "
        f"{policy['delta']:g}; limits: employee {policy['epsilon_employee']:g}, example {policy['epsilon_example']:g})"
    )
    print(
        f"\n   {'round':>6} {'top-1':>7} {'cell top-1':>11} {'eps employee':>13} {'eps example':>12} {'bytes sent':>11}"
    )
    charged = 0
    for line in lines:
        start = line["status"] == "start"
        charged += not start
        spent = {} if start else guaranteed(plan, charged, policy["delta"])
        figures = [spent.get((unit, "server", "zero_out", 1), 0.0) for unit in ("employee", "example")]
        print(
            f"   {'start' if start else line['round'] + 1:>6} {line['metrics']['top1']:>7.3f} "
            f"{line['metrics']['cell_top1']:>11.3f} {figures[0]:>13.2f} {figures[1]:>12.2f} {line['bytes_received']:>11,}"
        )
    spent = guaranteed(plan, charged, policy["delta"])
    print(f"\n   {'epsilon after all rounds':<58} {'zero-out':>9} {'replace-one':>12}")
    for name, unit, adversary, windows in (
        ("employee, against the server, which sees every release", "employee", "server", 1),
        (f"employee, against who sees the model, {plan.min_cohort} honest (min_cohort)", "employee", "recipient", 1),
        ("employee, one device's own noise alone", "employee", "solo", 1),
        ("example, one training window", "example", "server", 1),
        (f"example, the {WINDOWS} windows that share one action", "example", "server", WINDOWS),
    ):
        pair = [spent.get((unit, adversary, adjacency, windows)) for adjacency in ("zero_out", "replace_one")]
        print(
            f"   {name:<58} "
            + " ".join(
                f"{'-' if value is None else f'{value:.2f}':>{width}}"
                for value, width in zip(pair, (9, 12), strict=True)
            )
        )
    honest(plan)


def guaranteed(plan: Any, rounds: int, delta: float) -> dict[tuple[str, str, str, int], float]:
    """Epsilon by unit, adversary, adjacency and number of windows."""
    from reticent.privacy.guarantees import guarantees

    found = guarantees(plan.events() * rounds, delta=delta, honest_devices=plan.min_cohort, windows_per_action=WINDOWS)
    return {(one.unit.value, one.adversary, one.adjacency.value, one.windows or 1): one.epsilon for one in found}


def honest(plan: Any) -> None:
    """What four devices can't give, and what number would."""
    from reticent.server.plans import noise_in_average

    times = noise_in_average(plan, devices=DEVICES)
    print(f"""
   What four devices can't give: an employee-level epsilon that is both small and useful. In mode `local` each device adds the whole
   noise; in the average of {DEVICES} it is {times:,.0f} times as long as the longest update, so the model learns nothing from these people, and the
   column top-1 shows only how little harm the noise did to the public start. On human data (docs/what-to-expect.md) 200 people are useful
   at epsilon 4 when noise adds up inside secure aggregation, which these devices refuse until its protocol exists; the same
   noise in the average takes 200 x 200 = 40,000 people in mode `local`.""")


def reticent(*arguments: object, show: bool = False, check: bool = True) -> int:
    """Run one command of the product; its output is shown when asked for, or when it fails."""
    words = [str(argument) for argument in arguments]
    shown = " ".join(words).replace(str(ROOT) + "/", "")
    print(f"   $ reticent {shown}", flush=True)
    child = subprocess.run(
        [*RETICENT, *words],
        text=True,
        stdout=None if show else subprocess.PIPE,
        stderr=None if show else subprocess.STDOUT,
        preexec_fn=end_with_parent(signal.SIGTERM),
        check=False,
    )
    if child.returncode and check:
        raise StepFailed(f"'reticent {shown}' ended with {child.returncode}: {(child.stdout or 'see above').strip()}")
    return child.returncode


@contextmanager
def process(folder: Path, name: str, *arguments: object, ready: str | None) -> Iterator[subprocess.Popen[bytes]]:
    """A command in the background, ended on the way out whatever happens."""
    words = [str(argument) for argument in arguments]
    log = folder / "logs" / f"{name}.log"
    print(f"   $ reticent {' '.join(words)} &", flush=True)
    with log.open("wb") as output:
        child = subprocess.Popen(
            [*RETICENT, *words],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=end_with_parent(signal.SIGTERM),  # it stops what it started, as after Ctrl-C
        )
    try:
        if ready:
            wait_ready(child, log, ready)
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def wait_ready(child: subprocess.Popen[bytes], log: Path, word: str) -> None:
    """Wait until a line of the log begins with `word`."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not any(line.startswith(word) for line in log.read_text(errors="replace").splitlines()):
        if child.poll() is not None:
            raise StepFailed(
                f"{log.stem} ended with {child.returncode}: {log.read_text(errors='replace').strip()[-500:]}"
            )
        if time.monotonic() > deadline:
            raise StepFailed(f"{log.stem} was not ready after {START_TIMEOUT_S} s")
        time.sleep(0.05)


def say(line: str) -> None:
    print(f"\n{line}", flush=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
