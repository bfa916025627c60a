"""Real input on a real display: what is recorded, and what isn't."""

import pickle
import threading
import time

import numpy as np
import pytest

from reticent.actions.events import EventKind, KeyClass
from reticent.actions.vocabulary import ActionKind
from reticent.capture.exclusions import Exclusions
from reticent.capture.focus import Focus
from reticent.capture.lock import LockProbe
from reticent.capture.monitors import Rect
from reticent.capture.recorder import Recorder
from reticent.capture.sitting import Sitting
from reticent.errors import StateError
from tests.capture.desk import Desk, until

SECRET = "Correct7horse!battery"
EXCLUDED = Exclusions(apps=frozenset({"Vaultlike"}))


class Tape:
    """A recorder at work, and what it has delivered."""

    def __init__(self, exclusions: Exclusions | None = None) -> None:
        self.sittings: list[Sitting] = []
        self.recorder = Recorder(deliver=self.sittings.append, exclusions=exclusions)

    def __enter__(self) -> "Tape":
        self.recorder.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.recorder.stop()

    def roll(self) -> None:
        """Wait until input would be recorded, and everything before has settled."""
        until(lambda: self.recorder.permitted and self.recorder._gate._open)
        until(lambda: time.monotonic() > self.recorder._gate.since_s)

    def shade(self) -> float:
        """How bright the newest shot is; 0 without one."""
        frame = self.recorder._ring.before(1e9, x=0.5, y=0.5)
        return 0.0 if frame.patch is None else float(frame.thumbnail.mean())

    def kinds(self) -> list[ActionKind]:
        return [action.kind for sitting in self.sittings for action in sitting.actions]

    def events(self) -> list[tuple[EventKind, KeyClass]]:
        return [(event.kind, event.key) for sitting in self.sittings for event in sitting.events]


def test_real_input_becomes_the_right_actions_and_no_event_is_lost(desk: Desk):
    desk.xterm("Plain", place="120x45+20+20")
    desk.xdotool("mousemove 300 300")
    with Tape() as tape:
        tape.roll()
        desk.xdotool("click 1 sleep 0.8 type --delay 30 hello,7")
        desk.xdotool("key Return sleep 0.1 key Tab sleep 0.1 key ctrl+a sleep 0.1 key Left Left sleep 0.1")
        desk.xdotool("keydown BackSpace sleep 1.2 keyup BackSpace sleep 0.1")  # long enough to repeat by itself
        desk.xdotool("click --repeat 2 --delay 90 1 sleep 0.8 click 3 sleep 0.8 click --repeat 5 --delay 40 5")
        desk.xdotool("sleep 0.1 mousemove 400 200 mousedown 1 mousemove 450 260 sleep 0.1 mousemove 600 400 mouseup 1")
        desk.xdotool("sleep 0.8 key F7")
    assert tape.kinds() == [
        ActionKind.CLICK,
        ActionKind.TYPE,
        ActionKind.ENTER,
        ActionKind.TAB,
        ActionKind.SHORTCUT,
        ActionKind.NAVIGATE,
        ActionKind.DELETE,
        ActionKind.DOUBLE_CLICK,
        ActionKind.RIGHT_CLICK,
        ActionKind.SCROLL,
        ActionKind.DRAG,
        ActionKind.OTHER,
    ]
    assert tape.recorder.dropped == 0
    assert tape.recorder.failure is None
    events = tape.events()
    assert events.count((EventKind.SCROLL, KeyClass.NONE)) == 5
    assert [key for kind, key in events if kind is EventKind.KEY_DOWN][:7] == [
        *[KeyClass.LETTER] * 5,
        KeyClass.PUNCTUATION,
        KeyClass.DIGIT,
    ]
    assert events.count((EventKind.KEY_DOWN, KeyClass.DELETE)) == 1


def test_hundreds_of_keys_and_clicks_arrive_without_a_drop(desk: Desk):
    desk.xterm("Plain")
    desk.xdotool("mousemove 200 200")
    with Tape() as tape:
        tape.roll()
        desk.xdotool("type --delay 2 " + "abcdefghij" * 30)
        desk.xdotool("click --repeat 200 --delay 2 1")
    kinds = [kind for kind, _ in tape.events()]
    assert kinds.count(EventKind.KEY_DOWN) == 300
    assert kinds.count(EventKind.BUTTON_DOWN) == kinds.count(EventKind.BUTTON_UP) == 200
    assert tape.recorder.dropped == 0


