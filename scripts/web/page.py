"""What does a person do on any MiniWoB page: read the task, find things, scroll to them, fill fields, press the button?"""

import json
import random
import re
from typing import Any

from chromium import Chromium
from hand import Hand
from persona import Persona

SUBMIT = "(web.one('#subbtn') || web.one('#area button.secondary-action') || web.text('#area button', 'Submit'))"
HEIGHT = 210


class Lost(Exception):
    """What the person looks for isn't there."""


def one(selector: str, number: int = 0) -> str:
    """Script: the visible elements of a selector, one of them."""
    return f"web.all({json.dumps(selector)})[{number}]"


def with_text(selector: str, text: str) -> str:
    """Script: the first visible element of a selector with exactly this text."""
    return f"web.text({json.dumps(selector)}, {json.dumps(text)})"


class Page:
    """One task's page, while it is worked on."""

    def __init__(self, chromium: Chromium, hand: Hand, *, dice: random.Random) -> None:
        self._chromium, self.hand, self.dice = chromium, hand, dice
        self.persona: Persona = hand.persona
        self._fresh = True

    def begin(self, seed: int) -> None:
        self._fresh = True
        self._chromium.ask(f"web.begin('{seed}', {round(self.hand.now_ms)})")

    def ask(self, script: str) -> Any:
        return self._chromium.ask(script)

    @property
    def query(self) -> str:
        return re.sub(r"\s+", " ", str(self.ask("document.getElementById('query').textContent"))).strip()

    def quoted(self) -> list[str]:
        return re.findall(r'"([^"]*)"', self.query)

    def bold(self) -> list[str]:
        return list(self.ask("[...document.querySelectorAll('#query .bold, #query b')].map(e => e.textContent)"))

    def chance(self, share: float) -> bool:
        return self.dice.random() < share

    def done(self) -> bool:
        return bool(self.ask("WOB_DONE_GLOBAL"))

    def settle(self) -> None:
        """Wait until the page has drawn what was done."""
        self.ask("web.settled()")

    def shows(self, element: str) -> bool:
        return self.ask(f"web.box({element})") is not None

    def think(self) -> None:
        """Before the first step the task is read."""
        if self._fresh:
            self.hand.pause(self.persona.read_ms)
            self._fresh = False
        else:
            self.hand.think()

    def place(self, element: str, part: tuple[float, float] = (0.5, 0.5)) -> tuple[float, float]:
        """A point on an element, near these parts of its width and height, once it is scrolled into sight.

        Raises Lost where there is no such element.
        """
        notch = self.dice.choice((25, 40, 53))
        shares = [[share + self.dice.gauss(0, self.persona.aim) for share in part] for _ in range(4)]
        for number in range(40):
            point, hidden = self.ask(f"web.place({element}, {shares}, {HEIGHT})")
            if point is None:
                raise Lost(element)
            if not hidden:
                break
            if number:
                self.hand.pause(self.dice.uniform(50, 220))
            else:
                self.think()
            pixels = min(notch, abs(hidden) + 2)
            self._scroll(element, pixels if hidden > 0 else -pixels)
        x, y = point
        return float(x), float(y)

    def _scroll(self, element: str, pixels: float) -> None:
        self.ask(f"web.scroll({element}, {pixels}, {round(self.hand.now_ms)})")

    def fidget(self, element: str) -> None:
        """Scroll for nothing, to see what else there is."""
        if self.chance(self.persona.fidgets * 5):
            self.think()
            for _ in range(self.dice.randint(1, 5)):
                self._scroll(element, 40)
                self.hand.pause(120)

    def click(
        self,
        element: str,
        *,
        part: tuple[float, float] = (0.5, 0.5),
        times: int = 1,
        modifiers: int = 0,
        quick: bool = False,
        toggles: bool = False,
    ) -> None:
        """Go to an element and click; now and then miss it first, or click twice.

        quick: without thinking. toggles: a second click would undo the first.
        """
        x, y = self.place(element, part)
        if quick:
            self.hand.pause(self.persona.spin_ms)
        else:
            self.think()
        if self.chance(self.persona.strays):
            self.hand.click(self.dice.uniform(4, 150), self.dice.uniform(4, 46))
            self.hand.think()
            x, y = self.place(element, part)
        if times == 1 and not modifiers and not toggles and not quick and self.chance(self.persona.doubled):
            times = 2
        self.hand.click(x, y, times=times, modifiers=modifiers)

    def fill(self, element: str, text: str, *, focused: bool = False) -> None:
        """Put a text into a field: typed, or copied from the task."""
        if len(text) > 2 and not focused and self.chance(self.persona.copies) and self._copy(text):
            self.click(element)
            self.hand.pause(self.persona.step_ms * 0.6)
            self.hand.chord("v")
            return
        if not focused:
            self.click(element, part=(0.35, 0.5))
        self.hand.pause(self.persona.step_ms * (0.8 if focused else 1.0))
        self.hand.type(text)

    def _copy(self, text: str) -> bool:
        ends = self.ask(f"web.ends(web.range('#query', {json.dumps(text)}))")
        if ends is None:
            return False
        self.think()
        x, y, to_x, to_y = ends
        if text.isalnum() and self.chance(0.6):
            self.hand.click((x + to_x) / 2, y, times=2)
        else:
            self.hand.drag(x + 1, y, to_x, to_y)
        self.hand.pause(self.persona.step_ms * 0.6)
        self.hand.chord("c")
        return True

    def by_keyboard(self) -> bool:
        return self.chance(self.persona.keyboard)

    def next_field(self, element: str) -> bool:
        """Go on to a field by Tab, or leave that to a click; whether it has the focus."""
        if not self.by_keyboard():
            return False
        self.hand.pause(self.persona.step_ms * 0.5)
        self.hand.tap("tab")
        return bool(self.ask(f"document.activeElement === {element}"))

    def submit(self, button: str = SUBMIT, *, from_field: bool = False) -> None:
        """Send what was entered: Enter, or Tab to the button and Enter, or a click."""
        if from_field and self.chance(self.persona.enter):
            self.hand.pause(self.persona.step_ms * 0.5)
            self.hand.tap("enter")
            if self.done():
                return
        if from_field and self.by_keyboard():
            self.hand.pause(self.persona.step_ms * 0.5)
            self.hand.tap("tab")
            if self.ask(f"document.activeElement === {button}"):
                self.hand.pause(self.persona.step_ms * 0.5)
                self.hand.tap("enter" if self.chance(0.8) else "space")
                return
        self.click(button)
