"""Scores in a process beside the workers."""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from reticent.errors import RoundAborted, SettingError
from reticent.model.public import initial
from reticent.sim.workers import check_begun, own_process
from reticent.train.scores import Beside, scores
from reticent.train.settings import Settings
from tests.train.samples import values

WEIGHTS = initial("history", "heads")
OFFICE = values(data={"source": "office", "people": None})
BESIDE, HERE = (Settings.model_validate(OFFICE | {"engine": OFFICE["engine"] | {"workers": n}}) for n in (2, 1))

ASK = """
import sys
from reticent.cli import main
assert main(["train", "data=office", "model=history", "server.rounds=2", "engine.workers=2", "hydra.run.dir=out"]) == 0
print(sorted({"torch", "opacus"} & set(sys.modules)))
"""


def test_the_process_that_asks_needs_no_torch(tmp_path):
    ran = subprocess.run([sys.executable, "-c", ASK], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


TRAIN = [sys.executable, "-m", "reticent.cli", "train"]
KILLED = ["data=office", "model=history", "server.rounds=40", "seed=3"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The model of a run that nobody killed."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    words = [*KILLED, "engine.workers=1", f"hydra.run.dir={folder}"]
    subprocess.run([*TRAIN, *words], check=True, capture_output=True)
    return (folder / "model.safetensors").read_bytes()


@pytest.fixture
def short(monkeypatch):
    """A folder of its own for temporary files, with a path that fits into the address of a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


@pytest.mark.parametrize(("told", "workers"), [(signal.SIGKILL, 2), (signal.SIGTERM, 2)])
def test_a_run_that_was_stopped_goes_on_to_the_same_model_and_leaves_no_process(told, workers, whole, short, tmp_path):
    killed = tmp_path / "killed"
    words = [*KILLED, f"engine.workers={workers}", f"hydra.run.dir={killed}"]
    log = tmp_path / "log"
    with log.open("w") as stderr:
        process = subprocess.Popen([*TRAIN, *words], stderr=stderr)
    rounds, ends = killed / "rounds.jsonl", time.monotonic() + 60
    while not rounds.exists() or rounds.read_text().count('"applied"') < 3:
        assert process.poll() is None
        assert time.monotonic() < ends
        time.sleep(0.005)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(told)
    process.wait(timeout=60)
    said = log.read_text()
    if told != signal.SIGKILL:
        assert (process.returncode, list(short.iterdir())) == (130, [])
        assert f"stopped; `reticent train resume={killed}` goes on from the last round\n" in said
        assert said.endswith("reticent: stopped\n")
    assert not psutil.wait_procs(family, timeout=30)[1]
    assert not (killed / "results.json").exists()
    subprocess.run([*TRAIN, f"resume={killed}"], check=True, capture_output=True)
    assert '"resumed"' in rounds.read_text()
    assert (killed / "model.safetensors").read_bytes() == whole


def test_scores_are_the_same_beside_and_here():
    found = []
    for settings in (BESIDE, HERE):
        with scores(settings) as scored:
            found.append((scored(WEIGHTS), scored.results(WEIGHTS)))
    assert found[0] == found[1]


def test_what_goes_wrong_beside_is_said_here():
    with scores(BESIDE) as scored, pytest.raises(SettingError, match="float32"):
        scored(WEIGHTS[:-1])


def test_a_process_that_died_is_one_sentence_whenever_it_is_noticed():
    process = own_process(print)
    scored = Beside(process)
    assert scored.peak_rss_mb() > 50
    process.submit(os._exit, 1).exception()
    for _ in range(2):  # the second time, the pool knows before it is asked
        with pytest.raises(RoundAborted, match="the process that scores died"):
            scored(WEIGHTS)
    process.shutdown()


def test_a_process_that_never_began_is_another_sentence():
    process = own_process(os._exit, 1)
    with pytest.raises(RoundAborted, match="never began"):
        Beside(process)(WEIGHTS)
    process.shutdown()


def test_what_goes_wrong_as_a_process_begins_is_said_when_it_is_asked(capfd):
    process = own_process(int, "x")
    with pytest.raises(ValueError, match="invalid literal"):
        process.submit(check_begun).result()
    process.shutdown()
    assert capfd.readouterr().err == ""


def test_a_process_that_may_start_no_others_is_told_what_needs_none(monkeypatch):
    monkeypatch.setattr(multiprocessing.current_process(), "_config", {"daemon": True})
    with pytest.raises(SettingError, match=r"engine\.workers=1 needs none"), scores(BESIDE):
        pass