def test_cells_are_where_the_pointer_was_on_the_letterboxed_frame(desk: Desk):
    desk.xterm("Plain", place="150x50+0+0")
    with Tape() as tape:
        tape.roll()
        desk.xdotool("mousemove 70 70 sleep 0.1 click 1 sleep 0.7 mousemove 700 500 sleep 0.1 click 1")
    cells = [action.cell for sitting in tape.sittings for action in sitting.actions]
    assert cells == [70 * 12 // 768 * 16 + 70 * 16 // 1024, 500 * 12 // 768 * 16 + 700 * 16 // 1024]


def test_the_frame_shows_the_screen_before_the_action_not_its_result(desk: Desk):
    desk.xterm("Plain", place="150x50+0+0", colour="white")
    desk.xdotool("mousemove 300 300")
    with Tape() as tape:
        tape.roll()
        dark = desk.xterm("Dark", place="150x50+0+0", colour="black")
        tape.roll()
        until(lambda: 0 < tape.shade() < 60)
        desk.xdotool("key x")
        until(lambda: tape.recorder.kept)  # what is followed at once by an unknown window would be left out
        desk.end(dark)
        desk.focus("Plain")
        tape.roll()
        until(lambda: tape.shade() > 100)
        desk.xdotool("key Return")
    (sitting,) = tape.sittings
    first, last = sitting.session().frames[0], sitting.session().frames[-1]
    assert first.thumbnail.mean() < 60 < 100 < last.thumbnail.mean()
    assert first.patch is not None
    assert first.patch.mean() < 60


def test_a_typed_secret_is_nowhere_in_what_was_recorded(desk: Desk):
    desk.xterm("Plain", colour="black")  # it shows nothing of what is typed
    desk.xdotool("mousemove 200 200")
    with Tape() as tape:
        tape.roll()
        desk.xdotool(f"type --delay 20 {SECRET}")
        desk.xdotool("key Return")
    assert tape.kinds() == [ActionKind.TYPE, ActionKind.ENTER]
    held = pickle.dumps([(s.events, dict(s.frames), s.actions, s.aspect) for s in tape.sittings])
    shown = repr(tape.sittings) + repr(tape.sittings[0].events) + repr(tape.recorder) + repr(tape.recorder.__dict__)
    for part in (SECRET, SECRET[:6], SECRET[8:13]):
        assert part.encode() not in held
        assert part not in shown
    other = Tape()
    with other:
        other.roll()
        desk.xdotool("type --delay 20 Wrongly4horse?battery")  # the same classes
        desk.xdotool("key Return")
    assert [key for _, key in other.events()] == [key for _, key in tape.events()]


def test_nothing_is_kept_while_an_excluded_window_has_the_focus(desk: Desk):
    desk.xterm("Plain", place="60x20+0+0")
    desk.xdotool("mousemove 100 100")
    with Tape(EXCLUDED) as tape:
        tape.roll()
        desk.xdotool("key Return")
        until(lambda: tape.recorder.kept == 2)
        desk.xterm("Vaultlike", place="60x20+500+300")
        until(lambda: not tape.recorder.permitted and not tape.recorder._gate._open)
        kept = tape.recorder.kept
        desk.xdotool(f"type --delay 10 {SECRET}")
        desk.xdotool("mousemove 600 400 click 1 click 3")
        desk.focus("Plain")
        tape.roll()
        desk.xdotool("key F7")
    kinds = tape.kinds()
    assert kinds[0] is ActionKind.ENTER
    assert kinds[-1] is ActionKind.OTHER
    assert ActionKind.TYPE not in kinds
    assert ActionKind.RIGHT_CLICK not in kinds
    assert ActionKind.CLICK not in kinds
    assert kept == 2


def test_an_excluded_window_in_view_is_black_in_every_frame(desk: Desk):
    vault = "40x15+600+400"
    desk.xterm("Vaultlike", place=vault, colour="white")
    left, top, width, height = (
        int(line.split("=")[1])
        for line in desk.xdotool("search --onlyvisible --class ^Vaultlike$ getwindowgeometry --shell").splitlines()[1:5]
    )
    desk.xterm("Plain", place="60x20+0+0", colour="white")
    desk.xdotool(f"mousemove {left + 30} {top + 30}")
    inside = (slice(top // 16 + 1, (top + height) // 16 - 1), slice(left // 16 + 1, (left + width) // 16 - 1))
    with Tape() as open_tape:
        open_tape.roll()
        desk.xdotool("key Return")
    assert open_tape.sittings[0].session().frames[0].thumbnail[inside].min() > 200  # it is in view
    with Tape(EXCLUDED) as tape:
        tape.roll()
        desk.xdotool("key Return")
    frame = tape.sittings[0].session().frames[0]
    assert frame.thumbnail[inside].max() == 0
    assert frame.patch is not None
    assert frame.patch.max() == 0
    assert frame.thumbnail[2:8, 4:16].mean() > 150  # the rest is there


def test_a_rule_by_title_holds_as_soon_as_the_title_changes(desk: Desk):
    desk.xterm("Plain", place="60x20+0+0")
    with Tape(Exclusions(titles=("My Bank",))) as tape:
        tape.roll()
        desk.xdotool("search --onlyvisible --class ^Plain$ set_window --name Welcome-to-my-bank")
        until(lambda: tape.recorder.permitted)  # hyphens: another title
        desk.rename("Plain", "Welcome to my bank")
        until(lambda: not tape.recorder.permitted and not tape.recorder._gate._open)
        desk.xdotool(f"type --delay 10 {SECRET}")
    assert tape.kinds() == []


def test_without_a_window_manager_nothing_is_recorded(desk: Desk):
    desk.xterm("Plain")
    with Tape() as tape:
        tape.roll()
        desk.end(desk.manager)
        until(lambda: not tape.recorder.permitted)
        desk.xdotool("mousemove 200 200 click 1 key Return")
        until(lambda: not tape.recorder._gate._open)
    assert tape.kinds() == []


def test_a_display_that_dies_is_noticed_and_what_was_recorded_is_delivered(desk: Desk):
    desk.xterm("Plain")
    tape = Tape()
    with tape:
        tape.roll()
        desk.xdotool("key Return")
        until(lambda: tape.recorder.kept == 2)
        desk.end(desk.server)
        until(lambda: not tape.recorder.is_alive())
        until(lambda: tape.sittings)
    assert tape.kinds() == [ActionKind.ENTER]
    assert not tape.recorder.permitted
    assert tape.recorder.failure is not None
    until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("reticent-")])


def test_a_cut_delivers_at_once_and_recording_goes_on(desk: Desk):
    desk.xterm("Plain")
    with Tape() as tape:
        tape.roll()
        desk.xdotool("key Return")
        until(lambda: tape.recorder.kept == 2)
        tape.recorder.cut()
        until(lambda: len(tape.sittings) == 1)
        desk.xdotool("key Tab")
    assert tape.kinds() == [ActionKind.ENTER, ActionKind.TAB]
    assert len(tape.sittings) == 2


def test_a_vault_that_fails_ends_the_recording_and_says_only_its_class(desk: Desk):
    def full(_: Sitting) -> None:
        raise OSError(SECRET)

    desk.xterm("Plain")
    recorder = Recorder(deliver=full)
    recorder.start()
    until(lambda: recorder._gate._open)
    desk.xdotool("key Return")
    recorder.stop()
    assert recorder.failure == "OSError"


def test_a_recorder_starts_once(desk: Desk):
    tape = Tape()
    with tape, pytest.raises(StateError, match="twice"):
        tape.recorder.start()
    tape.recorder.stop()


def test_frames_are_small_grey_and_shared_where_nothing_changed(desk: Desk):
    desk.xterm("Plain", place="60x20+0+0")
    desk.xdotool("mousemove 100 100")
    with Tape() as tape:
        tape.roll()
        desk.xdotool("key F7 sleep 0.5 key F8 sleep 0.5 key F7")
    frames = tape.sittings[0].session().frames
    assert len(frames) == 3
    assert all(frame.thumbnail.dtype == np.uint8 and frame.thumbnail.shape == (48, 64) for frame in frames)
    assert frames[1] is frames[2] or frames[1].thumbnail is frames[2].thumbnail


def test_a_mark_that_a_window_manager_left_behind_is_not_a_window_manager(desk: Desk):
    desk.xterm("Plain")
    with Tape() as tape:
        tape.roll()
        desk.end(desk.manager)
        desk.mark_as_manager("Plain")  # a window that happens to have the number
        until(lambda: not tape.recorder.permitted)
        until(lambda: not tape.recorder._gate._open)
    assert tape.kinds() == []


def test_a_display_that_no_longer_answers_permits_nothing(desk: Desk):
    desk.xterm("Plain")
    screen = Rect(left=0, top=0, width=1024, height=768)
    focus = Focus(exclusions=Exclusions(), screens=(screen,), lock=LockProbe())
    assert until(lambda: focus.look(exact=True).permitted)
    desk.end(desk.server)
    until(lambda: focus.look(exact=True).masked == (screen,))
    assert not focus.look(exact=False).permitted
    focus.close()
