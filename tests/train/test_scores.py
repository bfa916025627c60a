"""Scores in a process beside the workers."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from reticent.errors import RoundAborted, SettingError
from reticent.model.public import initial
from reticent.sim.workers import own_process
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


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_was_killed_goes_on_to_the_same_model_and_leaves_no_process(workers, tmp_path):
    words = ["data=office", "model=history", "server.rounds=40", f"engine.workers={workers}", "seed=3"]
    command = [sys.executable, "-m", "reticent.cli", "train"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*command, *words, f"hydra.run.dir={whole}"], check=True, capture_output=True)
    process = subprocess.Popen([*command, *words, f"hydra.run.dir={killed}"], stderr=subprocess.DEVNULL)
    rounds, ends = killed / "rounds.jsonl", time.monotonic() + 60
    while not rounds.exists() or rounds.read_text().count('"applied"') < 3:
        assert process.poll() is None
        assert time.monotonic() < ends
        time.sleep(0.005)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    assert not psutil.wait_procs(family, timeout=30)[1]
    assert not (killed / "results.json").exists()
    subprocess.run([*command, f"resume={killed}"], check=True, capture_output=True)
    assert '"resumed"' in rounds.read_text()
    assert (killed / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_scores_are_the_same_beside_and_here():
    found = []
    for settings in (BESIDE, HERE):
        with scores(settings) as scored:
            found.append((scored(WEIGHTS), scored.results(WEIGHTS)))
    assert found[0] == found[1]


def test_what_goes_wrong_beside_is_said_here():
    with scores(BESIDE) as scored, pytest.raises(SettingError, match="float32"):
        scored(WEIGHTS[:-1])


def test_a_process_that_died_is_one_sentence():
    process = own_process(os._exit, 1)
    with pytest.raises(RoundAborted, match="the process that scores died"):
        Beside(process)(WEIGHTS)
    process.shutdown()
