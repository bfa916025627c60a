"""The ledger as a file: locks, crashes, and what stands in its place."""

import multiprocessing
import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reticent.errors import LedgerError, NewerFormatError, StateError
from reticent.records.entries import Receipted
from reticent.records.ledger import Ledger, read_ledger
from tests.records.samples import DEVICE, OTHER, PLAN, as_entry, charge, consent, forged, live, receipt, released


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.jsonl"


def make(path, rounds=2):
    with Ledger.create(path, DEVICE) as ledger:
        live(ledger, rounds)
    return path.read_bytes()


def test_a_ledger_is_on_the_disk_entry_by_entry_and_opens_again(path):
    with Ledger.create(path, DEVICE) as ledger:
        assert len(read_ledger(path.read_bytes())) == 1
        ledger.append(consent())
        assert len(read_ledger(path.read_bytes())) == 2
        live_entries = ledger.entries
    with Ledger.open(path, DEVICE) as again:
        assert again.entries == live_entries
        again.append(charge())
    assert [entry.kind for entry in read_ledger(path.read_bytes())] == ["genesis", "consent", "charge"]


def test_a_new_ledger_is_its_owners_alone_and_leaves_no_other_file(path):
    make(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in path.parent.iterdir()] == ["ledger.jsonl"]


def test_a_ledger_is_never_made_over_something_else(path):
    before = make(path)
    with pytest.raises(StateError, match="never overwritten"):
        Ledger.create(path, OTHER)
    assert path.read_bytes() == before
    assert [found.name for found in path.parent.iterdir()] == ["ledger.jsonl"]
    with pytest.raises(StateError, match="can't be made"):
        Ledger.create(path.parent / "missing" / "ledger.jsonl", DEVICE)


def test_a_second_opener_is_told_that_another_daemon_runs(path):
    with Ledger.create(path, DEVICE):
        with pytest.raises(StateError, match="another daemon runs"):
            Ledger.open(path, DEVICE)
        child = multiprocessing.get_context("spawn").Process(target=_open_and_report, args=(path,))
        child.start()
        child.join(60)
        assert child.exitcode == 42
    Ledger.open(path, DEVICE).close()


def _open_and_report(path):
    try:
        Ledger.open(path, DEVICE)
    except StateError:
        sys.exit(42)


@pytest.mark.parametrize("how", [Ledger.create, Ledger.open])
def test_the_lock_does_not_pass_to_a_started_program(path, how):
    if how == Ledger.open:
        make(path)
    with how(path, DEVICE) as ledger:
        assert not os.get_inheritable(ledger._journal._descriptor)


@pytest.mark.parametrize("rest", [b"{", b"\x00" * 100, b'{"body":{"round"', b"x" * 5000])
def test_a_torn_tail_is_cut_off_and_nothing_else(path, rest):
    before = make(path)
    path.write_bytes(before + rest)
    with Ledger.open(path, DEVICE) as ledger:
        assert len(ledger.entries) == 8
        ledger.append(charge(2))
    assert path.read_bytes().startswith(before)
    assert len(read_ledger(path.read_bytes())) == 9


def test_an_append_that_crashed_anywhere_is_gone_or_whole(path):
    before = make(path, 1)
    with Ledger.open(path, DEVICE) as ledger:
        ledger.append(charge(1))
    line = path.read_bytes()[len(before) :]
    for length in (*range(0, len(line), 17), len(line) - 1, len(line)):
        path.write_bytes(before + line[:length])
        with Ledger.open(path, DEVICE) as ledger:
            whole = length == len(line)
            assert len(ledger.entries) == 5 + whole
            assert path.read_bytes() == before + (line if whole else b"")


def test_a_whole_but_invalid_last_line_is_not_torn(path):
    before = make(path)
    for line in (b"{}\n", b"\n", b"\x00\n", before.splitlines(keepends=True)[-1]):
        path.write_bytes(before + line)
        with pytest.raises(LedgerError, match="entry 8"):
            Ledger.open(path, DEVICE)
        assert path.read_bytes() == before + line


def test_a_tail_that_is_longer_than_any_entry_is_not_torn(path):
    data = make(path) + b"x" * 20_000
    path.write_bytes(data)
    with pytest.raises(LedgerError, match="longer than any entry"):
        Ledger.open(path, DEVICE)
    assert path.read_bytes() == data


def test_a_torn_tail_is_left_alone_where_the_rest_does_not_hold(path):
    data = make(path).replace(b'"round":1', b'"round":3') + b"{"
    path.write_bytes(data)
    with pytest.raises(LedgerError):
        Ledger.open(path, DEVICE)
    assert path.read_bytes() == data


@pytest.mark.parametrize("content", [b"", b"{", b"\n", b"\x00" * 4096, b"x" * 3_000_000, b"[" * 3_000_000 + b"\n"])
def test_a_file_that_is_no_ledger_fails_closed(path, content):
    path.write_bytes(content)
    with pytest.raises(LedgerError):
        Ledger.open(path, DEVICE)
    assert path.read_bytes() == content


