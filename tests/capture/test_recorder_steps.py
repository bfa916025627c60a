"""What the recorder keeps, step by step, with a screen and a focus that do as they are told."""

import time

import numpy as np

from reticent.actions.events import Button, EventKind, KeyClass
from reticent.actions.vocabulary import ActionKind
from reticent.capture.focus import Sight
from reticent.capture.listeners import EventQueue
from reticent.capture.lock import LockProbe
from reticent.capture.monitors import Rect
from reticent.capture.recorder import Recorder
from reticent.capture.screen import take
from reticent.capture.sitting import Sitting

SCREEN = Rect(left=0, top=0, width=160, height=120)
WIDE = Rect(left=160, top=0, width=320, height=120)


class Obedient:
    """Stands for focus and screen."""

    def __init__(self) -> None:
        self.permitted = True
        self.monitors: tuple[Rect, ...] = (SCREEN, WIDE)

    def look(self, *, exact: bool) -> Sight:
        return Sight(permitted=self.permitted, masked=(), changes=0)

    def rearrange(self, screens: tuple[Rect, ...]) -> None:
        self.monitors = screens


class Bench:
    """A recorder whose steps are taken by hand."""

    def __init__(self) -> None:
        self.sittings: list[Sitting] = []
        self.recorder = Recorder(deliver=self.sittings.append)
        self.world = Obedient()
        self.recorder._origin_s = time.monotonic()
        self.recorder._screens = self.world.monitors
        self.queue = EventQueue(screens=self.world.monitors, origin_s=self.recorder._origin_s)
        self.recorder._queue = self.queue
        self.recorder._focus = self.recorder._screen = self.world  # type: ignore[assignment]
        pixels = bytearray(np.full((SCREEN.height, SCREEN.width, 4), 77, dtype=np.uint8).tobytes())
        self.recorder._ring.add(take(pixels, monitor=SCREEN, masked=(), finished_s=self.recorder._origin_s - 1))
        self.step()

    def step(self, *, permitted: bool = True) -> None:
        self.world.permitted = permitted
        self.recorder._step(timeout_s=0.0)

    def press(self, key: KeyClass) -> None:
        self.queue.key(EventKind.KEY_DOWN, key)
        self.queue.key(EventKind.KEY_UP, key)

    def kinds(self) -> list[ActionKind]:
        self.recorder._finish()
        return [action.kind for sitting in self.sittings for action in sitting.actions]


def test_what_comes_while_recording_is_permitted_is_kept_with_the_frame_before_it():
    bench = Bench()
    bench.press(KeyClass.ENTER)
    bench.step()
    assert bench.kinds() == [ActionKind.ENTER]
    (frame,) = bench.sittings[0].session().frames
    assert frame.thumbnail.max() == 77


def test_what_is_followed_by_something_excluded_is_left_out():
    bench = Bench()
    bench.press(KeyClass.ENTER)
    bench.step(permitted=False)
    assert bench.kinds() == []


def test_what_comes_right_after_something_excluded_is_left_out_until_all_has_settled():
    bench = Bench()
    bench.step(permitted=False)
    bench.step()
    bench.press(KeyClass.ENTER)  # it may have been on its way for a while
    bench.step()
    assert bench.recorder.kept == 0
    bench.recorder._gate._shut_s -= 1.0  # a second passes
    bench.press(KeyClass.TAB)
    bench.step()
    assert bench.kinds() == [ActionKind.TAB]


def test_a_modifier_let_go_in_an_excluded_window_makes_no_shortcut_of_what_is_typed_later():
    bench = Bench()
    bench.queue.key(EventKind.KEY_DOWN, KeyClass.MODIFIER)
    bench.press(KeyClass.LETTER)
    bench.step()
    bench.step(permitted=False)
    bench.queue.key(EventKind.KEY_UP, KeyClass.MODIFIER)
    bench.step(permitted=False)
    bench.recorder._gate._shut_s -= 1.0
    bench.step()
    bench.press(KeyClass.LETTER)
    bench.step()
    assert bench.kinds() == [ActionKind.SHORTCUT, ActionKind.TYPE]


def test_a_locked_session_ends_the_sitting_and_takes_back_what_was_not_surely_before_it():
    bench = Bench()
    answers = [False]
    now = [time.monotonic()]
    bench.recorder._lock = LockProbe(ask=lambda: answers[0], clock=lambda: now[0])
    bench.press(KeyClass.ENTER)
    bench.step()
    now[0] = time.monotonic() + 0.001
    bench.recorder._lock._asked_s = float("-inf")
    bench.recorder._lock.locked()  # surely unlocked up to here
    while time.monotonic() < now[0] + 0.01:
        pass
    bench.press(KeyClass.TAB)  # perhaps the locker's already
    bench.step()
    answers[0] = True
    now[0] += 2.5
    bench.step()
    assert [action.kind for sitting in bench.sittings for action in sitting.actions] == [ActionKind.ENTER]


def test_a_monitor_of_other_proportions_begins_another_sitting():
    bench = Bench()
    bench.queue.button(10, 10, Button.LEFT, down=True)
    bench.step()
    bench.queue.button(200, 10, Button.LEFT, down=True)
    bench.step()
    bench.recorder._finish()
    assert [sitting.aspect for sitting in bench.sittings] == [SCREEN.aspect, WIDE.aspect]
