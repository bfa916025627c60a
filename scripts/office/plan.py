"""What does a person do in a session? Drawn from the seed before anything starts; only the timing is left open."""

import random
from dataclasses import dataclass

from persona import Persona
from web_tasks import TASKS

FIRST_UNITS, LATER_UNITS = 6, 4  # steps of work in an application, about seven actions each, in a sitting


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One step of work: at which place of PLACES, and which; a seed for what happens inside."""

    place: str
    what: str
    seed: int


PLACES = {"web": "chromium", "editor": "mousepad", "files": "mousepad", "terminal": "xterm"}  # and their windows
EDITOR_STEPS = ("write", "replace_word", "move_line", "copy_by_mouse", "search", "read")
TERMINAL_STEPS = ("look_round", "complete", "repeat", "interrupt", "page", "copy_by_mouse", "tidy")

FILE_STEPS = ("open_file", "open_file", "save_as", "look_for_file")


def sessions(persona: Persona, *, count: int) -> tuple[tuple[Unit, ...], ...]:
    """A longer session and `count - 1` shorter ones; one stays at a place for a while before the next."""
    dice = random.Random(f"plan {persona.seed}")
    favourites = dice.sample(sorted(TASKS), 14)
    sizes = (FIRST_UNITS,) + (LATER_UNITS,) * (count - 1)
    return tuple(_session(persona, dice, favourites, units=units) for units in sizes)


def _session(persona: Persona, dice: random.Random, favourites: list[str], *, units: int) -> tuple[Unit, ...]:
    drawn: list[Unit] = []
    steps = {"web": favourites, "editor": EDITOR_STEPS, "files": FILE_STEPS, "terminal": TERMINAL_STEPS}
    weights = {"web": persona.web, "editor": persona.editor, "files": persona.files, "terminal": persona.terminal}
    place = ""
    while len(drawn) < units:
        others = [name for name in steps if name != place]
        place = dice.choices(others, [weights[name] for name in others])[0]
        stay = dice.randint(1, 3) if place == "web" else dice.randint(1, 2)
        for _ in range(min(stay, units - len(drawn))):
            drawn.append(Unit(place=place, what=dice.choice(steps[place]), seed=dice.randrange(2**31)))
    return tuple(drawn)
