"""A new folder is made whole or not at all, and nobody else's is touched."""

from pathlib import Path

import pytest

from reticent.errors import StateError
from reticent.records.files import all_or_nothing


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
