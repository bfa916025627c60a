"""Files and new folders are made whole or not at all, nobody else's are touched, and a lock has one holder."""

import contextlib
import errno
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from reticent.errors import StateError
from reticent.records.files import all_or_nothing, is_locked, locked, replace_private, write_private


def make(root: Path, *names: str) -> None:
    with all_or_nothing(root, claim="first"):
        for name in names:
            (root / name).open("xb").close()


@pytest.mark.parametrize("existed", [True, False])
def test_what_was_made_is_gone_again_after_a_failure(tmp_path: Path, existed: bool) -> None:
    root = tmp_path / "new"
    if existed:
        root.mkdir()
    with pytest.raises(FileExistsError):
        make(root, "first/key", "file", "file")
    assert (list(root.iterdir()) if existed else root.exists()) == ([] if existed else False)


def test_what_was_made_stays_after_success(tmp_path: Path) -> None:
    make(tmp_path / "new", "first/key")
    assert (tmp_path / "new" / "first" / "key").exists()


def test_of_two_that_begin_at_once_one_stops_and_takes_nothing_from_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "new"
    with all_or_nothing(root, claim="first"):
        (root / "first" / "key").write_bytes(b"k")
        monkeypatch.setattr(Path, "exists", lambda self: False)  # it looked before the other began
        with pytest.raises(StateError, match="can't be made"), all_or_nothing(root, claim="first"):
            pytest.fail("two made one folder")
        monkeypatch.undo()
    assert (root / "first" / "key").read_bytes() == b"k"


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("write", [write_private, replace_private])
def test_what_is_written_is_its_owners_alone(tmp_path: Path, write: Callable[[Path, bytes], None]) -> None:
    path = tmp_path / "secret"
    write(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("write", [write_private, replace_private])
def test_a_full_disk_leaves_no_part_of_a_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, bytes], None]
) -> None:
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StateError, match=r"secret can't be (written|replaced): No space left on device; "):
        write(tmp_path / "secret", b"whole")
    assert list(tmp_path.iterdir()) == []


def test_a_new_file_takes_nobodys_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nothing")
    for name in ("file", "link", "dangling"):
        with pytest.raises(StateError, match=f"{name} exists and is never overwritten; nothing was written"):
            write_private(tmp_path / name, b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 3


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "status.json"
    replace_private(path, b"old")
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(StateError, match="stays unchanged"):
            replace_private(path, b"new")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("status.json", b"old")]
    replace_private(path, b"new")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("status.json", b"new")]


def test_a_lock_has_one_holder_and_is_free_again_after_it(tmp_path: Path) -> None:
    lock = tmp_path / "run.lock"
    assert not is_locked(lock)
    assert not lock.exists()
    with locked(lock, patience_s=0, taken="somebody works on it; nothing was done"):
        assert is_locked(lock)
        with (
            pytest.raises(StateError, match="somebody works on it; nothing was done"),
            locked(lock, patience_s=0, taken="somebody works on it; nothing was done"),
        ):
            pytest.fail("two held one lock")
        assert is_locked(lock)
    assert not is_locked(lock)


def test_who_is_patient_gets_a_lock_that_is_given_up_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.ExitStack() as holder:
        holder.enter_context(locked(tmp_path / "run.lock", patience_s=0, taken=""))
        monkeypatch.setattr("time.sleep", lambda seconds: holder.close())
        with locked(tmp_path / "run.lock", patience_s=60, taken="it was not given up"):
            assert is_locked(tmp_path / "run.lock")
