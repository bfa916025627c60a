"""What the listeners' callbacks put into the queue."""

import time
from concurrent.futures import ThreadPoolExecutor

from reticent.actions.events import Button, EventKind, KeyClass
from reticent.capture.listeners import EventQueue, Listeners
from reticent.capture.monitors import Rect

SCREENS = (Rect(left=0, top=0, width=101, height=51), Rect(left=101, top=0, width=201, height=51))


def queue(*, capacity: int = 100) -> EventQueue:
    return EventQueue(screens=SCREENS, origin_s=time.monotonic(), capacity=capacity)


def test_positions_are_fractions_of_the_monitor_under_the_pointer():
    events = queue()
    events.button(50, 25, Button.LEFT, down=True)
    events.scroll(201, 50)
    events.key(EventKind.KEY_DOWN, KeyClass.LETTER)
    taken = events.drain(timeout_s=0)
    assert [(event.x, event.y) for event in taken] == [(0.5, 0.5), (0.5, 1.0), (0.5, 1.0)]
    assert [event.kind for event in taken] == [EventKind.BUTTON_DOWN, EventKind.SCROLL, EventKind.KEY_DOWN]


def test_a_full_queue_drops_and_counts():
    events = queue(capacity=3)
    for _ in range(5):
        events.scroll(1, 1)
    assert len(events.drain(timeout_s=0)) == 3
    assert events.dropped == 2
    events.scroll(1, 1)
    assert len(events.drain(timeout_s=0)) == 1


def test_auto_repeat_is_collapsed_but_typing_and_double_presses_are_not():
    events = queue()
    for _ in range(20):
        events.key(EventKind.KEY_DOWN, KeyClass.DELETE)
    events.key(EventKind.KEY_UP, KeyClass.DELETE)
    events.key(EventKind.KEY_DOWN, KeyClass.DELETE)
    for _ in range(3):  # fast typists press the next letter before they let go of the last
        events.key(EventKind.KEY_DOWN, KeyClass.LETTER)
    downs = [event.key for event in events.drain(timeout_s=0) if event.kind is EventKind.KEY_DOWN]
    assert downs == [KeyClass.DELETE] * 2 + [KeyClass.LETTER] * 3


def test_a_release_does_not_tell_which_key_a_shifted_character_is_on():
    events = queue()
    events.key(EventKind.KEY_DOWN, KeyClass.SHIFT)
    events.key(EventKind.KEY_DOWN, KeyClass.PUNCTUATION)  # an exclamation mark
    events.key(EventKind.KEY_UP, KeyClass.SHIFT)
    events.key(EventKind.KEY_UP, KeyClass.DIGIT)  # what its key is without Shift
    assert [event.key for event in events.drain(timeout_s=0)] == [
        KeyClass.SHIFT,
        KeyClass.PUNCTUATION,
        KeyClass.SHIFT,
        KeyClass.PUNCTUATION,
    ]


def test_a_fast_path_is_thinned_but_a_click_has_the_exact_place():
    events = queue()
    for x in range(100):
        events.move(x, 10)
    events.button(99, 10, Button.RIGHT, down=True)
    taken = events.drain(timeout_s=0)
    assert len(taken) < 60
    assert taken[-1].x == 0.99


def test_times_never_decrease_although_two_threads_write():
    events = queue(capacity=10_000)
    with ThreadPoolExecutor(2) as pool:
        for work in [
            pool.submit(lambda: [events.scroll(1, 1) for _ in range(2_000)]),
            pool.submit(lambda: [events.key(EventKind.KEY_DOWN, KeyClass.LETTER) for _ in range(2_000)]),
        ]:
            work.result()
    times = [event.t_ms for event in events.drain(timeout_s=0)]
    assert len(times) == 4_000
    assert times == sorted(times)


def test_a_callback_that_raises_is_reported_by_its_class_and_stops_the_listener():
    listeners = Listeners(queue())

    def broken(*_: object) -> None:
        raise ValueError("hunter2")

    guarded = listeners._guarded(broken)
    assert guarded("x") is False  # what pynput takes as: stop
    assert listeners.failure == "ValueError"
    assert listeners._guarded(lambda: None)() is False
    assert not listeners.is_alive()
