"""The embedded recording of web tasks is as large, as spread and as described as its datasheet says."""

import json
import re

import pytest
from PIL import Image

from reticent.actions.vocabulary import ActionKind
from reticent.cli import main
from reticent.recordings import archive, source
from reticent.recordings.recorded import session


@pytest.fixture(scope="module")
def web():
    return archive.read_archive(source.WEB)


@pytest.fixture(scope="module")
def actions(web):
    """Every action of every person, in order."""
    return {
        person: [action for one in web.sessions(person) for action in session(one).actions] for person in web.people
    }


def test_there_are_many_people_with_tens_of_thousands_of_actions_in_a_few_megabytes(web, actions):
    assert 150 <= len(web.people) <= 300
    assert sum(map(len, actions.values())) >= 40_000
    assert source.WEB.stat().st_size <= 5_000_000
    assert source.people("web") == tuple(sorted(web.people))


def test_they_click_type_scroll_and_go_on_by_keyboard(actions):
    kinds = {action.kind for theirs in actions.values() for action in theirs}
    assert kinds >= {
        ActionKind.CLICK,
        ActionKind.DOUBLE_CLICK,
        ActionKind.DRAG,
        ActionKind.SCROLL,
        ActionKind.TYPE,
        ActionKind.SHORTCUT,
        ActionKind.DELETE,
        ActionKind.ENTER,
        ActionKind.TAB,
        ActionKind.NAVIGATE,
    }


def test_no_frame_has_a_patch_and_an_unchanged_one_is_stored_once_a_person(web):
    for person in web.people[::20]:
        frames = [frame for one in web.sessions(person) for frame in one.frames.values()]
        assert all(frame.patch is None for frame in frames)
        assert web.counts(person).thumbnails == len({frame.thumbnail.tobytes() for frame in frames}) < len(frames)


def test_nearly_all_are_public_the_others_test_and_nobody_is_a_client():
    groups = source.split("web")
    assert sorted((*groups.public, *groups.test)) == list(source.people("web"))
    assert not set(groups.public) & set(groups.test)
    assert groups.client == ()
    assert 0.05 < len(groups.test) / len(source.people("web")) < 0.15


def test_its_datasheet_counts_right_and_says_what_it_does_not_show(web, actions):
    page = source.WEB.with_name("DATASHEET-web.md").read_text()
    assert web.datasheet == page
    said = re.search(r"^(\d+) people, ([\d,]+) sittings, ([\d,]+) actions", page, re.MULTILINE)
    assert said is not None
    sittings = sum(web.counts(person).sessions for person in web.people)
    assert [int(figure.replace(",", "")) for figure in said.groups()] == [
        len(web.people),
        sittings,
        sum(map(len, actions.values())),
    ]
    groups = source.split("web")
    assert f"{len(groups.public)} of its people are public" in page
    assert "The people in this recording are scripts" in page
    assert "these are the pages and the tasks\n  on which people were recorded" in page


def test_its_contact_sheet_lies_beside_it_and_describe_says_where(capsys):
    assert main(["data", "describe", "web", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["contact_sheet"] == str(source.contact_sheet_of(source.WEB))
    assert found["file_bytes"] == source.WEB.stat().st_size
    with Image.open(found["contact_sheet"]) as picture:
        assert picture.width > 1000
