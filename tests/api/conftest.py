"""A small recording, and flwr imported quietly: see tests/aggregate/conftest.py."""

from pathlib import Path

import pytest

import tests.aggregate.conftest  # noqa: F401
from reticent.model import catalogue
from reticent.recordings import drawn
from reticent.recordings.archive import write_archive

PEOPLE = 11  # four train, three are public, four test


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recordings") / "small.recording"
    sessions = [sitting for index in range(PEOPLE) for sitting in drawn.recorded(drawn.name(index))]
    write_archive(path, sessions, title="Eleven drawn people", datasheet="Drawn.")
    return path


@pytest.fixture(autouse=True)
def _nothing_stays_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_registered", {})
