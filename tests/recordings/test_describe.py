"""`reticent data describe` counts, and shows nothing of what it counts."""

import json

import pytest
from PIL import Image

from reticent.cli import main
from reticent.recordings import drawn, source
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


def width(path):
    with Image.open(path) as picture:
        return picture.width


def test_the_figures_are_those_of_the_file(path, sittings, capsys):
    assert main(["data", "describe", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    sizes = [sum(len(session(one).actions) for one in sittings if one.person == drawn.name(i)) for i in range(3)]
    assert (found["people"], found["sessions"], found["actions"]) == (3, len(sittings), sum(sizes))
    assert found["actions_per_person"] == {"min": min(sizes), "median": sorted(sizes)[1], "max": max(sizes)}
    assert found["actions_by_person"] == {drawn.name(i): size for i, size in enumerate(sizes)}
    assert sum(found["kinds"].values()) == found["actions"]
    assert len(found["kinds"]) == 12
    assert found["distinct_frames"] == len({f.thumbnail.tobytes() for one in sittings for f in one.frames.values()})
    assert found["file_bytes"] == path.stat().st_size
    assert found["split"] == {"public": 1, "client": 1, "validation": 0, "test": 1}
    assert found["datasheet"] == "-"


def test_the_table_is_for_people(path, capsys):
    assert main(["data", "describe", str(path)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("three people\n")
    assert "median" in printed
    assert "drawn-0000" not in printed
    assert "none; --contact-sheet writes one" in printed


def test_the_histogram_counts_every_person_once(path, capsys):
    assert main(["data", "describe", str(path)]) == 0
    lines = capsys.readouterr().out.partition("  actions a person\n")[2].partition("  kinds\n")[0].splitlines()
    assert len(lines) <= 8
    assert sum(int(line[22:28].replace(",", "")) for line in lines) == 3


def test_what_is_held_out_in_time_is_counted(path, capsys):
    assert main(["data", "describe", str(path), "--json"]) == 0
    later = sum(len(source.split_time("drawn", drawn.name(index)).later) for index in range(3))
    assert json.loads(capsys.readouterr().out)["actions_held_out_in_time"] == later > 0


def test_a_contact_sheet_is_written_where_it_is_asked_for_and_else_beside_the_reader(
    path, tmp_path, monkeypatch, capsys
):
    asked = tmp_path / "asked.png"
    assert main(["data", "describe", str(path), "--contact-sheet", str(asked)]) == 0
    assert str(asked) in capsys.readouterr().out
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert main(["data", "describe", str(path), "--contact-sheet"]) == 0
    assert [one.name for one in here.iterdir()] == ["three-frames.png"]
    assert asked.read_bytes() == (here / "three-frames.png").read_bytes()
    assert width(asked) > 1000


def test_a_contact_sheet_that_cannot_be_written_is_one_sentence_and_exit_2(path, tmp_path, capsys):
    assert main(["data", "describe", str(path), "--contact-sheet", str(tmp_path / "none" / "a.png")]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "cannot be written" in printed.err
    assert len(printed.err.splitlines()) == 1


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
