"""A locked session is noticed, and what may have gone to the locker can be told apart."""

from pathlib import Path

import pytest

from reticent.capture.lock import LockProbe, ask_logind


def test_the_answer_is_kept_for_two_seconds_and_unlocked_time_stands_still_while_locked():
    now, answers = [0.0], [False, True, True, None]
    probe = LockProbe(ask=lambda: answers.pop(0), clock=lambda: now[0])
    assert not probe.locked()
    now[0] = 1.9
    assert not probe.locked()
    now[0] = 2.0
    assert probe.locked()
    assert probe.unlocked_s == 0.0
    now[0] = 4.0
    assert probe.locked()
    assert probe.unlocked_s == 0.0
    now[0] = 6.0
    assert not probe.locked()  # nothing can tell any more
    assert probe.unlocked_s == 6.0


def test_a_session_that_logind_does_not_know_is_not_said_to_be_locked():
    assert ask_logind({}) is None


@pytest.mark.parametrize(("says", "expected"), [("yes", True), ("no", False), ("", None), ("garbage", None)])
def test_logind_is_taken_at_its_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says, expected):
    command = tmp_path / "loginctl"
    command.write_text(f"#!/bin/sh\necho {says}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert ask_logind({"XDG_SESSION_ID": "3"}) is expected
