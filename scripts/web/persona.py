"""Who works on the pages? A scripted person's habits, drawn from a seed by general knowledge of how people use forms."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """One scripted person. Shares are probabilities in [0, 1].

    read_ms: median time to read a task. step_ms: median pause between two steps. key_gap_ms: median time between two keys.
    spin_ms: between two clicks in the same place. spread: of all pauses, log-normal. aim: spread of clicks within an element.
    keyboard: share of fields left by Tab and of lists chosen from by arrows. enter: share of forms sent by Enter, whether or not
    the page hears it. slips: share of keys typed wrong and corrected. strays: share of clicks that come after one on nothing.
    doubled: share of clicks that are double clicks. copies: share of texts copied from the task instead of typed. in_order:
    share of tasks whose parts are done from top to bottom of the page instead of as the task lists them. fidgets: share of
    steps before which a list is scrolled for nothing.
    """

    name: str
    seed: int
    read_ms: int
    step_ms: int
    key_gap_ms: int
    spin_ms: int
    spread: float
    aim: float
    keyboard: float
    enter: float
    slips: float
    strays: float
    doubled: float
    copies: float
    in_order: float
    fidgets: float


def draw(number: int, *, seed: int) -> Persona:
    """The `number`-th person with this seed."""
    dice = random.Random(f"web persona {seed} {number}")
    tempo = dice.lognormvariate(0.0, 0.3)
    by_keyboard = dice.random() < 0.25  # some people tab through forms; most click from field to field
    return Persona(
        name=f"web-{number:03d}",
        seed=dice.randrange(2**31),
        read_ms=round(tempo * dice.uniform(1_200, 3_000)),
        step_ms=round(tempo * dice.uniform(700, 1_600)),
        key_gap_ms=round(dice.uniform(90, 300)),
        spin_ms=round(dice.uniform(160, 420)),
        spread=round(dice.uniform(0.25, 0.55), 2),
        aim=round(dice.uniform(0.08, 0.22), 2),
        keyboard=round(dice.uniform(0.5, 0.95) if by_keyboard else dice.uniform(0.0, 0.15), 2),
        enter=round(dice.uniform(0.2, 0.8) if by_keyboard else dice.uniform(0.0, 0.1), 2),
        slips=round(dice.uniform(0.0, 0.03), 3),
        strays=round(dice.uniform(0.0, 0.05), 3),
        doubled=round(dice.choice((0.0, 0.0, dice.uniform(0.0, 0.15))), 3),
        copies=round(dice.choice((0.0, 0.0, 0.0, dice.uniform(0.1, 0.7))), 2),
        in_order=round(dice.uniform(0.3, 1.0), 2),
        fidgets=round(dice.uniform(0.0, 0.04), 3),
    )
