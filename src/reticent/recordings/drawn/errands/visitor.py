"""Who is a visitor of small web pages? A drawn person with more habits, a browser's page and a taste in themes."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from reticent.recordings.drawn.persona import Monitor, Persona
from reticent.recordings.drawn.screen import Theme

Selecting = Literal["double", "drag", "all"]
Emptying = Literal["all", "backspace", "double", "drag"]

_PAGES = (  # width, height, real pixels of each
    (160, 210, 1),
    (160, 210, 1),
    (160, 210, 1),
    (160, 210, 1),
    (160, 160, 1),
    (150, 267, 2),
    (180, 240, 2),
    (210, 160, 1),
    (240, 180, 2),
    (280, 175, 2),
    (288, 162, 4),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor(Persona):
    """Habits beyond a persona's. Probabilities unless named otherwise.

    boxes: this person's pages are kept as sources without pixels keep them, with bars for text and without patches.
    """

    boxes: bool
    cover: bool  # pages begin with a cover that must be clicked away
    repeat_ms: float  # median time between clicks on the same arrow
    double: float  # clicks twice where once is enough
    stray: float  # clicks on nothing
    halt: float  # stops within a word
    search: float  # looks for something on the page, once more before a step
    select: Selecting  # how to mark a word
    empty: Emptying  # how to empty a field


def visitor(seed: str, *, usual: Sequence[float]) -> Visitor:
    """The person that `seed` makes, always the same; usual: how often people meet each kind of task."""
    random = Random(f"{seed}/visitor")  # noqa: S311  (drawn people are no secret)
    few = random.choice([0.15, 0.4, 0.8])  # one kind of task again and again, or many
    boxes = random.random() < 0.4
    return Visitor(
        seed=seed,
        monitor=_monitor(random),
        theme=_theme(random, plain=boxes),
        think_ms=random.lognormvariate(6.0, 0.45),
        key_ms=random.lognormvariate(4.9, 0.35),
        hand=random.uniform(0.6, 1.8),
        aim=random.uniform(0.05, 0.22),
        tab=random.betavariate(0.5, 1.1),
        enter=random.betavariate(0.4, 2.0),
        shortcut=random.betavariate(1.6, 0.6),
        escape=random.betavariate(0.5, 1.5),
        wheel=random.betavariate(1.5, 1.0),
        mistake=random.uniform(0.0, 0.16),
        dialog=0.0,
        tasks=tuple(weight * (random.gammavariate(few, 1.0) + 0.01) for weight in usual),
        boxes=boxes,
        cover=random.random() < 0.25,
        repeat_ms=random.lognormvariate(5.5, 0.35),
        double=random.choice([0.0, 0.0, 0.0, 0.02, 0.1]),
        stray=random.choice([0.0, 0.0, 0.01, 0.04]),
        halt=random.uniform(0.0, 0.06),
        search=random.uniform(0.1, 0.7),
        select=random.choice(["double", "double", "drag", "all"]),
        empty=random.choice(["all", "backspace", "double", "drag"]),
    )


def _monitor(random: Random) -> Monitor:
    width, height, zoom = random.choice(_PAGES)
    row = random.randint(13, 19) if zoom < 4 else random.randint(11, 15)
    return Monitor(
        width=width, height=height, zoom=zoom, row=row, letter=random.randint(4, 7) if row > 12 else 4, page=True
    )


def _theme(random: Random, *, plain: bool) -> Theme:
    if random.random() < (0.05 if plain else 0.15):
        base = random.randint(22, 60)
        return Theme(
            ground=base + random.randint(10, 40),
            panel=base + 18,
            page=base,
            field=base + random.choice([-10, 14, 30]),
            ink=random.randint(175, 240),
            faint=random.randint(110, 150),
            border=base + random.randint(25, 70),
            button=base + random.randint(20, 50),
            accent=random.randint(110, 190),
            accent_ink=random.choice([15, 245]),
        )
    return Theme(
        ground=random.choice([226, 226, 200, 240, 255, random.randint(40, 180)]),
        panel=random.randint(225, 255),
        page=random.choice([255, 255, random.randint(236, 254)]),
        field=random.choice([190, 200, 222]) if plain else random.randint(240, 255),
        ink=random.randint(40, 110) if plain else random.randint(0, 80),
        faint=random.randint(110, 175),
        border=random.randint(90, 200),
        button=random.randint(195, 240),
        accent=random.randint(20, 150),
        accent_ink=random.randint(235, 255),
    )
