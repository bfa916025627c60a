"""`reticent data describe` counts, and shows nothing of what it counts."""

import json

import pytest

from reticent.cli import main
from reticent.recordings import drawn
from reticent.recordings.archive import write_archive
from reticent.recordings.recorded import session


@pytest.fixture
def sittings():
    return [one for index in range(3) for one in drawn.recorded(drawn.name(index))]


@pytest.fixture
def path(tmp_path, sittings):
    path = tmp_path / "three.recording"
    write_archive(path, sittings, title="three people", datasheet="-")
    return path


def test_the_figures_are_those_of_the_file(path, sittings, capsys):
    assert main(["data", "describe", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    sizes = [sum(len(session(one).actions) for one in sittings if one.person == drawn.name(i)) for i in range(3)]
    assert (found["people"], found["sessions"], found["actions"]) == (3, len(sittings), sum(sizes))
    assert found["actions_per_person"] == {"min": min(sizes), "median": sorted(sizes)[1], "max": max(sizes)}
    assert sum(found["kinds"].values()) == found["actions"]
    assert len(found["kinds"]) == 12
    assert found["distinct_frames"] == len({f.thumbnail.tobytes() for one in sittings for f in one.frames.values()})
    assert found["file_bytes"] == path.stat().st_size


def test_the_table_is_for_people(path, capsys):
    assert main(["data", "describe", str(path)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("three people\n")
    assert "median" in printed
    assert "drawn-0000" not in printed


def test_an_empty_recording_is_described_too(tmp_path, capsys):
    write_archive(tmp_path / "none.recording", [], title="nobody", datasheet="-")
    assert main(["data", "describe", str(tmp_path / "none.recording")]) == 0
    assert main(["data", "describe", str(tmp_path / "none.recording"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["actions_per_person"] is None


def test_what_cannot_be_described_is_one_sentence_and_exit_2(path, tmp_path, capsys):
    damaged = tmp_path / "damaged.recording"
    damaged.write_bytes(path.read_bytes()[:-1])
    for name in (str(damaged), str(tmp_path), str(tmp_path / "none"), "nobody", ""):
        assert main(["data", "describe", name]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert len(printed.err.splitlines()) == 1
        assert "nothing was read" in printed.err


def test_help_shows_an_example(capsys):
    assert main(["data", "describe", "--help"]) == 0
    assert "reticent data describe office" in capsys.readouterr().out
