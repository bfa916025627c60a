"""Drawn people are many, different, always the same, and their next action depends on screen and history."""

import hashlib
import os
import subprocess
import sys
import time
from collections import Counter, defaultdict

import numpy as np
import pytest

from reticent.actions.coalesce import coalesce
from reticent.actions.examples import pool
from reticent.actions.vocabulary import ActionKind
from reticent.errors import SettingError
from reticent.recordings import drawn
from reticent.recordings.recorded import session

SOME = tuple(drawn.name(index) for index in range(60))


@pytest.fixture(scope="module")
def crowd():
    return {person: drawn.recorded(person) for person in SOME}


@pytest.fixture(scope="module")
def sessions(crowd):
    return {person: [session(one) for one in sittings] for person, sittings in crowd.items()}


def digest(person):
    state = hashlib.sha256()
    for one in drawn.recorded(person):
        for event in one.events:
            state.update(repr((event.t_ms, event.kind, event.key, event.button, event.x, event.y)).encode())
        for index, frame in one.frames.items():
            state.update(str(index).encode() + frame.thumbnail.tobytes() + frame.patch.tobytes())
    return state.hexdigest()


def test_a_name_makes_the_same_person_in_another_process():
    code = "import sys; sys.path.insert(0, 'tests/recordings'); import test_drawn as t; print(t.digest('drawn-0007'))"
    env = {**os.environ, "PYTHONHASHSEED": "123"}
    there = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == digest("drawn-0007")


def test_two_people_differ():
    assert len({digest(drawn.name(index)) for index in (0, 1, 999_999_999)}) == 3


def test_every_action_went_through_the_coalescer_and_has_its_frame(crowd):
    for sittings in crowd.values():
        for one in sittings:
            actions = coalesce(one.events, aspect=one.aspect)
            assert [action.start for action in actions] == list(one.frames)
            assert all(0 <= event.x <= 1 and 0 <= event.y <= 1 for event in one.events)
            times = [event.t_ms for event in one.events]
            assert times == sorted(times)
            assert one.frames[actions[0].start].thumbnail.shape == (48, 64)
            assert one.frames[actions[0].start].patch.shape == (16, 16)


def test_every_kind_occurs_and_none_drowns_the_others(sessions):
    kinds = Counter(a.kind for theirs in sessions.values() for s in theirs for a in s.actions)
    total = sum(kinds.values())
    assert set(kinds) == set(ActionKind)
    assert min(kinds.values()) / total > 0.004
    assert 0.35 < kinds[ActionKind.CLICK] / total < 0.6


def test_people_work_on_screens_of_many_proportions_and_themes(crowd):
    aspects = {round(sittings[0].aspect, 2) for sittings in crowd.values()}
    assert min(aspects) < 0.8
    assert max(aspects) > 1.7
    shades = [np.median(next(iter(sittings[0].frames.values())).thumbnail) for sittings in crowd.values()]
    assert min(shades) < 60
    assert max(shades) > 200


def test_screens_hold_more_than_a_few_pictures(crowd):
    frames = [frame.thumbnail for sittings in crowd.values() for one in sittings for frame in one.frames.values()]
    assert len({frame.tobytes() for frame in frames}) > 0.7 * len(frames)
    assert np.mean([frame.std() for frame in frames]) > 20


def test_history_tells_more_than_the_majority(sessions):
    people = list(sessions.values())
    learn, check = (pool(s for theirs in part for s in theirs) for part in (people[:45], people[45:]))
    seen = defaultdict(Counter)
    for before, kind in zip(learn.kinds[:, -2:].tolist(), learn.next_kind.tolist(), strict=True):
        seen[tuple(before)][kind] += 1
    majority = Counter(learn.next_kind.tolist()).most_common(1)[0][0]
    guesses = [
        seen[tuple(b)].most_common(1)[0][0] if seen[tuple(b)] else majority for b in check.kinds[:, -2:].tolist()
    ]
    markov = np.mean(np.array(guesses) == check.next_kind)
    assert markov > np.mean(check.next_kind == majority) + 0.04


def test_the_screen_tells_where_the_next_click_goes(sessions):
    """Without any model: a clicked cell holds more contrast than most others."""
    windows = pool(s for theirs in sessions.values() for s in theirs)
    clicks = windows.next_kind == ActionKind.CLICK
    cells = windows.frames[clicks].reshape(-1, 12, 4, 16, 4).astype(float)
    contrast = cells.std(axis=(2, 4)).reshape(len(cells), -1)
    rank = (contrast < contrast[np.arange(len(cells)), windows.next_cell[clicks]][:, None]).mean(axis=1)
    assert rank.mean() > 0.75  # 0.5 if the screen told nothing


def test_drawing_is_fast_enough_for_a_crowd():
    start, actions = time.process_time(), 0
    for index in range(2_000, 2_020):
        actions += sum(len(one.frames) for one in drawn.recorded(drawn.name(index)))
    assert actions / (time.process_time() - start) > 600  # over 2,000 a second on an idle core


@pytest.mark.parametrize(
    "person", ["", "drawn-", "drawn-7", "drawn-00007", "drawn--001", "drawn-0007\n", "office-0001", "drawn-10000000000"]
)
def test_a_name_that_is_nobodys_is_refused(person):
    with pytest.raises(SettingError):
        drawn.sessions(person)


@pytest.mark.parametrize("index", [-1, 10**9])
def test_an_index_outside_the_crowd_is_refused(index):
    with pytest.raises(SettingError):
        drawn.name(index)


def test_any_drawn_person_can_be_made_without_a_crash():
    for index in range(5_000, 5_150, 3):
        assert sum(len(one.frames) for one in drawn.recorded(drawn.name(index))) >= 12
