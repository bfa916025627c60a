"""The receipt index: heads of a plan only rise, and a receipt that was given is never forgotten."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from reticent.aggregate.receipts import ReceiptIndex
from reticent.errors import IntegrityError, ReticentError, SignatureError, StateError
from reticent.records.keys import SigningKey
from reticent.records.messages import JoinReply
from reticent.records.receipt import read_receipt
from reticent.records.signed import Signed

KEY = SigningKey.generate()


def a_head(index, *, head=None, device="ab" * 16, round=0, plan_id="cd" * 32):  # noqa: A002
    return JoinReply(
        device=device,
        plan_id=plan_id,
        round=round,
        weights_hash="ef" * 32,
        index=index,
        head=head or f"{index:064x}",
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "receipts.jsonl"


def test_a_receipt_says_what_was_shown_and_is_on_the_disk(path):
    with ReceiptIndex(path, KEY) as index:
        assert index.last("ab" * 16) is None
        signed = index.counter_sign(a_head(3, round=7))
        assert path.read_bytes() == signed.to_bytes() + b"\n"
        assert index.last("ab" * 16) == signed
    receipt = read_receipt(signed, KEY.public)
    assert (receipt.device, receipt.index, receipt.head, receipt.round) == ("ab" * 16, 3, f"{3:064x}", 7)


def test_the_same_head_gives_the_same_receipt_before_and_after_a_restart(path):
    with ReceiptIndex(path, KEY) as index:
        first, second = index.counter_sign(a_head(3)), index.counter_sign(a_head(9, round=1))
        assert index.counter_sign(a_head(3)) == first
    before = path.read_bytes()
    with ReceiptIndex(path, KEY) as index:
        assert index.counter_sign(a_head(3)) == first
        assert index.last("ab" * 16) == second
        assert index.paid_at("ab" * 16, plan_id="cd" * 32, round=1) == 9
        assert index.paid_at("ab" * 16, plan_id="cd" * 32, round=2) is None
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("shown", "says"),
    [
        (a_head(4, round=1), "restored or rolled back"),
        (a_head(0, round=1), "restored or rolled back"),
        (a_head(5, head="00" * 32, round=1), "forked"),
        (a_head(5, head="00" * 32), "forked"),
        (a_head(3, head="00" * 32), "forked"),
        (a_head(5, round=1), "for another round"),
        (a_head(5, plan_id="00" * 32), "for another round"),
        (a_head(3, round=1), "for another round"),
    ],
)
def test_a_ledger_with_another_past_is_refused_and_named_even_after_a_restart(path, shown, says):
    with ReceiptIndex(path, KEY) as index:
        index.counter_sign(a_head(3, round=9))
        last = index.counter_sign(a_head(5))
    before = path.read_bytes()
    for _ in range(2):
        with ReceiptIndex(path, KEY) as index:
            with pytest.raises(IntegrityError, match=f"device {'ab' * 16} .*{says}"):
                index.counter_sign(shown)
            assert index.last("ab" * 16) == last
    assert path.read_bytes() == before


def test_a_plan_that_is_asked_again_after_another_gets_its_receipt_and_the_last_one_stays(path):
    """Plan A was joined at entry 2 and the answer was lost; plan B came at entry 5; then A was asked again."""
    other = "0a" * 32
    with ReceiptIndex(path, KEY) as index:
        newest = index.counter_sign(a_head(5))
        again = index.counter_sign(a_head(2, plan_id=other))
        assert index.last("ab" * 16) == newest
        assert index.counter_sign(a_head(2, plan_id=other)) == again
        assert index.paid_at("ab" * 16, plan_id=other, round=0) == 2
    with ReceiptIndex(path, KEY) as index:
        assert index.last("ab" * 16) == newest
        assert index.counter_sign(a_head(2, plan_id=other)) == again
        index.counter_sign(a_head(8, plan_id=other, round=1))


@pytest.mark.parametrize(
    ("shown", "says"),
    [
        (a_head(5, plan_id="0a" * 32, head="00" * 32), "forked"),  # known from the other plan
        (a_head(2, plan_id="0a" * 32, head="00" * 32), "forked"),  # known although lower
        (a_head(5, plan_id="0a" * 32, round=1), "for another round"),
        (a_head(1, plan_id="0a" * 32, round=1), "restored or rolled back"),  # below what this plan has shown
        (a_head(4, round=1), "restored or rolled back"),
    ],
)
def test_a_restored_ledger_is_refused_and_named_after_two_plans_too(path, shown, says):
    with ReceiptIndex(path, KEY) as index:
        index.counter_sign(a_head(5))
        index.counter_sign(a_head(2, plan_id="0a" * 32))
    for _ in range(2):
        with ReceiptIndex(path, KEY) as index, pytest.raises(IntegrityError, match=f"device {'ab' * 16} .*{says}"):
            index.counter_sign(shown)


def test_devices_don_t_touch_each_other(path):
    with ReceiptIndex(path, KEY) as index:
        index.counter_sign(a_head(50))
        other = index.counter_sign(a_head(1, device="12" * 16))
        assert index.last("12" * 16) == other


def test_a_later_head_for_the_same_round_gets_a_receipt_and_the_first_counts_as_payment(path):
    with ReceiptIndex(path, KEY) as index:
        index.counter_sign(a_head(3))
        index.counter_sign(a_head(6))
        assert index.paid_at("ab" * 16, plan_id="cd" * 32, round=0) == 3


def test_a_second_writer_is_refused_until_the_first_is_gone(path):
    with ReceiptIndex(path, KEY), pytest.raises(StateError, match="in use"):
        ReceiptIndex(path, KEY)
    ReceiptIndex(path, KEY).close()


@pytest.mark.parametrize("torn", [1, 50, -2, -1])
def test_a_torn_tail_was_never_given_and_is_cut_off(path, torn):
    with ReceiptIndex(path, KEY) as index:
        index.counter_sign(a_head(3))
        whole = path.read_bytes()
        index.counter_sign(a_head(5))
        line = path.read_bytes()[len(whole) :]
    path.write_bytes(whole + line[:torn])
    with ReceiptIndex(path, KEY) as index:
        assert path.read_bytes() == whole
        index.counter_sign(a_head(4, round=1))
    ReceiptIndex(path, KEY).close()


def test_an_edited_reordered_or_foreign_index_is_not_opened_nor_changed(path, tmp_path):
    with ReceiptIndex(path, KEY) as index:
        for number in (3, 5, 8):
            index.counter_sign(a_head(number, round=number))
    lines = path.read_bytes().splitlines(keepends=True)
    edited = lines[0].replace(b'"index":3', b'"index":2')
    for data in (
        b"".join([lines[1], lines[0], lines[2]]),
        b"".join([*lines, lines[0]]),
        b"".join([*lines, lines[2]]),
        b"".join([edited, *lines[1:]]),
        b"".join([b"{}\n", *lines]),
        b"\n".join(lines),
    ):
        path.write_bytes(data)
        with pytest.raises(ReticentError):
            ReceiptIndex(path, KEY)
        assert path.read_bytes() == data
    path.write_bytes(b"".join(lines))
    with pytest.raises(SignatureError):
        ReceiptIndex(path, SigningKey.generate())
    ReceiptIndex(path, KEY).close()


def test_an_index_that_was_changed_or_replaced_while_in_use_gives_nothing_more(path):
    with ReceiptIndex(path, KEY) as index:
        index.counter_sign(a_head(3))
        kept = path.read_bytes()
        path.unlink()
        with pytest.raises(StateError, match="changed or replaced"):
            index.counter_sign(a_head(5))
        path.write_bytes(b"")
        with pytest.raises(StateError, match="changed or replaced"):
            index.counter_sign(a_head(5))
    path.write_bytes(kept)
    with ReceiptIndex(path, KEY) as index:
        with path.open("ab") as file:
            file.write(kept)
        with pytest.raises(StateError, match="changed or replaced"):
            index.counter_sign(a_head(5))


@pytest.mark.parametrize("call", ["os.write", "os.fsync"])
def test_a_full_disk_gives_no_receipt_and_leaves_the_index_as_it_was(path, monkeypatch, call):
    with ReceiptIndex(path, KEY) as index:
        index.counter_sign(a_head(3))
        before = path.read_bytes()

        def full(*args):
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(call, full)
            with pytest.raises(StateError, match="No space left"):
                index.counter_sign(a_head(5))
        assert path.read_bytes() == before
        with pytest.raises(StateError, match="restart"):
            index.counter_sign(a_head(6))
    with ReceiptIndex(path, KEY) as index:
        index.counter_sign(a_head(4))


WRITER = """
import sys
from pathlib import Path
from reticent.aggregate.receipts import ReceiptIndex
from reticent.records.keys import SigningKey
from reticent.records.messages import JoinReply
with ReceiptIndex(Path(sys.argv[1]), SigningKey.load(Path(sys.argv[2]))) as index:
    for number in range(10_000):
        reply = JoinReply(device="ab" * 16, plan_id="cd" * 32, round=number, weights_hash="ef" * 32, index=number, head="ab" * 32)
        sys.stdout.buffer.write(index.counter_sign(reply).to_bytes() + b"\\n")
        sys.stdout.buffer.flush()
"""


def test_a_receipt_that_was_given_survives_kill_9(path, tmp_path):
    KEY.save(tmp_path / "receipt.key")
    command = [sys.executable, "-c", WRITER, str(path), str(tmp_path / "receipt.key")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        given = [Signed.from_bytes(writer.stdout.readline().rstrip(b"\n")) for _ in range(20)]
        os.kill(writer.pid, signal.SIGKILL)
        given += [Signed.from_bytes(line.rstrip(b"\n")) for line in writer.stdout if line.endswith(b"\n")]
    with ReceiptIndex(path, KEY) as index:
        kept = [Signed.from_bytes(line) for line in path.read_bytes().splitlines()]
        assert kept[: len(given)] == given
        assert len(kept) - len(given) <= 1
        with pytest.raises(IntegrityError):
            index.counter_sign(a_head(0, head="ff" * 32))
