"""A run: one signed plan handed to Flower, followed until its last round or its failure."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from reticent.aggregate.directory import read_directory
from reticent.aggregate.optimiser import Momentum, Optimiser
from reticent.aggregate.standing import (
    RunStatus,
    Standing,
    held,
    how_it_ended,
    read_report,
    read_submission,
    standing,
    write_optimiser,
    write_report,
    write_submission,
)
from reticent.errors import FormatError, SettingError, StateError
from reticent.model import catalogue
from reticent.model.checkpoint_file import SavedWeights, write_weights
from reticent.records.budget import check_budget
from reticent.records.files import locked, naming, sync_folder, write_private
from reticent.records.keys import SigningKey
from reticent.records.plan import Plan, read_plan, sign_plan
from reticent.records.policy import check_plan
from reticent.records.signed import LIMIT_BYTES, Signed
from reticent.server import flower, plans, policies
from reticent.server.launcher import Child
from reticent.server.reading import CalmVoice, waiting
from reticent.server.serve_lock import is_served
from reticent.server.settings import ServerPaths, open_folder, read_capped

BUNDLE = Path(__file__).parent / "bundle"

_POLL_S = 0.2
_LET_GO_S = 30.0
_TURN_S = 180.0  # two of Flower's commands and the time that a ServerApp has to let go
_OUTAGE_S = 120.0  # the server may be away so long before waiting for a run gives up
_LOG_AGAIN_S = 5.0  # between two tries to follow the log of one Flower run
_LAST_WORDS_S = 10.0
_JOURNAL_LIMIT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended. rounds: asked for by the plan; reason: why it ended before, one sentence."""

    plan_id: str
    rounds: int
    rounds_applied: int
    reason: str | None
    folder: str

    @property
    def complete(self) -> bool:
        return self.rounds_applied == self.rounds

    def to_value(self) -> dict[str, object]:
        return {"complete": self.complete, **asdict(self)}

    def sentence(self) -> str:
        if self.complete:
            return f"all {self.rounds} rounds were applied; the model is {Path(self.folder) / 'model.safetensors'}"
        return f"{self.rounds_applied} of {self.rounds} rounds were applied: {self.reason}"


def submit(
    root: Path,
    plan: Plan,
    *,
    weights: SavedWeights | None = None,
    optimiser: Optimiser | None = None,
    now: Callable[[], float] = time.time,
    say: Callable[[str], None] = lambda sentence: None,
) -> str:
    """Sign a plan and start its rounds; its plan id. Devices check the plan again; this only tells at once.

    weights: which a plan that measures is about. optimiser: the server's own, not in the plan; None takes the default.
    say: hears, before anything begins, where noise will drown what the enrolled devices teach.
    Raises: Refused where devices would refuse it, its rounds beyond a lifetime budget included; StateError where the server isn't running. Nothing was asked.
    """
    paths, _ = open_folder(root)
    _, policy = policies.current(paths)
    if (weights is not None) != plan.measures:
        raise SettingError("a plan that measures, and no other, is submitted with weights; nothing was asked")
    if not plan.measures:
        catalogue.check(plan.model, plan.trainable, plan.parameters)
    check_plan(plan, policy, round=plan.rounds - 1, now=int(now()))
    check_budget((), plan.events() * plan.rounds, policy)
    _check_served(paths)
    if drowned := plans.outlook(plan, enrolled=len(read_directory(paths.devices))):
        say(drowned)
    signed = sign_plan(plan, SigningKey.load(paths.operator_key))
    return _hand_over(paths, signed, optimiser or Momentum(), weights=weights)


def submit_file(root: Path, draft: Path, *, say: Callable[[str], None], now: Callable[[], float] = time.time) -> str:
    """Like `submit`, from the YAML file that an operator writes."""
    asked = plans.read_draft(draft)
    return submit(root, plans.complete(asked, now=int(now())), optimiser=asked.optimiser, now=now, say=say)


def submit_signed(root: Path, signed: Signed) -> str:
    """Start the rounds of a plan that is signed already. What it asks for isn't looked at: devices do that.

    Raises: SignatureError if another key than this server's signed it, StateError where the server isn't running.
    """
    paths, _ = open_folder(root)
    read_plan(signed, SigningKey.load(paths.operator_key).public)
    _check_served(paths)
    return _hand_over(paths, signed, Momentum())


def resume(root: Path, plan_id: str) -> str:
    """Go on with an earlier run after its last applied round.

    One that goes on already, or is about to, is left alone, and so is one whose rounds were all applied.
    """
    paths, _ = open_folder(root)
    folder, _ = _known(paths, plan_id)
    _check_served(paths)
    with _one_at_a_time(folder):
        stands = standing(folder)
        if not stands.unfinished and stands is not Standing.FINISHED:
            _end(paths, folder)
            _start(paths, folder, plan_id)
    return plan_id


