"""A run from Python is a run of the command: the same words, the same folder, the same sentences."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import reticent
from reticent.cli import main
from reticent.errors import InputError, SettingError, StateError
from reticent.model.checkpoint_file import read_weights
from reticent.recordings.archive import read_archive, write_archive
from reticent.train import sweeping
from reticent.train.compose import composed
from reticent.train.folder import RunFolder
from tests.doors.place import contents

WORDS = ("model.name=history", "server.rounds=2", "engine.workers=1", "data=files")


@pytest.fixture(scope="module")
def done(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> reticent.Run:
    return reticent.run(*WORDS, f"data.path={recording}", folder=tmp_path_factory.mktemp("runs") / "first")


def test_a_run_returns_what_its_folder_holds(done: reticent.Run) -> None:
    assert done.results == json.loads((done.folder / "results.json").read_bytes())
    assert (done.results["people"], done.results["scored"]["people"]) == (3, 4)
    assert [line["round"] for line in done.rounds] == [-1, 0, 1]
    assert done.epsilon["employee"]["server"]["zero_out"] == pytest.approx(4.0, abs=1e-6)
    assert done.report.read_text().startswith("<!doctype html>")
    assert read_weights(done.model).round == 2
    assert str(done).startswith("history (heads), 2 rounds")
    assert repr(done) == f"<Run in {done.folder}>"


def test_its_model_is_scored_again_on_the_same_recording_by_the_command(
    done: reticent.Run, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(done.model), "--data", str(recording), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["test_people"] == 4
    assert report["baselines_counted_on"] == str(recording)
    for name in ("top1", "perplexity", "cell_top1"):
        assert report[name] == pytest.approx(done.results[name], abs=1e-9)
    assert report["baselines"]["markov1"]["top1"] == done.results["baselines"]["markov1"]["top1"]


def test_a_finished_run_is_read_again_and_stays_as_it_is(done: reticent.Run) -> None:
    before = done.model.read_bytes()
    again = reticent.run(f"resume={done.folder}")
    assert (again.rounds, again.epsilon, again.results["top1"]) == (done.rounds, done.epsilon, done.results["top1"])
    assert done.model.read_bytes() == before


def test_from_the_second_run_on_people_who_are_not_public_it_says_what_runs_cost_them_together(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sweeping, "_asked", Counter())
    one, other = (closed(recording, tmp_path / f"{title}.recording", title=title) for title in ("one", "other"))

    def told(path: Path, folder: str, *words: str) -> str:
        reticent.run(*WORDS, "server.rounds=1", *words, f"data.path={path}", folder=tmp_path / folder)
        notes = [line for line in capsys.readouterr().err.splitlines() if "cost them" in line]
        return " ".join(notes)

    assert told(one, "0") == told(recording, "1") == told(recording, "2") == ""
    with pytest.raises(SettingError):  # nothing was trained, and nobody was asked
        told(one, "refused", "server.cohort=99")
    assert f"2 runs on the people of {one}, who are not public, cost them at most epsilon 4 each" in told(one, "3")
    assert told(one, "3") == ""  # it is there already
    assert told(other, "4") == ""
    assert f"2 runs on the people of {other}" in told(other, "5")
    assert told(recording, "6") == ""


def closed(recording: Path, path: Path, *, title: str) -> Path:
    """Another recording of nobody who is public."""
    archive = read_archive(recording)
    sittings = [sitting for person in archive.people for sitting in archive.sessions(person)]
    write_archive(path, sittings, title=title, datasheet=archive.datasheet, public=False)
    return path


def test_a_relative_path_of_a_recording_is_kept_as_an_absolute_one(
    done: reticent.Run, recording: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(recording.parent)
    made = composed([*WORDS, f"data.path={recording.name}"])
    assert made.pinned() == RunFolder(done.folder).settings()
    assert made.data.path == str(recording)


def test_a_run_goes_on_with_no_other_recording_than_it_began_with(
    done: reticent.Run, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, moved = Path(shutil.copytree(done.folder, tmp_path / "run")), tmp_path / "moved.recording"
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace(str(recording), str(moved)))
    before = contents(folder)
    shutil.copyfile(recording, moved)
    assert RunFolder(folder).settings().pinned() == RunFolder(folder).settings()
    archive = read_archive(recording)
    everything = [session for person in archive.people for session in archive.sessions(person)]
    write_archive(moved, everything[:-1], title=archive.title, datasheet=archive.datasheet)
    assert main(["train", f"resume={folder}"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert f"{moved} is not the recording that this run began with" in said
    assert said.endswith("nothing was trained and the run is unchanged")
    with pytest.raises(SettingError, match="not the recording that this run began with"):
        reticent.run(*WORDS, f"data.path={moved}", folder=folder)
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["data.source=nonsense"], "data.source"),
        (["data=nonsense"], "nonsense"),
        (["nonsense=1"], "nonsense"),
        (["privacy.epsilon=0"], "privacy.epsilon"),
        (["privacy.epsilon="], "privacy"),
        (["model.name=nonsense"], "there is no model of this name"),
        (["data=files"], "data.path"),
        (["data=files", "data.path=null"], "data.source=files takes a recording's data.path"),
        (["data=drawn", "+data.path=x"], "no other source takes one"),
        (["data=files", "data.path=missing.recording"], "missing.recording; nothing was read"),
        (["data=files", "data.path=."], "there is no recording"),
    ],
)
def test_what_makes_no_sense_is_one_sentence_and_trains_nothing(
    words: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as raised:
        reticent.run(*words, folder="runs/wrong")
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "nothing was" in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.recording"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match="not a reticent recording"):
        reticent.run(*WORDS, f"data.path={path}", folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "folder"),
    [
        ([], None),
        (["resume=x"], "y"),
        (["resume=x", "seed=1"], None),
        (["seed=1"], None),
        (["resume="], None),
        (["seed=1"], ""),
    ],
)
def test_a_call_takes_a_folder_or_a_resume(words: list[str], folder: str | None) -> None:
    with pytest.raises(SettingError, match="takes a folder and settings, or"):
        reticent.run(*words, folder=folder)


def test_a_folder_that_can_be_none_and_a_callback_that_is_none_are_refused(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StateError, match=f"{tmp_path / 'file'} can't be a run's folder"):
        reticent.run(*WORDS, f"data.path={recording}", folder=tmp_path / "file")
    with pytest.raises(SettingError, match="told is called with each line"):
        reticent.run(*WORDS, f"data.path={recording}", folder=tmp_path / "run", told=3)  # type: ignore[arg-type]
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("rate", [1.0, 0.1])
def test_epsilon_and_calibration_are_the_commands(rate: float, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--steps", "30", "--delta", "1e-5", "--sampling-rate", str(rate), "--json"]
    assert main(["privacy", "calibrate", "--epsilon", "4", *words]) == 0
    noise = json.loads(capsys.readouterr().out)["noise_multiplier"]
    assert reticent.calibrate(epsilon=4, steps=30, delta=1e-5, sampling_rate=rate) == noise
    assert main(["privacy", "epsilon", "--noise-multiplier", "2", *words]) == 0
    spent = json.loads(capsys.readouterr().out)["epsilon"]
    assert reticent.epsilon(noise_multiplier=2, steps=30, delta=1e-5, sampling_rate=rate) == spent


@pytest.mark.parametrize(
    ("model", "blank", "said"), [("office-10k", True, 1), ("history", True, 0), ("office-10k", False, 0)]
)
def test_a_model_that_looks_at_screens_where_there_are_none_is_told_of(
    model: str, blank: bool, said: int, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = reticent.Frame(thumbnail=np.zeros((48, 64), dtype=np.uint8), patch=None)
    archive = read_archive(str(recording))
    sittings = [sitting for person in archive.people for sitting in archive.sessions(person)]
    if blank:
        sittings = [replace(one, frames=dict.fromkeys(one.frames, nothing)) for one in sittings]
    write_archive(str(tmp_path / "own.recording"), sittings, title=archive.title, datasheet=archive.datasheet)
    words = (
        f"model={model}",
        "server.rounds=1",
        "engine.workers=1",
        "data=files",
        f"data.path={tmp_path}/own.recording",
    )
    assert main(["train", *words, f"hydra.run.dir={tmp_path}/out"]) == 0
    assert capsys.readouterr().err.count("no screen is in these data") == said
