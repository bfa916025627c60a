"""What was on the active monitor just before an action? A ring of screenshots, taken by mss in a thread."""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from reticent.actions.action import Frame, Grey
from reticent.actions.canvas import PATCH_SCREEN_SIDE, canonical_frame, canonical_patch
from reticent.actions.vocabulary import FRAME_HEIGHT, FRAME_WIDTH
from reticent.capture.display import check_display, connect, hang_up
from reticent.capture.focus import Focus
from reticent.capture.monitors import Rect, active, monitors
from reticent.errors import StateError

INTERVAL_S: Final = 0.2
RING: Final = 3
_SAMPLES: Final = 8  # screen pixels, along each side, that a thumbnail's pixel is averaged from
_LARGE: Final = 3_000_000  # pixels; of larger monitors every second one is kept, along each side
_STOP_TIMEOUT_S: Final = 5.0
_FIRST_TIMEOUT_S: Final = 10.0

Packed = npt.NDArray[np.uint32]  # BGRX, as mss's `.raw` holds it


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Shot:
    """One screenshot of one monitor, masked already.

    pixels: shape (height / stride, width / stride), uint32 BGRX. finished_s: when it was complete (time.monotonic).
    """

    finished_s: float
    monitor: Rect
    stride: int
    pixels: Packed

    def thumbnail(self) -> Grey:
        """The canonical frame; shape (FRAME_HEIGHT, FRAME_WIDTH)."""
        height, width = self.pixels.shape
        step = max(1, min(height // (FRAME_HEIGHT * _SAMPLES), width // (FRAME_WIDTH * _SAMPLES)))
        return canonical_frame(grey(self.pixels[::step, ::step]))

    def patch(self, x: float, y: float) -> Grey:
        """The square round the point at these fractions of the monitor; black beyond the monitor's edge."""
        column, row = self.monitor.point(x, y)
        side = PATCH_SCREEN_SIDE // self.stride
        left = (column - self.monitor.left) // self.stride - side // 2
        top = (row - self.monitor.top) // self.stride - side // 2
        square = np.zeros((side, side), dtype=np.uint32)
        height, width = self.pixels.shape
        rows = slice(max(top, 0), max(min(top + side, height), 0))
        columns = slice(max(left, 0), max(min(left + side, width), 0))
        part = self.pixels[rows, columns]
        square[rows.start - top : rows.start - top + part.shape[0], columns.start - left :][:, : part.shape[1]] = part
        return canonical_patch(grey(square).repeat(self.stride, axis=0).repeat(self.stride, axis=1))


def grey(pixels: Packed) -> Grey:
    """Luma (ITU-R BT.601) of packed BGRX pixels, shape (H, W), uint8."""
    channels = np.ascontiguousarray(pixels).view(np.uint8).reshape(*pixels.shape, 4).astype(np.uint16)
    luma: Grey = ((channels[..., 0] * 29 + channels[..., 1] * 150 + channels[..., 2] * 77) >> 8).astype(np.uint8)
    return luma


def take(raw: bytearray, *, monitor: Rect, masked: tuple[Rect, ...], finished_s: float) -> Shot:
    """A shot from mss's `.raw`, black where a masked rectangle lies. Takes no copy of a monitor of ordinary size."""
    pixels = np.frombuffer(raw, dtype=np.uint32).reshape(monitor.height, monitor.width)
    stride = 1 if pixels.size <= _LARGE else 2
    if stride > 1:
        pixels = pixels[::stride, ::stride].copy()
    for rect in masked:
        left, top = (rect.left - monitor.left) // stride, (rect.top - monitor.top) // stride
        right = -((monitor.left - rect.left - rect.width) // stride)
        bottom = -((monitor.top - rect.top - rect.height) // stride)
        pixels[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 0
    return Shot(finished_s=finished_s, monitor=monitor, stride=stride, pixels=pixels)


class Ring:
    """The newest shots, and the frame before a moment. Safe between threads."""

    def __init__(self, *, size: int = RING) -> None:
        self._shots: deque[Shot] = deque(maxlen=size)
        self._guard = threading.Lock()
        self._thumbnails: tuple[float, Grey] | None = None
        self._last: Frame | None = None

    def __repr__(self) -> str:
        return f"<Ring of {len(self._shots)} shots>"

    def add(self, shot: Shot) -> None:
        """Take the newest shot."""
        with self._guard:
            self._shots.append(shot)

    def clear(self) -> None:
        """Forget all shots: what they show must not be recorded any more."""
        with self._guard:
            self._shots.clear()

    def before(self, at_s: float, *, x: float, y: float) -> Frame:
        """The newest screen that was complete before `at_s`, with the square round (x, y); black where there is none.

        An unchanged thumbnail is the same array, an unchanged frame the same object.
        """
        with self._guard:
            shot = next((shot for shot in reversed(self._shots) if shot.finished_s <= at_s), None)
            frame = _blank() if shot is None else self._frame(shot, x, y)
            if self._last is None or not _equal(self._last, frame):
                self._last = frame
            return self._last

    def _frame(self, shot: Shot, x: float, y: float) -> Frame:
        if self._thumbnails is None or self._thumbnails[0] != shot.finished_s:
            thumbnail = shot.thumbnail()
            if self._thumbnails is not None and np.array_equal(self._thumbnails[1], thumbnail):
                thumbnail = self._thumbnails[1]
            thumbnail.setflags(write=False)
            self._thumbnails = (shot.finished_s, thumbnail)
        return Frame(thumbnail=self._thumbnails[1], patch=shot.patch(x, y))


def _blank() -> Frame:
    return Frame(thumbnail=np.zeros((FRAME_HEIGHT, FRAME_WIDTH), dtype=np.uint8), patch=None)


def _equal(one: Frame, other: Frame) -> bool:
    if (one.patch is None) != (other.patch is None) or not np.array_equal(one.thumbnail, other.thumbnail):
        return False
    return one.patch is None or other.patch is None or np.array_equal(one.patch, other.patch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The monitors, and where the pointer is on them, in root pixels."""

    monitors: tuple[Rect, ...]
    pointer: tuple[int, int]


def locate() -> Place:
    """Ask the display. Raises StateError where it doesn't answer or has no monitor."""
    display = connect()
    try:
        at = display.screen().root.query_pointer()
        camera = open_camera()
        found = monitors(camera.monitors)
        camera.close()
    except StateError:
        raise
    except Exception as cause:  # mss and Xlib raise a dozen unrelated classes
        raise _unreadable(cause) from None
    finally:
        hang_up(display)
    if not found:
        raise StateError("capture was asked for, but the display has no monitor; nothing was recorded")
    return Place(monitors=found, pointer=(at.root_x, at.root_y))


class Screen:
    """Takes a shot of the active monitor every INTERVAL_S, as long as what shows may be recorded.

    pointer: where the pointer is, in root pixels. focus is this thread's own.
    """

    def __init__(self, *, ring: Ring, focus: Focus, pointer: Callable[[], tuple[int, int]]) -> None:
        check_display()
        self._ring, self._focus, self._pointer = ring, focus, pointer
        self._camera: Any = open_camera()
        self.monitors: tuple[Rect, ...] = monitors(self._camera.monitors)
        self._stop = threading.Event()
        self._first = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reticent-screen", daemon=True)
        self._failure: str | None = None
        self._permitted = False

    def __repr__(self) -> str:
        return "<Screen>"

    def start(self) -> None:
        """Begin; returns once the screen was looked at for the first time."""
        self._thread.start()
        self._first.wait(_FIRST_TIMEOUT_S)

    def stop(self) -> None:
        """End, and forget all shots."""
        self._stop.set()
        if self._thread.ident is None:
            self._close()
        else:
            self._thread.join(_STOP_TIMEOUT_S)

    def is_alive(self) -> bool:
        """Is the screen still being looked at?"""
        return self._thread.is_alive() and self._failure is None

    @property
    def failure(self) -> str | None:
        """The class name of what ended the thread, if anything did."""
        return self._failure

    @property
    def permitted(self) -> bool:
        """Did the last look permit recording?"""
        return self._permitted

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._shoot()
                self._first.set()
                self._stop.wait(INTERVAL_S)
        except Exception as cause:  # a dying display; its content must not reach a traceback
            self._failure = type(cause).__name__
        finally:
            self._first.set()
            self._close()

    def _close(self) -> None:
        self._permitted = False
        self._ring.clear()
        self._focus.close()
        with suppress(Exception):  # a display that died
            self._camera.close()

    def _shoot(self) -> None:
        """One shot, kept only if looking before and after it gave the same answer: nothing appeared meanwhile."""
        before = self._focus.look(exact=True)
        self._permitted = before.permitted
        if not before.permitted:
            self._ring.clear()
            return
        pointer = self._pointer()
        if not any(rect.holds(*pointer) for rect in self.monitors):
            self._rearrange()
        monitor = active(self.monitors, *pointer)
        raw = self._camera.grab(
            {"left": monitor.left, "top": monitor.top, "width": monitor.width, "height": monitor.height}
        ).raw
        finished_s = time.monotonic()
        after = self._focus.look(exact=True)
        if after.permitted and after.changes == before.changes:
            masked = (*before.masked, *after.masked)
            self._ring.add(take(raw, monitor=monitor, masked=masked, finished_s=finished_s))

    def _rearrange(self) -> None:
        """The pointer is on no monitor that we know: one was plugged in or out."""
        self._camera.close()
        self._camera = open_camera()
        self.monitors = monitors(self._camera.monitors)
        self._focus.rearrange(self.monitors)


def open_camera() -> Any:
    """mss on this display. Raises StateError where it can't be opened."""
    import mss

    try:
        return mss.MSS()
    except Exception as cause:  # mss raises its own and ctypes' errors
        raise _unreadable(cause) from None


def _unreadable(cause: Exception) -> StateError:
    return StateError(
        f"capture was asked for, but the screen can't be read ({type(cause).__name__}); nothing was recorded"
    )
