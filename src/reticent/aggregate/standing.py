"""How a plan's run stands: what its ServerApp wrote last, what the operator wants and chose, and whether anybody works on it."""

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import StringConstraints

from reticent.aggregate.optimiser import ChosenOptimiser, Momentum, Optimiser
from reticent.errors import FormatError, StateError
from reticent.records.files import is_locked, locked, naming, replace_private
from reticent.records.record import Record, Version1

ENDS_WITH_PARENT = "RETICENT_ENDS_WITH_PARENT"
"""In the environment of a ServerApp that `reticent server serve` answers for: it ends with the process that started it."""

_LIMIT_BYTES = 64 * 1024
_LOOKS_S = 0.5  # others hold the lock for an instant, to see whether it is free


class RunStatus(StrEnum):
    """What status.json says: the last word of the process that works on the plan."""

    SUBMITTED = "submitted"  # handed to Flower; no process has begun
    RUNNING = "running"  # true while run.lock is held; where it is free, the process was killed
    WAITING = "waiting"  # running, but too few devices are connected; the reason says who is away
    FINISHED = "finished"
    ABORTED = "aborted"  # too few valid answers, or the plan expired; the same plan may be started again
    FAILED = "failed"  # something that waiting won't mend
    INTERRUPTED = "interrupted"  # the process was told to end, or lost what it needs; the run goes on by itself


class Standing(StrEnum):
    """How a run stands now, all told."""

    NOT_STARTED = "not started"  # signed and stored, never handed to Flower
    RUNNING = "running"
    INTERRUPTED = "interrupted"  # nobody works on it, and it is meant to go on
    STOPPED = "stopped"  # by the operator
    FINISHED = "finished"
    ABORTED = "aborted"
    FAILED = "failed"

    @property
    def unfinished(self) -> bool:
        """True where the run goes on without anybody's word."""
        return self in (Standing.RUNNING, Standing.INTERRUPTED)


class Submission(Record):
    """submission.json: what the operator wants, on the disk before Flower hears of it.

    flower_run: the Flower run that works on the plan, None until Flower has named it. stopped: the operator's word.
    Everything else goes by the plan id.
    """

    TITLE: ClassVar[str] = "submission"

    version: Version1 = 1
    flower_run: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}\z")] | None
    stopped: bool


@dataclass(frozen=True, slots=True)
class Report:
    """status.json. reason: one sentence, None where there is nothing to explain."""

    status: RunStatus
    reason: str | None


def write_report(run_folder: Path, status: RunStatus, reason: str | None) -> None:
    """Replace status.json; on the disk when this returns."""
    replace_private(run_folder / "status.json", json.dumps({"status": status, "reason": reason}).encode() + b"\n")


def read_report(run_folder: Path) -> Report | None:
    """status.json, or None where there is none that can be read: it explains, nothing rests on it."""
    try:
        value = json.loads(_read(run_folder / "status.json"))
        reason = value["reason"]
        return Report(RunStatus(value["status"]), reason if isinstance(reason, str) else None)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_submission(run_folder: Path, *, flower_run: str | None, stopped: bool = False) -> None:
    """Replace submission.json; on the disk when this returns."""
    replace_private(run_folder / "submission.json", Submission(flower_run=flower_run, stopped=stopped).to_bytes())


def read_submission(run_folder: Path) -> Submission | None:
    """submission.json, or None where the plan was never handed over. Raises FormatError for anything else."""
    path = run_folder / "submission.json"
    try:
        with naming(path):
            return Submission.from_bytes(_read(path), limit_bytes=_LIMIT_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"{path} can't be read ({error.strerror})") from None


def write_optimiser(run_folder: Path, optimiser: Optimiser) -> None:
    """Write optimiser.json; on the disk when this returns."""
    replace_private(run_folder / "optimiser.json", ChosenOptimiser(optimiser=optimiser).to_bytes())


def read_optimiser(run_folder: Path) -> Optimiser:
    """What optimiser.json names; the default for a run from before there was a choice. Raises: FormatError, NewerFormatError."""
    path = run_folder / "optimiser.json"
    try:
        with naming(path):
            return ChosenOptimiser.from_bytes(_read(path), limit_bytes=_LIMIT_BYTES).optimiser
    except FileNotFoundError:
        return Momentum()
    except OSError as error:
        raise StateError(f"{path} can't be read ({error.strerror})") from None


def standing(run_folder: Path) -> Standing:
    """How the run stands now. Changes nothing."""
    submission = read_submission(run_folder)
    if submission is None:
        return Standing.NOT_STARTED
    if submission.stopped:
        return Standing.STOPPED
    if is_worked_on(run_folder):
        return Standing.RUNNING
    report = read_report(run_folder)  # after the look at the lock: whoever held it has written its last word
    if report is not None and report.status in (RunStatus.FINISHED, RunStatus.ABORTED, RunStatus.FAILED):
        return Standing(report.status.value)
    return Standing.INTERRUPTED


def how_it_ended(run_folder: Path) -> str:
    """Why a run that is started again had not come to its end: the second half of a sentence."""
    submission, report = read_submission(run_folder), read_report(run_folder)
    if submission is not None and submission.stopped:
        return "the operator had stopped it"
    if report is None:
        return "it had not begun"
    if report.status in (RunStatus.RUNNING, RunStatus.WAITING):
        return "its process was killed, or the machine lost power"
    if report.status is RunStatus.SUBMITTED:
        return report.reason or "it had not begun"
    return report.reason or "it had finished"


def held(run_folder: Path, *, patience_s: float = _LOOKS_S) -> AbstractContextManager[None]:
    """Hold run.lock: one process works on a plan.

    Raises: StateError, if another holds it for longer than `patience_s`.
    """
    return locked(
        run_folder / "run.lock",
        patience_s=patience_s,
        taken="this plan is being run already; the other run goes on, this one did nothing",
    )


def is_worked_on(run_folder: Path) -> bool:
    """True while some process holds run.lock."""
    return is_locked(run_folder / "run.lock")


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(_LIMIT_BYTES + 1)
    if len(data) > _LIMIT_BYTES:
        raise FormatError(f"{path} is larger than {_LIMIT_BYTES} bytes; it was not read")
    return data
