"""What did the person do, and what was on the screen before it? Listeners, screen and focus put together."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from reticent.actions.events import InputEvent
from reticent.capture.exclusions import Exclusions
from reticent.capture.focus import Focus
from reticent.capture.listeners import EventQueue, Listeners
from reticent.capture.lock import LockProbe
from reticent.capture.monitors import active
from reticent.capture.screen import Ring, Screen, locate
from reticent.capture.sitting import Assembly, Gate, Sitting
from reticent.errors import StateError

_IDLE_S: Final = 0.5  # how long to wait for an event before the focus is looked at again
_BATCH_S: Final = 0.06  # events that arrive together are judged together
_REACTION_S: Final = 0.002  # a program may draw its answer to an event this long before the event reaches us
_STOP_TIMEOUT_S: Final = 20.0


class Recorder:
    """Records this display until it is stopped, and delivers sittings.

    deliver: called from the recorder's own thread with each finished sitting. exclusions: what is never recorded.
    Guarantee: nothing is kept while recording isn't permitted (see `focus`), no character, title or unmasked excluded
    pixel is in a sitting. After `stop` returns, everything was delivered.
    """

    def __init__(self, *, deliver: Callable[[Sitting], None], exclusions: Exclusions | None = None) -> None:
        self._deliver = deliver
        self._exclusions = exclusions or Exclusions()
        self._halt = threading.Event()
        self._cut = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: str | None = None
        self._assembly: Assembly | None = None
        self._lock = LockProbe()
        self._ring = Ring()
        self._gate = Gate()
        self._kept = 0

    def __repr__(self) -> str:
        return f"<Recorder {'at work' if self.is_alive() else 'at rest'}>"

    def start(self) -> None:
        """Begin. Raises StateError on Wayland, without a display, or where it can't be watched; then nothing runs."""
        if self._thread is not None:
            raise StateError("the recorder was started twice; make a new one; what was recorded is kept")
        place = locate()
        self._origin_s = time.monotonic()
        self._screens = place.monitors
        self._queue = EventQueue(screens=self._screens, origin_s=self._origin_s)
        self._queue.place(*place.pointer)
        self._listeners = Listeners(self._queue)
        with ExitStack() as undo:
            self._focus = self._look_out(undo)
            self._screen = Screen(ring=self._ring, focus=self._look_out(undo), pointer=lambda: self._queue.pointer)
            undo.callback(self._screen.stop)
            self._listeners.start()
            self._screen.start()
            undo.pop_all()
        self._thread = threading.Thread(target=self._run, name="reticent-recorder", daemon=True)
        self._thread.start()

    def _look_out(self, undo: ExitStack) -> Focus:
        focus = Focus(exclusions=self._exclusions, screens=self._screens, lock=self._lock)
        undo.callback(focus.close)
        return focus

    def stop(self) -> None:
        """End, and deliver what was recorded. Safe to call twice."""
        self._halt.set()
        if self._thread is not None:
            self._thread.join(_STOP_TIMEOUT_S)

    def cut(self) -> None:
        """End the sitting, deliver it, and begin another; returns at once."""
        self._cut.set()

    def is_alive(self) -> bool:
        """Is everything recording? False once the display died or a thread ended; `failure` says what."""
        return (
            self._thread is not None
            and self._thread.is_alive()
            and self._failure is None
            and self._listeners.is_alive()
            and self._screen.is_alive()
        )

    @property
    def failure(self) -> str | None:
        """The class name of what ended the recording, if anything did."""
        if self._thread is None:
            return None
        return self._failure or self._listeners.failure or self._screen.failure

    @property
    def permitted(self) -> bool:
        """Would input be recorded now?"""
        return self.is_alive() and self._screen.permitted

    @property
    def dropped(self) -> int:
        """Events lost because they arrived faster than they could be taken."""
        return 0 if self._thread is None else self._queue.dropped

    @property
    def kept(self) -> int:
        """How many events were kept so far."""
        return self._kept

    def _run(self) -> None:
        try:
            while (
                not self._halt.is_set()
                and self._failure is None
                and self._listeners.is_alive()
                and self._screen.is_alive()
            ):
                self._step(timeout_s=_IDLE_S)
            self._listeners.stop()
            self._step(timeout_s=0.0)
        except Exception as cause:  # its content could hold captured values; its class can't
            self._failure = type(cause).__name__
        finally:
            self._finish()
            self._listeners.stop()
            self._screen.stop()
            self._focus.close()

    def _step(self, *, timeout_s: float) -> None:
        """Take what arrived, look whether it may be kept, keep it."""
        if self._screens is not self._screen.monitors:
            self._screens = self._screen.monitors
            self._queue.rearrange(self._screens)
            self._focus.rearrange(self._screens)
        events = self._queue.drain(timeout_s=timeout_s)
        if events and timeout_s:
            self._halt.wait(_BATCH_S)
            events += self._queue.drain(timeout_s=0.0)
        sight = self._focus.look(exact=False)
        passes = self._gate.passes(permitted=sight.permitted and self._screen.permitted, at_s=time.monotonic())
        if self._lock.locked():
            self._finish(before_s=self._lock.unlocked_s)
        elif not passes and self._assembly is not None:
            self._assembly.interrupt()
        if passes:
            self._keep([event for event in events if self._at_s(event) > self._gate.since_s])
        if self._cut.is_set():
            self._cut.clear()
            self._finish()

    def _keep(self, events: list[InputEvent]) -> None:
        aspect = active(self._screens, *self._queue.pointer).aspect
        for event in events:
            if self._assembly is not None and (self._assembly.aspect != aspect or self._assembly.is_over(event.t_ms)):
                self._finish()
            if self._assembly is None:
                self._assembly = Assembly(aspect=aspect)
            at_s = self._at_s(event) - _REACTION_S
            self._kept += 1
            self._assembly.add(event, lambda: self._ring.before(at_s, x=event.x, y=event.y))  # noqa: B023

    def _finish(self, *, before_s: float | None = None) -> None:
        assembly, self._assembly = self._assembly, None
        if assembly is None:
            return
        before_ms = None if before_s is None else int((before_s - self._origin_s) * 1000)
        sitting = assembly.finish(before_ms=before_ms)
        if sitting is not None:
            try:
                self._deliver(sitting)
            except Exception as cause:  # the recording ends; whoever asks is told by `failure`
                self._failure = self._failure or type(cause).__name__

    def _at_s(self, event: InputEvent) -> float:
        return self._origin_s + event.t_ms / 1000
