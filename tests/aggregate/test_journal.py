"""rounds.jsonl and replies/."""

import errno
import json

import pytest

from reticent.aggregate.durable import append_line
from reticent.aggregate.journal import Journal, ReplyStore, RoundLine, Status
from reticent.errors import FormatError, IntegrityError, StateError


def a_line(number, *, status=Status.APPLIED, metrics=None):
    line = RoundLine(
        plan_id="ab" * 32, round=number, status=status, weights_hash="", new_weights_hash="", metrics=metrics
    )
    return line.to_json()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rounds.jsonl"


def rounds(path):
    return [json.loads(line)["round"] for line in path.read_text().splitlines()]


def test_a_line_that_a_stop_kept_out_is_caught_up_with_once(path):
    journal = Journal(path)
    journal.catch_up(a_line(-1, status=Status.START))
    journal.append(a_line(0, status=Status.ABORTED))
    for _ in range(3):
        Journal(path).catch_up(a_line(0))
    assert rounds(path) == [-1, 0, 0]


def test_a_torn_line_is_cut_off_by_the_next(path):
    Journal(path).append(a_line(0))
    with path.open("ab") as file:
        file.write(b'{"round": 1, "status"')
    Journal(path).catch_up(a_line(1))
    assert rounds(path) == [0, 1]


def test_a_journal_ahead_of_the_checkpoint_is_refused(path):
    Journal(path).append(a_line(4))
    with pytest.raises(IntegrityError, match="round 4 was applied"):
        Journal(path).catch_up(a_line(3))
    assert rounds(path) == [4]


def test_rounds_without_a_checkpoint_are_refused(path):
    journal = Journal(path)
    journal.check_unbegun()
    journal.append(a_line(-1, status=Status.START))
    journal.check_unbegun()
    journal.append(a_line(0))
    with pytest.raises(IntegrityError, match="round 0 was applied, and there is no checkpoint"):
        journal.check_unbegun()
    assert rounds(path) == [-1, 0]


@pytest.mark.parametrize(
    "data",
    [b"\n", b"[]\n", b"{}\n", b'{"round":"1","status":"applied"}\n', b'{"round":1,"status":"done"}\n', b"\xff\n"],
)
def test_bytes_that_are_no_journal_are_refused(path, data):
    path.write_bytes(data)
    with pytest.raises(FormatError):
        Journal(path).catch_up(a_line(0))
    assert path.read_bytes() == data


def test_a_metric_that_is_no_finite_number_becomes_null(path):
    Journal(path).append(a_line(0, metrics={"a": float("nan"), "b": float("-inf"), "c": 0.5, "d": None, "e": 3}))
    metrics = json.loads(path.read_text())["metrics"]
    assert metrics == {"a": None, "b": None, "c": 0.5, "d": None, "e": 3}


def test_a_second_different_reply_is_told_and_both_are_kept(tmp_path):
    store = ReplyStore(tmp_path / "replies")
    assert store.keep(b"first", round_number=1, device="ab")
    assert store.keep(b"first", round_number=1, device="ab")
    assert not store.keep(b"second", round_number=1, device="ab")
    assert store.keep(b"second", round_number=2, device="ab")
    kept = {path.name: path.read_bytes() for path in (tmp_path / "replies").iterdir()}
    assert kept == {"1-ab.reply": b"first", "1-ab.equivocation": b"second", "2-ab.reply": b"second"}


@pytest.mark.parametrize("call", ["os.write", "os.fsync"])
def test_a_full_disk_leaves_the_lines_as_they_were(path, monkeypatch, call):
    append_line(path, b"one")

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(call, full)
        with pytest.raises(StateError, match="No space left"):
            append_line(path, b"two")
    assert path.read_bytes() == b"one\n"


def test_a_short_write_is_completed(path, monkeypatch):
    import os

    write = os.write
    monkeypatch.setattr("os.write", lambda descriptor, data: write(descriptor, data[:2]))
    append_line(path, b"a longer line")
    assert path.read_bytes() == b"a longer line\n"


def test_a_line_holds_no_newline(path):
    with pytest.raises(FormatError):
        append_line(path, b"one\ntwo")
    assert not path.read_bytes()
