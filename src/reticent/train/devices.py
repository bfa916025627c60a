"""engine=superlink: the same plan on enrolled devices, through a server that is being served.

Nothing here trains: the server's ServerApp plays the rounds, devices learn, and this follows it and fills the same folder.
"""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from reticent.aggregate.directory import read_directory
from reticent.errors import RoundAborted, SettingError, StateError
from reticent.records.policy import DAY_S
from reticent.records.record import Hash, Record, Version1
from reticent.records.signed import LIMIT_BYTES
from reticent.server import policies
from reticent.server import run as server
from reticent.server.settings import ServerPaths, open_folder
from reticent.train.folder import RunFolder
from reticent.train.planning import Planned, planned
from reticent.train.settings import NOTHING, Settings, SuperLink

LIFETIME_DAYS = 1  # of a plan from its signature; the shortest that any policy allows, and longer than any run
_FILES = ("rounds.jsonl", "model.safetensors", "plan.json")


class Submitted(Record):
    """submitted.json of a run folder: which plan of which server it follows."""

    TITLE: ClassVar[str] = "submission"

    version: Version1 = 1
    folder: str
    plan_id: Hash


def run_on_devices(
    settings: Settings, engine: SuperLink, folder: RunFolder, *, told: Callable[[Mapping[str, Any]], None]
) -> Planned:
    """Sign the plan and follow its rounds, or go on with the one that this folder began; returns the plan as signed.

    The folder then holds the server's rounds.jsonl, model, plan and checkpoint.
    Raises: Refused where devices would refuse the plan, StateError where the server isn't running, SettingError: nothing
    was asked of any device then. RoundAborted, if not every round was applied; `resume` goes on with it.
    """
    root = Path(engine.folder)
    paths, _ = open_folder(root)
    known = folder.root / "submitted.json"
    if known.exists():
        plan_id = Submitted.from_bytes(known.read_bytes()[:LIMIT_BYTES]).plan_id
        made = _made(settings, paths)
        made = replace(made, plan=server.read_run(paths, plan_id))
        server.resume(root, plan_id)
    else:
        made = _made(settings, paths)
        folder.begin(settings)
        plan_id = server.submit(root, made.plan)
        folder.write("submitted.json", Submitted(folder=str(root.resolve()), plan_id=plan_id).to_value())
    outcome = server.wait(root, plan_id, on_round=told)
    _copy(Path(outcome.folder), folder.root)
    if not outcome.complete:
        raise RoundAborted(f"{outcome.sentence()}; `reticent train resume={folder.root}` goes on with it")
    return made


def limits(engine: SuperLink) -> tuple[float, float]:
    """What the policy that devices accept limits for good: epsilon of an employee and of an example."""
    _, policy = policies.current(open_folder(Path(engine.folder))[0])
    return policy.epsilon_employee, policy.epsilon_example


def _made(settings: Settings, paths: ServerPaths) -> Planned:
    if settings.privacy.mode != "local":
        raise SettingError(
            "devices refuse privacy.mode=secure until secure aggregation exists; privacy.mode=local runs on devices, and "
            f"engine=inprocess simulates secure; {NOTHING} and nobody was asked"
        )
    devices = len(read_directory(paths.devices))
    if not devices:
        raise StateError(f"no device is enrolled at {paths.root}; {NOTHING}")
    now = int(time.time())
    return planned(settings, people=devices, issued_at=now, expires_at=now + LIFETIME_DAYS * DAY_S)


def _copy(source: Path, target: Path) -> None:
    """What the server keeps of the run, as far as it came; the replies stay there."""
    for name in _FILES:
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)
    if (source / "checkpoint").is_dir():
        shutil.rmtree(target / "checkpoint", ignore_errors=True)
        shutil.copytree(source / "checkpoint", target / "checkpoint")
