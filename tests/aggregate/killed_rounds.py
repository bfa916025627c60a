"""Run by test_killed_rounds.py: one plan again and again, killed each time at its next step, then run to its end.

Forks for every life, so that flwr is imported once. Prints one JSON object a life.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from reticent.aggregate.optimiser import Adam
from reticent.records.keys import SigningKey
from reticent.records.messages import TrainRequest
from tests.aggregate.power import PowerSwitch
from tests.aggregate.scripted import ScriptedDevice, World, a_plan, request_of

OPERATOR, RECEIPT_KEY = SigningKey.generate(), SigningKey.generate()
DEVICES = [ScriptedDevice(100), ScriptedDevice(101)]
PLAN = a_plan(rounds=2, min_cohort=2)
OPTIMISER = Adam(average_from=0.0)  # the one that has most to forget


def world(root: Path) -> World:
    """The same organisation, devices and plan in a folder of its own."""
    return World(root, DEVICES, plan=PLAN, operator=OPERATOR, receipt_key=RECEIPT_KEY, optimiser=OPTIMISER)


def forked(work: Callable[[], None]) -> bool:
    """Run `work` in a fork; returns whether it lived to the end."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
        raise SystemExit("the run ended with an error")
    return os.WIFEXITED(status)


def life(root: Path, *, at: int, cut: bool) -> None:
    """Run the plan in this process; die at step `at`, where that isn't 0."""
    run = world(root)
    told = (root / "told").open("ab", buffering=0)

    def remember(device: ScriptedDevice, genuine: bytes, message: Any) -> bytes:
        request = request_of(message)
        assert isinstance(request, TrainRequest)
        told.write(request.receipt.to_bytes() + b"\n")  # what a device was told can't be taken back
        return genuine

    for device in DEVICES:
        device.scripts["train"] = remember
    if at:
        switch = PowerSwitch(root, at=at, cut=cut)
        run.on = run.grid._on = switch.step
    run.run()


def whole(path: Path) -> list[bytes]:
    """The whole lines of a file, which may have a torn one at its end."""
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def left(root: Path) -> dict[str, Any]:
    """What lies on the disk now."""
    run = world(root)
    lines = [json.loads(line) for line in whole(run.run_folder / "rounds.jsonl")]
    newest = sorted(path.name for path in (run.run_folder / "checkpoint").glob("applied-*"))[-1:]
    replies = run.run_folder / "replies"
    return {
        "receipts": sorted(one.decode() for one in whole(root / "receipts.jsonl")),
        "told": sorted({one.decode() for one in whole(root / "told")}),
        "applied": int(newest[0].removeprefix("applied-")) if newest else None,
        "replies": {path.name: path.read_bytes().hex() for path in sorted(replies.glob("*.reply"))},
        "other": sorted(path.suffix for path in replies.glob("*[!y]") if path.suffix not in (".reply", ".new")),
        "state": (run.run_folder / "checkpoint" / newest[0] / "state.safetensors").read_bytes().hex() if newest else "",
        "lines": lines,
    }


def lives(folder: Path, *, cut: bool) -> Iterator[dict[str, Any]]:
    step, lived = 0, False
    while not lived:
        step += 1
        root = folder / f"{'cut' if cut else 'killed'}-{step}"
        world(root)  # the devices are enrolled, the plan is there
        lived = forked(partial(life, root, at=step, cut=cut))
        interrupted = left(root)
        forked(partial(life, root, at=0, cut=cut))
        yield {"step": step, "killed": not lived, "cut": cut, "interrupted": interrupted, "end": left(root)}


def never_long(folder: Path, *, steps: int) -> dict[str, Any]:
    """A machine that fails after every `steps` steps, until the plan is through."""
    root, crashes = folder / "never-long", 0
    world(root)
    while not forked(partial(life, root, at=steps, cut=crashes % 2 == 0)):
        crashes += 1
    return {"step": steps, "killed": crashes > 3, "cut": True, "interrupted": left(root), "end": left(root)}


def main(folder: Path) -> None:
    undisturbed = folder / "undisturbed"
    world(undisturbed)
    forked(partial(life, undisturbed, at=0, cut=False))
    print(json.dumps({"undisturbed": left(undisturbed)}))
    for cut in (False, True):
        for one in lives(folder, cut=cut):
            print(json.dumps(one))
    print(json.dumps(never_long(folder, steps=45)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
