"""The disk refuses: a ledger that can't be written stays as it was, and nothing is charged that it doesn't say."""

import contextlib
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from reticent.errors import StateError
from reticent.records.ledger import Ledger, read_ledger
from tests.records.samples import DEVICE, PLAN, charge, consent


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.jsonl"


FULL = textwrap.dedent(
    """
    import os, resource, sys
    from pathlib import Path
    from reticent.errors import StateError
    from reticent.records.ledger import Ledger, read_ledger
    from tests.records.samples import DEVICE, charge, consent
    path = Path(sys.argv[1])
    with Ledger.create(path, DEVICE) as ledger:
        ledger.append(consent())
        ledger.append(charge(0))
        before = path.read_bytes()
        for room in (0, 1, 100, 500):  # a write that fails at once, and three that fail half way
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + room, resource.RLIM_INFINITY))
            try:
                ledger.append(charge(1))
            except StateError as error:
                assert "it is as it was, nothing was sent or charged" in str(error), error
            else:
                raise AssertionError("the append passed")
            assert path.read_bytes() == before
            assert ledger.head.index == 2 and ledger.charge(charge(1).plan_id, 1) is None
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        ledger.append(charge(1))
    assert len(read_ledger(path.read_bytes())) == 4
    """
)


def test_a_file_that_may_not_grow_stays_as_it_was_and_grows_later(path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def tiny_disk(tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("needs the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_means_as_many_charges_as_the_ledger_says(tiny_disk):
    path = tiny_disk / "ledger.jsonl"
    with Ledger.create(path, DEVICE) as ledger:
        ledger.append(consent())
        charged = 0
        with contextlib.suppress(StateError):
            while charged < 1000:
                ledger.append(charge(charged))
                charged += 1
        assert 0 < charged < 1000
        assert len(ledger.charged_events()) == 2 * charged
        assert len(read_ledger(path.read_bytes())) == 2 + charged
        with pytest.raises(StateError, match="No space left"):
            ledger.append(charge(charged))
        with pytest.raises(StateError, match="No space left"):
            Ledger.create(tiny_disk / "second.jsonl", DEVICE)
        assert [found.name for found in tiny_disk.iterdir()] == ["ledger.jsonl"]
    with Ledger.open(path, DEVICE) as again:
        assert len(again.entries) == 2 + charged


def failing(error, *, times=1):
    """An os call that fails so many times and works afterwards."""
    left = [times]

    def call(real):
        def replaced(*arguments):
            if left[0]:
                left[0] -= 1
                raise error
            return real(*arguments)

        return replaced

    return call


def test_after_a_failed_fsync_nothing_more_is_appended(path, monkeypatch):
    with Ledger.create(path, DEVICE) as ledger:
        ledger.append(consent())
        before = path.read_bytes()
        monkeypatch.setattr(os, "fsync", failing(OSError(5, "Input/output error"))(os.fsync))
        with pytest.raises(StateError, match="could not be put on the disk"):
            ledger.append(charge())
        assert path.read_bytes() == before
        assert ledger.charge(PLAN.id, 0) is None
        with pytest.raises(StateError, match="restart"):
            ledger.append(charge())
    with Ledger.open(path, DEVICE) as again:
        again.append(charge())


def test_where_half_a_line_can_not_be_taken_back_nothing_more_is_appended(path, monkeypatch):
    real = os.pwrite

    def half(descriptor, data, offset):
        if len(data) < 100:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[: len(data) - 50], offset)

    with Ledger.create(path, DEVICE) as ledger:
        ledger.append(consent())
        before = path.read_bytes()
        monkeypatch.setattr(os, "pwrite", half)
        monkeypatch.setattr(os, "ftruncate", failing(OSError(5, "Input/output error"), times=9)(os.ftruncate))
        with pytest.raises(StateError, match="may end in half an entry"):
            ledger.append(charge())
        monkeypatch.undo()
        with pytest.raises(StateError, match="may end in half an entry"):
            ledger.append(charge())
    assert len(path.read_bytes()) > len(before)
    with Ledger.open(path, DEVICE) as again:
        assert path.read_bytes() == before
        again.append(charge())


def test_an_append_that_a_signal_cuts_short_is_the_last_one(path, monkeypatch):
    class Stop(BaseException):
        pass

    with Ledger.create(path, DEVICE) as ledger:
        ledger.append(consent())
        monkeypatch.setattr(os, "fsync", failing(Stop())(os.fsync))
        with pytest.raises(Stop):
            ledger.append(charge())
        with pytest.raises(StateError, match="cut short"):
            ledger.append(charge(1))
    with Ledger.open(path, DEVICE) as again:  # it may have reached the disk, and then it counts
        assert again.charge(PLAN.id, 0) is not None
