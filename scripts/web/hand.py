"""How does a scripted person click and type? Real input events of a browser, on a clock of the person's own."""

import random

from chromium import Chromium
from persona import Persona

SHIFT = dict(zip('!@#$%^&*()_+{}|:"<>?~', "1234567890-=[]\\;',./`", strict=True))
CODES = dict(zip(";=,-./`[\\]'", (186, 187, 188, 189, 190, 191, 192, 219, 220, 221, 222), strict=True))
NAMED = {
    "enter": ("Enter", 13, "\r"),
    "tab": ("Tab", 9, ""),
    "backspace": ("Backspace", 8, ""),
    "down": ("ArrowDown", 40, ""),
    "up": ("ArrowUp", 38, ""),
    "left": ("ArrowLeft", 37, ""),
    "right": ("ArrowRight", 39, ""),
    "end": ("End", 35, ""),
    "space": (" ", 32, " "),
}
COMMANDS = {"a": "selectAll", "c": "copy"}
ALT, CTRL, SHIFTED = 1, 2, 8  # bits of a browser's event
NEIGHBOURS = {
    row[i]: row[i - 1] if i else row[1] for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm") for i in range(len(row))
}


class Hand:
    """A persona's motor habits. Positions are pixels of the page; `now_ms` is the persona's clock and costs no time."""

    def __init__(self, chromium: Chromium, persona: Persona, *, dice: random.Random) -> None:
        self._chromium, self.persona, self.dice = chromium, persona, dice
        self.now_ms = 1_000.0
        self.origin_ms = 0.0  # when the page's own clock began
        self._asked: list[int] = []

    def pause(self, median_ms: float) -> None:
        self.now_ms += median_ms * self.dice.lognormvariate(0.0, self.persona.spread)

    def think(self) -> None:
        """The pause before a next step; now and then a long one."""
        self.pause(self.persona.step_ms * (3.0 if self.dice.random() < 0.06 else 1.0))

    # pointer

    def click(self, x: float, y: float, *, times: int = 1, modifiers: int = 0) -> None:
        for number in range(1, times + 1):
            if number > 1:
                self.now_ms += self.dice.uniform(60, 140)
            self._mouse("mousePressed", x, y, number, modifiers)
            self.now_ms += self.dice.uniform(50, 130)
            self._mouse("mouseReleased", x, y, number, modifiers)
        self._settle()

    def point(self, x: float, y: float) -> None:
        self._mouse("mouseMoved", x, y, 0, 0)
        self._settle()

    def drag(self, x: float, y: float, to_x: float, to_y: float) -> None:
        self._mouse("mousePressed", x, y, 1, 0)
        for part in (0.2, 0.6, 1.0):
            self.now_ms += self.dice.uniform(60, 250)
            self._mouse("mouseMoved", x + (to_x - x) * part, y + (to_y - y) * part, 0, 0, held=True)
        self.now_ms += self.dice.uniform(60, 250)
        self._mouse("mouseReleased", to_x, to_y, 1, 0)
        self._settle()

    def _mouse(self, kind: str, x: float, y: float, count: int, modifiers: int, *, held: bool = False) -> None:
        self._input(
            "Input.dispatchMouseEvent",
            type=kind,
            x=round(x),
            y=round(y),
            button="left" if count or held else "none",
            buttons=int(held or kind == "mousePressed"),
            clickCount=count,
            modifiers=modifiers,
        )

    # keys

    def tap(self, name: str, *, times: int = 1) -> None:
        """A special key, perhaps several times."""
        key, code, text = NAMED[name]
        for number in range(times):
            if number:
                self.pause(self.persona.key_gap_ms)
            self._key(key, code, text)
        self._settle()

    def chord(self, letter: str) -> None:
        """Control and a letter."""
        self._press("Control", 17, modifiers=CTRL)
        self.now_ms += self.dice.uniform(60, 200)
        self._press(
            letter, ord(letter.upper()), modifiers=CTRL, commands=[COMMANDS[letter]] if letter in COMMANDS else []
        )
        self.now_ms += self.dice.uniform(40, 110)
        self._release(letter, ord(letter.upper()), modifiers=CTRL)
        self.now_ms += self.dice.uniform(10, 120)
        self._release("Control", 17)
        self._settle()

    def type(self, text: str) -> None:
        """Type with the persona's rhythm; some letters go wrong, are noticed and corrected."""
        for number, char in enumerate(text):
            if number:
                self.pause(self.persona.key_gap_ms * (1.5 if char in " ." else 1.0))
            if char.lower() in NEIGHBOURS and self.dice.random() < self.persona.slips:
                self._letter(NEIGHBOURS[char.lower()])
                self.pause(2.5 * self.persona.key_gap_ms)
                self._key(*NAMED["backspace"])
                self.pause(1.5 * self.persona.key_gap_ms)
            self._letter(char)
        self._settle()

    def _letter(self, char: str) -> None:
        base = SHIFT.get(char, char.lower())
        shifted = char != base
        if shifted:
            self._press("Shift", 16, modifiers=SHIFTED)
            self.now_ms += self.dice.uniform(30, 120)
        code = ord(base.upper()) if base.isalnum() or base == " " else CODES.get(base, 0)
        self._key(char, code, char, modifiers=SHIFTED if shifted else 0)
        if shifted:
            self.now_ms += self.dice.uniform(5, 60)
            self._release("Shift", 16)

    def _key(self, key: str, code: int, text: str, *, modifiers: int = 0) -> None:
        self._press(key, code, text=text, modifiers=modifiers)
        self.now_ms += self.dice.uniform(40, 100)
        self._release(key, code, modifiers=modifiers)

    def _press(
        self, key: str, code: int, *, text: str = "", modifiers: int = 0, commands: list[str] | None = None
    ) -> None:
        kind = "keyDown" if text else "rawKeyDown"
        self._input(
            "Input.dispatchKeyEvent",
            type=kind,
            key=key,
            windowsVirtualKeyCode=code,
            modifiers=modifiers,
            **({"text": text} if text else {}),
            **({"commands": commands} if commands else {}),
        )

    def _release(self, key: str, code: int, *, modifiers: int = 0) -> None:
        self._input("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code, modifiers=modifiers)

    def _input(self, method: str, **parameters: object) -> None:
        at_s = (self.origin_ms + round(self.now_ms)) / 1000
        self._asked.append(self._chromium.send(method, timestamp=at_s, **parameters))

    def _settle(self) -> None:
        """Wait until the page has answered every event."""
        for number in self._asked:
            self._chromium.wait(number)
        self._asked.clear()
