"""What does a person do on any MiniWoB page: read the query, fill fields, press Submit?"""

import random
import re

from browser import Browser
from hand import Hand
from persona import Persona

SUBMIT = "return document.getElementById('subbtn') || document.querySelector('#area button.secondary-action')"
COVER = "return document.getElementById('sync-task-cover')"


def by_text(selector: str, text: str) -> str:
    """Script: the first visible element of the selector with exactly this text."""
    return (
        f"return [...document.querySelectorAll({selector!r})].find(e => e.textContent.trim() === {text!r}"
        " && e.getClientRects().length && e.getBoundingClientRect().height > 0)"
    )


class Page:
    """One task's page, while it is worked on."""

    def __init__(self, browser: Browser, hand: Hand, *, dice: random.Random) -> None:
        self.browser, self.hand, self.dice = browser, hand, dice
        self.persona: Persona = hand.persona

    @property
    def query(self) -> str:
        return re.sub(r"\s+", " ", str(self.browser.ask("return document.getElementById('query').textContent"))).strip()

    def quoted(self) -> list[str]:
        return re.findall(r'"([^"]*)"', self.query)

    def bold(self) -> list[str]:
        return list(self.browser.ask("return [...document.querySelectorAll('#query .bold')].map(e => e.textContent)"))

    def by_keyboard(self) -> bool:
        return self.dice.random() < self.persona.keyboard_forms

    def shows(self, script: str) -> bool:
        """Is the element there, with a size, and inside the task's area?"""
        return bool(
            self.browser.ask(
                f"const e = (() => {{ {script} }})(); if (!e) return false; const b = e.getBoundingClientRect();"
                "return b.height > 1 && b.width > 1 && b.bottom < innerHeight && b.top >= 0"
            )
        )

    def click(self, script: str, *, times: int = 1, part_x: float = 0.5) -> None:
        self.browser.click(script, times=times, part_x=part_x)

    def fill(self, script: str, text: str, *, focused: bool = False) -> None:
        if not focused:
            self.click(script, part_x=0.3)
        self.hand.type(text)

    def submit(self, *, tabs: int = 1) -> None:
        """Send the form: Tab to the button and Enter, or a click."""
        if tabs and self.by_keyboard():
            self.hand.strike("Tab", times=tabs)
            self.hand.strike("enter")
        else:
            self.click(SUBMIT)

    def done(self) -> bool:
        return bool(self.browser.ask("return WOB_DONE_GLOBAL"))
