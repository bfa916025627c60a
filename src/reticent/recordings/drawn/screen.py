"""What does a drawn screen look like? Widgets painted in grey on a canvas a few times the canonical size."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from reticent.actions.action import Grey
from reticent.actions.canvas import BAR, PATCH_SCREEN_SIDE, canonical_frame
from reticent.actions.vocabulary import PATCH_SIDE


class Box(NamedTuple):
    """A rectangle in canvas pixels."""

    x: int
    y: int
    w: int
    h: int

    def inset(self, by: int) -> "Box":
        return Box(self.x + by, self.y + by, max(1, self.w - 2 * by), max(1, self.h - 2 * by))

    def column(self, start: float, end: float) -> "Box":
        """The part between two fractions of the width."""
        left = self.x + round(self.w * start)
        return Box(left, self.y, max(1, self.x + round(self.w * end) - left), self.h)

    def rows(self, height: int, *, gap: int = 0) -> "list[Box]":
        """Rows from the top down, as many as fit, at least one."""
        count = max(1, (self.h + gap) // (height + gap))
        return [Box(self.x, self.y + i * (height + gap), self.w, height) for i in range(count)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """Grey values, 0 to 255."""

    ground: int  # behind everything
    panel: int  # windows, menus, dialogs
    page: int  # where content lies
    field: int
    ink: int
    faint: int  # unimportant text
    border: int
    button: int
    accent: int  # what is selected, focused or asked for
    accent_ink: int


@dataclass(slots=True, kw_only=True)
class Widget:
    """One thing on the screen. on: ticked, selected or pressed in. asked: marked as what is wanted. fill: 0 to 1."""

    draw: "Callable[[Screen, Widget], None]"
    box: Box
    seed: int = 0
    on: bool = False
    focus: bool = False
    asked: bool = False
    fill: float = 0.0
    mark: float = 0.0


@dataclass(slots=True, kw_only=True)
class Screen:
    """A monitor.

    zoom: real screen pixels that one canvas pixel stands for (1, 2 or 4). row: height of a line of widgets.
    """

    width: int
    height: int
    zoom: int
    row: int
    letter: int  # height of text
    theme: Theme
    chrome: Grey = field(init=False)  # what does not change while one task runs
    widgets: list[Widget] = field(default_factory=list)
    above: list[Widget] = field(default_factory=list)  # menus and dialogs
    canvas: Grey = field(init=False)
    _thumbnail: Grey | None = None

    def __post_init__(self) -> None:
        self.chrome = np.full((self.height, self.width), self.theme.ground, dtype=np.uint8)
        self.canvas = self.chrome.copy()

    @property
    def aspect(self) -> float:
        return self.width / self.height

    def changed(self) -> None:
        """Paint again before the next frame is taken."""
        self._thumbnail = None

    def thumbnail(self) -> Grey:
        """The canonical frame of what is on the screen now."""
        if self._thumbnail is None:
            np.copyto(self.canvas, self.chrome)
            for widget in self.widgets:
                widget.draw(self, widget)
            for widget in self.above:
                widget.draw(self, widget)
            self._thumbnail = canonical_frame(self.canvas)
            self._thumbnail.setflags(write=False)
        return self._thumbnail

    def patch(self, x: float, y: float) -> Grey | None:
        """The canonical patch round a point in canvas pixels, where it has one; call `thumbnail` first."""
        side = PATCH_SCREEN_SIDE // self.zoom
        left, top = int(x) - side // 2, int(y) - side // 2
        square = np.full((side, side), BAR, dtype=np.uint8)
        part = self.canvas[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
        square[max(-top, 0) : max(-top, 0) + part.shape[0], max(-left, 0) : max(-left, 0) + part.shape[1]] = part
        if side > PATCH_SIDE:
            quads = square.reshape(PATCH_SIDE, 2, PATCH_SIDE, 2).astype(np.uint16).sum(axis=(1, 3))
            patch: Grey = ((quads + 2) // 4).astype(np.uint8)
            return patch
        return square.repeat(PATCH_SIDE // side, axis=0).repeat(PATCH_SIDE // side, axis=1)

    def fill(self, box: Box, grey: int) -> None:
        x, y, w, h = box
        if x < 0 or y < 0:
            x, y, w, h = max(x, 0), max(y, 0), max(w + min(x, 0), 0), max(h + min(y, 0), 0)
        self.canvas[y : y + h, x : x + w] = grey

    def outline(self, box: Box, grey: int, *, thick: int = 1) -> None:
        x, y, w, h = box
        self.fill(Box(x, y, w, thick), grey)
        self.fill(Box(x, y + h - thick, w, thick), grey)
        self.fill(Box(x, y, thick, h), grey)
        self.fill(Box(x + w - thick, y, thick, h), grey)

    def bordered(self, box: Box, grey: int, border: int, *, thick: int = 1) -> None:
        """A filled box with an outline: two fills instead of five."""
        self.fill(box, border)
        self.fill(box.inset(thick), grey)

    def text(self, box: Box, grey: int, *, seed: int, share: float = 1.0, centred: bool = False) -> None:
        """A line of text in the middle of `box`, `share` of its width long."""
        height = min(self.letter, box.h)
        width = min(max(1, int(box.w * share)), self.width)
        x = max(box.x + (box.w - width) // 2 if centred else box.x, 0)
        y = max(box.y + (box.h - height) // 2, 0)
        strip = _strip(height)
        start = seed * 37 % (strip.shape[1] - self.width) if strip.shape[1] > self.width else 0
        region = self.canvas[y : y + height, x : x + width]
        np.putmask(region, strip[: region.shape[0], start : start + region.shape[1]], grey)

    def texture(self, box: Box, *, seed: int) -> None:
        """A picture: smooth, of no one shape."""
        x, y, w, h = box
        region = self.canvas[max(y, 0) : y + h, max(x, 0) : x + w]
        rows, columns = region.shape
        slope = _waves(seed % 16)
        region[:] = slope[:rows, :columns]


@cache
def _strip(height: int) -> npt.NDArray[np.bool_]:
    """A long line of word-like marks, shape (height, 2048)."""
    random = np.random.default_rng(height)
    strip = np.zeros((height, 2048), dtype=np.bool_)
    letter, gap = max(1, round(0.5 * height)), 1 if height >= 4 else 0
    at = 0
    while at < 2048:
        for _ in range(int(random.integers(2, 10))):
            strokes = random.random((height, letter)) < (0.5 if height >= 4 else 0.75)
            part = strip[:, at : at + letter]
            part[:] = strokes[:, : part.shape[1]]
            at += letter + gap
        at += max(1, letter)
    return strip


@cache
def _waves(seed: int) -> Grey:
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:512, 0:512]
    a, b, c = random.uniform(0.01, 0.12, 3)
    waves = np.sin(a * x + random.uniform(0, 6)) + np.sin(b * y) + np.sin(c * (x + y))
    waves = (waves - waves.min()) / (waves.max() - waves.min())
    low, high = sorted(random.uniform(20, 240, 2))
    picture: Grey = (low + (high - low) * waves).astype(np.uint8)
    return picture


# One function a look. Each paints `w.box` of `s`.


def label(s: Screen, w: Widget) -> None:
    s.text(w.box, s.theme.accent if w.asked else s.theme.ink, seed=w.seed, share=w.fill or 0.8)


def faint(s: Screen, w: Widget) -> None:
    s.text(w.box, s.theme.faint, seed=w.seed, share=w.fill or 0.8)


def paragraph(s: Screen, w: Widget) -> None:
    random = Random(w.seed)  # noqa: S311
    for line in w.box.rows(s.letter * 2):
        s.text(line, s.theme.ink, seed=random.getrandbits(10), share=random.uniform(0.45, 1.0))


def picture(s: Screen, w: Widget) -> None:
    s.texture(w.box, seed=w.seed)


def panel(s: Screen, w: Widget) -> None:
    s.bordered(w.box, s.theme.panel, s.theme.border)


def sheet(s: Screen, w: Widget) -> None:
    s.bordered(w.box, s.theme.page, s.theme.border)


def shade(s: Screen, w: Widget) -> None:
    """What lies under a dialog that has the floor."""
    x, y, width, height = w.box
    s.canvas[y : y + height, x : x + width] //= 2


def button(s: Screen, w: Widget) -> None:
    inside = s.theme.accent if w.asked or w.on else s.theme.button
    s.bordered(w.box, inside, s.theme.accent if w.focus else s.theme.border)
    ink = s.theme.accent_ink if w.asked or w.on else s.theme.ink
    s.text(w.box.inset(1), ink, seed=w.seed, share=0.6, centred=True)


def entry(s: Screen, w: Widget) -> None:
    border = s.theme.accent if w.focus else s.theme.border
    s.bordered(w.box, s.theme.field, border, thick=2 if w.focus and s.row > 10 else 1)
    inside = w.box.inset(2)
    if w.on:
        s.fill(Box(inside.x, inside.y, max(1, int(inside.w * w.fill)), inside.h), s.theme.accent)
    if w.fill:
        s.text(inside, s.theme.accent_ink if w.on else s.theme.ink, seed=w.seed, share=w.fill)
    if w.focus:
        s.fill(Box(inside.x + int(inside.w * w.fill), inside.y, 1, inside.h), s.theme.ink)


def choice(s: Screen, w: Widget) -> None:
    """A check box or radio button with its label."""
    side = max(3, min(w.box.h - 2, 2 * s.letter))
    square = Box(w.box.x, w.box.y + (w.box.h - side) // 2, side, side)
    s.bordered(square, s.theme.accent if w.on else s.theme.field, s.theme.border)
    words = Box(w.box.x + side + 2, w.box.y, max(1, w.box.w - side - 2), w.box.h)
    if w.asked:
        s.fill(words, s.theme.button)
    s.text(words, s.theme.ink, seed=w.seed, share=w.fill or 0.7)


def line(s: Screen, w: Widget) -> None:
    """A row of a list or a menu."""
    if w.on:
        s.fill(w.box, s.theme.accent)
    elif w.asked:
        s.fill(Box(w.box.x, w.box.y, max(2, s.letter), w.box.h), s.theme.accent)
    inside = Box(w.box.x + s.letter + 2, w.box.y, max(1, w.box.w - s.letter - 4), w.box.h)
    s.text(inside, s.theme.accent_ink if w.on else s.theme.ink, seed=w.seed, share=w.fill or 0.7)


def tab(s: Screen, w: Widget) -> None:
    s.bordered(w.box, s.theme.page if w.on else s.theme.button, s.theme.border)
    if w.on:
        s.fill(Box(w.box.x, w.box.y, w.box.w, 1), s.theme.accent)
    s.text(w.box.inset(1), s.theme.ink, seed=w.seed, share=0.7, centred=True)


def slider(s: Screen, w: Widget) -> None:
    """fill: where the handle is; mark: where it should be."""
    middle = w.box.y + w.box.h // 2
    s.fill(Box(w.box.x, middle, w.box.w, max(1, s.letter // 2)), s.theme.border)
    s.fill(Box(w.box.x + int(w.box.w * w.mark), w.box.y + w.box.h - 2, 2, 2), s.theme.accent)
    s.fill(handle(s, w), s.theme.accent)


def handle(s: Screen, w: Widget) -> Box:
    """Where a slider's handle lies."""
    side = max(3, s.row // 2)
    return Box(w.box.x + int((w.box.w - side) * w.fill), w.box.y + (w.box.h - side) // 2, side, side)


def scrollbar(s: Screen, w: Widget) -> None:
    """fill: how far down."""
    s.fill(w.box, s.theme.button)
    long = max(4, w.box.h // 4)
    s.fill(Box(w.box.x, w.box.y + int((w.box.h - long) * w.fill), w.box.w, long), s.theme.faint)


def icon(s: Screen, w: Widget) -> None:
    s.texture(w.box, seed=w.seed)
    if w.on or w.focus:
        s.outline(Box(w.box.x - 1, w.box.y - 1, w.box.w + 2, w.box.h + 2), s.theme.accent)
    s.text(Box(w.box.x, w.box.y + w.box.h, w.box.w, s.letter), s.theme.ink, seed=w.seed)


def cell(s: Screen, w: Widget) -> None:
    """A cell of a grid."""
    inside = s.theme.accent if w.on else s.theme.button if w.asked else s.theme.page
    s.bordered(w.box, inside, s.theme.accent if w.focus else s.theme.border)
    if w.fill:
        s.text(w.box.inset(1), s.theme.accent_ink if w.on else s.theme.ink, seed=w.seed, share=w.fill)


def shape(s: Screen, w: Widget) -> None:
    """A figure; asked ones are dark, others grey."""
    s.fill(w.box, s.theme.accent if w.asked else s.theme.faint)
    if w.seed % 2:  # as good as round, at this size
        for x in (w.box.x, w.box.x + w.box.w - 1):
            for y in (w.box.y, w.box.y + w.box.h - 1):
                s.fill(Box(x, y, 1, 1), s.theme.page)
