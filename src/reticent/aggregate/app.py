"""The ServerApp that Flower starts: the rounds of one plan in one server folder."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from reticent.actions.examples import pool
from reticent.aggregate.attempt import Organisation, Waiting
from reticent.aggregate.journal import Metrics
from reticent.aggregate.optimiser import Vector
from reticent.aggregate.receipts import ReceiptIndex
from reticent.aggregate.rounds import run_plan
from reticent.aggregate.standing import (
    ENDS_WITH_PARENT,
    RunStatus,
    held,
    how_it_ended,
    read_optimiser,
    read_submission,
)
from reticent.aggregate.standing import write_report as _report
from reticent.errors import IntegrityError, ReticentError, RoundAborted, SettingError, StateError
from reticent.evaluate.metrics import Scorer
from reticent.model import catalogue
from reticent.model.checkpoint_file import SavedWeights, read_weights, write_weights
from reticent.model.public import initial
from reticent.recordings import source
from reticent.records.files import naming
from reticent.records.keys import SigningKey, is_hex
from reticent.records.layout import ServerFolder
from reticent.records.plan import Plan, read_plan
from reticent.records.signed import Signed

TEST_DATA = "office"
"""Whose test people, all public, each round's weights are scored on."""

app = ServerApp()


_FAREWELL_S = 3.0  # Flower asks a ServerApp without a SuperExec to end; so long it may take
_NAMED_S = 60.0  # Flower names a run before the submission can: so long that may take


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Flower calls this with the run-config's `server-folder` and `plan-id`."""
    root, plan_id = context.run_config.get("server-folder"), context.run_config.get("plan-id")
    if not isinstance(root, str) or not root:
        raise SettingError("the run-config must name a server-folder; nothing was sent")
    if not isinstance(plan_id, str) or not is_hex(plan_id, digits=64):
        raise SettingError("the run-config's plan-id must be 64 hexadecimal digits; nothing was sent")
    folder = ServerFolder(Path(root))
    if ENDS_WITH_PARENT in os.environ:
        threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    _check_wanted(folder.run(plan_id), str(context.run_id))
    serve(grid, folder, plan_id)


def serve(grid: Grid, folder: ServerFolder, plan_id: str) -> None:
    """Run or resume one plan; runs/<plan_id>/status.json says how it stands, in one sentence where it didn't finish.

    Raises: what `run_plan` raises; ReticentError, with the place but no values, for what nobody foresaw. No chained
    exception: Flower writes what is raised here into its log.
    """
    run_folder = folder.run(plan_id)
    if not run_folder.is_dir():
        raise StateError(f"{run_folder} doesn't exist; a plan is signed and stored before it is run; nothing was sent")
    with held(run_folder):  # after a crash, Flower may run the old ServerApp beside the new one
        earlier = how_it_ended(run_folder)
        _report(run_folder, RunStatus.RUNNING, None)
        try:
            _run(grid, folder, plan_id, earlier)
        except RoundAborted as error:
            _report(run_folder, RunStatus.ABORTED, str(error))
            raise RoundAborted(str(error)) from None
        except ReticentError as error:
            _report(run_folder, RunStatus.FAILED, str(error))
            raise type(error)(str(error)) from None
        except Exception as error:
            reason = f"the run stopped at {_place(error)} ({type(error).__name__}); no unfinished round was applied"
            _report(run_folder, RunStatus.INTERRUPTED, reason)
            raise ReticentError(reason) from None
        except BaseException:
            _report(run_folder, RunStatus.INTERRUPTED, "its process was told to end")
            raise
        _report(run_folder, RunStatus.FINISHED, None)


def _run(grid: Grid, folder: ServerFolder, plan_id: str, earlier: str) -> None:
    signed, plan = _plan(folder, plan_id)
    if not plan.measures:
        catalogue.check(plan.model, plan.trainable, plan.parameters)
    run_folder = folder.run(plan_id)

    def publish(rounds_done: int, weights: Vector) -> None:
        saved = SavedWeights(
            model=plan.model, trainable=plan.trainable, plan_id=plan_id, round=rounds_done, weights=weights
        )
        write_weights(run_folder / "model.safetensors", saved)

    def tell(waiting: Waiting | None) -> None:
        if waiting is None:
            _report(run_folder, RunStatus.RUNNING, None)
        else:
            _report(run_folder, RunStatus.WAITING, waiting.sentence())

    with ReceiptIndex(folder.receipts, SigningKey.load(folder.receipt_key)) as receipts:
        organisation = Organisation(
            grid=grid,
            plan=signed,
            terms=plan,
            devices=folder.devices,
            receipts=receipts,
            run_folder=run_folder,
            score=_scorer(plan),
            publish=publish,
            optimiser=read_optimiser(run_folder),
            tell=tell,
        )
        run_plan(organisation, _weights(run_folder, plan), earlier=earlier)


def _plan(folder: ServerFolder, plan_id: str) -> tuple[Signed, Plan]:
    path = folder.run(plan_id) / "plan.json"
    try:
        data = path.read_bytes().rstrip(b"\n")
    except OSError as error:
        raise StateError(f"{path} can't be read ({error.strerror}); nothing was sent") from None
    with naming(path):
        signed = Signed.from_bytes(data)
    if signed.id != plan_id:
        raise IntegrityError(f"{path} holds another plan than its folder says; nothing was sent")
    return signed, read_plan(signed, SigningKey.load(folder.operator_key).public)


def _weights(run_folder: Path, plan: Plan) -> Vector:
    """The public ones; for a plan that measures those that were submitted with it, which may lie there from a first start."""
    if not plan.measures:
        return initial(plan.model, plan.trainable)
    saved = read_weights(run_folder / "model.safetensors")
    if (saved.model, saved.trainable) != (plan.model, plan.trainable):
        raise IntegrityError(f"{run_folder} holds weights of another model than its plan; nothing was sent")
    return saved.weights


def _scorer(plan: Plan) -> Callable[[Vector], Metrics | None]:
    people = source.split(TEST_DATA).test
    examples = pool(session for person in people for session in source.sessions(TEST_DATA, person))
    scorer = Scorer(plan.model, plan.trainable, examples)
    return lambda weights: scorer.score(weights).as_dict()


def _check_wanted(run_folder: Path, run_id: str) -> None:
    """After a crash, Flower may start a run that was stopped or replaced: only the one that is submitted works.

    Raises: StateError for any other; nothing was sent then.
    """
    deadline = time.monotonic() + _NAMED_S
    while (submission := read_submission(run_folder)) is not None:
        if submission.stopped:
            raise StateError("the operator stopped this plan; nothing was sent")
        if submission.flower_run == run_id:
            return
        if submission.flower_run is not None or time.monotonic() > deadline:
            raise StateError("another Flower run works on this plan; this one did nothing")
        time.sleep(0.1)


def _end_with_parent(parent: int) -> None:
    """End this process when its SuperExec is gone: an orphan would hold the plan against the next server."""
    while os.getppid() == parent:
        time.sleep(0.2)
    time.sleep(_FAREWELL_S)
    os._exit(1)


def _place(error: Exception) -> str:
    """Our innermost file and line under an exception: what a developer needs, and no value that it may quote."""
    package = Path(__file__).parents[1]
    place, trace = "an unknown place", error.__traceback__
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file.is_relative_to(package):
            place = f"{file.relative_to(package)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
