"""How a run stands: the lock, what its process said last, and what the operator wants."""

import fcntl

import pytest

from reticent.aggregate.standing import (
    RunStatus,
    Standing,
    how_it_ended,
    read_report,
    standing,
    write_report,
    write_submission,
)
from reticent.errors import FormatError, NewerFormatError, ReticentError

KILLED = "its process was killed, or the machine lost power"


def test_a_plan_that_was_never_handed_over_is_not_started(tmp_path):
    assert standing(tmp_path) is Standing.NOT_STARTED
    assert how_it_ended(tmp_path) == "it had not begun"


@pytest.mark.parametrize(
    ("status", "reason", "stands", "why"),
    [
        (None, None, Standing.INTERRUPTED, "it had not begun"),
        (RunStatus.SUBMITTED, None, Standing.INTERRUPTED, "it had not begun"),
        (RunStatus.SUBMITTED, KILLED, Standing.INTERRUPTED, KILLED),
        (RunStatus.RUNNING, None, Standing.INTERRUPTED, KILLED),
        (RunStatus.INTERRUPTED, "its process was told to end", Standing.INTERRUPTED, "its process was told to end"),
        (RunStatus.ABORTED, "2 of 4 joined", Standing.ABORTED, "2 of 4 joined"),
        (RunStatus.FAILED, "no plan", Standing.FAILED, "no plan"),
        (RunStatus.FINISHED, None, Standing.FINISHED, "it had finished"),
    ],
)
def test_what_the_process_said_last_counts_once_nobody_holds_the_lock(tmp_path, status, reason, stands, why):
    write_submission(tmp_path, flower_run="7")
    if status is not None:
        write_report(tmp_path, status, reason)
    with (tmp_path / "run.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert standing(tmp_path) is Standing.RUNNING
    assert standing(tmp_path) is stands
    assert how_it_ended(tmp_path) == why
    write_submission(tmp_path, flower_run="7", stopped=True)
    assert standing(tmp_path) is Standing.STOPPED
    assert how_it_ended(tmp_path) == "the operator had stopped it"


def test_running_and_interrupted_are_all_that_goes_on_by_itself():
    assert [one for one in Standing if one.unfinished] == [Standing.RUNNING, Standing.INTERRUPTED]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"status": "fine", "reason": null}', b"\xff", b"{}"])
def test_a_report_that_cannot_be_read_explains_nothing_and_stops_nothing(tmp_path, data):
    write_submission(tmp_path, flower_run="7")
    (tmp_path / "status.json").write_bytes(data)
    assert read_report(tmp_path) is None
    assert standing(tmp_path) is Standing.INTERRUPTED


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", FormatError),
        (b"{}", FormatError),
        (b'{"flower_run":"7","stopped":false,"version":2}', NewerFormatError),
        (b" " * 100_000, FormatError),
    ],
)
def test_a_submission_that_cannot_be_read_is_not_guessed(tmp_path, data, error):
    (tmp_path / "submission.json").write_bytes(data)
    with pytest.raises(ReticentError) as raised:
        standing(tmp_path)
    assert type(raised.value) is error