def restart(paths: ServerPaths, plan_id: str, *, dead: bool) -> bool:
    """Start a run again that nobody works on; False, and nothing is done, where that isn't so.

    dead: no process can be on its way to it, whatever Flower believes.
    """
    folder, _ = _known(paths, plan_id)
    with _one_at_a_time(folder):
        if standing(folder) is not Standing.INTERRUPTED or (not dead and _is_on_its_way(paths, folder)):
            return False
        _end(paths, folder)
        _start(paths, folder, plan_id)
    return True


def give_up(paths: ServerPaths, plan_id: str, reason: str) -> None:
    """Let a run that keeps ending rest until the operator resumes it."""
    folder, _ = _known(paths, plan_id)
    with _one_at_a_time(folder):
        if standing(folder) is Standing.INTERRUPTED:
            _end(paths, folder)
            write_report(folder, RunStatus.FAILED, reason)


def stop(root: Path, plan_id: str) -> None:
    """End the run of a plan, for good until `resume`. Applied rounds stay.

    Raises: StateError where the SuperLink can't be told; the run won't go on after its next restart then.
    """
    paths, _ = open_folder(root)
    folder, _ = _known(paths, plan_id)
    with _one_at_a_time(folder):
        submission = read_submission(folder)
        write_submission(folder, flower_run=submission.flower_run if submission else None, stopped=True)
        _end(paths, folder)


def wait(
    root: Path,
    plan_id: str,
    *,
    on_round: Callable[[Mapping[str, Any]], None] = lambda line: None,
    on_wait: Callable[[str], None] = lambda sentence: None,
    first: int = 0,
) -> Outcome:
    """Until the run has ended. `on_round` gets every line of rounds.jsonl from line `first` on, as it appears.

    on_wait: hears whom the run waits for while too few devices are connected: at once, then every half minute.
    The server may end and come back meanwhile: it goes on with the run, and so does the waiting.
    Raises: StateError if the server stays away for two minutes; it goes on with the run when it is back.
    """
    paths, _ = open_folder(root)
    folder, plan = _known(paths, plan_id)
    seen, last_served = first, time.monotonic()
    pace = CalmVoice(on_wait)
    with _Follower(paths, folder) as follower:
        while True:
            follower.look()
            stands = standing(folder)
            lines = journal(folder)
            for line in lines[seen:]:
                on_round(line)
            seen = max(seen, len(lines))
            pace.say(waiting(folder), now=time.monotonic())
            if not stands.unfinished:
                break
            if is_served(paths):
                last_served = time.monotonic()
            elif time.monotonic() - last_served > _OUTAGE_S:
                raise StateError(
                    f"the server has been away for {_OUTAGE_S:.0f} s; `reticent server serve {paths.root}` goes on with "
                    f"this run, `reticent server run {paths.root} --resume {plan_id}` shows it"
                )
            time.sleep(_POLL_S)
    return _outcome(folder, plan, stands)


def outcome(paths: ServerPaths, plan_id: str) -> Outcome | None:
    """How a run ended; None where it goes on."""
    folder, plan = _known(paths, plan_id)
    stands = standing(folder)
    return None if stands.unfinished else _outcome(folder, plan, stands)


class _Follower:
    """Copies the output of the run's ServerApp, as Flower tells it, to server-app.log."""

    def __init__(self, paths: ServerPaths, folder: Path) -> None:
        self._paths = paths
        self._folder = folder
        self._child: Child | None = None
        self._run: str | None = None
        self._due = 0.0

    def __enter__(self) -> Self:
        return self

    def look(self) -> None:
        """Follow the Flower run that works on the plan now; again, after a while, where its log broke off."""
        submission = read_submission(self._folder)
        run = submission.flower_run if submission is not None else None
        if self._child is not None and self._child.exit_status is not None:
            self._child.end(grace_s=0)
            self._child = None
        if run is None or (run == self._run and (self._child is not None or time.monotonic() < self._due)):
            return
        if self._child is not None:
            self._child.end(grace_s=0)
        self._child = flower.follow(self._paths, int(run), log=self._folder / "server-app.log")
        self._run, self._due = run, time.monotonic() + _LOG_AGAIN_S

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is None:
            return
        deadline = time.monotonic() + _LAST_WORDS_S
        while error is None and self._child.exit_status is None and time.monotonic() < deadline:
            time.sleep(_POLL_S)  # it ends with the run
        self._child.end(grace_s=1)


def lines_so_far(root: Path, plan_id: str) -> int:
    """How many lines the journal of an earlier run has: where a resumed one goes on."""
    paths, _ = open_folder(root)
    return len(journal(_known(paths, plan_id)[0]))


def journal(folder: Path) -> list[dict[str, Any]]:
    """The whole lines of a run's rounds.jsonl so far. Raises FormatError for anything else."""
    try:
        data = read_capped(folder / "rounds.jsonl", limit_bytes=_JOURNAL_LIMIT_BYTES)
    except FileNotFoundError:
        return []
    try:
        return [_line(line) for line in data.split(b"\n")[:-1]]
    except (ValueError, KeyError, TypeError):
        raise FormatError(f"{folder / 'rounds.jsonl'} is no journal of rounds") from None


