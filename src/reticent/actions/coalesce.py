"""Which steps do these events make? Key classes, buttons, moves and scrolls in, actions out.

The rules, all decided when an event arrives, so that the online and the offline answer cannot differ:

- Every action begins at one *press*: a key going down, a button going down, a scroll. That press is its
  `start`, the pointer's place at that moment its cell. Moves, releases, SHIFT and MODIFIER alone begin nothing.
- An action that begins ends the one before it. One action is open at a time and may still change its *kind*
  (CLICK to DRAG, CLICK to DOUBLE_CLICK); its start, cell and time never change. It is handed out when it has
  ended, so nothing is ever retracted.
- LETTER, DIGIT, SPACE and PUNCTUATION are one group, text. Text keys at most RUN_GAP_MS apart are one TYPE; so
  DELETE, so NAVIGATE. Scrolls at most SCROLL_GAP_MS apart are one SCROLL. Moves do not end a run.
- A key pressed while a MODIFIER is held is a SHORTCUT, whatever the key. SHIFT changes nothing.
- ENTER, TAB and OTHER keys are one action a press.
- Auto-repeat: only the class is known, so a press counts as a repeat when its group is held already (pressed at
  most REPEAT_MS ago and not released) or was released at most REPEAT_PAIR_MS ago (systems that repeat in pairs of
  release and press). Two keys of one group held together look the same and count once; in a run that makes no
  difference. A MODIFIER that goes down starts afresh: what was held before it makes no shortcut a repeat.
- A key whose release was lost stops counting as held, REPEAT_MS after its last press, a MODIFIER MODIFIER_MS
  after. Of two modifiers held together, the first release ends both: a shortcut may then read as TYPE.
- The left button: a press that moves beyond DRAG_DISTANCE before its release is a DRAG; a second press at most
  DOUBLE_CLICK_MS after and DOUBLE_CLICK_DISTANCE away from a first that was released makes that first one a
  DOUBLE_CLICK, at the press, as operating systems do (dragging on selects by words: still a DOUBLE_CLICK).
  A third press is a CLICK again. The right button is a RIGHT_CLICK, other buttons are OTHER.
- A release without a press is nothing. Time that runs backwards stands still instead.

Privacy: how long a typing run was, how many keys it held and of which class is not in an action; sequences that
differ only in which text keys were pressed give equal actions. What remains is when the run began and when the
next action did. `start` counts events, so the difference of two starts bounds a run's length: whoever stores
actions renumbers it (capture.vault does).
Memory: a few numbers, whatever the length of the session.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from reticent.actions.action import Action
from reticent.actions.canvas import cell_of
from reticent.actions.events import Button, EventKind, InputEvent, KeyClass
from reticent.actions.vocabulary import FRAME_HEIGHT, FRAME_WIDTH, ActionKind
from reticent.errors import SettingError

RUN_GAP_MS = 1_500  # a longer pause between two keys ends a run
SCROLL_GAP_MS = 1_000
REPEAT_MS = 2_000  # longer than the slowest first auto-repeat that desktops offer
REPEAT_PAIR_MS = 5  # nobody presses a key again this soon after letting it go
MODIFIER_MS = 10_000
DOUBLE_CLICK_MS = 500  # the desktops' own default
DOUBLE_CLICK_DISTANCE = 0.01  # of the monitor's width and height
DRAG_DISTANCE = 0.01
DEFAULT_ASPECT = FRAME_WIDTH / FRAME_HEIGHT


class _Group(IntEnum):
    """Key classes that the rules treat alike."""

    TEXT = 0
    DELETE = 1
    NAVIGATION = 2
    ENTER = 3
    TAB = 4
    OTHER = 5


_GROUP = {
    KeyClass.LETTER: _Group.TEXT,
    KeyClass.DIGIT: _Group.TEXT,
    KeyClass.SPACE: _Group.TEXT,
    KeyClass.PUNCTUATION: _Group.TEXT,
    KeyClass.DELETE: _Group.DELETE,
    KeyClass.NAVIGATION: _Group.NAVIGATION,
    KeyClass.ENTER: _Group.ENTER,
    KeyClass.TAB: _Group.TAB,
    KeyClass.OTHER: _Group.OTHER,
}
_KIND = {
    _Group.TEXT: ActionKind.TYPE,
    _Group.DELETE: ActionKind.DELETE,
    _Group.NAVIGATION: ActionKind.NAVIGATE,
    _Group.ENTER: ActionKind.ENTER,
    _Group.TAB: ActionKind.TAB,
    _Group.OTHER: ActionKind.OTHER,
}
_RUNS = (ActionKind.TYPE, ActionKind.DELETE, ActionKind.NAVIGATE)


@dataclass(frozen=True, slots=True)
class Step:
    """What one event did.

    starts: the event begins an action: keep the frame taken before it. ended: the action that it put an end to.
    """

    starts: bool
    ended: Action | None


_NOTHING = Step(starts=False, ended=None)


class Coalescer:
    """The rules above, one event at a time.

    aspect: width / height of the monitor that the events' fractions refer to; set it when the pointer changes monitors.
    """

    def __init__(self, *, aspect: float = DEFAULT_ASPECT) -> None:
        self.aspect = aspect
        self._count = 0  # events so far
        self._now_ms = 0
        self._open: ActionKind | None = None
        self._start = 0
        self._start_ms = 0
        self._gap_ms = 0
        self._cell = 0
        self._begun = False  # whether any action ever began
        self._last_ms = 0  # last press that belongs to the open action
        self._button: Button = Button.NONE  # held since the open action's press
        self._origin = (0.0, 0.0)
        self._pressed_ms: dict[_Group, int] = {}
        self._released_ms: dict[_Group, int] = {}
        self._modifier_ms: int | None = None

    def __repr__(self) -> str:
        return f"<Coalescer after {self._count} events>"

    def push(self, event: InputEvent) -> Step:
        """Take the next event. Raises SettingError, and takes nothing, if its position is not a number."""
        if not (math.isfinite(event.x) and math.isfinite(event.y)):
            raise SettingError("an event's position must be a finite fraction of the monitor; the event was left out")
        self._now_ms = event.t_ms if self._count == 0 else max(self._now_ms, event.t_ms)
        step = self._take(event)
        self._count += 1
        return step

    def close(self) -> Action | None:
        """End and hand out the open action, if there is one; held keys and buttons are forgotten too."""
        ended = self._end()
        self._pressed_ms.clear()
        self._released_ms.clear()
        self._modifier_ms = None
        return ended

    def _take(self, event: InputEvent) -> Step:
        match event.kind:
            case EventKind.KEY_DOWN:
                return self._key_down(event)
            case EventKind.KEY_UP:
                self._key_up(event.key)
                return _NOTHING
            case EventKind.BUTTON_DOWN:
                return self._button_down(event)
            case EventKind.BUTTON_UP:
                self._watch_drag(event)
                if event.button == self._button:
                    self._button = Button.NONE
                return _NOTHING
            case EventKind.SCROLL:
                return self._continue_or_begin(ActionKind.SCROLL, event, within_ms=SCROLL_GAP_MS)
            case _:
                self._watch_drag(event)
                return _NOTHING

    def _key_down(self, event: InputEvent) -> Step:
        if event.key == KeyClass.MODIFIER:
            if not self._modifier_held():
                self._pressed_ms.clear()
                self._released_ms.clear()
            self._modifier_ms = self._now_ms
        group = _GROUP.get(event.key)
        if group is None:  # a modifier, shift, or no key at all
            return _NOTHING
        repeated = self._is_repeat(group)
        self._pressed_ms[group] = self._now_ms
        kind = ActionKind.SHORTCUT if self._modifier_held() else _KIND[group]
        if kind in _RUNS:
            return self._continue_or_begin(kind, event, within_ms=RUN_GAP_MS)
        return _NOTHING if repeated else self._begin(kind, event)

    def _modifier_held(self) -> bool:
        return self._modifier_ms is not None and self._now_ms - self._modifier_ms <= MODIFIER_MS

    def _is_repeat(self, group: _Group) -> bool:
        pressed, released = self._pressed_ms.get(group), self._released_ms.get(group)
        if pressed is not None and self._now_ms - pressed <= REPEAT_MS:
            return True
        return released is not None and self._now_ms - released <= REPEAT_PAIR_MS

    def _key_up(self, key: KeyClass) -> None:
        if key == KeyClass.MODIFIER:
            self._modifier_ms = None
        group = _GROUP.get(key)
        if group is not None and self._pressed_ms.pop(group, None) is not None:
            self._released_ms[group] = self._now_ms

    def _button_down(self, event: InputEvent) -> Step:
        if event.button == Button.NONE:
            return _NOTHING
        if event.button == Button.LEFT and self._is_second_click(event):
            self._open, self._button = ActionKind.DOUBLE_CLICK, Button.LEFT
            return _NOTHING
        kind = {Button.LEFT: ActionKind.CLICK, Button.RIGHT: ActionKind.RIGHT_CLICK}.get(event.button, ActionKind.OTHER)
        step = self._begin(kind, event)
        self._button = event.button
        return step

    def _is_second_click(self, event: InputEvent) -> bool:
        return (
            self._open == ActionKind.CLICK
            and self._button == Button.NONE
            and self._now_ms - self._last_ms <= DOUBLE_CLICK_MS
            and self._distance(event) <= DOUBLE_CLICK_DISTANCE
        )

    def _watch_drag(self, event: InputEvent) -> None:
        if self._open == ActionKind.CLICK and self._button == Button.LEFT and self._distance(event) > DRAG_DISTANCE:
            self._open = ActionKind.DRAG

    def _distance(self, event: InputEvent) -> float:
        return math.hypot(event.x - self._origin[0], event.y - self._origin[1])

    def _continue_or_begin(self, kind: ActionKind, event: InputEvent, *, within_ms: int) -> Step:
        if self._open == kind and self._now_ms - self._last_ms <= within_ms:
            self._last_ms = self._now_ms
            return _NOTHING
        return self._begin(kind, event)

    def _begin(self, kind: ActionKind, event: InputEvent) -> Step:
        cell = cell_of(event.x, event.y, aspect=self.aspect)
        ended = self._end()
        self._gap_ms = self._now_ms - self._start_ms if self._begun else 0
        self._open, self._cell, self._begun = kind, cell, True
        self._start, self._start_ms, self._last_ms = self._count, self._now_ms, self._now_ms
        self._origin = (event.x, event.y)
        return Step(starts=True, ended=ended)

    def _end(self) -> Action | None:
        kind, self._open, self._button = self._open, None, Button.NONE
        if kind is None:
            return None
        return Action(kind=kind, cell=self._cell, t_ms=self._start_ms, gap_ms=self._gap_ms, start=self._start)


def coalesce(events: Sequence[InputEvent], *, aspect: float = DEFAULT_ASPECT) -> tuple[Action, ...]:
    """The actions that `events` make, in order; aspect: width / height of their monitor.

    Equal to pushing every event into one Coalescer and closing it. Raises SettingError for a position that is not a
    finite number.
    """
    coalescer = Coalescer(aspect=aspect)
    actions = [step.ended for event in events if (step := coalescer.push(event)).ended is not None]
    last = coalescer.close()
    return tuple(action for action in (*actions, last) if action is not None)
