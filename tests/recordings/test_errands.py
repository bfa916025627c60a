"""People on errands are many, different and always the same; every errand ends, and its hands stay on its page."""

import hashlib
import os
import re
import subprocess
import sys
import time
from collections import Counter
from random import Random

import numpy as np
import pytest

from reticent.actions.canvas import content_box
from reticent.actions.coalesce import coalesce
from reticent.actions.examples import pool
from reticent.actions.vocabulary import ActionKind
from reticent.errors import SettingError
from reticent.recordings import source
from reticent.recordings.drawn import errands
from reticent.recordings.drawn.errands.page import Page
from reticent.recordings.drawn.errands.visitor import visitor
from reticent.recordings.recorded import check, session

SOME = tuple(errands.name(index) for index in range(60))
MOST = 15  # actions of one errand


@pytest.fixture(scope="module")
def crowd():
    return {person: errands.recorded(person) for person in SOME}


def digest(person):
    state = hashlib.sha256()
    for one in errands.recorded(person):
        for event in one.events:
            state.update(repr((event.t_ms, event.kind, event.key, event.button, event.x, event.y)).encode())
        for index, frame in one.frames.items():
            patch = b"none" if frame.patch is None else frame.patch.tobytes()
            state.update(str(index).encode() + frame.thumbnail.tobytes() + patch)
    return state.hexdigest()


def test_a_name_makes_the_same_person_in_another_process():
    code = "import sys; sys.path.insert(0, 'tests/recordings'); import test_errands as t; print(t.digest(t.SOME[7]))"
    env = {**os.environ, "PYTHONHASHSEED": "123"}
    there = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == digest(SOME[7])


def test_no_two_people_are_alike():
    people = [*SOME, errands.name(999_999_999)]
    assert len({digest(person) for person in people}) == len(people)


@pytest.mark.parametrize("errand", errands.ERRANDS, ids=lambda errand: errand.__name__)
def test_an_errand_can_be_met_and_ends_after_a_few_actions_whoever_does_it(errand):
    for index in range(60):
        who = visitor(errands.name(index), usual=tuple(errands.ERRANDS.values()))
        assert who.tasks[list(errands.ERRANDS).index(errand)] > 0
        recorded = Page(who, Random(index), errand=errand.__name__).run(errand)
        assert 1 <= len(session(recorded).actions) <= MOST


def test_an_errand_is_one_session_and_a_person_has_ten_to_sixty_actions_of_them(crowd):
    for sittings in crowd.values():
        sizes = [len(one.frames) for one in sittings]
        assert max(sizes) <= MOST
        assert 10 <= sum(sizes) <= 60


def test_every_action_went_through_the_coalescer_and_has_its_frame(crowd):
    for sittings in crowd.values():
        for one in sittings:
            check(one)
            assert [action.start for action in coalesce(one.events, aspect=one.aspect)] == list(one.frames)


def test_every_cell_lies_inside_the_letterboxed_page(crowd):
    for sittings in crowd.values():
        left, top, width, height = content_box(sittings[0].aspect)
        for one in sittings:
            for action in session(one).actions:
                row, column = divmod(action.cell, 16)
                assert left // 4 <= column <= (left + width - 1) // 4
                assert top // 4 <= row <= (top + height - 1) // 4


def test_the_table_of_the_datasheet_is_right():
    """And every kind occurs."""
    kinds = Counter(
        action.kind.name.lower().replace("_", " ")
        for person in source.people("drawn-web")
        for one in errands.recorded(person)
        for action in coalesce(one.events, aspect=one.aspect)
    )
    said = {kind: float(share) for kind, share in re.findall(r"([a-z][a-z ]*?) ([0-9.]+)%", errands.__doc__)}
    assert said == {kind: round(100 * count / kinds.total(), 1) for kind, count in kinds.items()}
    assert len(said) == len(ActionKind)
    assert 60 < said["click"] < 72


def test_pages_have_many_proportions_and_themes_and_some_have_no_patches(crowd):
    aspects = {round(sittings[0].aspect, 2) for sittings in crowd.values()}
    assert min(aspects) < 0.6
    assert max(aspects) > 1.7
    shades = [np.median(list(sittings[0].frames.values())[-1].thumbnail) for sittings in crowd.values()]
    assert sum(shade > 200 for shade in shades) > 10
    patched = [all(f.patch is not None for one in sittings for f in one.frames.values()) for sittings in crowd.values()]
    assert 0.25 < np.mean(patched) < 0.85


def test_screens_hold_more_than_a_few_pictures(crowd):
    frames = [frame.thumbnail for sittings in crowd.values() for one in sittings for frame in one.frames.values()]
    assert len({frame.tobytes() for frame in frames}) > 0.7 * len(frames)


def test_the_screen_tells_where_the_next_click_goes(crowd):
    """Without any model: a clicked cell holds more contrast than most others."""
    windows = pool(session(one) for sittings in crowd.values() for one in sittings)
    clicks = windows.next_kind == ActionKind.CLICK
    cells = windows.frames[clicks].reshape(-1, 12, 4, 16, 4).astype(float)
    contrast = cells.std(axis=(2, 4)).reshape(len(cells), -1)
    rank = (contrast < contrast[np.arange(len(cells)), windows.next_cell[clicks]][:, None]).mean(axis=1)
    assert rank.mean() > 0.65  # 0.5 if the screen told nothing; the edges of bars stand out too


def test_drawing_is_fast_enough_for_a_crowd():
    start, actions = time.process_time(), 0
    for index in range(2_000, 2_040):
        actions += sum(len(one.frames) for one in errands.recorded(errands.name(index)))
    assert (time.process_time() - start) / actions < 0.150 / 40  # a tenth of it on an idle core


@pytest.mark.parametrize(
    "person", ["", "drawn-web-", "drawn-web-7", "drawn-0007", "drawn-web-00007", "drawn-web-0007\n"]
)
def test_a_name_that_is_nobodys_is_refused(person):
    with pytest.raises(SettingError, match="drawn-web-0000"):
        errands.sessions(person)


@pytest.mark.parametrize("index", [-1, 10**9])
def test_an_index_outside_the_crowd_is_refused(index):
    with pytest.raises(SettingError):
        errands.name(index)
