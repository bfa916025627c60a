"""What stands on a terminal while a run goes on, and that nothing does where there is none."""

import io
import math
import re
import sys

import pytest
from rich.console import Console

from reticent.cli import main
from reticent.train.live import LiveLine
from reticent.train.planning import planned
from reticent.train.settings import Settings
from reticent.train.watching import spent
from tests.train.samples import WORDS, values

METRICS = {"top1": 0.5, "perplexity": 3.25, "cell_top1": 0.25}


def line(number, status="applied", **more):
    figures = {
        "released": 3,
        "seconds_join": 0.5,
        "seconds_train": 1.0,
        "metrics": METRICS,
        "reason": "short of people",
    }
    return {"round": number, "status": status} | figures | more


@pytest.fixture
def made():
    return planned(Settings.of(values(server__rounds=4)), people=6)


def test_the_line_says_round_epsilon_so_far_and_left_metrics_pace_and_time(made):
    shown = LiveLine(Console(file=io.StringIO(), force_terminal=True, width=120))
    shown.begin(made, [line(-1, "start"), line(0)])
    shown.line(line(1))
    shown.close()
    said = shown.parts()
    after_two = spent(made, 2)  # 3 of 6 a round: everybody was asked once
    up = math.ceil(100 * after_two) / 100
    assert said[:2] == ["round 2/4", f"ε {up:.2f}, {4 - up:.2f} left"]  # what is spent is rounded up, what is left down
    assert said[2:] == ["top-1 0.500", "perplexity 3.250", "cell 0.250", "2 people/s"]


def test_the_time_left_is_that_of_the_last_rounds_and_unknown_before_there_are_any(made, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("reticent.train.live.time.monotonic", lambda: now[0])
    shown = LiveLine(Console(file=io.StringIO(), force_terminal=True, width=120))
    shown.begin(made, [line(-1, "start")])
    assert "time left unknown" in shown.parts()
    now[0] = 1_300.0
    shown.line(line(0))
    assert "1:00:00 left" in shown.parts()  # 1,200 s a round, three more
    now[0] = 1_600.0
    assert "0:55:00 left" in shown.parts()
    shown.close()
    assert not any("left" in part and ":" in part for part in shown.parts())


def test_epsilon_ends_at_what_was_asked_for_and_never_falls(made):
    course = [spent(made, rounds) for rounds in range(5)]
    assert course[0] == 0.0
    assert course == sorted(course)
    assert course[4] == pytest.approx(4.0, rel=1e-4)


def test_a_narrow_terminal_gets_one_line_with_the_first_parts(made):
    out = io.StringIO()
    shown = LiveLine(Console(file=out, force_terminal=True, width=40))
    shown.begin(made, [])
    shown.line(line(0))
    shown.line(line(1, "aborted", metrics=None))
    shown.close()
    rows = [re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", row).strip() for row in re.split(r"[\r\n]+", out.getvalue())]
    assert max(map(len, rows)) <= 40
    assert any(row.startswith("round 1/4  ε") for row in rows)
    assert "round 2     not applied: short of people" in rows


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("terminal", [True, False])
def test_a_run_rewrites_its_line_on_a_terminal_and_is_silent_elsewhere(terminal, few, tmp_path, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stderr = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    assert main(["train", *WORDS, "server.rounds=2", f"hydra.run.dir={tmp_path / 'out'}"]) == 0
    assert ("round 2/2  ε 4.00, 0.00 left  top-1 " in stderr.getvalue()) is terminal
    if not terminal:
        (said,) = stderr.getvalue().splitlines()  # before any work, and nothing of the rounds
        assert said.startswith("note        the noise of all rounds will be ")
