"""What did mouse and keyboard just do? pynput's XRecord listeners, reduced to `InputEvent`s in a bounded queue."""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from reticent.actions.events import Button, EventKind, InputEvent, KeyClass
from reticent.capture.display import check_display, connect, hang_up
from reticent.capture.keys import key_class
from reticent.capture.monitors import Rect, active
from reticent.errors import StateError

MOVE_INTERVAL_MS: Final = 20  # a path is kept at 50 points a second
_REPEATING: Final = frozenset(KeyClass) - {KeyClass.LETTER, KeyClass.DIGIT, KeyClass.PUNCTUATION}
_TEXT: Final = frozenset({KeyClass.LETTER, KeyClass.DIGIT, KeyClass.SPACE, KeyClass.PUNCTUATION})
_START_TIMEOUT_S: Final = 10.0
_STOP_TIMEOUT_S: Final = 3.0


class EventQueue:
    """Events of both listener threads in one order of time, at most `capacity` of them.

    Callbacks only append; a full queue drops the newest event and counts it.
    """

    def __init__(self, *, screens: tuple[Rect, ...], origin_s: float, capacity: int = 20_000) -> None:
        self._screens = screens
        self._origin_s = origin_s
        self._capacity = capacity
        self._events: deque[InputEvent] = deque()
        self._ready = threading.Condition()
        self._pointer = (screens[0].left, screens[0].top)
        self._last_move_ms = -MOVE_INTERVAL_MS
        self._last_down = KeyClass.NONE  # of the previous key event, NONE after a release
        self._last_text = KeyClass.LETTER
        self.dropped = 0

    def key(self, kind: EventKind, key: KeyClass) -> None:
        """A key went down or up. Auto-repeat (the same class going down again with no key between) is collapsed.

        A text key's release has the class of the last text key that went down: its own would tell which key an
        exclamation mark is on, once Shift is let go first.
        """
        with self._ready:
            if key in _TEXT and kind is EventKind.KEY_DOWN:
                self._last_text = key
            elif key in _TEXT:
                key = self._last_text
            repeated = kind is EventKind.KEY_DOWN and key is self._last_down and key in _REPEATING
            self._last_down = key if kind is EventKind.KEY_DOWN else KeyClass.NONE
            if not repeated:
                self._append(kind, key=key)

    def move(self, x: int, y: int) -> None:
        """The pointer is at root pixel (x, y)."""
        with self._ready:
            self._pointer = (x, y)
            now_ms = self._now_ms()
            if now_ms - self._last_move_ms >= MOVE_INTERVAL_MS:
                self._last_move_ms = now_ms
                self._append(EventKind.MOVE)

    def button(self, x: int, y: int, button: Button, *, down: bool) -> None:
        """A button went down or up at root pixel (x, y)."""
        with self._ready:
            self._pointer = (x, y)
            self._append(EventKind.BUTTON_DOWN if down else EventKind.BUTTON_UP, button=button)

    def scroll(self, x: int, y: int) -> None:
        """The wheel turned one notch at root pixel (x, y)."""
        with self._ready:
            self._pointer = (x, y)
            self._append(EventKind.SCROLL)

    def place(self, x: int, y: int) -> None:
        """Set the pointer without an event: where it is when listening starts."""
        with self._ready:
            self._pointer = (x, y)

    def rearrange(self, screens: tuple[Rect, ...]) -> None:
        """Monitors were plugged in or out."""
        with self._ready:
            self._screens = screens

    @property
    def pointer(self) -> tuple[int, int]:
        """Where the pointer was last seen, in root pixels."""
        with self._ready:
            return self._pointer

    def drain(self, *, timeout_s: float) -> list[InputEvent]:
        """Everything that has arrived, oldest first; waits up to `timeout_s` for a first event."""
        with self._ready:
            self._ready.wait_for(lambda: bool(self._events), timeout_s)
            taken = list(self._events)
            self._events.clear()
            return taken

    def _now_ms(self) -> int:
        return max(int((time.monotonic() - self._origin_s) * 1000), 0)

    def _append(self, kind: EventKind, *, key: KeyClass = KeyClass.NONE, button: Button = Button.NONE) -> None:
        if len(self._events) >= self._capacity:
            self.dropped += 1
            return
        # The time is read under the lock, so times never decrease although two threads append.
        x, y = active(self._screens, *self._pointer).fraction(*self._pointer)
        self._events.append(InputEvent(t_ms=self._now_ms(), kind=kind, key=key, button=button, x=x, y=y))
        if len(self._events) == 1:
            self._ready.notify()


