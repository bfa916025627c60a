"""kill -9 at every write between inbox and outbox: one charge, one distinct payload."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    child = subprocess.run(
        [sys.executable, str(ROOT / "tests/keeper/killed_keeper.py"), str(tmp_path_factory.mktemp("killed"))],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr[-2000:]
    seen: list[dict[str, Any]] = json.loads(child.stdout.splitlines()[-1])
    return seen


def test_there_were_many_moments_to_die_in(lives: list[dict[str, Any]]) -> None:
    killed = [life for life in lives if life["killed"]]
    assert sum(life["stage"] == "join" for life in killed) >= 8
    assert sum(life["stage"] == "train" for life in killed) >= 12


def test_whenever_it_dies_there_is_one_charge_and_one_release(lives: list[dict[str, Any]]) -> None:
    for life in lives:
        assert life["kinds"].count("charge") == 1, life
        assert life["kinds"].count("release") == (life["stage"] == "train"), life


def test_whenever_it_dies_one_distinct_reply_could_be_read(lives: list[dict[str, Any]]) -> None:
    for life in lives:
        assert life["replies"] == ["join" if life["stage"] == "join" else "release"], life
