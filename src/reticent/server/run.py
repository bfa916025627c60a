"""A run: one signed plan handed to Flower, followed until its last round or its failure."""

import contextlib
import fcntl
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from reticent.aggregate.directory import read_directory
from reticent.errors import FormatError, InputError, StateError
from reticent.model import catalogue
from reticent.records.budget import check_budget
from reticent.records.files import naming
from reticent.records.keys import SigningKey
from reticent.records.plan import Plan, read_plan, sign_plan
from reticent.records.policy import check_plan
from reticent.records.record import Record, Version1
from reticent.records.signed import LIMIT_BYTES, Signed
from reticent.server import flower, plans, policies
from reticent.server.launcher import Child
from reticent.server.settings import ServerPaths, open_folder, read_capped, replace_private, write_private
from reticent.server.supervisor import is_served

BUNDLE = Path(__file__).parent / "bundle"

_POLL_S = 0.2
_LET_GO_S = 30.0
_OUTAGE_S = 120.0  # the SuperLink may be away so long before waiting for a run gives up
_CALM_S = 30.0  # between two sentences on whom a run waits for
_JOURNAL_LIMIT_BYTES = 64 * 1024 * 1024


class Submission(Record):
    """submission.json of a run folder: which Flower run works on the plan now. Everything else goes by the plan id."""

    TITLE: ClassVar[str] = "submission"

    version: Version1 = 1
    flower_run: str


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
    now: Callable[[], float] = time.time,
    say: Callable[[str], None] = lambda sentence: None,
) -> str:
    """Sign a plan and start its rounds; its plan id. Devices check the plan again; this only tells at once.

    say: hears, before anything begins, where noise will drown what the enrolled devices teach.
    Raises: Refused where devices would refuse it, its rounds beyond a lifetime budget included; StateError where the server isn't running. Nothing was asked.
    """
    paths, _ = open_folder(root)
    _, policy = policies.current(paths)
    catalogue.check(plan.model, plan.trainable, plan.parameters)
    check_plan(plan, policy, round=plan.rounds - 1, now=int(now()))
    check_budget((), plan.events() * plan.rounds, policy)
    _check_served(paths)
    drowned = plans.outlook(plan, enrolled=len(read_directory(paths.devices)))
    if drowned is not None:
        say(drowned)
    return _hand_over(paths, sign_plan(plan, SigningKey.load(paths.operator_key)))


def submit_file(root: Path, draft: Path, *, say: Callable[[str], None], now: Callable[[], float] = time.time) -> str:
    """Like `submit`, from the YAML file that an operator writes."""
    return submit(root, plans.complete(plans.read_draft(draft), now=int(now())), now=now, say=say)


def submit_signed(root: Path, signed: Signed) -> str:
    """Start the rounds of a plan that is signed already. What it asks for isn't looked at: devices do that.

    Raises: SignatureError if another key than this server's signed it, StateError where the server isn't running.
    """
    paths, _ = open_folder(root)
    read_plan(signed, SigningKey.load(paths.operator_key).public)
    _check_served(paths)
    return _hand_over(paths, signed)


def resume(root: Path, plan_id: str) -> str:
    """Go on with an earlier run after its last applied round. A Flower run that still works on it is ended first."""
    paths, _ = open_folder(root)
    folder, _ = _known(paths, plan_id)
    _check_served(paths)
    with _one_at_a_time(folder):
        _end(paths, folder)
        _start(paths, folder, plan_id)
    return plan_id


def stop(root: Path, plan_id: str) -> None:
    """End the Flower run of a plan. Applied rounds stay; `resume` goes on after them."""
    paths, _ = open_folder(root)
    folder, _ = _known(paths, plan_id)
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
    Raises: StateError if the SuperLink stays away for two minutes; the run may still be going on then.
    """
    paths, _ = open_folder(root)
    folder, plan = _known(paths, plan_id)
    run_id = _flower_run(folder)
    seen, reason, away_since = first, None, None
    pace = _CalmVoice(on_wait)
    follower: Child | None = None
    try:
        while True:
            if follower is None:
                follower = flower.follow(paths, run_id, log=folder / "server-app.log")
            ended = follower.exit_status is not None
            if ended:
                follower.end(grace_s=0)
                follower = None
            lines = journal(folder)
            for line in lines[seen:]:
                on_round(line)
            seen = max(seen, len(lines))
            pace.say(_waiting(folder), now=time.monotonic())
            if ended:
                try:
                    state = flower.run_state(paths, run_id)
                except StateError:
                    away_since = away_since or time.monotonic()
                    if time.monotonic() - away_since > _OUTAGE_S:
                        raise
                else:
                    away_since = None
                    if state.finished:
                        reason = _reason(folder, state)
                        break
            time.sleep(_POLL_S)
    finally:
        if follower is not None:
            follower.end(grace_s=1)
    lines = journal(folder)
    for line in lines[seen:]:
        on_round(line)
    return Outcome(
        plan_id=plan_id, rounds=plan.rounds, rounds_applied=applied(lines), reason=reason, folder=str(folder)
    )


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
        lines = [json.loads(line) for line in data.split(b"\n")[:-1]]
        if all(isinstance(line, dict) and type(line["round"]) is int for line in lines):
            return lines
    except (ValueError, KeyError):
        pass
    raise FormatError(f"{folder / 'rounds.jsonl'} is no journal of rounds")


def applied(lines: list[dict[str, Any]]) -> int:
    """How many rounds were applied, by a run's journal."""
    return len({line["round"] for line in lines if line.get("status") == "applied"})


