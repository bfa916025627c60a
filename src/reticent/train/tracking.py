"""What a run writes for TensorBoard or MLflow: figures a round, on this machine only, never of a single person.

What they get is what rounds.jsonl, config.yaml and the last files of the folder hold; those are written in any case.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from reticent.errors import StateError
from reticent.records.files import replace_private
from reticent.train.folder import RunFolder
from reticent.train.planning import Planned
from reticent.train.settings import NOTHING, MLflow, NoTracking, TensorBoard, flat
from reticent.train.watching import Watch, counts, people_per_second, spent

_PACKAGES = {"tensorboard": "tensorboard", "mlflow": "mlflow-skinny"}
_FILES = ("config.yaml", "rounds.jsonl", "results.json", "privacy.json", "report.html", "model.safetensors")
_EXPERIMENT = "reticent"
_RUN = "mlflow-run"


def trackers(tracking: NoTracking | TensorBoard | MLflow, folder: RunFolder) -> list[Watch]:
    """The one that the settings name, if any. Raises: StateError where its package is not installed, or its folder can't be."""
    if isinstance(tracking, NoTracking):
        return []
    if find_spec(tracking.name) is None:
        raise StateError(
            f"tracking={tracking.name} needs the package {_PACKAGES[tracking.name]}: "
            f"pip install 'reticent[tracking]'; {NOTHING}"
        )
    if isinstance(tracking, MLflow):
        store = Path(tracking.folder)
        there = next((one for one in (store, *store.absolute().parents) if one.exists()), store)
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise StateError(f"tracking.folder can't be {store}: no folder can be made or written there; {NOTHING}")
        return [MLflowRun(folder, Path(tracking.folder))]
    return [TensorBoardLog(folder)]


def figures(line: Mapping[str, Any], made: Planned) -> Iterator[tuple[str, float]]:
    """Of the public start or an applied round: metrics, epsilon so far, time and pace."""
    for name, value in (line["metrics"] or {}).items():
        if value is not None and name != "examples":
            yield f"metrics/{name}", value
    yield "privacy/epsilon_employee_server", spent(made, line["round"] + 1)
    pace = people_per_second(line)
    if made.settings.privacy.adaptive_clip is not None and line["clip_norm"] is not None:
        yield "privacy/clip_norm", line["clip_norm"]
    if pace is not None:
        yield "speed/seconds", line["seconds_join"] + line["seconds_train"]
        yield "speed/people_per_second", pace


class TensorBoardLog(Watch):
    """tensorboard/ of a run's folder. A resume writes it anew from rounds.jsonl, so that no round stands there twice."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder.root / "tensorboard"
        self._writer: Any = None
        self._made: Planned | None = None

    def begin(self, made: Planned, earlier: Sequence[Mapping[str, Any]]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        for old in self._folder.glob("events.out.tfevents.*"):
            old.unlink()
        self._made, self._writer = made, SummaryWriter(str(self._folder))
        for line in earlier:
            self.line(line)

    def line(self, line: Mapping[str, Any]) -> None:
        if self._made is None or not counts(line):
            return
        for name, value in figures(line, self._made):
            self._writer.add_scalar(name, value, line["round"] + 1)
        self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class MLflowRun(Watch):
    """One run in the experiment "reticent" of a file store. The run's folder keeps its id, so that a resume goes on with it."""

    def __init__(self, folder: RunFolder, store: Path) -> None:
        self._folder, self._store = folder, store
        self._client: Any = None
        self._run_id = ""
        self._made: Planned | None = None
        self._logged: dict[str, set[int]] = {}
        self._ended = False

    def begin(self, made: Planned, earlier: Sequence[Mapping[str, Any]]) -> None:
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # before it is imported, or it calls home
        os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # else it wants a database; files bear many runs at once
        from mlflow import MlflowClient

        self._made = made
        self._client = MlflowClient(tracking_uri=self._store.as_uri())
        self._run_id = self._known() or self._new()
        self._client.update_run(self._run_id, status="RUNNING")
        for name, value in flat(made.settings).items():
            self._client.log_param(self._run_id, name, value)
        for line in earlier:
            self.line(line)

    def line(self, line: Mapping[str, Any]) -> None:
        if self._made is None or not counts(line):
            return
        from mlflow.entities import Metric

        step, now = line["round"] + 1, int(1000 * datetime.now(UTC).timestamp())
        new = [(name, value) for name, value in figures(line, self._made) if step not in self._steps(name)]
        self._client.log_batch(self._run_id, metrics=[Metric(name, value, now, step) for name, value in new])
        for name, _ in new:
            self._logged[name].add(step)

    def end(self, results: Mapping[str, Any]) -> None:
        for name in _FILES:
            self._client.log_artifact(self._run_id, str(self._folder.root / name))
        self._ended = True

    def close(self) -> None:
        if self._run_id:
            self._client.set_terminated(self._run_id, status="FINISHED" if self._ended else "KILLED")

    def _known(self) -> str | None:
        """The run that an earlier process began, if the store still has it."""
        from mlflow.exceptions import MlflowException

        kept = self._folder.root / _RUN
        if not kept.is_file():
            return None
        try:
            run = self._client.get_run(kept.read_text(encoding="utf-8").strip())
        except MlflowException:
            return None
        return str(run.info.run_id)

    def _new(self) -> str:
        root = self._folder.root.resolve()
        run = self._client.create_run(self._experiment(), run_name=f"{root.parent.name}/{root.name}")
        replace_private(self._folder.root / _RUN, f"{run.info.run_id}\n".encode())
        return str(run.info.run_id)

    def _experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(_EXPERIMENT)
        if found is None:
            try:
                return str(self._client.create_experiment(_EXPERIMENT))
            except MlflowException:  # another run of a sweep was faster
                found = self._client.get_experiment_by_name(_EXPERIMENT)
        return str(found.experiment_id)

    def _steps(self, name: str) -> set[int]:
        if name not in self._logged:
            known = self._client.get_run(self._run_id).data.metrics
            history = self._client.get_metric_history(self._run_id, name) if name in known else []
            self._logged[name] = {one.step for one in history}
        return self._logged[name]
