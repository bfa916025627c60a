"""Own recordings: made by the recorder's rules from any events and screens, and a source like the embedded ones."""

import numpy as np
import pytest

import reticent
from reticent.actions.canvas import canonical_frame
from reticent.actions.events import Button, EventKind, InputEvent
from reticent.errors import FormatError, SettingError, StateError
from reticent.recordings import drawn, source
from reticent.recordings.archive import read_archive, write_archive
from reticent.recordings.recorded import record_session, session

SCREEN = np.add.outer(np.arange(400) // 4, np.arange(640) // 8).astype(np.uint8)


def click(x, y, *, t_ms=0):
    return InputEvent(t_ms=t_ms, kind=EventKind.BUTTON_DOWN, button=Button.LEFT, x=x, y=y)


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.recording"
    write(path, people=11)
    return path


def write(path, *, people, public=True):
    sittings = [one for index in range(people) for one in drawn.recorded(drawn.name(index))]
    write_archive(path, sittings, title="own", datasheet="-", public=public)


def test_events_become_the_actions_that_the_recorder_makes_of_them():
    (first, *_) = drawn.recorded("drawn-0003")
    asked = []

    def screen(event):
        asked.append(event)
        return SCREEN

    recorded = record_session("p", iter(first.events), screen, aspect=first.aspect)
    assert recorded.events == first.events
    assert recorded.frames.keys() == first.frames.keys()
    assert session(recorded).actions == session(first).actions
    assert asked == [first.events[index] for index in sorted(first.frames)]


@pytest.mark.parametrize(
    ("x", "y", "rows", "columns"),
    [
        (0.5, 0.5, slice(0, 16), slice(0, 16)),
        (0.0, 0.0, slice(8, 16), slice(8, 16)),  # what lies outside the monitor is black
        (1.0, 0.5, slice(0, 16), slice(0, 9)),
    ],
)
def test_a_frame_is_the_letterboxed_screen_and_a_patch_what_lies_round_the_pointer(x, y, rows, columns):
    screen = SCREEN + 1
    (frame,) = record_session("p", [click(x, y)], lambda event: screen, aspect=1.6).frames.values()
    np.testing.assert_array_equal(frame.thumbnail, canonical_frame(screen))
    seen = frame.patch > 0
    assert seen[rows, columns].all()
    assert seen.sum() == seen[rows, columns].size
    under = int(screen[round(y * 399), round(x * 639)])
    assert abs(int(frame.patch[7:9, 7:9].max()) - under) <= 1


@pytest.mark.parametrize(
    ("events", "screen"),
    [
        ([click(1.5, 0.5)], SCREEN),
        ([click(float("nan"), 0.5)], SCREEN),
        ([click(0.5, 0.5, t_ms=9), click(0.5, 0.5)], SCREEN),
        ([click(0.5, 0.5)], SCREEN.astype(np.float32)),
        ([click(0.5, 0.5)], np.zeros((4, 4, 3), dtype=np.uint8)),
        ([click(0.5, 0.5)], np.zeros((0, 4), dtype=np.uint8)),
    ],
)
def test_events_and_screens_that_make_no_sense_are_refused(events, screen):
    with pytest.raises(SettingError):
        record_session("p", events, lambda event: screen, aspect=1.6)


PIXELS = "x and y are fractions of the monitor, each from 0 to 1, and not pixels"


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (click(960, 0.5), PIXELS),
        (click(7.0, 0.5), PIXELS),
        (click(-3, 0.5), PIXELS),
        (click(0.5, float("inf")), PIXELS),
        (click(0.5, 0.5, t_ms=0.5), "times are whole ms"),
        (click(0.5, 0.5, t_ms=-1), "times are whole ms"),
        (InputEvent(t_ms=0, kind="click", x=0.5, y=0.5), "each of an EventKind"),
        (7, "consists of InputEvents"),
    ],
)
def test_an_event_that_no_sitting_has_is_called_what_it_is(event, said):
    with pytest.raises(SettingError, match=said):
        record_session("p", [event], lambda event: SCREEN, aspect=1.6)


@pytest.mark.parametrize("name", ["a b", "", 7, "x" * 65])
def test_a_name_that_no_file_takes_is_refused_at_once(name):
    with pytest.raises(SettingError, match="a person's name takes"):
        record_session(name, [click(0.5, 0.5)], lambda event: SCREEN, aspect=1.6)


