"""What does a person do in a session? Drawn from the seed before anything starts; only the timing is left open."""

import random
from dataclasses import dataclass

from persona import Persona
from web_tasks import TASKS

UNITS = 11  # steps of work in an application, about seven actions each


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One step of work: in which application, and which; a seed for what happens inside."""

    place: str
    what: str
    seed: int


EDITOR_STEPS = ("write", "replace_word", "move_line", "copy_by_mouse", "search", "read")
TERMINAL_STEPS = ("look_round", "complete", "repeat", "interrupt", "page", "copy_by_mouse", "tidy")


def sessions(persona: Persona, *, count: int) -> tuple[tuple[Unit, ...], ...]:
    """`count` sessions of UNITS units; one stays in an application for a while before the next."""
    dice = random.Random(f"plan {persona.seed}")
    favourites = dice.sample(sorted(TASKS), 14)
    return tuple(_session(persona, dice, favourites) for _ in range(count))


def _session(persona: Persona, dice: random.Random, favourites: list[str]) -> tuple[Unit, ...]:
    units: list[Unit] = []
    steps = {"chromium": favourites, "mousepad": list(EDITOR_STEPS), "xterm": list(TERMINAL_STEPS)}
    weights = {"chromium": persona.web, "mousepad": persona.editor, "xterm": persona.terminal}
    place = ""
    while len(units) < UNITS:
        others = [name for name in steps if name != place]
        place = dice.choices(others, [weights[name] for name in others])[0]
        stay = dice.randint(2, 4) if place == "chromium" else dice.randint(1, 3)
        for _ in range(min(stay, UNITS - len(units))):
            units.append(Unit(place=place, what=dice.choice(steps[place]), seed=dice.randrange(2**31)))
    return tuple(units)
