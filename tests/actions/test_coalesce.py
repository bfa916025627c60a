"""Events become actions by rules that hold online and offline, for nonsense too."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.actions.action import Action
from reticent.actions.coalesce import (
    DOUBLE_CLICK_MS,
    MODIFIER_MS,
    REPEAT_MS,
    RUN_GAP_MS,
    SCROLL_GAP_MS,
    Coalescer,
    coalesce,
)
from reticent.actions.events import Button, EventKind, InputEvent, KeyClass
from reticent.actions.vocabulary import CELLS, ActionKind
from reticent.errors import SettingError

TEXT = (KeyClass.LETTER, KeyClass.DIGIT, KeyClass.SPACE, KeyClass.PUNCTUATION)
ANY_EVENT = st.builds(
    InputEvent,
    t_ms=st.integers(0, 20_000),
    kind=st.sampled_from(EventKind),
    key=st.sampled_from(KeyClass),
    button=st.sampled_from(Button),
    x=st.sampled_from([-1.0, 0.0, 0.5, 0.505, 0.9, 1.0, 7.0]),
    y=st.floats(-0.5, 1.5),
)
ANY_EVENTS = st.lists(ANY_EVENT, max_size=60)
IN_ORDER = ANY_EVENTS.map(lambda events: sorted(events, key=lambda event: event.t_ms))
AT_ONCE = ANY_EVENTS.map(lambda events: [at(event, 7) for event in events])


def at(event: InputEvent, t_ms: int) -> InputEvent:
    return InputEvent(t_ms=t_ms, kind=event.kind, key=event.key, button=event.button, x=event.x, y=event.y)


def down(t_ms, key):
    return InputEvent(t_ms=t_ms, kind=EventKind.KEY_DOWN, key=key, x=0.5, y=0.5)


def up(t_ms, key):
    return InputEvent(t_ms=t_ms, kind=EventKind.KEY_UP, key=key, x=0.5, y=0.5)


def tap(t_ms, key):
    return [down(t_ms, key), up(t_ms + 50, key)]


def press(t_ms, x=0.5, button=Button.LEFT):
    return InputEvent(t_ms=t_ms, kind=EventKind.BUTTON_DOWN, button=button, x=x, y=0.5)


def release(t_ms, x=0.5, button=Button.LEFT):
    return InputEvent(t_ms=t_ms, kind=EventKind.BUTTON_UP, button=button, x=x, y=0.5)


def move(t_ms, x=0.5):
    return InputEvent(t_ms=t_ms, kind=EventKind.MOVE, x=x, y=0.5)


def click(t_ms, x=0.5, button=Button.LEFT):
    return [press(t_ms, x, button), release(t_ms + 60, x, button)]


def scroll(t_ms):
    return InputEvent(t_ms=t_ms, kind=EventKind.SCROLL, x=0.5, y=0.5)


def kinds(*parts) -> str:
    events = [event for part in parts for event in (part if isinstance(part, list) else [part])]
    return " ".join(action.kind.name.lower() for action in coalesce(events))


@given(st.one_of(ANY_EVENTS, IN_ORDER, AT_ONCE))
@settings(max_examples=400)
def test_the_online_coalescer_agrees_with_the_offline_one_and_names_every_start_when_it_happens(events):
    online, ended, starts = Coalescer(), [], []
    for index, event in enumerate(events):
        step = online.push(event)
        if step.starts:
            starts.append(index)
        if step.ended is not None:
            ended.append(step.ended)
            assert step.starts  # an action ends only where another begins, or at the close
    last = online.close()
    ended += [last] if last is not None else []
    assert tuple(ended) == coalesce(events)
    assert [action.start for action in ended] == starts
    assert online.close() is None


@given(st.one_of(ANY_EVENTS, IN_ORDER, AT_ONCE))
@settings(max_examples=300)
def test_any_events_give_actions_in_order_with_their_own_press_cell_and_gap(events):
    actions = coalesce(events)
    pressing = {EventKind.KEY_DOWN, EventKind.BUTTON_DOWN, EventKind.SCROLL}
    assert all(events[action.start].kind in pressing and 0 <= action.cell < CELLS for action in actions)
    previous: Action | None = None
    for action in actions:
        assert previous is None or (action.start > previous.start and action.t_ms >= previous.t_ms)
        assert action.gap_ms == (0 if previous is None else action.t_ms - previous.t_ms)
        previous = action


@given(IN_ORDER, st.lists(st.sampled_from(TEXT), min_size=60, max_size=60))
@settings(max_examples=300)
def test_events_that_differ_only_in_which_text_keys_were_pressed_give_equal_actions(events, other):
    remapped = [
        InputEvent(t_ms=e.t_ms, kind=e.kind, key=o if e.key in TEXT else e.key, button=e.button, x=e.x, y=e.y)
        for e, o in zip(events, other, strict=False)
    ]
    assert coalesce(remapped) == coalesce(events[: len(remapped)])


def test_two_secrets_of_one_pattern_are_the_same_events_before_anything_is_coalesced():
    def typed(text):
        classes = {True: KeyClass.LETTER, False: KeyClass.DIGIT}
        return [event for i, c in enumerate(text) for event in tap(100 * i, classes[c.isalpha()])]

    assert typed("hunter42") == typed("secret17")
    assert set(InputEvent.__slots__) == {"t_ms", "kind", "key", "button", "x", "y"}  # no room for a character


@given(st.integers(1, 40), st.integers(1, 40))
def test_an_action_does_not_hold_how_many_keys_were_typed(n, m):
    def session(keys):
        run = [event for i in range(keys) for event in tap(i * 1_000 // keys, KeyClass.LETTER)]
        return coalesce(sorted([*run, *tap(2_000, KeyClass.ENTER)], key=lambda event: event.t_ms))

    def kept(actions):
        return [(action.kind, action.cell, action.t_ms, action.gap_ms) for action in actions]

    assert kept(session(n)) == kept(session(m))


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([*tap(0, KeyClass.LETTER), *tap(300, KeyClass.SPACE), *tap(600, KeyClass.DIGIT)], "type"),
        ([*tap(0, KeyClass.LETTER), *tap(RUN_GAP_MS, KeyClass.LETTER)], "type"),
        ([*tap(0, KeyClass.LETTER), *tap(RUN_GAP_MS + 1, KeyClass.LETTER)], "type type"),
        ([*tap(0, KeyClass.LETTER), *tap(100, KeyClass.DELETE), *tap(200, KeyClass.DELETE)], "type delete"),
        ([*tap(0, KeyClass.NAVIGATION), *tap(100, KeyClass.NAVIGATION), *tap(200, KeyClass.TAB)], "navigate tab"),
        ([*tap(0, KeyClass.TAB), *tap(200, KeyClass.TAB)], "tab tab"),
        ([*tap(0, KeyClass.ENTER), *tap(200, KeyClass.OTHER)], "enter other"),
        ([*tap(0, KeyClass.LETTER), move(50), *tap(100, KeyClass.LETTER)], "type"),
        ([*tap(0, KeyClass.LETTER), *click(100), *tap(200, KeyClass.LETTER)], "type click type"),
        ([down(0, KeyClass.SHIFT), *tap(50, KeyClass.LETTER), up(100, KeyClass.SHIFT)], "type"),
        ([*tap(0, KeyClass.SHIFT), *tap(100, KeyClass.MODIFIER), *tap(200, KeyClass.NONE)], ""),
        ([scroll(0), scroll(100), move(200), scroll(100 + SCROLL_GAP_MS)], "scroll"),
        ([scroll(0), scroll(SCROLL_GAP_MS + 1)], "scroll scroll"),
    ],
)
def test_runs_and_single_keys(events, expected):
    assert kinds(events) == expected


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([down(0, KeyClass.ENTER), *(down(500 + 30 * i, KeyClass.ENTER) for i in range(50))], "enter"),
        ([down(0, KeyClass.DELETE), *(down(500 + 30 * i, KeyClass.DELETE) for i in range(50))], "delete"),
        ([e for i in range(20) for e in (down(30 * i, KeyClass.TAB), up(30 * i + 30, KeyClass.TAB))], "tab"),
        ([down(0, KeyClass.ENTER), down(REPEAT_MS + 1, KeyClass.ENTER)], "enter enter"),  # the release was lost
        ([down(0, KeyClass.MODIFIER), down(9, KeyClass.LETTER), down(600, KeyClass.LETTER)], "shortcut"),
    ],
)
def test_auto_repeat_counts_once(events, expected):
    assert kinds(events) == expected


@pytest.mark.parametrize("key", [k for k in KeyClass if k not in {KeyClass.NONE, KeyClass.MODIFIER, KeyClass.SHIFT}])
def test_any_key_under_a_held_modifier_is_a_shortcut(key):
    held = [down(0, KeyClass.MODIFIER), down(10, KeyClass.SHIFT), *tap(100, key)]
    assert kinds(held) == "shortcut"
    assert kinds(held, up(200, KeyClass.MODIFIER), *tap(300, key)).startswith("shortcut ")


def test_two_presses_under_one_modifier_are_two_shortcuts():
    assert kinds(down(0, KeyClass.MODIFIER), tap(50, KeyClass.LETTER), tap(150, KeyClass.LETTER)) == "shortcut shortcut"


def test_a_letter_whose_release_was_lost_does_not_swallow_the_shortcut_after_it():
    assert kinds(down(0, KeyClass.LETTER), down(300, KeyClass.MODIFIER), tap(400, KeyClass.LETTER)) == "type shortcut"


def test_a_stuck_modifier_stops_making_shortcuts():
    stuck = down(0, KeyClass.MODIFIER)
    assert kinds(stuck, tap(MODIFIER_MS, KeyClass.LETTER)) == "shortcut"
    assert kinds(stuck, tap(MODIFIER_MS + 1, KeyClass.LETTER)) == "type"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (click(0), "click"),
        ([*click(0), *click(300)], "double_click"),
        ([*click(0), *click(DOUBLE_CLICK_MS)], "double_click"),
        ([*click(0), *click(DOUBLE_CLICK_MS + 1)], "click click"),
        ([*click(0), *click(300, x=0.52)], "click click"),
        ([*click(0), *click(200), *click(400)], "double_click click"),
        ([*click(0), *click(200), *click(400), *click(600)], "double_click double_click"),
        ([press(0), press(100)], "click click"),  # the first was never released
        ([*click(0), *tap(50, KeyClass.LETTER), *click(200)], "click type click"),
        ([press(0), move(50, 0.55), release(100, 0.6)], "drag"),
        ([press(0), release(100, 0.6)], "drag"),  # a source without moves
        ([press(0), move(50, 0.509), release(100, 0.5)], "click"),
        ([press(0), release(50), move(60, 0.9)], "click"),
        ([*click(0), press(200), move(250, 0.7), release(300, 0.7)], "double_click"),
        ([press(0), move(50, 0.6), release(100, 0.6), *click(200, 0.6)], "drag click"),
        (click(0, button=Button.RIGHT), "right_click"),
        ([*click(0, button=Button.RIGHT), *click(200, button=Button.RIGHT)], "right_click right_click"),
        ([press(0, button=Button.RIGHT), move(50, 0.9), release(90, 0.9, Button.RIGHT)], "right_click"),
        (click(0, button=Button.OTHER), "other"),
        ([release(0), up(10, KeyClass.LETTER), move(20), press(30, button=Button.NONE)], ""),
        ([press(0), release(50, 0.5, Button.RIGHT), move(90, 0.9)], "drag"),  # another button's release
    ],
)
def test_buttons(events, expected):
    assert kinds(events) == expected


def test_a_double_click_keeps_the_first_press_as_its_start():
    (action,) = coalesce([move(0), *click(100), *click(300)])
    assert (action.kind, action.start, action.t_ms) == (ActionKind.DOUBLE_CLICK, 1, 100)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_position_that_is_no_number_is_refused_and_changes_nothing(bad):
    coalescer = Coalescer()
    coalescer.push(press(0))
    with pytest.raises(SettingError):
        coalescer.push(InputEvent(t_ms=1, kind=EventKind.BUTTON_DOWN, button=Button.LEFT, x=bad, y=0.5))
    coalescer.push(release(60))
    assert coalescer.close() == coalesce(click(0))[0]


def test_a_long_session_leaves_the_coalescer_as_small_as_a_short_one():
    coalescer = Coalescer()
    for t_ms in range(0, 2_000_000, 100):
        coalescer.push(down(t_ms, KeyClass(1 + t_ms // 100 % 11)))
    assert len(coalescer._pressed_ms) <= 6
    assert len(coalescer._released_ms) <= 6


def test_what_is_shown_of_actions_and_coalescers_holds_no_place_and_no_time():
    coalescer = Coalescer()
    coalescer.push(press(123_456, x=0.77))
    action = coalescer.close()
    assert repr(action) == "<Action click>"
    assert "123" not in repr(coalescer)


def test_the_monitor_may_change_between_two_actions():
    coalescer = Coalescer(aspect=4 / 3)
    coalescer.push(press(0, x=0.0))
    coalescer.aspect = 3 / 4
    first = coalescer.push(press(900, x=0.0)).ended
    second = coalescer.close()
    assert (first.cell % 16, second.cell % 16) == (0, 3)
