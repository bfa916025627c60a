"""The main job on one machine, by the commands that people type: serve, enrol four devices, train, audit, simulate, report."""

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
POLICY = ROOT / "scripts" / "quickstart-settings" / "policy.yaml"
REPORT = "quickstart-report.html"
DEVICES = 4
START_TIMEOUT_S = 120
RETICENT = [sys.executable, "-m", "reticent.cli"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/quickstart", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the folder to look at")
    parser.add_argument("--json", action="store_true", help="print the results as JSON too")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="reticent-quickstart-"))
    try:
        federate(folder)
        checked = audit(folder)
        simulate(folder)
        report = make_report(folder)
        tell(folder)
        if arguments.json:
            print(json.dumps({name: results(place) for name, place in runs(folder).items()}))
        print(f"\n{time.monotonic() - began:.0f} seconds in all; to read: {report}")
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
        print("  run/                          the model, rounds, privacy, results, audit, report; run/simulation/ too")
        print("  server/runs/*/                the server's side: plan, replies, checkpoint")
        print("  device-*/spool/outbox/        the exact bytes that each device sent")
        print("  device-*/keeper/ledger.jsonl  what each device accepted, paid and released")
    else:
        print("the folder was removed; --keep leaves it to look at")
    return 0 if checked else 1


class StepFailed(Exception):
    """A step of the quickstart ended with an error."""


def federate(folder: Path) -> None:
    """Serve, enrol, train. Every process has ended when this returns."""
    server = folder / "server"
    (folder / "logs").mkdir()
    say("1. a server: fresh CA, TLS, node authentication, protected Runtime API, gateway for the fleet path only")
    reticent("server", "init", server, "--address", "127.0.0.1:0")
    reticent("server", "policy", server, POLICY)
    with ExitStack() as running:
        running.enter_context(process(folder, "serve", "server", "serve", server, ready="ready"))
        say(f"2. {DEVICES} devices, each its own keeper and courier, each with another person's recorded sessions")
        policy_hash = json.loads((server / "policy.json").read_bytes())["policy"]
        for device, person in zip(devices(folder), people(), strict=True):
            reticent("device", "init", device, "--recording", "office", "--person", person)
            ticket = device / "ticket.json"
            reticent("server", "enroll", server, device / "enrolment-request.json", "--out", ticket)
            reticent("device", "enroll", device, ticket, "--accept", digest_of(policy_hash))
        starting = [
            running.enter_context(process(folder, device.name, "device", "run", device, ready=None))
            for device in devices(folder)
        ]
        for device, child in zip(devices(folder), starting, strict=True):
            wait_ready(child, folder / "logs" / f"{device.name}.log", "ready")
        lines = (folder / "logs/device-1.log").read_text().splitlines()
        print("   " + " | ".join(line for line in lines if line.startswith("keeper wall")))
        say("3. training, on the devices")
        experiment("quickstart", runs(folder)["devices"], f"engine.folder={server}")


def runs(folder: Path) -> dict[str, Path]:
    """Where the two runs leave their files."""
    return {"devices": folder / "run", "simulation": folder / "run" / "simulation"}


def devices(folder: Path) -> list[Path]:
    return [folder / f"device-{number}" for number in range(1, DEVICES + 1)]


def experiment(name: str, out: Path, *more: str) -> None:
    reticent("train", f"+experiment={name}", *more, f"hydra.run.dir={out}", progress=True)


def people() -> Sequence[str]:
    """Whose recordings the devices hold."""
    from reticent.recordings import source

    return source.clients("office", people=DEVICES)


def digest_of(policy: dict[str, Any]) -> str:
    """The hash by which a person accepts the policy."""
    from reticent.records.signed import Signed

    return Signed.from_json(policy).id


def audit(folder: Path) -> bool:
    """Verify each ledger, then all of them against the server's receipts; what was found goes into the run's audit.json."""
    say("4. everything is stopped; the audit reads what was left on disk")
    server, ledgers = folder / "server", []
    for device in devices(folder):
        one = asked("audit", "verify", device, "--policy", server / "policy.json")
        lines = [f"{one['charged']} rounds charged, {one['released']} released", *findings(one)]
        ledgers.append({"name": device.name, "holds": one["holds"], "lines": lines})
    whole = asked("audit", "reconcile", "--server", server, *devices(folder))
    charged, received = (sum(one[name] for one in whole["devices"]) for name in ("charged", "received"))
    lines = [f"{len(whole['devices'])} devices, {charged} charges, {received} releases received", *findings(whole)]
    written = {"ledgers": ledgers, "reconciled": whole["holds"], "lines": lines}
    (runs(folder)["devices"] / "audit.json").write_text(json.dumps(written, indent=2) + "\n")
    agree = "agree" if whole["holds"] else "do NOT agree"
    print(
        f"   {sum(one['holds'] for one in ledgers)} of {len(ledgers)} ledgers hold, and they {agree} with the receipts:"
    )
    for line in [line for one in ledgers for line in one["lines"][1:]] + lines:
        print(f"   {line}")
    return bool(whole["holds"] and all(one["holds"] for one in ledgers))


def findings(checked: dict[str, Any]) -> list[str]:
    """What an audit found and noted, a sentence each."""
    return [*(f"FOUND {one['subject']}: {one['sentence']}" for one in checked["findings"]), *checked["notes"]]


def simulate(folder: Path) -> None:
    say("5. what scale brings: the same settings for all recorded people at once, secure aggregation assumed")
    experiment("quickstart_simulated", runs(folder)["simulation"])


def make_report(folder: Path) -> Path:
    """One page on both runs, where the quickstart was called: it stays when the folder goes."""
    say("6. one page on all of it")
    reticent("audit", "report", runs(folder)["devices"])
    return Path(shutil.copy(runs(folder)["devices"] / "report.html", Path.cwd() / REPORT))


