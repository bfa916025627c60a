"""The embedded recording is as large, as spread and as described as its datasheet says."""

import csv
import json
import re

import pytest
from PIL import Image

from reticent.actions.vocabulary import ActionKind
from reticent.cli import main
from reticent.recordings import archive, source
from reticent.recordings.recorded import session

FOLDER = source.OFFICE.parent
SHEET = source.contact_sheet_of(source.OFFICE)


@pytest.fixture(scope="module")
def office():
    return archive.read_archive(source.OFFICE)


@pytest.fixture(scope="module")
def sizes(office):
    """Actions of each session of each person."""
    return {person: [len(session(one).actions) for one in office.sessions(person)] for person in office.people}


@pytest.fixture(scope="module")
def rows():
    with (FOLDER / "personas.csv").open(newline="") as file:
        return {row["person"]: row for row in csv.DictReader(file)}


def test_there_are_hundreds_of_people_with_thousands_of_actions_in_a_few_megabytes(office, sizes):
    assert len(office.people) >= 200
    assert sum(map(sum, sizes.values())) >= 12_000
    assert source.OFFICE.stat().st_size < 10e6


def test_everybody_has_time_to_learn_from_and_time_that_is_held_out(sizes):
    for person in sizes:
        time = source.split_time("office", person)
        assert len(time.earlier) >= 10
        assert len(time.later) >= 5


def test_every_kind_of_action_occurs(office):
    kinds = {
        action.kind for person in office.people for one in office.sessions(person) for action in session(one).actions
    }
    assert kinds == set(ActionKind)


def test_an_unchanged_picture_is_stored_once_a_person(office):
    for person in office.people[::20]:
        frames = [frame for one in office.sessions(person) for frame in one.frames.values()]
        assert office.counts(person).thumbnails == len({frame.thumbnail.tobytes() for frame in frames}) < len(frames)
        assert office.counts(person).patches == len(
            {frame.patch.tobytes() for frame in frames if frame.patch is not None}
        )


def test_people_are_listed_and_counted_without_unpacking_anybody_and_one_is_read_alone(monkeypatch):
    unpacked = []

    def unpack(counts, block, *, person):
        unpacked.append(person)
        return packing(counts, block, person=person)

    packing = archive.unpack
    monkeypatch.setattr(archive, "unpack", unpack)
    opened = archive.read_archive(source.OFFICE)
    assert sum(opened.counts(person).sessions for person in opened.people) >= 400
    assert unpacked == []
    opened.sessions(opened.people[7])
    assert unpacked == [opened.people[7]]


def test_the_table_of_people_says_what_the_recording_holds(office, sizes, rows):
    assert tuple(rows) == office.people
    for person, row in rows.items():
        theirs = sizes[person]
        assert (int(row["sessions"]), int(row["actions"])) == (len(theirs), sum(theirs))
        assert int(row["held_out"]) == len(source.split_time("office", person).later)
        assert 0 <= int(row["solved"]) <= int(row["tried"])


def test_no_two_people_have_the_same_habits(rows):
    habits = ("screen", "tempo", "key_gap_ms", "shortcuts", "mistakes", "web", "editor", "terminal", "files")
    assert len({tuple(row[name] for name in habits) for row in rows.values()}) == len(rows)
    for name in (*habits, "layout", "browser_width", "switch"):
        assert len({row[name] for row in rows.values()}) > 2, name


def test_the_datasheet_is_the_one_inside_and_its_figures_are_the_recording_s(office, sizes):
    page = (FOLDER / "DATASHEET.md").read_text()
    assert page == office.datasheet
    actions = sum(map(sum, sizes.values()))
    said = re.search(r"^(\d+) people, ([\d,]+) sessions, ([\d,]+) actions", page, re.MULTILINE)
    assert said is not None
    assert [int(figure.replace(",", "")) for figure in said.groups()] == [
        len(sizes),
        sum(map(len, sizes.values())),
        actions,
    ]
    groups = source.split("office")
    assert f"{len(groups.public)} public, whom" in page
    assert f"{len(groups.test)} for\n  testing" in page
    held_out = sum(len(source.split_time("office", person).later) for person in sizes)
    assert f"{held_out:,} of {actions:,} actions" in page


def test_its_contact_sheet_lies_beside_it_and_describe_says_where(capsys):
    assert main(["data", "describe", "office", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["contact_sheet"] == str(SHEET)
    with Image.open(SHEET) as picture:
        assert picture.width > 1000