def _line(data: bytes) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(data)
    if type(line["round"]) is not int:
        raise ValueError("no line of a journal")
    return line


def applied(lines: list[dict[str, Any]]) -> int:
    """How many rounds were applied, by a run's journal."""
    return len({line["round"] for line in lines if line.get("status") == "applied"})


def folders(paths: ServerPaths) -> list[Path]:
    """The folders of all runs; what else lies among them is no run."""
    found = paths.runs.iterdir() if paths.runs.exists() else ()
    return sorted(folder for folder in found if (folder / "plan.json").is_file())


def read_run(paths: ServerPaths, plan_id: str) -> Plan:
    """The plan of an earlier run. Raises StateError if there is none, SignatureError if it isn't this server's."""
    return _known(paths, plan_id)[1]


def _hand_over(paths: ServerPaths, signed: Signed, optimiser: Optimiser, *, weights: SavedWeights | None = None) -> str:
    folder = paths.run(signed.id)
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise StateError(f"plan {signed.id} has a run already; `--resume {signed.id}` goes on with it") from None
    write_optimiser(folder, optimiser)
    write_private(folder / "plan.json", signed.to_bytes())
    if weights is not None:
        write_weights(folder / "model.safetensors", weights)
    sync_folder(folder.parent)
    with _one_at_a_time(folder):
        try:
            _start(paths, folder, signed.id)
        except BaseException:
            write_submission(folder, flower_run=None, stopped=True)  # who was told no doesn't get a run later
            raise
    return signed.id


def _start(paths: ServerPaths, folder: Path, plan_id: str) -> None:
    """Hand the plan to Flower. Before Flower hears of it, the operator's will is on the disk."""
    write_report(folder, RunStatus.SUBMITTED, how_it_ended(folder))
    write_submission(folder, flower_run=None)
    config = {"server-folder": str(paths.root), "plan-id": plan_id}
    run_id = flower.start(paths, bundle=BUNDLE, config=config, config_file=folder / "run-config.toml")
    write_submission(folder, flower_run=str(run_id))


def _end(paths: ServerPaths, folder: Path) -> None:
    """Stop the Flower run; its ServerApp has let go of the folder when this returns.

    Raises: StateError, if it still works on it half a minute later.
    """
    submission = read_submission(folder)
    if submission is not None and submission.flower_run is not None and is_served(paths):
        flower.stop(paths, int(submission.flower_run))
    try:
        with held(folder, patience_s=_LET_GO_S):
            pass
    except StateError:
        raise StateError("the run was told to stop but still works; try again in a minute") from None


def _known(paths: ServerPaths, plan_id: str) -> tuple[Path, Plan]:
    folder = paths.run(plan_id)
    try:
        if len(plan_id) != 64 or not set(plan_id) <= set("0123456789abcdef"):
            raise FileNotFoundError
        data = read_capped(folder / "plan.json", limit_bytes=LIMIT_BYTES)
    except FileNotFoundError:
        raise StateError(
            f"no run has plan id {plan_id[:80]!r}; `reticent server status` lists them; nothing was asked of any device"
        ) from None
    with naming(folder / "plan.json"):
        signed = Signed.from_bytes(data)
        if signed.id != plan_id:
            raise FormatError("it is not the plan of its folder; nothing was asked of any device")
        return folder, read_plan(signed, SigningKey.load(paths.operator_key).public)


def _check_served(paths: ServerPaths) -> None:
    if not is_served(paths):
        raise StateError(
            f"the server isn't running; start `reticent server serve {paths.root}`; nothing was asked of any device"
        )


def _is_on_its_way(paths: ServerPaths, folder: Path) -> bool:
    """Whether Flower will start, or is starting, the process of a run that was submitted and hasn't begun."""
    report, submission = read_report(folder), read_submission(folder)
    if report is None or report.status is not RunStatus.SUBMITTED:
        return False
    if submission is None or submission.flower_run is None:
        return False
    return not flower.run_state(paths, int(submission.flower_run)).finished


def _outcome(folder: Path, plan: Plan, stands: Standing) -> Outcome:
    return Outcome(
        plan_id=folder.name,
        rounds=plan.rounds,
        rounds_applied=applied(journal(folder)),
        reason=None if stands is Standing.FINISHED else _reason(folder, stands),
        folder=str(folder),
    )


def _reason(folder: Path, stands: Standing) -> str:
    if stands is Standing.STOPPED:
        return "the run was stopped; `--resume` goes on with it"
    report = read_report(folder)
    return (report.reason if report else None) or "the run failed; server-app.log in its folder may say why"


def _one_at_a_time(folder: Path) -> AbstractContextManager[None]:
    return locked(
        folder / "start.lock",
        patience_s=_TURN_S,
        taken="this run is being started or stopped by somebody else; nothing was done",
    )
