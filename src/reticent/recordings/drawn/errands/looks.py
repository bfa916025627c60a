"""What else is painted on a small web page? Links, figures, colours, marks; and pages whose text is bars."""

from functools import cache
from random import Random

import numpy as np
import numpy.typing as npt

from reticent.actions.action import Grey
from reticent.recordings.drawn import screen as look
from reticent.recordings.drawn.screen import Box, Screen, Widget

Mask = npt.NDArray[np.bool_]


class Boxes(Screen):
    """A page of which a source kept the elements' boxes instead of pixels: a bar for each text, and no patches."""

    def text(self, box: Box, grey: int, *, seed: int, share: float = 1.0, centred: bool = False) -> None:
        width, height = min(max(1, int(box.w * share)), self.width), min(self.letter + 4, box.h)
        x = max(box.x + (box.w - width) // 2 if centred else box.x, 0)
        self.fill(Box(x, max(box.y + (box.h - height) // 2, 0), width, height), grey)

    def patch(self, x: float, y: float) -> Grey | None:
        return None


def link(s: Screen, w: Widget) -> None:
    s.text(w.box, s.theme.accent, seed=w.seed)
    s.fill(Box(w.box.x, w.box.y + (w.box.h + s.letter) // 2 + 1, w.box.w, 1), s.theme.accent)


def prose(s: Screen, w: Widget) -> None:
    """Lines that fill the width, the last one shorter. on: selected."""
    random = Random(w.seed)  # noqa: S311
    lines = w.box.rows(s.letter + 5)
    for number, line in enumerate(lines):
        if w.on:
            s.fill(line, s.theme.accent)
        share = random.uniform(0.3, 0.7) if number == len(lines) - 1 else random.uniform(0.85, 1.0)
        s.text(line, s.theme.accent_ink if w.on else s.theme.ink, seed=random.getrandbits(10), share=share)


def words(s: Screen, w: Widget) -> None:
    """One line of text, `fill` of the width. on: selected."""
    if w.on:
        s.fill(w.box.column(0, w.fill or 1.0), s.theme.accent)
    s.text(w.box, s.theme.accent_ink if w.on else s.theme.ink, seed=w.seed, share=w.fill or 1.0)


def band(s: Screen, w: Widget) -> None:
    """A heading on a coloured bar. on: opened."""
    s.bordered(w.box, s.theme.accent, s.theme.border)
    side = max(2, w.box.h // 3)
    arrow = Box(w.box.x + 3, w.box.y + (w.box.h - side) // 2, side, side)
    _stamp(s, arrow, _triangle(side)[::-1] if w.on else _triangle(side), s.theme.accent_ink)
    s.text(w.box.inset(2).column(0.15, 1), s.theme.accent_ink, seed=w.seed, share=0.55)


def picker(s: Screen, w: Widget) -> None:
    """A closed list box: an entry with an arrow."""
    look.entry(s, w)
    side = max(3, w.box.h // 2)
    _stamp(s, Box(w.box.x + w.box.w - side - 2, w.box.y + side // 2, side, side), _triangle(side)[::-1], s.theme.ink)


def arrow(s: Screen, w: Widget) -> None:
    """A small button with an arrow; on: it points down."""
    s.bordered(w.box, s.theme.button, s.theme.border)
    side = max(3, min(w.box.w, w.box.h) - 4)
    mask = _triangle(side)
    place = Box(w.box.x + (w.box.w - side) // 2, w.box.y + (w.box.h - side) // 2, side, side)
    _stamp(s, place, mask[::-1] if w.on else mask, s.theme.ink)


def figure(s: Screen, w: Widget) -> None:
    """A square, disc, triangle or letter by `seed`, in the grey `fill`; on: framed."""
    side = min(w.box.w, w.box.h)
    place = Box(w.box.x, w.box.y, side, side)
    grey = int(255 * w.fill)
    kind = w.seed % 4
    if kind == 0:
        s.fill(place, grey)
    elif kind == 3:
        s.text(Box(place.x, place.y, side, side), grey, seed=w.seed)
    else:
        _stamp(s, place, _disc(side) if kind == 1 else _triangle(side), grey)
    if w.on:
        s.outline(place, s.theme.ink, thick=2)


def swatch(s: Screen, w: Widget) -> None:
    s.bordered(w.box, int(255 * w.fill), s.theme.ink if w.on else s.theme.border)


def wheel(s: Screen, w: Widget) -> None:
    """A disc of all colours. mark: where, along its middle, the one that is chosen lies."""
    side = min(w.box.w, w.box.h)
    place = Box(w.box.x, w.box.y, side, side)
    region = s.canvas[place.y : place.y + side, place.x : place.x + side]
    rows, columns = region.shape
    np.copyto(region, _hues(side)[:rows, :columns], where=_disc(side)[:rows, :columns])
    s.outline(Box(place.x + int(side * w.mark) - 2, place.y + side // 2 - 2, 5, 5), s.theme.ink)


def pie(s: Screen, w: Widget) -> None:
    """A disc in slices; on: opened, with a label in each."""
    _stamp(s, w.box, _disc(w.box.w), s.theme.accent if w.on else s.theme.button)
    if w.on:
        for slice_ in slices(w.box):
            s.text(slice_, s.theme.accent_ink, seed=w.seed + slice_.x)
    s.text(Box(w.box.x + w.box.w // 2 - 4, w.box.y + w.box.h // 2 - 4, 8, 8), s.theme.ink, seed=w.seed)


def slices(box: Box) -> list[Box]:
    """Where the six parts of a pie have their middles."""
    side = max(5, box.w // 6)
    return [
        Box(
            int(box.x + box.w / 2 + 0.34 * box.w * np.cos(i * np.pi / 3)) - side // 2,
            int(box.y + box.h / 2 + 0.34 * box.h * np.sin(i * np.pi / 3)) - side // 2,
            side,
            side,
        )
        for i in range(6)
    ]


def star(s: Screen, w: Widget) -> None:
    side = min(w.box.w, w.box.h)
    half = side // 2 + 1
    _stamp(s, Box(w.box.x, w.box.y, side, half), _triangle(side)[:half], s.theme.accent if w.on else s.theme.faint)
    lower = _triangle(side)[::-1][:half]
    _stamp(s, Box(w.box.x, w.box.y + side // 3, side, half), lower, s.theme.accent if w.on else s.theme.faint)


def sign(s: Screen, w: Widget) -> None:
    """A field of a board: empty, or with a cross (mark 0) or a ring (mark 1)."""
    s.bordered(w.box, s.theme.page, s.theme.border)
    if not w.on:
        return
    side = min(w.box.w, w.box.h) - 6
    place = Box(w.box.x + 3, w.box.y + 3, max(3, side), max(3, side))
    ring = _disc(place.w) & ~_cut(place.w)
    _stamp(s, place, ring if w.mark else _cross(place.w), s.theme.ink if w.mark else s.theme.accent)


def stroke(s: Screen, w: Widget) -> None:
    """A line that someone drew, or a thin guide; on: thick."""
    s.fill(w.box, s.theme.accent if w.on else s.theme.faint)


def grip(s: Screen, w: Widget) -> None:
    """A text area with a corner to pull."""
    look.entry(s, w)
    side = max(4, s.letter)
    _stamp(s, corner(w.box, side), _triangle(side), s.theme.ink)


def corner(box: Box, side: int) -> Box:
    return Box(box.x + box.w - side, box.y + box.h - side, side, side)


def _stamp(s: Screen, box: Box, mask: Mask, grey: int) -> None:
    region = s.canvas[max(box.y, 0) : box.y + box.h, max(box.x, 0) : box.x + box.w]
    rows, columns = region.shape
    np.putmask(region, mask[:rows, :columns], grey)


@cache
def _disc(side: int) -> Mask:
    y, x = np.mgrid[0:side, 0:side] - (side - 1) / 2
    inside: Mask = x * x + y * y <= side * side / 4
    return inside


@cache
def _cut(side: int) -> Mask:
    """The hole of a ring."""
    y, x = np.mgrid[0:side, 0:side] - (side - 1) / 2
    inside: Mask = x * x + y * y <= side * side / 11
    return inside


@cache
def _triangle(side: int) -> Mask:
    y, x = np.mgrid[0:side, 0:side]
    inside: Mask = np.abs(x - (side - 1) / 2) <= (y + 1) / 2
    return inside


@cache
def _cross(side: int) -> Mask:
    y, x = np.mgrid[0:side, 0:side]
    thick = max(1, side // 6)
    inside: Mask = (np.abs(x - y) <= thick) | (np.abs(x + y - side + 1) <= thick)
    return inside


@cache
def _hues(side: int) -> Grey:
    y, x = np.mgrid[0:side, 0:side] - (side - 1) / 2
    around: Grey = (128 + 90 * np.sin(2 * np.arctan2(y, x)) * np.minimum(1, np.hypot(x, y) * 2 / side)).astype(np.uint8)
    return around