class Listeners:
    """pynput's keyboard and mouse listeners on this display, feeding one `EventQueue`.

    Guarantee: a keystroke's character exists only inside the callback that classifies it. A callback that raises stops
    both listeners; `failure` then names the exception's class, never its content.
    """

    def __init__(self, queue: EventQueue) -> None:
        self.queue = queue
        self._threads: tuple[Any, ...] = ()
        self._failure: str | None = None
        self._stopped = False

    def start(self) -> None:
        """Begin. Raises StateError without an X11 display, or where its RECORD extension doesn't answer."""
        check_display()
        if self._threads:
            raise StateError("the listeners were started twice; stop them first; what was recorded is kept")
        try:
            keyboard, mouse = _watched_listeners(self._failed)
            self._threads = (
                keyboard(on_press=self._guarded(self._press), on_release=self._guarded(self._release)),
                mouse(
                    on_move=self._guarded(self._move),
                    on_click=self._guarded(self._click),
                    on_scroll=self._guarded(self._scroll),
                ),
            )
            for thread in self._threads:
                thread.start()
        except Exception as cause:  # Xlib and pynput raise a dozen unrelated classes for a display that doesn't answer
            raise StateError(f"{_NO_ANSWER} ({type(cause).__name__}); nothing was recorded") from None
        deadline = time.monotonic() + _START_TIMEOUT_S
        if not all(_is_ready(thread, deadline) for thread in self._threads):
            failure = self._failure or "no answer"
            self.stop()
            raise StateError(f"{_NO_ANSWER} ({failure}); nothing was recorded")

    def stop(self) -> None:
        """End; everything that happened before is in the queue, nothing arrives later. Safe on a dead display, and twice."""
        if self._threads and all(
            thread.is_alive() for thread in self._threads
        ):  # otherwise the display has died, and can't be asked
            with suppress(Exception):
                _disable([getattr(thread, "_context", None) for thread in self._threads])
        self._join()
        self._stopped = True
        for thread in self._threads:
            with suppress(Exception):
                thread.stop()
        self._join()
        self._threads = ()

    def _join(self) -> None:
        for thread in self._threads:
            if thread.ident is not None:
                threading.Thread.join(thread, _STOP_TIMEOUT_S)

    def is_alive(self) -> bool:
        """Are both listeners really listening? False once the display died, whatever pynput's own flag says."""
        return bool(self._threads) and self._failure is None and all(thread.is_alive() for thread in self._threads)

    @property
    def failure(self) -> str | None:
        """The class name of what ended a listener, if anything did."""
        return self._failure

    def _failed(self, cause: BaseException) -> None:
        self._failure = self._failure or type(cause).__name__

    def _guarded(self, callback: Callable[..., None]) -> Callable[..., bool | None]:
        def guarded(*values: Any) -> bool | None:
            try:
                if not self._stopped:
                    callback(*values)
            except Exception as cause:  # whatever it is, it must be seen: pynput would end its thread without a word
                self._failed(cause)
                return False
            return False if self._failure or self._stopped else None

        return guarded

    def _press(self, key: object, _injected: bool = False) -> None:
        self.queue.key(EventKind.KEY_DOWN, key_class(key))

    def _release(self, key: object, _injected: bool = False) -> None:
        self.queue.key(EventKind.KEY_UP, key_class(key))

    def _move(self, x: int, y: int, _injected: bool = False) -> None:
        self.queue.move(x, y)

    def _click(self, x: int, y: int, button: Any, pressed: bool, _injected: bool = False) -> None:
        named = {"left": Button.LEFT, "right": Button.RIGHT}.get(button.name, Button.OTHER)
        self.queue.button(x, y, named, down=pressed)

    def _scroll(self, x: int, y: int, _across: int, _down: int, _injected: bool = False) -> None:
        self.queue.scroll(x, y)


_NO_ANSWER: Final = "capture was asked for, but the display doesn't let input be watched (RECORD extension)"


def _watched_listeners(failed: Callable[[BaseException], None]) -> tuple[type[Any], type[Any]]:
    """pynput's two listeners, their threads' exceptions reported instead of printed. Importing pynput needs a display."""
    from pynput import keyboard, mouse

    def run(listener: Any, plain: Callable[[Any], None]) -> None:
        try:
            plain(listener)
        except Exception as cause:  # a dying display ends the thread with an exception that names the connection
            failed(cause)
            for name in ("_display_stop", "_display_record"):
                hang_up(getattr(listener, name, None))

    class Keyboard(keyboard.Listener):  # type: ignore[misc, unused-ignore]
        def run(self) -> None:
            run(self, super(Keyboard, type(self)).run)

    class Mouse(mouse.Listener):  # type: ignore[misc, unused-ignore]
        def run(self) -> None:
            run(self, super(Mouse, type(self)).run)

    return Keyboard, Mouse


def _disable(contexts: list[int | None]) -> None:
    """End these recordings on the display itself: what it has recorded still arrives, then the threads end.

    pynput's own stop throws away what is on its way, and takes effect at the next event only.
    """
    display = connect()
    try:
        for context in contexts:
            if context is not None:
                display.record_disable_context(context)
        display.sync()
    finally:
        hang_up(display)


def _is_ready(thread: Any, deadline_s: float) -> bool:
    """Has the listener begun to listen? pynput's own wait never ends where its thread died first."""
    waiter = threading.Thread(target=thread.wait, daemon=True)
    waiter.start()
    while waiter.is_alive() and thread.is_alive() and time.monotonic() < deadline_s:
        waiter.join(0.02)
    return not waiter.is_alive() and bool(thread.is_alive())
