"""engine=superlink: the same plan on enrolled devices, through a server that is being served.

Nothing here trains: the server's ServerApp plays the rounds, devices learn, and this follows it and fills the same folder.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from reticent.aggregate.app import TEST_DATA
from reticent.aggregate.attempt import MEASURED
from reticent.aggregate.directory import read_directory
from reticent.errors import Refused, RoundAborted, SettingError, StateError
from reticent.model.checkpoint_file import read_weights
from reticent.records.budget import check_budget
from reticent.records.canonical import digest
from reticent.records.files import replace_private
from reticent.records.plan import Plan
from reticent.records.policy import DAY_S, Policy, check_plan
from reticent.records.record import Hash, Record, Version1
from reticent.records.signed import LIMIT_BYTES
from reticent.server import policies
from reticent.server import run as server
from reticent.server.interruption import interrupted_by_sigterm
from reticent.server.settings import ServerPaths, open_folder
from reticent.train.folder import RunFolder
from reticent.train.measuring import measuring
from reticent.train.planning import Planned, planned
from reticent.train.settings import NOTHING, Plain, Settings, SuperLink

_FILES = ("rounds.jsonl", "model.safetensors", "plan.json", "optimiser.json")
_NOBODY = f"{NOTHING} and nobody was asked"


class Submitted(Record):
    """submitted.json of a run folder: which plan of which server it follows."""

    TITLE: ClassVar[str] = "submission"

    version: Version1 = 1
    folder: str
    plan_id: Hash


def run_on_devices(
    settings: Settings,
    engine: SuperLink,
    folder: RunFolder,
    *,
    began: Callable[[Planned, Sequence[Mapping[str, Any]]], None],
    told: Callable[[Mapping[str, Any]], None],
    noted: Callable[[str], None],
) -> tuple[Planned, Mapping[str, float | None], Plan | None]:
    """Sign the plan and follow its rounds, or go on with the one that this folder began.

    Returns: the plan as signed, for the devices whose releases were received, the policy's limits of epsilon by unit, and the
    plan by which devices then measured, where that was asked for.
    The folder then holds the server's rounds.jsonl, model, plan and checkpoint, as far as they came.
    began: gets the plan for all enrolled devices and the journal's lines of before. told: gets each new line of it. noted: gets sentences for the operator: whom the run waits for.
    Ctrl-C and SIGTERM stop the run on the server; `resume` goes on with it.
    Raises: SettingError where devices would refuse the plan, StateError where the server isn't running: nothing was asked
    of any device then. RoundAborted, if not every round was applied.
    """
    submitted = folder.root / "submitted.json"
    if submitted.exists():
        known = Submitted.from_bytes(submitted.read_bytes()[:LIMIT_BYTES])
        root, plan_id = Path(known.folder), known.plan_id
        first = server.lines_so_far(root, plan_id)
        server.resume(root, plan_id)
    else:
        root, first = Path(engine.folder).resolve(), 0
        plan_id = _submit(settings, root, folder, noted=noted)
        replace_private(submitted, Submitted(folder=str(root), plan_id=plan_id).to_bytes())
    paths, _ = open_folder(root)
    enrolled = max(1, len(read_directory(paths.devices)))
    began(_asked(settings, paths, plan_id, people=enrolled), server.journal(paths.run(plan_id))[:first])
    try:
        with _stopped_by_interruption(root, plan_id, noted=noted):
            outcome = server.wait(root, plan_id, on_round=told, on_wait=noted, first=first)
    finally:
        _copy(paths.run(plan_id), folder.root)
    if not outcome.complete:
        raise RoundAborted(f"{outcome.sentence()}; `reticent train resume={folder.root}` goes on with it")
    _, policy = policies.current(paths)
    limits = {"employee": policy.epsilon_employee, "example": policy.epsilon_example}
    made = _played(settings, paths, plan_id)
    return made, limits, _measure(made, root, folder, noted=noted)


@contextmanager
def _stopped_by_interruption(root: Path, plan_id: str, *, noted: Callable[[str], None]) -> Iterator[None]:
    """Whoever stops waiting stops the run on the server."""
    try:
        with interrupted_by_sigterm():
            yield
    except KeyboardInterrupt:
        server.stop(root, plan_id)
        noted("no device is asked any more")
        raise


def _submit(settings: Settings, root: Path, folder: RunFolder, *, noted: Callable[[str], None]) -> str:
    paths, _ = open_folder(root)
    _, policy = policies.current(paths)
    _check(settings, policy)
    devices = len(read_directory(paths.devices))
    if not devices:
        raise StateError(f"no device is enrolled at {root}; {NOTHING}")
    now = int(time.time())
    made = planned(settings, people=devices, issued_at=now, expires_at=now + policy.max_plan_days * DAY_S)
    measured = measuring(made)
    if measured is not None:
        try:
            check_plan(measured, policy, round=0, now=now)
            check_budget((), (*made.plan.events() * made.plan.rounds, *measured.events()), policy)
        except Refused as refusal:
            raise SettingError(f"devices would refuse evaluate.private_epsilon: {refusal}") from None
    folder.begin(settings)
    try:
        return server.submit(root, made.plan, optimiser=settings.server.optimiser, say=noted)
    except Refused as refusal:
        raise SettingError(f"devices would refuse this: {refusal}") from None


def _measure(made: Planned, root: Path, folder: RunFolder, *, noted: Callable[[str], None]) -> Plan | None:
    """One more round, which measures the last model; the folder then holds measured.json. A resume finds the same plan again."""
    plan = measuring(made)
    if plan is None:
        return None
    paths, _ = open_folder(root)
    plan_id = digest(plan.to_bytes())
    if paths.run(plan_id).is_dir():
        server.resume(root, plan_id)
    else:
        server.submit(root, plan, weights=read_weights(folder.model), say=noted)
    with _stopped_by_interruption(root, plan_id, noted=noted):
        outcome = server.wait(root, plan_id, on_wait=noted)
    if not outcome.complete:
        raise RoundAborted(
            f"the model was trained and not measured: {outcome.sentence()}; `reticent train resume={folder.root}` asks again"
        )
    shutil.copyfile(paths.run(plan_id) / MEASURED, folder.root / MEASURED)
    return plan


def _check(settings: Settings, policy: Policy) -> None:
    """What would be refused on devices, or make figures that can't be compared, in the words of the command line."""
    if isinstance(settings.learn, Plain):
        raise SettingError(f"devices train under an example level; learn=plain is for simulations only; {_NOBODY}")
    if settings.privacy.mode != "local":
        raise SettingError(
            "devices refuse privacy.mode=secure until secure aggregation exists; privacy.mode=local runs on devices, and "
            f"engine=inprocess simulates secure; {_NOBODY}"
        )
    if settings.data.source != TEST_DATA:
        raise SettingError(
            f"devices bring their own data, and a server scores rounds on {TEST_DATA}: data={TEST_DATA} is needed; {_NOBODY}"
        )
    asked = {
        "learn.sampling_rate": (settings.learn.sampling_rate, policy.sampling_rate),
        "learn.expected_batch": (settings.learn.expected_batch, policy.expected_batch),
        "learn.steps": (settings.learn.steps, policy.steps),
        "privacy.delta": (settings.privacy.delta, policy.delta),
    }
    wanted = [f"{name}={theirs:g}" for name, (ours, theirs) in asked.items() if ours != theirs]
    if wanted:
        raise SettingError(f"the policy that devices accepted has exactly {' '.join(wanted)}: give that; {_NOBODY}")


def _played(settings: Settings, paths: ServerPaths, plan_id: str) -> Planned:
    """The signed plan, for all devices whose releases the server holds: everybody is asked in every round."""
    replies = (paths.run(plan_id) / "replies").glob("*.reply")
    return _asked(settings, paths, plan_id, people=len({reply.stem.partition("-")[2] for reply in replies}))


def _asked(settings: Settings, paths: ServerPaths, plan_id: str, *, people: int) -> Planned:
    plan = server.read_run(paths, plan_id)
    return Planned(plan=plan, people=people, cohort=people, rounds_of_one=plan.rounds, settings=settings)


def _copy(source: Path, target: Path) -> None:
    """What the server keeps of the run, as far as it came; the replies stay there."""
    for name in _FILES:
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)
    if (source / "checkpoint").is_dir():
        shutil.rmtree(target / "checkpoint", ignore_errors=True)
        shutil.copytree(source / "checkpoint", target / "checkpoint")
