"""What does a scripted person do in the editor and in the terminal?"""

import random
import time
from collections.abc import Callable
from pathlib import Path

from desktop import Desktop
from hand import Hand

SENTENCES = (
    "call the team about the new plan",
    "the invoice for march is still open",
    "ask for two more chairs, and a lamp",
    "meeting moved to 10:30 on tuesday",
    "draft of the report is in the shared folder",
    "travel costs: 245.80 so far",
    "check the numbers again before friday",
    "new address of the client: 14 mill lane",
    "paper and ink are ordered (again)",
    "notes from the review: shorter, fewer tables",
    "send the list to everybody by noon",
    "room 3 is booked from 9 to 11",
)
WORDS = ["today", "later", "open", "done", "budget", "urgent", "draft", "moved", "wait", "green", "second", "final"]
EDIT_MENU = {"Undo": 0, "Cut": 2, "Copy": 3, "Paste": 4, "Select All": 8}
ROW = 25.25
FOLDERS = {
    "letters": ("bank.txt", "client.txt", "landlord.txt", "supplier.txt"),
    "reports": ("april.txt", "may.txt", "review.md", "summary.md", "travel.txt"),
}


def furnish(home: Path, dice: random.Random) -> None:
    """The files that lie around."""
    lines = [dice.choice(SENTENCES) for _ in range(60)]
    (home / "notes.txt").write_text("Notes\n\n" + "\n".join(lines) + "\n")
    (home / "plan.md").write_text("# Plan\n\n" + "\n".join(f"- {dice.choice(SENTENCES)}" for _ in range(20)) + "\n")
    (home / "costs.csv").write_text("".join(f"{month},{dice.randint(90, 900)}\n" for month in range(1, 13)))
    (home / "logs").mkdir()
    (home / "logs/app.log").write_text(
        "".join(f"{i:04d} {dice.choice(('ok', 'ok', 'late', 'error'))}\n" for i in range(300))
    )
    for folder, names in FOLDERS.items():
        (home / folder).mkdir()
        for name in names:
            (home / folder / name).write_text(
                "\n".join(dice.choice(SENTENCES) for _ in range(dice.randint(8, 40))) + "\n"
            )
    (home / ".bashrc").write_text("PS1='\\W $ '\nunset HISTFILE\nHISTCONTROL=\n")


class Editor:
    """Mousepad with notes.txt."""

    name = "mousepad"

    def __init__(self, hand: Hand, desktop: Desktop, *, dice: random.Random) -> None:
        self.hand, self.desktop, self.dice = hand, desktop, dice

    def _by_keyboard(self) -> bool:
        return self.dice.random() < self.hand.persona.shortcuts

    def _line(self) -> tuple[float, float]:
        """A point on some line of text."""
        box = self.desktop.box(self.name)
        return (
            box.left + 30 + self.dice.random() * min(180, box.width * 0.4),
            box.top + 60 + self.dice.random() * max(60, box.height - 120),
        )

    def command(self, name: str, keys: str) -> None:
        """A command of the edit menu: by keyboard, by the menu bar, or by the context menu."""
        if self._by_keyboard():
            self.hand.chord(keys)
            return
        box = self.desktop.box(self.name)
        before = len(list(self.desktop.popups()))
        if self.dice.random() < 0.6 or name == "Undo":
            self.hand.click(box.left + 60, box.top + 12)
            first = 13.0
        else:
            self.hand.click(self.hand.x + 2, self.hand.y + 1, button=3)
            first = 16.0
        time.sleep(0.35)
        popups = list(self.desktop.popups())
        if len(popups) <= before:
            self.hand.strike("esc")
            self.hand.chord(keys)
            return
        menu = popups[0]
        self.hand.click(
            menu.left + 60 + self.dice.uniform(-20, 20),
            menu.top + first + ROW * EDIT_MENU[name] + self.dice.uniform(-4, 4),
        )
        time.sleep(0.2)
        if list(self.desktop.popups()):
            self.hand.strike("esc")

    def save(self) -> None:
        if self._by_keyboard() or self.dice.random() < 0.5:
            self.hand.chord("ctrl+s")
        else:
            box = self.desktop.box(self.name)
            self.hand.click(box.left + 22, box.top + 12)
            time.sleep(0.35)
            menus = list(self.desktop.popups())
            if menus:
                self.hand.move(menus[0].left + 50, menus[0].top + 60)
            self.hand.strike("s")

    def write(self) -> None:
        if self._by_keyboard():
            self.hand.chord("ctrl+End")
        else:
            self.hand.click(*self._line())
            self.hand.strike("End")
        for _ in range(self.dice.randint(1, 2)):
            self.hand.strike("enter")
            self.hand.type(self.dice.choice(SENTENCES))
        if self.dice.random() < 0.4:
            self.hand.strike("backspace", times=self.dice.randint(2, 8))
            self.hand.type(self.dice.choice(WORDS))
        self.save()

    def replace_word(self) -> None:
        self.hand.click(*self._line(), times=2)
        if self.dice.random() < 0.4:
            self.hand.strike("backspace" if self.dice.random() < 0.5 else "Delete")
        self.hand.type(self.dice.choice(WORDS))
        if self.dice.random() < 0.3:
            self.command("Undo", "ctrl+z")

    def move_line(self) -> None:
        self.hand.click(*self._line())
        self.hand.strike("Home")
        self.hand.chord("shift+End")
        self.command("Cut", "ctrl+x")
        self.hand.strike(self.dice.choice(("Up", "Down")), times=self.dice.randint(2, 5))
        self.hand.strike("End")
        self.hand.strike("enter")
        self.command("Paste", "ctrl+v")

    def copy_by_mouse(self) -> None:
        x, y = self._line()
        self.hand.drag(x, y, x + self.dice.uniform(60, 200), y + self.dice.choice((0, 0, 20)))
        self.command("Copy", "ctrl+c")
        self.hand.click(*self._line())
        self.hand.strike("End")
        self.hand.type(" ")
        self.command("Paste", "ctrl+v")

    def search(self) -> None:
        self.hand.chord("ctrl+f")
        self.hand.type(self.dice.choice(("report", "client", "room", "budget", "plan")))
        for _ in range(self.dice.randint(1, 3)):
            self.hand.strike("enter")
            self.hand.pause(0.4)
        self.hand.strike("esc")

    def read(self) -> None:
        if self.dice.random() < self.hand.persona.wheel:
            self.hand.move(*self._line())
            self.hand.wheel(self.dice.randint(4, 12))
            self.hand.pause(1.2)
            self.hand.wheel(self.dice.randint(2, 8), up=self.dice.random() < 0.5)
        else:
            self.hand.click(*self._line())
            self.hand.strike("pagedown", times=self.dice.randint(1, 3))
            self.hand.pause(1.2)
            self.hand.strike("pageup", times=self.dice.randint(1, 2))
        if self._by_keyboard():
            self.hand.chord(self.dice.choice(("ctrl+Home", "ctrl+End")))

    def steps(self) -> tuple[Callable[[], None], ...]:
        return (self.write, self.replace_word, self.move_line, self.copy_by_mouse, self.search, self.read)


