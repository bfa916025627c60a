"""Bad input at every door: one sentence, the right exit code, nothing sent, nothing lost."""

import contextlib
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reticent.cli import main
from reticent.courier.__main__ import main as courier
from tests.doors.door import Row
from tests.doors.place import Place, contents, make
from tests.doors.surroundings import SHOWN_ELSEWHERE
from tests.doors.table import ROWS

DATA_IS_SAFE = re.compile(
    r"\b(nothing|nobody|no \w+( \w+)?) (was|were|is|may)\b|stays?\b|left as it|was not (read|used)|wasn't|\bas it was\b"
)
"""Each sentence says what happened to the data."""


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("doors") / "whole").root


@pytest.fixture
def place(whole: Path, tmp_path: Path) -> Place:
    return Place(Path(shutil.copytree(whole, tmp_path / "place")))


def shut(patch: pytest.MonkeyPatch) -> list[object]:
    """Note what tries to leave from now on: connections, and programs that could make some."""
    left: list[object] = []

    def refuse(*arguments: Any, **_: Any) -> None:
        left.append(arguments[1:])
        raise OSError("a door that should be shut")

    for name in ("connect", "connect_ex", "sendto"):
        patch.setattr(socket.socket, name, refuse)
    patch.setattr(subprocess.Popen, "__init__", refuse)
    return left


@pytest.mark.timeout(120)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_bad_input_is_one_sentence_and_nothing_is_sent_or_lost(
    row: Row, place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    with contextlib.ExitStack() as around:
        around_it = row.spoil(place)
        if isinstance(around_it, contextlib.AbstractContextManager):
            around.enter_context(around_it)
        words = [str(word) for word in row.words(place)]
        before = contents(place.root)
        left = shut(around.enter_context(pytest.MonkeyPatch.context()))
        code = courier(words[1:]) if words[0] == "courier" else main(words)
        after = contents(place.root)
    _, err = capfd.readouterr()
    assert code == row.code, err
    said = err.splitlines()
    assert len(said) == 1, err
    assert said[0].startswith(("reticent: ", "courier: "))
    assert "Traceback" not in err
    assert re.search(row.says, said[0]), said[0]
    assert DATA_IS_SAFE.search(said[0]), said[0]
    assert left == []
    assert after == before


@pytest.mark.parametrize("where", SHOWN_ELSEWHERE.values(), ids=SHOWN_ELSEWHERE)
def test_a_cell_that_another_test_fills_has_that_test(where: str) -> None:
    file, _, name = where.partition("::")
    assert f"\ndef {name}(" in (Path(__file__).parents[1] / file).read_text()


def test_the_whole_place_is_valid(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    """So that each row fails for what it spoils and for nothing else."""
    for words in (
        ["server", "policy", place.server.root, place.server.policy_draft],
        ["device", "status", place.device.root],
        ["device", "consent", place.device.root, place.server.policy],
        ["device", "enroll", place.device.root, place.ticket],
        ["audit", "verify", place.device.ledger, "--policy", place.server.policy],
        ["server", "status", place.server.root],
        ["data", "describe", place.recording],
    ):
        assert main([str(word) for word in words]) == 0, capfd.readouterr()


def test_the_rows_have_names_of_their_own() -> None:
    assert len({row.id for row in ROWS}) == len(ROWS)
