"""Where are the monitors, and which one is a point on?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Rect:
    """A rectangle in root-window pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.width / self.height

    def holds(self, x: int, y: int) -> bool:
        """Is the point inside?"""
        return self.left <= x < self.left + self.width and self.top <= y < self.top + self.height

    def covers(self, other: "Rect") -> bool:
        """Does it lie over all of `other`?"""
        return (
            self.left <= other.left
            and self.top <= other.top
            and self.left + self.width >= other.left + other.width
            and self.top + self.height >= other.top + other.height
        )

    def fraction(self, x: int, y: int) -> tuple[float, float]:
        """The point as fractions of this rectangle, each clamped to [0, 1]."""
        across = (x - self.left) / max(self.width - 1, 1)
        down = (y - self.top) / max(self.height - 1, 1)
        return min(max(across, 0.0), 1.0), min(max(down, 0.0), 1.0)

    def point(self, x: float, y: float) -> tuple[int, int]:
        """The pixel at these fractions."""
        return self.left + round(x * max(self.width - 1, 0)), self.top + round(y * max(self.height - 1, 0))


def monitors(found: Iterable[Mapping[str, Any]]) -> tuple[Rect, ...]:
    """The monitors as mss lists them; its first entry, all of them together, is left out unless it is alone."""
    rects = tuple(
        Rect(left=int(one["left"]), top=int(one["top"]), width=int(one["width"]), height=int(one["height"]))
        for one in found
        if one["width"] > 0 and one["height"] > 0
    )
    return rects[1:] or rects


def active(rects: tuple[Rect, ...], x: int, y: int) -> Rect:
    """The monitor that the point is on; the first one for a point on none (an unplugged monitor)."""
    return next((rect for rect in rects if rect.holds(x, y)), rects[0])
