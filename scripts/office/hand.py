"""How does a scripted person move the mouse and press keys? Real X input through the XTEST extension."""

import math
import random
import time

from persona import Persona
from Xlib import XK, X
from Xlib.display import Display
from Xlib.ext import xtest

STEP_S = 0.012
NAMES = {
    "ctrl": "Control_L",
    "alt": "Alt_L",
    "shift": "Shift_L",
    "enter": "Return",
    "backspace": "BackSpace",
    "esc": "Escape",
    "space": "space",
    "pageup": "Prior",
    "pagedown": "Next",
}
NEIGHBOURS = {
    row[i]: row[i - 1] if i else row[1] for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm") for i in range(len(row))
}


class Hand:
    """A persona's motor habits on one display. Positions are root pixels."""

    def __init__(self, persona: Persona, *, dice: random.Random, width: int, height: int) -> None:
        self.persona, self.dice = persona, dice
        self._width, self._height = width, height
        self._display = Display()
        self._codes: dict[str, tuple[int, bool]] = {}
        self.x, self.y = width // 2, height // 2
        self._fake(X.MotionNotify, x=self.x, y=self.y)

    def close(self) -> None:
        self._display.close()

    def _fake(self, kind: int, detail: int = 0, x: int = 0, y: int = 0) -> None:
        xtest.fake_input(self._display, kind, detail, x=x, y=y)
        self._display.sync()

    def pause(self, seconds: float) -> None:
        """Wait about that long, in the persona's tempo."""
        time.sleep(seconds * self.persona.tempo * self.dice.lognormvariate(0.0, 0.35))

    def think(self) -> None:
        """The pause before a next step; now and then a long one."""
        self.pause(1.8 if self.dice.random() < 0.05 else 0.22)
        if self.dice.random() < self.persona.fidgets:
            self.move(self.x + self.dice.gauss(0, 60), self.y + self.dice.gauss(0, 40))

    # pointer

    def move(self, x: float, y: float) -> None:
        """Along a curve, slower at both ends; some persons overshoot first."""
        distance = math.hypot(x - self.x, y - self.y)
        if distance > 120 and self.dice.random() < self.persona.overshoot:
            beyond = 1 + self.dice.uniform(0.03, 0.1)
            self._glide(self.x + (x - self.x) * beyond, self.y + (y - self.y) * beyond)
            time.sleep(0.05)
        self._glide(x, y)

    def _glide(self, x: float, y: float) -> None:
        x, y = min(max(x, 2), self._width - 3), min(max(y, 2), self._height - 3)
        distance = math.hypot(x - self.x, y - self.y)
        if distance < 1:
            return
        seconds = (0.10 + 0.11 * math.log2(1 + distance / 40)) / self.persona.pointer_speed
        bend = self.dice.gauss(0, self.persona.curve)
        start_x, start_y = self.x, self.y
        steps = max(2, int(seconds / STEP_S))
        for step in range(1, steps + 1):
            part = step / steps
            eased = part * part * (3 - 2 * part)
            aside = bend * math.sin(math.pi * eased)
            at_x = start_x + (x - start_x) * eased - (y - start_y) * aside
            at_y = start_y + (y - start_y) * eased + (x - start_x) * aside
            self._place(at_x, at_y)
            time.sleep(STEP_S)
        self._place(x, y)

    def _place(self, x: float, y: float) -> None:
        self.x = int(min(max(round(x), 1), self._width - 2))
        self.y = int(min(max(round(y), 1), self._height - 2))
        self._fake(X.MotionNotify, x=self.x, y=self.y)

    def press(self, button: int = 1) -> None:
        self._fake(X.ButtonPress, button)

    def release(self, button: int = 1) -> None:
        self._fake(X.ButtonRelease, button)

    def tap(self, button: int = 1, *, times: int = 1) -> None:
        """Click where the pointer is."""
        for again in range(times):
            if again:
                time.sleep(self.dice.uniform(0.08, 0.14))
            self.press(button)
            time.sleep(self.dice.uniform(0.04, 0.09))
            self.release(button)

    def click(self, x: float, y: float, *, button: int = 1, times: int = 1) -> None:
        """Go there and click."""
        self.think()
        self.move(x, y)
        self.pause(0.08)
        self.tap(button, times=times)

    def drag(self, x: float, y: float, to_x: float, to_y: float) -> None:
        """Press there, release elsewhere."""
        self.think()
        self.move(x, y)
        self.pause(0.08)
        self.press()
        time.sleep(0.08)
        self._glide(to_x, to_y)
        time.sleep(0.12)
        self.release()

    def wheel(self, notches: int, *, up: bool = False) -> None:
        """Turn the wheel."""
        self.think()
        for _ in range(notches):
            button = 4 if up else 5
            self.press(button)
            self.release(button)
            time.sleep(self.dice.uniform(0.03, 0.09))

    # keys

    def _code(self, name: str) -> tuple[int, bool]:
        """Key code of a character or key name, and whether it takes Shift."""
        if name not in self._codes:
            symbol = ord(name) if len(name) == 1 else XK.string_to_keysym(NAMES.get(name, name))
            found = [(code, index) for code, index in self._display.keysym_to_keycodes(symbol) if index < 2]
            if not found:
                raise ValueError(f"no key gives {name!r}")
            code, index = min(found, key=lambda one: one[1])
            self._codes[name] = (code, index == 1)
        return self._codes[name]

    def key(self, name: str) -> None:
        """Press and release one key, with Shift where it takes it."""
        code, shifted = self._code(name)
        shift = self._code("shift")[0]
        if shifted:
            self._fake(X.KeyPress, shift)
            time.sleep(0.015)
        self._fake(X.KeyPress, code)
        time.sleep(self.dice.uniform(0.02, 0.06))
        self._fake(X.KeyRelease, code)
        if shifted:
            time.sleep(0.01)
            self._fake(X.KeyRelease, shift)

    def chord(self, keys: str) -> None:
        """A shortcut such as "ctrl+s"."""
        self.think()
        *held, last = keys.split("+")
        for name in held:
            self._fake(X.KeyPress, self._code(name)[0])
            time.sleep(0.03)
        self.key(last)
        time.sleep(0.03)
        for name in reversed(held):
            self._fake(X.KeyRelease, self._code(name)[0])

    def hold(self, name: str, *, held: bool) -> None:
        """Press a modifier for what follows, or let it go."""
        self._fake(X.KeyPress if held else X.KeyRelease, self._code(name)[0])

    def let_go(self) -> None:
        """Release whatever may be held."""
        for name in ("ctrl", "alt", "shift"):
            self._fake(X.KeyRelease, self._code(name)[0])
        self.release()

    def strike(self, name: str, *, times: int = 1) -> None:
        """A special key, perhaps several times."""
        self.think()
        for again in range(times):
            if again:
                time.sleep(max(0.05, self.persona.key_gap_ms / 1000))
            self.key(name)

    def type(self, text: str) -> None:
        """Type with the persona's rhythm; some letters go wrong, are noticed and corrected."""
        self.think()
        for char in text:
            if char.lower() in NEIGHBOURS and self.dice.random() < self.persona.mistakes:
                self.key(NEIGHBOURS[char.lower()])
                self.pause(0.3)
                self.key("backspace")
                self.pause(0.15)
            if char == "\n":
                self.key("enter")
            elif char == " ":
                self.key("space")
            else:
                self.key(char)
            gap = self.persona.key_gap_ms / 1000 * self.dice.lognormvariate(0.0, self.persona.key_spread)
            time.sleep(min(gap * (1.6 if char in " .,\n" else 1.0), 0.9))
