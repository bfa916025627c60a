"""Events become one sitting: actions, each with the frame before it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent.actions.action import Frame
from reticent.actions.coalesce import coalesce
from reticent.actions.events import Button, EventKind, InputEvent, KeyClass
from reticent.actions.vocabulary import FRAME_HEIGHT, FRAME_WIDTH, ActionKind
from reticent.capture.sitting import SETTLE_S, Assembly, Gate


def frame(shade: int) -> Frame:
    return Frame(thumbnail=np.full((FRAME_HEIGHT, FRAME_WIDTH), shade, dtype=np.uint8), patch=None)


def key(t_ms: int, key: KeyClass, *, up: bool = False) -> InputEvent:
    return InputEvent(t_ms=t_ms, kind=EventKind.KEY_UP if up else EventKind.KEY_DOWN, key=key, x=0.5, y=0.5)


def button(t_ms: int, x: float = 0.5, *, up: bool = False) -> InputEvent:
    kind = EventKind.BUTTON_UP if up else EventKind.BUTTON_DOWN
    return InputEvent(t_ms=t_ms, kind=kind, button=Button.LEFT, x=x, y=0.5)


def kinds(assembly: Assembly) -> list[ActionKind]:
    sitting = assembly.finish()
    return [] if sitting is None else [action.kind for action in sitting.actions]


def test_only_what_begins_an_action_asks_for_a_frame_and_keeps_its_own():
    assembly, shades = Assembly(aspect=1.6), iter(range(1, 9))
    for event in (
        key(1_000, KeyClass.LETTER),
        key(1_050, KeyClass.LETTER, up=True),
        key(1_100, KeyClass.LETTER),
        key(1_150, KeyClass.ENTER),
        button(3_000),
        button(3_050, up=True),
    ):
        assembly.add(event, lambda: frame(next(shades)))
    sitting = assembly.finish()
    assert sitting is not None
    session = sitting.session()
    assert [action.kind for action in session.actions] == [ActionKind.TYPE, ActionKind.ENTER, ActionKind.CLICK]
    assert [int(kept.thumbnail[0, 0]) for kept in session.frames] == [1, 2, 3]
    assert sitting.events[0].t_ms == 0  # a sitting doesn't know when it was
    assert next(shades) == 4


def test_a_modifier_whose_release_was_never_seen_makes_no_shortcut_later():
    assembly = Assembly(aspect=1.6)
    assembly.add(key(0, KeyClass.MODIFIER), lambda: frame(1))
    assembly.interrupt()  # its release went to an excluded window
    assembly.add(key(900, KeyClass.LETTER), lambda: frame(2))
    assert kinds(assembly) == [ActionKind.TYPE]


def test_a_button_whose_release_was_never_seen_makes_no_drag_later():
    assembly = Assembly(aspect=1.6)
    assembly.add(button(0, 0.1), lambda: frame(1))
    assembly.interrupt()
    assembly.add(InputEvent(t_ms=900, kind=EventKind.MOVE, x=0.9, y=0.5), lambda: frame(2))
    assert kinds(assembly) == [ActionKind.CLICK]


def test_what_may_have_gone_to_a_locker_can_be_left_out_afterwards():
    assembly = Assembly(aspect=1.6)
    for event in (button(5_000), button(5_050, up=True), key(8_000, KeyClass.LETTER), key(8_100, KeyClass.LETTER)):
        assembly.add(event, lambda: frame(1))
    sitting = assembly.finish(before_ms=7_000)
    assert sitting is not None
    assert [action.kind for action in sitting.actions] == [ActionKind.CLICK]
    assert len(sitting.events) == 2
    assert set(sitting.frames) == {0}
    assert assembly.finish(before_ms=4_000) is None


def test_a_sitting_of_moves_alone_is_nothing():
    assembly = Assembly(aspect=1.6)
    assembly.add(InputEvent(t_ms=0, kind=EventKind.MOVE, x=0.5, y=0.5), lambda: frame(1))
    assert assembly.finish() is None
    assert Assembly(aspect=1.6).finish() is None


def test_a_long_pause_ends_a_sitting():
    assembly = Assembly(aspect=1.6)
    assert not assembly.is_over(10**9)
    assembly.add(button(1_000), lambda: frame(1))
    assert not assembly.is_over(60_000)
    assert assembly.is_over(200_000)


EVENTS = st.lists(
    st.builds(
        InputEvent,
        t_ms=st.integers(0, 10_000),
        kind=st.sampled_from(EventKind),
        key=st.sampled_from(KeyClass),
        button=st.sampled_from(Button),
        x=st.floats(0, 1),
        y=st.floats(0, 1),
    ),
    max_size=40,
).map(lambda events: sorted(events, key=lambda event: event.t_ms))


@given(EVENTS, st.integers(0, 40))
def test_every_action_of_any_sitting_has_its_frame_and_comes_from_the_events_alone(events, pause):
    assembly = Assembly(aspect=1.6)
    for number, event in enumerate(events):
        if number == pause:
            assembly.interrupt()
        assembly.add(event, lambda: frame(7))
    sitting = assembly.finish()
    if sitting is not None:
        assert sitting.actions == coalesce(sitting.events, aspect=1.6)
        assert set(sitting.frames) == {action.start for action in sitting.actions}
        assert "frame" not in repr(sitting)


@pytest.mark.parametrize(
    ("before", "after", "passes"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_the_gate_lets_through_only_what_was_permitted_before_and_after(before, after, passes):
    gate = Gate()
    gate.passes(permitted=before, at_s=10.0)
    assert gate.passes(permitted=after, at_s=11.0) is passes


def test_the_gate_starts_shut_and_holds_back_what_may_still_be_on_its_way():
    gate = Gate()
    assert not gate.passes(permitted=True, at_s=1.0)
    gate.passes(permitted=False, at_s=5.0)
    gate.passes(permitted=True, at_s=5.1)
    assert gate.passes(permitted=True, at_s=5.2)
    assert gate.since_s == 5.0 + SETTLE_S