class Terminal:
    """xterm with bash."""

    name = "xterm"

    def __init__(self, hand: Hand, desktop: Desktop, *, dice: random.Random) -> None:
        self.hand, self.desktop, self.dice = hand, desktop, dice

    def run(self, command: str) -> None:
        self.hand.type(command)
        self.hand.strike("enter")
        self.hand.pause(0.5)

    def look_round(self) -> None:
        self.run(self.dice.choice(("ls", "ls -l", "pwd", "ls logs", "date", "wc -l notes.txt")))
        self.run(
            self.dice.choice(
                ("cat costs.csv", "head -5 plan.md", "tail -3 logs/app.log", "grep error logs/app.log | head")
            )
        )

    def complete(self) -> None:
        self.hand.type(self.dice.choice(("cat pl", "head -4 no", "cat co", "wc pl")))
        self.hand.strike("Tab")
        self.hand.pause(0.3)
        self.hand.strike("enter")
        self.hand.pause(0.5)

    def repeat(self) -> None:
        self.hand.strike("Up", times=self.dice.randint(1, 3))
        if self.dice.random() < 0.5:
            self.hand.strike("backspace", times=self.dice.randint(1, 4))
            self.hand.type(self.dice.choice(("", " -l", "2", " | sort")) or "d")
        self.hand.strike("enter")
        self.hand.pause(0.5)

    def interrupt(self) -> None:
        self.run(self.dice.choice(("sleep 60", "cat", "tail -f logs/app.log")))
        self.hand.pause(0.8)
        self.hand.chord("ctrl+c")

    def page(self) -> None:
        self.run(self.dice.choice(("less logs/app.log", "less notes.txt")))
        for _ in range(self.dice.randint(1, 3)):
            self.hand.strike(self.dice.choice(("Down", "space", "pagedown", "Up")), times=self.dice.randint(1, 3))
            self.hand.pause(0.4)
        self.hand.strike("q")

    def copy_by_mouse(self) -> None:
        box = self.desktop.box(self.name)
        x, y = box.left + box.width * self.dice.uniform(0.05, 0.2), box.top + box.height * self.dice.uniform(0.1, 0.6)
        self.hand.type("echo ")
        if self.dice.random() < 0.5:
            self.hand.click(x, y, times=2)
        else:
            self.hand.drag(x, y, x + 80, y)
        self.hand.click(x + 90, y + 30, button=2)
        self.hand.chord("ctrl+c")

    def tidy(self) -> None:
        self.hand.chord(self.dice.choice(("ctrl+l", "ctrl+l", "ctrl+u")))
        self.run(self.dice.choice(("cd logs", "cd", "cd ..")))
        self.run("cd; ls")

    def steps(self) -> tuple[Callable[[], None], ...]:
        return (self.look_round, self.complete, self.repeat, self.interrupt, self.page, self.copy_by_mouse, self.tidy)