def test_another_key_opens_nothing(path):
    before = make(path)
    with pytest.raises(LedgerError, match="another device key"):
        Ledger.open(path, OTHER)
    path.write_bytes(forged(as_entry(consent()), device=OTHER))
    with pytest.raises(LedgerError, match="another device key"):
        Ledger.open(path, DEVICE)
    assert before


def test_a_newer_ledger_is_named(path):
    path.write_bytes(forged(as_entry(consent()), version=2))
    with pytest.raises(NewerFormatError, match="version 2"):
        Ledger.open(path, DEVICE)


def test_only_a_regular_file_is_opened(tmp_path, path):
    make(path)
    (tmp_path / "link").symlink_to(path)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, match in (("link", "link"), ("folder", "irectory"), ("pipe", "regular"), ("missing", "No such file")):
        with pytest.raises(StateError, match=match):
            Ledger.open(tmp_path / name, DEVICE)
    with pytest.raises(StateError):
        Ledger.open(Path("/dev/null"), DEVICE)


def test_a_ledger_that_somebody_else_changes_takes_no_more_entries(path):
    with Ledger.create(path, DEVICE) as ledger:
        ledger.append(consent())
        with path.open("ab") as file:
            file.write(b"x")
        with pytest.raises(LedgerError, match="changed by another program"):
            ledger.append(charge())
        assert ledger.head.index == 1


@pytest.mark.parametrize("replace", ["remove", "rename over"])
def test_a_ledger_that_somebody_else_replaces_takes_no_more_entries(path, replace):
    with Ledger.create(path, DEVICE) as ledger:
        ledger.append(consent())
        if replace == "remove":
            path.unlink()
        else:
            shutil.copy(path, path.with_name("copy"))
            path.with_name("copy").replace(path)
        with pytest.raises(LedgerError, match="removed or replaced"):
            ledger.append(charge())


def test_a_closed_ledger_takes_no_more_entries(path):
    ledger = Ledger.create(path, DEVICE)
    ledger.close()
    ledger.close()
    with pytest.raises(StateError, match="closed"):
        ledger.append(consent())


def test_a_refused_entry_leaves_the_file_as_it_was(path):
    with Ledger.create(path, DEVICE) as ledger:
        live(ledger, 1)
        before = path.read_bytes()
        with pytest.raises(LedgerError):
            ledger.append(charge(0))
        assert path.read_bytes() == before


def test_the_charge_is_synced_before_append_returns(path, monkeypatch):
    order = []
    real_write, real_sync = os.pwrite, os.fsync
    with Ledger.create(path, DEVICE) as ledger:
        monkeypatch.setattr(os, "pwrite", lambda *given: (order.append("write"), real_write(*given))[1])
        monkeypatch.setattr(os, "fsync", lambda *given: (order.append("sync"), real_sync(*given))[1])
        ledger.append(consent())
        order.append("returned")
    assert order == ["write", "sync", "returned"]


WRITER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from reticent.records.ledger import Ledger
    from tests.records.samples import DEVICE, charge, consent
    with Ledger.create(Path(sys.argv[1]), DEVICE) as ledger:
        ledger.append(consent())
        for round in range(10**6):
            print(ledger.append(charge(round)).index, flush=True)
    """
)


def test_what_append_returned_for_survives_kill_9(path):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True
    )
    seen = [writer.stdout.readline() for _ in range(40)]
    writer.send_signal(signal.SIGKILL)
    rest = writer.stdout.read()
    writer.wait(60)
    writer.stdout.close()
    told = int((seen + rest.split("\n")[:-1])[-1])
    with Ledger.open(path, DEVICE) as ledger:
        assert told <= ledger.head.index <= told + 1
        ledger.append(charge(10**6))


def test_two_threads_append_one_after_the_other(path):
    with Ledger.create(path, DEVICE) as ledger:
        ledger.append(consent())
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda number: ledger.append(charge(number)), range(40)))
    assert len(read_ledger(path.read_bytes())) == 42


def test_a_repr_shows_whose_it_is_and_how_long(path):
    with Ledger.create(path, DEVICE) as ledger:
        live(ledger, 1)
        assert repr(ledger) == f"<Ledger of {DEVICE.public.device_id}, 5 entries>"
        assert released(ledger).payload_hash not in repr(ledger)


def test_a_receipt_in_a_file_survives_reopening(path):
    with Ledger.create(path, DEVICE) as ledger:
        ledger.append(consent())
        ledger.append(charge())
        ledger.append(Receipted(receipt=receipt(ledger)))
    with Ledger.open(path, DEVICE) as ledger:
        ledger.append(released(ledger))
        assert ledger.release(PLAN.id, 0)
