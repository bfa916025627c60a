"""What did a page look like whose elements were recorded, and not its pixels? Boxes at a quarter of its size.

White ground; each element in the grey of its background; fields for input light grey, ticked ones nearly black; text a darker
box as wide as so many letters; a black line on the left of what has the focus. The frames of the extracted tables were
drawn by such rules too.
"""

import re
from collections.abc import Iterator
from typing import Any, TypeGuard

import numpy as np

from reticent.actions.action import Grey
from reticent.recordings.imported.miniwob import FRAME_SHAPE, SHRUNK

MAX_ELEMENTS = 20_000
_PAPER, _FIELD, _TICKED, _TEXT, _FOCUS = 255, 200, 20, 96, 0
_LETTER = 5.25  # pixels of a letter's width, on average
_COLOUR = re.compile(r"rgba?\((\d{1,3}), (\d{1,3}), (\d{1,3})(?:, (0|1|0?\.\d+))?\)")
_TICKS = ("INPUT_checkbox", "INPUT_radio")
_FIELDS = ("INPUT", "TEXTAREA", "SELECT")


def draw(dom: Any) -> Grey:
    """The page of a recorded element tree, of FRAME_SHAPE; what in it makes no sense isn't drawn."""
    boxes = np.full(FRAME_SHAPE, _PAPER, dtype=np.uint8)
    for element in _elements(dom):
        _draw_element(boxes, element)
    return boxes


def _elements(dom: Any) -> Iterator[dict[str, Any]]:
    """Parents before children, in the order of the page; all but the body, which is larger than the page."""
    waiting = [dom]
    for _ in range(MAX_ELEMENTS):
        if not waiting:
            return
        element = waiting.pop()
        if not isinstance(element, dict):
            continue
        children = element.get("children")
        if isinstance(children, list):
            waiting.extend(reversed(children))
        if element.get("tag") != "BODY":
            yield element


def _draw_element(boxes: Grey, element: dict[str, Any]) -> None:
    tag, value = element.get("tag"), element.get("value")
    sides = [side for name in ("left", "top", "width", "height") if _is_length(side := element.get(name))]
    if not isinstance(tag, str) or len(sides) != 4:
        return
    left, top, width, height = sides
    shade = _background(element.get("bgColor"))
    if tag in _TICKS:
        shade = _TICKED if value is True else _FIELD
    elif tag.startswith(_FIELDS):
        shade = _FIELD
    if shade is not None:
        _fill(boxes, left, top, width, height, shade)
    text = element.get("text") or value
    if isinstance(text, str) and text and not element.get("children"):
        _fill(boxes, left, top, width if tag == "t" else min(width, _LETTER * len(text)), height, _TEXT)
    if element.get("focused") is True:
        _fill(boxes, left, top, 1.0, height, _FOCUS)


def _is_length(side: Any) -> TypeGuard[float]:
    return isinstance(side, (int, float)) and abs(side) < 1e6


def _fill(boxes: Grey, left: float, top: float, width: float, height: float, shade: int) -> None:
    """Every pixel that the box touches."""
    columns = slice(max(0, int(left // SHRUNK)), max(0, int(-(-(left + width) // SHRUNK))))
    rows = slice(max(0, int(top // SHRUNK)), max(0, int(-(-(top + height) // SHRUNK))))
    boxes[rows, columns] = shade


def _background(colour: Any) -> int | None:
    match = _COLOUR.fullmatch(colour) if isinstance(colour, str) else None
    if match is None or (match[4] is not None and float(match[4]) == 0):
        return None
    red, green, blue = (min(255, int(part)) for part in match.groups()[:3])
    return int(0.3 * red + 0.59 * green + 0.11 * blue)
