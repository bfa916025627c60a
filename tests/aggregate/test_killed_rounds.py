"""The organisation's half of a round, killed or without power before every step: nothing is lost, nothing happens twice."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the power switch finds a file's name in /proc"),
    pytest.mark.timeout(600),
]

ROOT = Path(__file__).resolve().parents[2]
Life = dict[str, Any]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[Life]:
    child = subprocess.run(
        [sys.executable, str(ROOT / "tests/aggregate/killed_rounds.py"), str(tmp_path_factory.mktemp("killed"))],
        env=os.environ
        | {
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr[-2000:]
    return [json.loads(line) for line in child.stdout.splitlines()]


@pytest.fixture(scope="module")
def undisturbed(told: list[Life]) -> Life:
    end: Life = told[0]["undisturbed"]
    return end


@pytest.fixture(scope="module")
def lives(told: list[Life]) -> list[Life]:
    return told[1:]


def test_there_were_many_moments_to_die_in(lives: list[Life]) -> None:
    for cut in (False, True):
        assert sum(one["killed"] for one in lives if one["cut"] is cut) > 80


def test_whenever_it_dies_the_weights_and_the_optimiser_in_the_end_are_those_of_an_undisturbed_run(
    lives: list[Life], undisturbed: Life
) -> None:
    for one in lives:
        assert one["end"]["state"] == undisturbed["state"], one["step"]


def test_whenever_it_dies_each_round_is_applied_once(lives: list[Life], undisturbed: Life) -> None:
    for one in lives:
        done = [line for line in one["end"]["lines"] if line["status"] in ("start", "applied")]
        assert [line["round"] for line in done] == [-1, 0, 1], one["step"]
        hashes = [line["new_weights_hash"] for line in done]
        assert hashes == [line["new_weights_hash"] for line in undisturbed["lines"]], one["step"]
        assert [(line["asked"], line["joined"], line["released"]) for line in done[1:]] == [(2, 2, 2)] * 2, one["step"]


def test_whenever_it_dies_there_is_one_receipt_a_device_and_round(lives: list[Life], undisturbed: Life) -> None:
    assert len(undisturbed["receipts"]) == 4
    for one in lives:
        assert one["end"]["receipts"] == undisturbed["receipts"], one["step"]


def test_no_receipt_that_a_device_was_told_is_ever_lost(lives: list[Life]) -> None:
    assert any(one["interrupted"]["told"] and one["interrupted"]["applied"] == 0 for one in lives)
    for one in lives:
        assert set(one["interrupted"]["told"]) <= set(one["interrupted"]["receipts"]), one["step"]


def test_the_payloads_of_an_applied_round_are_on_the_disk_before_it_counts(
    lives: list[Life], undisturbed: Life
) -> None:
    for one in lives:
        applied, replies = one["interrupted"]["applied"] or 0, one["interrupted"]["replies"]
        kept = {name: data for name, data in undisturbed["replies"].items() if int(name.split("-")[0]) < applied}
        assert kept.items() <= replies.items(), one["step"]
        assert one["end"]["replies"] == undisturbed["replies"], one["step"]
        assert one["end"]["other"] == [], one["step"]  # no device is accused


def test_the_journal_says_that_and_where_a_run_went_on(lives: list[Life]) -> None:
    for one in lives[:-1]:
        lines = [(line["status"], line["round"]) for line in one["end"]["lines"] if line["status"] == "resumed"]
        applied = one["interrupted"]["applied"]
        assert lines == ([] if applied in (None, 2) else [("resumed", applied)]), one["step"]
