"""Who sits there? A scripted person's habits, drawn from a seed."""

import random
from dataclasses import dataclass

SCREENS = ((1280, 800), (1366, 768), (1440, 900), (1600, 900), (1280, 1024), (1680, 1050))


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """One scripted person. Shares are probabilities in [0, 1].

    tempo: factor on every pause. key_gap_ms: mean time between two keys. mistakes: share of letters typed wrong and
    corrected. shortcuts: share of commands given by keyboard where a menu or button would do. keyboard_forms: share of
    form fields left by Tab and sent by Enter. overshoot: share of pointer moves that go too far first. fidgets: share of
    steps before which the wheel or pointer moves for nothing. web, editor, terminal, files: weights of the task mix, files
    being what is done in file dialogs. browser_width, desk_width, desk_height: shares of the screen that the browser, and
    the editor and terminal, take where windows are not maximised. dark_desktop: a dark theme.
    """

    name: str
    seed: int
    screen: tuple[int, int]
    layout: str
    browser_width: float
    desk_width: float
    desk_height: float
    zoom: float
    font: int
    dark_terminal: bool
    dark_desktop: bool
    tempo: float
    key_gap_ms: float
    key_spread: float
    pointer_speed: float
    curve: float
    overshoot: float
    mistakes: float
    shortcuts: float
    keyboard_forms: float
    wheel: float
    fidgets: float
    switch: str
    back: str
    web: float
    editor: float
    terminal: float
    files: float


def draw(number: int, *, seed: int) -> Persona:
    """The `number`-th person of the office with this seed."""
    dice = random.Random(f"persona {seed} {number}")
    keyboard = dice.random()  # a keyboard person does most things by keyboard, not just some
    web, editor, terminal, files = (dice.uniform(*part) for part in ((0.4, 1.0), (0.1, 0.8), (0.1, 0.8), (0.1, 0.5)))
    return Persona(
        name=f"person-{number:03d}",
        seed=dice.randrange(2**31),
        screen=dice.choice(SCREENS),
        layout=dice.choice(("tiled", "tiled", "stacked", "maximised")),
        browser_width=round(dice.uniform(0.45, 0.68), 2),
        desk_width=round(dice.uniform(0.5, 0.75), 2),
        desk_height=round(dice.uniform(0.5, 0.75), 2),
        zoom=dice.choice((2.0, 2.5, 3.0)),
        font=dice.choice((10, 12, 14)),
        dark_terminal=dice.random() < 0.5,
        dark_desktop=dice.random() < 0.3,
        tempo=round(dice.lognormvariate(0.0, 0.3), 2),
        key_gap_ms=round(dice.uniform(60, 190)),
        key_spread=round(dice.uniform(0.15, 0.6), 2),
        pointer_speed=round(dice.uniform(0.7, 1.5), 2),
        curve=round(dice.uniform(0.02, 0.25), 2),
        overshoot=round(dice.uniform(0.0, 0.3), 2),
        mistakes=round(dice.uniform(0.0, 0.07), 3),
        shortcuts=round(min(max(keyboard + dice.uniform(-0.2, 0.2), 0.05), 0.95), 2),
        keyboard_forms=round(min(max(keyboard + dice.uniform(-0.2, 0.2), 0.05), 0.95), 2),
        wheel=round(dice.uniform(0.3, 1.0), 2),
        fidgets=round(dice.uniform(0.0, 0.12), 2),
        switch=dice.choice(("alt-tab", "click", "mixed")) if keyboard < 0.8 else "alt-tab",
        back=dice.choice(("alt-left", "button")) if keyboard > 0.3 else "button",
        web=round(web, 2),
        editor=round(editor, 2),
        terminal=round(terminal, 2),
        files=round(files, 2),
    )