def results(run: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((run / "results.json").read_bytes())
    return value


def tell(folder: Path) -> None:
    """One line a round, one for the simulation; then epsilon of both, and what these numbers can and can't mean."""
    real, larger = (results(run) for run in runs(folder).values())
    privacy = [json.loads((run / "privacy.json").read_bytes()) for run in runs(folder).values()]
    lines = [json.loads(line) for line in (runs(folder)["devices"] / "rounds.jsonl").read_text().splitlines()]
    limits = privacy[0]["limits"]
    say(
        "what happened (metrics on held-out people; epsilon against the server, zero-out, delta "
        f"{privacy[0]['delta']:g}; limits: employee {limits['employee']:g}, example {limits['example']:g})"
    )
    print(
        f"\n   {'round':>10} {'people':>7} {'top-1':>7} {'cell top-1':>11} {'eps employee':>13} {'eps example':>12} {'bytes sent':>11}"
    )
    spent = {one["round"]: (one["employee"]["server"], one["example"]["server"]) for one in privacy[0]["by_round"]}
    for line in lines:
        if line["metrics"]:
            name = "start" if line["status"] == "start" else line["round"] + 1
            row(name, line["released"], line["metrics"], spent.get(line["round"], (0.0, 0.0)), line["bytes_received"])
    last = privacy[1]["by_round"][-1]
    row("simulated", larger["people"], larger, (last["employee"]["server"], last["example"]["server"]), None)
    gain = larger["top1"] - larger["start"]["top1"]
    few = "" if gain > 0 else "; no gain: too few, for a start that knows such people already"
    best = max(one["top1"] for one in larger["baselines"].values())
    print(
        f"\n   {larger['people']} people in {larger['rounds']} simulated rounds: top-1 {gain:+.3f} from the public start{few}; "
        f"the best simple count of last actions has {best:.3f}.\n   What as many bring to a start that has never seen an office: "
        "experiments/002-simulated-people"
    )
    epsilons(privacy)
    honest(real["people"], privacy[0])


def row(name: object, people: int, scores: dict[str, Any], spent: tuple[float, float], sent: int | None) -> None:
    from reticent.audit.report.wording import epsilon

    print(
        f"   {name:>10} {people or '-':>7} {scores['top1']:>7.3f} {scores['cell_top1']:>11.3f} {epsilon(spent[0]):>13} "
        f"{epsilon(spent[1]):>12} {'-' if sent is None else f'{sent:,}':>11}"
    )


def epsilons(files: Sequence[dict[str, Any]]) -> None:
    """After all rounds, by unit and adversary, under both adjacencies: devices, simulation."""
    from reticent.audit.report.wording import epsilon

    print(f"\n   {'epsilon after all rounds: zero-out / replace-one':<66} {'devices':>15} {'simulated':>15}")
    by = [
        {
            (one["unit"], one["adversary"], one["adjacency"], one["windows"] or 1): one["epsilon"]
            for one in file["guarantees"]
        }
        for file in files
    ]
    windows = max(key[3] for key in by[0])
    honest_devices = " and ".join(str(file["honest_devices"]) for file in files)
    for name, unit, adversary, together in (
        ("employee, against the server", "employee", "server", 1),
        (f"employee, against who sees the model, {honest_devices} honest (min_cohort)", "employee", "recipient", 1),
        ("employee, one device's own noise alone", "employee", "solo", 1),
        ("example, one training window", "example", "server", 1),
        (f"example, the {windows} windows that share one action", "example", "server", windows),
    ):
        pairs = [
            " / ".join(
                epsilon(figures[unit, adversary, adjacency, together])
                for adjacency in ("zero_out", "replace_one")
                if (unit, adversary, adjacency, together) in figures
            )
            for figures in by
        ]
        print(f"   {name:<66} {pairs[0]:>15} {pairs[1]:>15}")


def honest(people: int, privacy: dict[str, Any]) -> None:
    """What four devices can't give, and what number would."""
    (event,) = [one for one in privacy["events"] if one["unit"] == "employee"]
    print(f"""
   What {people} devices can't give: an employee-level epsilon that is both small and useful. In mode `local` each device adds the whole
   noise ({event["noise_multiplier"]:g} times the longest update, in every parameter), so their average is noise and the column top-1 shows only how
   little harm it did to the public start. The line `simulated` is for more people whose noise adds up inside secure aggregation,
   which it assumes and these devices refuse until its protocol exists. On human data (docs/what-to-expect.md) 200 people are useful at
   epsilon 4 that way; the same noise in the average takes 200 x 200 = 40,000 people in mode `local`.""")


def reticent(*arguments: object, progress: bool = False, codes: Sequence[int] = (0,)) -> str:
    """Run one command of the product and return what it printed. progress: what it tells a terminal is shown as it comes."""
    words = [str(argument) for argument in arguments]
    shown = " ".join(words).replace(str(ROOT) + "/", "")
    print(f"   $ reticent {shown}", flush=True)
    child = subprocess.run(
        [*RETICENT, *words],
        text=True,
        stdout=subprocess.PIPE,
        stderr=None if progress else subprocess.STDOUT,
        preexec_fn=end_with_parent(signal.SIGTERM),
        check=False,
    )
    if child.returncode not in codes:
        raise StepFailed(f"'reticent {shown}' ended with {child.returncode}: {child.stdout.strip() or 'see above'}")
    return child.stdout


def asked(*arguments: object) -> dict[str, Any]:
    """The JSON that an audit prints, whether it held or not."""
    value: dict[str, Any] = json.loads(reticent(*arguments, "--json", codes=(0, 1)))
    return value


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
