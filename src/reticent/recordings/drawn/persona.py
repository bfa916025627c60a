"""Who is a drawn person? Habits, a monitor and a taste in themes, all from one seed."""

from dataclasses import dataclass
from random import Random

from reticent.recordings.drawn.screen import Theme


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """width, height: in canvas pixels. zoom: real pixels of each. page: a bare small web page, no desktop round it."""

    width: int
    height: int
    zoom: int
    row: int
    letter: int
    page: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """Habits. Probabilities unless named otherwise."""

    seed: str
    monitor: Monitor
    theme: Theme
    think_ms: float  # median pause before a step
    key_ms: float  # median time between two keys
    hand: float  # time factor of pointer movements
    aim: float  # spread of clicks within a target, as a share of its size
    tab: float  # goes on by TAB rather than by a click
    enter: float  # confirms by ENTER rather than by a click
    shortcut: float  # shortcut rather than menu
    escape: float  # closes dialogs by a key
    wheel: float  # scrolls by wheel rather than by dragging the bar
    mistake: float
    dialog: float  # something pops up between two steps
    tasks: tuple[float, ...]  # weight of each kind of task


def persona(seed: str, *, tasks: int) -> Persona:
    """The person that `seed` makes, always the same; `tasks`: how many kinds of task there are."""
    random = Random(f"{seed}/persona")  # noqa: S311  (drawn people are no secret)
    page = random.random() < 0.4
    return Persona(
        seed=seed,
        monitor=_monitor(random, page=page),
        theme=_theme(random, page=page),
        think_ms=random.lognormvariate(6.3, 0.4),
        key_ms=random.lognormvariate(4.9, 0.35),
        hand=random.uniform(0.6, 1.8),
        aim=random.uniform(0.05, 0.22),
        tab=random.betavariate(0.8, 0.8),
        enter=random.betavariate(0.8, 0.8),
        shortcut=random.betavariate(0.8, 0.8),
        escape=random.betavariate(0.8, 0.8),
        wheel=random.betavariate(3, 0.7),
        mistake=random.uniform(0.0, 0.2),
        dialog=random.uniform(0.0, 0.08),
        tasks=tuple(random.gammavariate(0.7, 1.0) + 0.02 for _ in range(tasks)),
    )


def _monitor(random: Random, *, page: bool) -> Monitor:
    if page:
        width, height = random.choice([(160, 210), (160, 210), (160, 210), (160, 160), (200, 210), (320, 240)])
        return Monitor(width=width, height=height, zoom=1, row=random.randint(15, 21), letter=6, page=True)
    aspect = random.choice([16 / 9, 16 / 9, 16 / 9, 16 / 10, 16 / 10, 3 / 2, 4 / 3, 5 / 4, 21 / 9, 9 / 16, 3 / 4])
    across = random.choice([256, 288, 320, 384])
    width = across if aspect >= 1 else round(across * 0.7)
    return Monitor(
        width=width,
        height=round(width / aspect),
        zoom=4,
        row=random.randint(6, 10),
        letter=random.choice([2, 2, 3]),
        page=False,
    )


def _theme(random: Random, *, page: bool) -> Theme:
    if random.random() < (0.0 if page else 0.3):
        base = random.randint(22, 60)
        return Theme(
            ground=random.randint(10, 90),
            panel=base + 18,
            page=base,
            field=base + random.choice([-10, 12]),
            ink=random.randint(185, 240),
            faint=random.randint(110, 150),
            border=base + random.randint(25, 60),
            button=base + random.randint(20, 40),
            accent=random.randint(110, 190),
            accent_ink=random.choice([15, 245]),
        )
    paper = random.randint(238, 255)
    return Theme(
        ground=255 if page else random.randint(30, 200),
        panel=random.randint(215, 245),
        page=paper,
        field=random.randint(244, 255),
        ink=random.randint(0, 70),
        faint=random.randint(110, 170),
        border=random.randint(95, 190),
        button=random.randint(205, 239),
        accent=random.randint(60, 150),
        accent_ink=random.randint(235, 255),
    )
