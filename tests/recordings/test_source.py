"""Sources give people, their sessions and pools, and three groups of people that never meet."""

import numpy as np
import pytest

from reticent.errors import SettingError, StateError
from reticent.recordings import drawn, source
from reticent.recordings.archive import write_archive

HELD_OUT = {1: 0, 2: 1, 3: 1, 4: 2}  # of so many sessions, how many


@pytest.fixture
def office(tmp_path, monkeypatch):
    """A stand-in for the embedded file: the same reader, another path."""
    path = tmp_path / "office.recording"
    sittings = [one for index in range(13) for one in drawn.recorded(drawn.name(index))[:1]]
    write_archive(path, sittings, title="stand-in", datasheet="-")
    monkeypatch.setattr(source, "OFFICE", path)
    source._office.cache_clear()
    yield path
    source._office.cache_clear()


def test_there_are_four_sources():
    assert source.names() == ("office", "web", "drawn", "drawn-web")


@pytest.mark.parametrize("name", ["office", "drawn", "drawn-web"])
def test_a_split_is_complete_disjoint_fixed_and_large_enough(office, name):
    groups = source.split(name)
    everyone = [*groups.public, *groups.client, *groups.validation, *groups.test]
    assert sorted(everyone) == list(source.people(name)) == sorted(set(everyone))
    assert len(groups.client) >= 3
    assert groups.test == tuple(source.people(name)[::3])
    assert 0.05 < len(groups.validation) / len(everyone) < 0.15
    assert len(groups.test) >= len(everyone) / 4
    assert len(groups.public) >= 4
    assert groups == source.split(name)


def test_held_out_time_comes_after_all_that_is_learned_from_and_nothing_is_lost_or_doubled():
    """Drawn people have 1 to 4 sessions: each number occurs."""
    seen = set()
    for index in range(12):
        sessions = drawn.sessions(drawn.name(index))
        time = source.split_time("drawn", drawn.name(index))
        assert len(time.later) == sum(len(one.actions) for one in sessions[len(sessions) - HELD_OUT[len(sessions)] :])
        whole = source.pool("drawn", drawn.name(index))
        for column in ("kinds", "cells", "times", "frames", "next_kind"):
            both = np.concatenate([getattr(time.earlier, column), getattr(time.later, column)])
            np.testing.assert_array_equal(both, getattr(whole, column))
        seen.add(len(sessions))
    assert seen == set(HELD_OUT)


def test_a_person_of_an_archive_is_the_one_that_was_written(office):
    for person in source.people("office")[:3]:
        (theirs,) = source.sessions("office", person)
        assert theirs.actions == drawn.sessions(person)[0].actions
        assert len(source.pool("office", person)) == len(theirs.actions)


@pytest.mark.parametrize("name", ["drawn", "drawn-web"])
def test_drawn_people_are_listed_by_the_hundred_and_made_by_any_index(name):
    assert len(source.people(name)) == 200
    assert source.people(name)[7] == f"{name}-0007"
    assert len(source.pool(name, f"{name}-123456")) > 10


@pytest.mark.parametrize("name", ["drawn", "drawn-web"])
def test_as_many_drawn_people_train_as_are_asked_for_and_none_of_them_is_listed(name):
    train = source.clients(name, people=300)
    assert len(set(train)) == 300
    assert train[0] == f"{name}-1000000"
    assert not set(train) & set(source.people(name))


def test_a_missing_file_is_one_clear_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "OFFICE", tmp_path / "none")
    source._office.cache_clear()
    with pytest.raises(StateError, match="'office' is not in this installation"):
        source.people("office")


@pytest.mark.parametrize("name", ["", "nobody", "../office"])
def test_a_source_there_is_not_is_refused(name):
    with pytest.raises(SettingError, match="office, web, drawn"):
        source.people(name)


def test_a_person_there_is_not_is_refused(office):
    with pytest.raises(SettingError):
        source.sessions("office", "nobody")
    with pytest.raises(SettingError):
        source.sessions("drawn", "nobody")
