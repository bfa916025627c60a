"""How do admitted events and the frames before them become one sitting? No I/O, no clock."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from reticent.actions.action import Action, Frame, Session
from reticent.actions.coalesce import Coalescer, coalesce
from reticent.actions.events import Button, EventKind, InputEvent, KeyClass

SETTLE_S = 0.3  # after something excluded had the focus, input may still be on its way from it
MAX_EVENTS = 20_000
MAX_PAUSE_MS = 120_000  # a longer pause ends a sitting


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Sitting:
    """What was recorded without a break; it knows neither the person nor the day.

    events: times start at 0. frames: keyed by the index of the event that begins an action. actions: what the events
    coalesce to. aspect: width / height of the monitor.
    """

    events: tuple[InputEvent, ...]
    frames: Mapping[int, Frame]
    actions: tuple[Action, ...]
    aspect: float

    def __repr__(self) -> str:
        return f"<Sitting of {len(self.actions)} actions>"

    def session(self) -> Session:
        """The actions, each with the frame before it."""
        return Session(actions=self.actions, frames=tuple(self.frames[action.start] for action in self.actions))


class Assembly:
    """One sitting while it is recorded. All events must be of one monitor's proportions."""

    def __init__(self, *, aspect: float) -> None:
        self.aspect = aspect
        self._coalescer = Coalescer(aspect=aspect)
        self._events: list[InputEvent] = []
        self._frames: dict[int, Frame] = {}
        self._origin_ms = 0
        self._keys: set[KeyClass] = set()
        self._buttons: set[Button] = set()

    def __repr__(self) -> str:
        return f"<Assembly of {len(self._events)} events>"

    def __len__(self) -> int:
        return len(self._events)

    def is_over(self, at_ms: int) -> bool:
        """Would an event at `at_ms` have to begin another sitting?"""
        if not self._events:
            return False
        return len(self._events) >= MAX_EVENTS or at_ms - self._origin_ms - self._events[-1].t_ms > MAX_PAUSE_MS

    def add(self, event: InputEvent, frame: Callable[[], Frame]) -> None:
        """Take an event; `frame` is asked for the frame before it if it begins an action."""
        if not self._events:
            self._origin_ms = event.t_ms
        self._push(replace(event, t_ms=max(event.t_ms - self._origin_ms, 0)), frame)

    def interrupt(self) -> None:
        """Recording stopped for a moment: what is held counts as released, for its release may never be seen."""
        if not self._events:
            return
        last = self._events[-1]
        for key in sorted(self._keys):
            self._push(InputEvent(t_ms=last.t_ms, kind=EventKind.KEY_UP, key=key, x=last.x, y=last.y), _no_frame)
        for button in sorted(self._buttons):
            self._push(
                InputEvent(t_ms=last.t_ms, kind=EventKind.BUTTON_UP, button=button, x=last.x, y=last.y), _no_frame
            )

    def finish(self, *, before_ms: int | None = None) -> Sitting | None:
        """The sitting; with `before_ms`, without anything from that moment on. None if no action is left."""
        events = tuple(self._events)
        if before_ms is not None:
            events = tuple(event for event in events if event.t_ms + self._origin_ms < before_ms)
        actions = coalesce(events, aspect=self.aspect)
        if not actions:
            return None
        frames = {action.start: self._frames[action.start] for action in actions}
        return Sitting(events=events, frames=frames, actions=actions, aspect=self.aspect)

    def _push(self, event: InputEvent, frame: Callable[[], Frame]) -> None:
        if self._coalescer.push(event).starts:
            self._frames[len(self._events)] = frame()
        self._events.append(event)
        if event.kind is EventKind.KEY_DOWN:
            self._keys.add(event.key)
        elif event.kind is EventKind.KEY_UP:
            self._keys.discard(event.key)
        elif event.kind is EventKind.BUTTON_DOWN:
            self._buttons.add(event.button)
        elif event.kind is EventKind.BUTTON_UP:
            self._buttons.discard(event.button)


class Gate:
    """Which events may be kept, given what was seen before and after they arrived?

    An event passes only if recording was permitted at the look before it and at the look after it, and SETTLE_S have
    passed since a look that did not permit it.
    """

    def __init__(self) -> None:
        self._open = False
        self._shut_s = float("-inf")

    def __repr__(self) -> str:
        return f"<Gate {'open' if self._open else 'shut'}>"

    def passes(self, *, permitted: bool, at_s: float) -> bool:
        """Take the look made at `at_s`, after some events arrived. True: those that came after `since_s` may be kept."""
        was_open, self._open = self._open, permitted
        if not permitted:
            self._shut_s = at_s
        return was_open and permitted

    @property
    def since_s(self) -> float:
        """Only events after this moment pass."""
        return self._shut_s + SETTLE_S


def _no_frame() -> Frame:
    raise AssertionError("a release begins no action")
