"""What does a scripted person do in a file dialog?"""

import random
import time
from collections.abc import Callable
from pathlib import Path

from desk import FOLDERS, ROW, WORDS
from desktop import Box, Desktop
from hand import Hand
from rig import wait_for

EDITOR = "mousepad"
OPEN, SAVE_AS = 3, 6  # rows of the file menu
FIRST_ROW, FILE_ROW = {OPEN: 79.0, SAVE_AS: 135.0}, 23.0  # of the list of files, in pixels below the dialog's top
PATIENCE_S = 3.0


class Filing:
    """Opening, looking for and saving files in the editor's own dialogs. home: where the files lie."""

    def __init__(self, hand: Hand, desktop: Desktop, *, dice: random.Random, home: Path) -> None:
        self.hand, self.desktop, self.dice, self.home = hand, desktop, dice, home

    def _by_keyboard(self) -> bool:
        return self.dice.random() < self.hand.persona.shortcuts

    def _dialog(self) -> Box:
        return wait_for(lambda: self.desktop.dialog(EDITOR), what="a file dialog", patience_s=PATIENCE_S)

    def _ask_for(self, row: int, keys: str) -> Path:
        """Let the dialog appear; the folder that it shows."""
        folder = self._folder()
        if self._by_keyboard():
            self.hand.chord(keys)
        else:
            box = self.desktop.box(EDITOR)
            self.hand.click(box.left + 22, box.top + 12)
            time.sleep(0.35)
            menu = next(iter(self.desktop.popups()), None)
            if menu is not None:  # straight down: another menu opens where the pointer passes its name
                self.hand.move(menu.left + 22 + self.dice.uniform(-8, 8), menu.top + 13 + ROW * row)
                self.hand.pause(0.1)
                self.hand.tap()
        try:
            self._dialog()
        except TimeoutError:  # it went wrong; a person sees that, and takes the shortcut
            self.hand.strike("esc", times=2)
            self.hand.chord(keys)
            self._dialog()
        self.hand.pause(0.6)
        return folder

    def _folder(self) -> Path:
        """Where the file lies that the editor shows: its dialogs begin there."""
        path = Path(self.desktop.title(EDITOR).removesuffix(" - Mousepad").lstrip("*"))
        return path.parent if path.is_absolute() and path.parent.is_dir() else self.home

    def _row(self, folder: Path, name: str, *, kind: int = OPEN) -> tuple[float, float]:
        """Where a name stands in the list. Folders come first, as the settings say."""
        shown = sorted(
            (path for path in folder.iterdir() if not path.name.startswith(".")),
            key=lambda path: (path.is_file(), path.name.casefold()),
        )
        box = self._dialog()
        index = [path.name for path in shown].index(name)
        return (
            box.left + 190 + self.dice.uniform(0, 60),
            box.top + FIRST_ROW[kind] + FILE_ROW * index + self.dice.uniform(-5, 5),
        )

    def _button(self, *, cancel: bool = False) -> None:
        """The buttons at the bottom right."""
        box = self._dialog()
        self.hand.click(
            box.left + box.width - (117 if cancel else 42) + self.dice.uniform(-15, 15),
            box.top + box.height - 24 + self.dice.uniform(-5, 5),
        )

    def _enter_folder(self, folder: Path, name: str) -> Path:
        self.hand.click(*self._row(folder, name), times=2)
        self.hand.pause(0.5)
        return folder / name

    def _sidebar(self) -> None:
        """The place called Home."""
        box = self._dialog()
        self.hand.click(box.left + 60 + self.dice.uniform(-25, 25), box.top + 62 + self.dice.uniform(-5, 5))
        self.hand.pause(0.5)

    def _leave(self) -> None:
        """Wait until no dialog shows; a person who is stuck presses Escape."""
        for _ in range(4):
            deadline = time.monotonic() + 1.0
            while time.monotonic() < deadline:
                if self.desktop.dialog(EDITOR) is None:
                    return
                time.sleep(0.05)
            self.hand.strike("esc")
        raise TimeoutError("a file dialog stays open")

    def open_file(self) -> None:
        """Find a file, read a little in it, and perhaps close it again."""
        before = self.desktop.title(EDITOR)
        folder = self._ask_for(OPEN, "ctrl+o")
        try:
            if self._by_keyboard():
                self._name_by_keyboard(folder)
            else:
                self._name_by_mouse(folder)
        finally:
            self._leave()
        self.hand.pause(0.8)
        if self.dice.random() < 0.5:
            self.hand.move(*self._middle())
            self.hand.wheel(self.dice.randint(2, 6))
        title = self.desktop.title(EDITOR)
        if self.dice.random() < 0.5 and title != before and not title.startswith("*"):
            self.hand.chord("ctrl+w")

    def _middle(self) -> tuple[float, float]:
        box = self.desktop.box(EDITOR)
        return box.left + box.width * 0.3, box.top + box.height * self.dice.uniform(0.4, 0.8)

    def _name_by_keyboard(self, folder: Path) -> None:
        texts = sorted(path.name for path in folder.iterdir() if path.suffix in (".txt", ".md", ".csv"))
        name = self.dice.choice(texts)
        if self.dice.random() < 0.6:
            self.hand.chord("ctrl+l")
            self.hand.type(name)
        else:
            self.hand.type(name[:4])  # the list narrows to what begins like that
            self.hand.pause(1.0)
            self.hand.strike("Down")
        self.hand.pause(0.3)
        self.hand.strike("enter")

    def _name_by_mouse(self, folder: Path) -> None:
        if folder != self.home:
            self._sidebar()
            folder = self.home
        if self.dice.random() < 0.6:
            folder = self._enter_folder(folder, self.dice.choice(sorted(FOLDERS)))
        name = self.dice.choice(sorted(path.name for path in folder.iterdir() if path.suffix in (".txt", ".md")))
        where = self._row(folder, name)
        if self.dice.random() < 0.5:
            self.hand.click(*where, times=2)
        else:
            self.hand.click(*where)
            self._button()

    def save_as(self) -> None:
        """The text under another name."""
        folder = self._ask_for(SAVE_AS, "ctrl+shift+s")
        name = f"{self.dice.choice(WORDS)}-{self.dice.randint(2, 99)}"
        try:
            self.hand.type(name)
            if not self._by_keyboard() and folder == self.home and self.dice.random() < 0.4:
                self.hand.click(*self._row(folder, self.dice.choice(sorted(FOLDERS)), kind=SAVE_AS), times=2)
                self.hand.pause(0.5)
            if self._by_keyboard():
                self.hand.strike("enter")
            else:
                self._button()
        finally:
            self._leave()

    def look_for_file(self) -> None:
        """Look into folders, and think better of it."""
        folder = self._ask_for(OPEN, "ctrl+o")
        try:
            for _ in range(self.dice.randint(1, 2)):
                if folder != self.home:
                    self._sidebar()
                folder = self._enter_folder(self.home, self.dice.choice(sorted(FOLDERS)))
            if self.dice.random() < 0.4:
                name = self.dice.choice(sorted(path.name for path in folder.iterdir()))
                self.hand.click(*self._row(folder, name))
                self.hand.pause(0.6)
            if self._by_keyboard():
                self.hand.strike("esc")
            else:
                self._button(cancel=True)
        finally:
            self._leave()

    def steps(self) -> tuple[Callable[[], None], ...]:
        return (self.open_file, self.save_as, self.look_for_file)