def describe(line: Mapping[str, Any]) -> str:
    """One line of the journal as a person reads it."""
    metrics = line.get("metrics") or {}
    scores = "".join(
        f", {name} {value:.3f}" for name, value in metrics.items() if name == "top1" and isinstance(value, float)
    )
    if line.get("status") == "start":
        return f"start    the public weights{scores}"
    number = line["round"] + 1
    counts = f"{line.get('released', 0)} of {line.get('asked', 0)} devices"
    if line.get("status") == "applied":
        return f"round {number}  {counts}, {line.get('seconds', 0.0):.1f} s{scores}"
    return f"round {number}  not applied: {line.get('reason')}"


def read_run(paths: ServerPaths, plan_id: str) -> Plan:
    """The plan of an earlier run. Raises StateError if there is none, SignatureError if it isn't this server's."""
    return _known(paths, plan_id)[1]


def _hand_over(paths: ServerPaths, signed: Signed) -> str:
    folder = paths.run(signed.id)
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise StateError(f"plan {signed.id} has a run already; `--resume {signed.id}` goes on with it") from None
    write_private(folder / "plan.json", signed.to_bytes())
    with _one_at_a_time(folder):
        _start(paths, folder, signed.id)
    return signed.id


def _start(paths: ServerPaths, folder: Path, plan_id: str) -> None:
    config = {"server-folder": str(paths.root), "plan-id": plan_id}
    run_id = flower.start(paths, bundle=BUNDLE, config=config, config_file=folder / "run-config.toml")
    submission = Submission(flower_run=str(run_id))
    replace_private(folder / "submission.json", submission.to_bytes())


def _end(paths: ServerPaths, folder: Path) -> None:
    """Stop the Flower run; its ServerApp has let go of the folder when this returns.

    Raises: StateError, if it still works on it half a minute later.
    """
    with contextlib.suppress(FileNotFoundError):
        flower.stop(paths, _flower_run(folder))
    deadline = time.monotonic() + _LET_GO_S
    with (folder / "run.lock").open("ab") as lock:  # the ServerApp holds it
        while True:
            try:
                return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StateError("the run was told to stop but still works; try again in a minute") from None
                time.sleep(_POLL_S)


def _flower_run(folder: Path) -> int:
    path = folder / "submission.json"
    data = read_capped(path, limit_bytes=LIMIT_BYTES)
    with naming(path):
        return int(Submission.from_bytes(data, limit_bytes=LIMIT_BYTES).flower_run)


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


class _CalmVoice:
    """Says a sentence when there is one to say, then no more often than every `_CALM_S` seconds until there is none."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._due: float | None = None

    def say(self, sentence: str | None, *, now: float) -> None:
        if sentence is None:
            self._due = None
        elif self._due is None or now >= self._due:
            self._say(sentence)
            self._due = now + _CALM_S


def _waiting(folder: Path) -> str | None:
    """Whom the ServerApp waits for, in its words; None where it doesn't."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        told = json.loads((folder / "status.json").read_bytes())
        if told.get("status") == "waiting" and isinstance(told.get("reason"), str):
            return str(told["reason"])
    return None


def _reason(folder: Path, state: flower.FlowerRun) -> str | None:
    """Why a run ended: in the ServerApp's words where it had the time to write them, else in Flower's."""
    if state.status == "finished:completed":
        return None
    if state.status == "finished:stopped":
        return "the run was stopped; `--resume` goes on with it"
    with contextlib.suppress(OSError, ValueError, AttributeError):
        written = json.loads((folder / "status.json").read_bytes())
        if written.get("status") != "waiting" and isinstance(written.get("reason"), str):
            return str(written["reason"])
    return " ".join(state.details.split())[:500] or "the run failed; server-app.log in its folder may say why"


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    with (folder / "start.lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError("this run is being started by somebody else; nothing was done") from None
        yield
