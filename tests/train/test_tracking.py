"""TensorBoard and MLflow get each round once, from rounds.jsonl, and nothing leaves the machine."""

import builtins
import json
import socket

import pytest

from reticent.cli import main
from reticent.errors import SettingError
from reticent.train import tracking
from reticent.train.settings import Settings
from tests.train.samples import WORDS, values

SCALARS = {
    "metrics/top1",
    "metrics/perplexity",
    "privacy/epsilon_employee_server",
    "speed/seconds",
    "speed/people_per_second",
}


def train(*words, folder):
    return main(["train", *WORDS, *words, f"hydra.run.dir={folder}"])


@pytest.fixture
def called(monkeypatch):
    """Whoever is connected to or looked up."""
    found = []
    for owner, name in ((socket.socket, "connect"), (socket.socket, "connect_ex"), (socket, "getaddrinfo")):
        monkeypatch.setattr(owner, name, lambda *whom, **more: found.append(whom) or 1)
    return found


def stop_before(monkeypatch, number):
    from reticent.sim.rounds import SimulatedRound

    play = SimulatedRound.__call__

    def until(self, at, *rest):
        if at == number:
            raise KeyboardInterrupt
        return play(self, at, *rest)

    monkeypatch.setattr(SimulatedRound, "__call__", until)


def lines_of(folder):
    return [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]


def scalars(folder):
    """Scalar → [(step, value)] as they lie in the event files."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    found = {}
    for path in sorted((folder / "tensorboard").iterdir()):
        for event in LegacyEventFileLoader(str(path)).Load():
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def test_the_guard_notices_a_call(called):
    with socket.socket() as some:
        some.connect(("192.0.2.1", 9))
    assert len(called) == 1


def test_tensorboard_has_each_round_once_after_a_stop_and_a_resume(few, called, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    with monkeypatch.context() as patch:
        stop_before(patch, 2)
        assert train("tracking=tensorboard", folder=folder) == 130
    assert [step for step, _ in scalars(folder)["metrics/top1"]] == [0, 1, 2]
    assert main(["train", f"resume={folder}"]) == 0
    found = scalars(folder)
    assert set(found) >= SCALARS
    tops = {line["round"] + 1: line["metrics"]["top1"] for line in lines_of(folder) if line["metrics"]}
    assert [step for step, _ in found["metrics/top1"]] == [0, 1, 2, 3]
    assert dict(found["metrics/top1"]) == pytest.approx(tops)
    assert [step for step, _ in found["speed/seconds"]] == [1, 2, 3]
    assert found["privacy/epsilon_employee_server"][-1] == (3, pytest.approx(4.0, rel=1e-4))
    assert called == []


def test_mlflow_has_settings_each_round_once_and_the_last_files(few, called, tmp_path, monkeypatch):
    folder, store = tmp_path / "out", tmp_path / "a store"
    with monkeypatch.context() as patch:
        stop_before(patch, 2)
        assert train("tracking=mlflow", f"tracking.folder={store}", folder=folder) == 130
    assert status(store) == "KILLED"
    assert main(["train", f"resume={folder}"]) == 0
    assert status(store) == "FINISHED"
    (run,) = store.glob("*/*/meta.yaml")
    assert (run.parent / "params" / "privacy.epsilon").read_text() == "4.0"
    history = (run.parent / "metrics" / "metrics" / "top1").read_text().splitlines()
    tops = [(line["round"] + 1, line["metrics"]["top1"]) for line in lines_of(folder) if line["metrics"]]
    assert [(int(step), float(value)) for _, value, step in (one.split() for one in history)] == tops
    kept = {path.name for path in (run.parent / "artifacts").iterdir()}
    assert kept == {"config.yaml", "rounds.jsonl", "results.json", "privacy.json", "report.html", "model.safetensors"}
    assert called == []


def status(store):
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=store.as_uri())
    experiment = client.get_experiment_by_name("reticent")
    (run,) = client.search_runs([experiment.experiment_id])
    return run.info.status


@pytest.mark.parametrize("address", ["http://192.0.2.1:5000", "databricks://profile", "file:///tmp/x", ""])
def test_an_address_is_refused(address):
    with pytest.raises(SettingError, match=r"a folder on this machine.*nothing was trained"):
        Settings.of(values(tracking={"name": "mlflow", "folder": address}))


@pytest.mark.parametrize("below", ["", "x", "x/y"])
def test_a_store_that_can_t_be_made_is_one_sentence_before_any_work(below, tmp_path, capsys):
    file = tmp_path / "file"
    file.touch()
    assert train("tracking=mlflow", f"tracking.folder={file / below}", folder=tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "no folder can be made or written there; nothing was trained" in said
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_missing_package_is_one_sentence_before_any_work(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tracking, "find_spec", lambda package: None)
    assert train(f"tracking={name}", folder=tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "pip install 'reticent[tracking]'; nothing was trained" in said
    assert not (tmp_path / "out").exists()


def test_without_tracking_neither_package_is_imported(few, tmp_path, monkeypatch):
    before, asked = builtins.__import__, []
    monkeypatch.setattr(
        builtins, "__import__", lambda name, *rest, **more: asked.append(name) or before(name, *rest, **more)
    )
    assert train("server.rounds=1", folder=tmp_path / "out") == 0
    assert not [name for name in asked if name.split(".")[0] in ("tensorboard", "mlflow")]