def test_a_screen_that_is_no_picture_is_refused():
    with pytest.raises(SettingError, match="a screen is a numpy array"):
        record_session("p", [click(0.5, 0.5)], lambda event: None, aspect=1.6)


def test_what_cannot_be_written_or_opened_is_named(tmp_path):
    sitting = record_session("p", [click(0.5, 0.5)], lambda event: SCREEN, aspect=1.6)
    nowhere = tmp_path / "nowhere" / "x.recording"
    with pytest.raises(StateError, match=f"{nowhere} can't be written"):
        write_archive(nowhere, [sitting], title="x", datasheet="x")
    with pytest.raises(StateError, match=f"the recording {nowhere} cannot be opened"):
        read_archive(nowhere)
    for nobody, said in (([], "needs somebody"), ([1], "consists of RecordedSessions")):
        with pytest.raises(SettingError, match=said):
            write_archive(tmp_path / "x", nobody, title="x", datasheet="x")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_a_source_with_the_same_split_and_the_same_people(own, monkeypatch):
    name = source.of_file(own)
    everyone = tuple(drawn.name(index) for index in range(11))
    assert source.people(name) == everyone
    assert source.split(name) == source.split_people(everyone)
    assert source.clients(name, people=2) == source.split(name).client[:2]
    for person in everyone[:3]:
        assert [one.actions for one in source.sessions(name, person)] == [one.actions for one in drawn.sessions(person)]
    monkeypatch.chdir(own.parent)
    assert source.of_file(own.relative_to(own.parent)) == name


def test_where_nobody_may_be_public_the_same_people_test_and_all_others_are_clients(own):
    name = source.of_file(own)
    opened = source.split(name)
    write(own, people=11, public=False)
    closed = source.split(name)
    assert (closed.public, closed.test) == ((), opened.test)
    assert sorted(closed.client + closed.validation) == sorted(opened.client + opened.validation + opened.public)
    assert len(closed.validation) == 1


@pytest.mark.parametrize(
    ("people", "public", "of", "counted"),
    [
        (11, True, "own", "public"),
        (11, False, "own", "client"),
        (2, True, "own", "client"),
        (1, True, "drawn", "public"),
    ],
)
def test_baselines_count_public_people_or_clients_or_drawn_people(own, people, public, of, counted):
    name = source.of_file(own)
    write(own, people=people, public=public)
    whom = source.counted(name)
    assert (whom.source, whom.public) == (name if of == "own" else "drawn", counted == "public")
    assert whom.people == getattr(source.split(whom.source), counted)


def test_no_model_is_fitted_to_people_who_are_not_public(own, tmp_path):
    write(own, people=11, public=False)
    with pytest.raises(SettingError, match="has no public people"):
        reticent.make_model(object(), tmp_path / "mine.safetensors", data=str(own))
    assert not (tmp_path / "mine.safetensors").exists()


def test_a_source_is_named_by_its_name_or_by_its_path(own):
    assert source.named("drawn") == "drawn"
    assert source.named(str(own)) == source.of_file(own)
    with pytest.raises(SettingError, match="office, web, drawn, drawn-web"):
        source.named(str(own) + "x")


def test_a_file_that_was_written_again_is_read_again(own):
    name = source.of_file(own)
    assert len(source.people(name)) == 11
    write(own, people=4)
    assert len(source.people(name)) == 4


def test_a_file_that_is_missing_or_something_else_is_one_sentence_with_its_name(tmp_path):
    with pytest.raises(StateError, match=r"there is no recording .*missing"):
        source.people(source.of_file(tmp_path / "missing"))
    with pytest.raises(StateError, match="there is no recording"):
        source.people(source.of_file(tmp_path))
    (tmp_path / "other").write_bytes(b"PK")
    with pytest.raises(FormatError, match=r"other: this is not a reticent recording"):
        source.people(source.of_file(tmp_path / "other"))
    (tmp_path / "nothing").touch()
    with pytest.raises(FormatError, match=r"nothing: the recording is empty"):
        source.people(source.of_file(tmp_path / "nothing"))


def test_people_are_read_until_there_are_enough_examples(own):
    name = source.of_file(own)
    people = source.people(name)
    first = len(source.pool(name, people[0]))
    assert [len(pool) for pool in source.pools(name, people, examples=1)] == [first]
    assert len(source.pools(name, people, examples=first + 1)) == 2
    assert len(source.pools(name, people, examples=10**6)) == len(people)
