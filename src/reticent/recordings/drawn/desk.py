"""Where does a drawn person work? One screen, two hands, and what all tasks do alike: windows, dialogs, confirming."""

from random import Random

from reticent.actions.events import Button, KeyClass
from reticent.recordings.drawn import screen as look
from reticent.recordings.drawn.hand import Hand
from reticent.recordings.drawn.persona import Persona
from reticent.recordings.drawn.screen import Box, Screen, Widget

VARIANTS = 3  # how many programs of a kind one person uses; each always looks the same to them


class Desk:
    """One sitting of one person. Tasks lay widgets out in `page` by `layout`, and behave by `random`."""

    def __init__(self, persona: Persona, random: Random) -> None:
        monitor = persona.monitor
        self.persona, self.random = persona, random
        self.screen = Screen(
            width=monitor.width,
            height=monitor.height,
            zoom=monitor.zoom,
            row=monitor.row,
            letter=monitor.letter,
            theme=persona.theme,
        )
        self.hand = Hand(self.screen, persona, random)
        self.row = monitor.row
        self.layout = random
        self.page = Box(0, 0, monitor.width, monitor.height)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def seed(self) -> int:
        """What a text or picture looks like, this time."""
        return self.random.getrandbits(10)

    def open(self, task: str) -> None:
        """Begin a task in one of this person's programs for it: what does not change is painted, `page` is free."""
        self.layout = Random(f"{self.persona.seed}/{task}/{self.random.randrange(VARIANTS)}")  # noqa: S311
        self.screen.widgets, self.screen.above = [], []
        if self.persona.monitor.page:
            self._paint_page()
        else:
            self._paint_desktop()
        self.screen.chrome = self.screen.canvas.copy()
        self.screen.changed()
        if self.persona.monitor.page and self.layout.random() < 0.35:
            self._start()

    def show(self, *widgets: Widget) -> None:
        """Add widgets to the page."""
        self.screen.widgets.extend(widgets)
        self.screen.changed()

    def clear(self) -> None:
        """Take everything off the page."""
        self.screen.widgets, self.screen.above = [], []
        self.screen.changed()

    def click(self, widget: Widget, *, times: int = 1, button: Button = Button.LEFT) -> None:
        """Click on a widget; it is for the task to change it afterwards."""
        self.hand.click(widget.box, times=times, button=button)
        self.screen.changed()

    def type(self, keys: int, *, into: Widget | None = None) -> None:
        """Type, sometimes wrongly: then delete and type on. `into` shows the text."""
        if self.chance(self.persona.mistake):
            self.hand.type(max(1, keys // 2))
            self._filled(into, 0.5)
            self.hand.press(KeyClass.DELETE, times=self.random.randint(1, 4))
            self._filled(into, 0.35)
        self.hand.type(keys)
        self._filled(into, min(0.95, 0.15 + keys / 24))

    def confirm(self, button: Widget, *, by_key: bool = True) -> None:
        """Press a button that ends something: by ENTER where that works and is this person's way."""
        if by_key and self.chance(self.persona.enter):
            self.hand.press(KeyClass.ENTER)
        else:
            self.click(button)
        self.screen.changed()

    def between(self) -> None:
        """Between two steps: sometimes something pops up and must go away first."""
        if self.chance(self.persona.dialog):
            self.dialog()

    def dialog(self) -> None:
        """A dialog that has the floor: OK, a cross, ENTER or escape ends it."""
        row, random = self.row, self.random
        width = min(self.screen.width - 4, max(7 * row, self.screen.width // 3))
        height = min(self.screen.height - 4, 4 * row)
        box = Box(
            (self.screen.width - width) // 2,
            (self.screen.height - height) // 2 + random.randint(-row, row) // 2,
            width,
            height,
        )
        cross = Widget(draw=look.button, box=Box(box.x + width - row, box.y, row, row), seed=3)
        two = random.random() < 0.5
        good = Widget(
            draw=look.button,
            box=Box(box.x + width - 3 * row, box.y + height - row - 1, int(2.6 * row), row),
            asked=True,
            seed=self.seed(),
        )
        other = Widget(draw=look.button, box=good.box._replace(x=box.x + row // 2), seed=self.seed())
        words = Widget(draw=look.paragraph, box=Box(box.x + 3, box.y + row, width - 6, row), seed=self.seed())
        everything = Widget(draw=look.shade, box=Box(0, 0, self.screen.width, self.screen.height))
        parts = [everything, Widget(draw=look.panel, box=box), words, good, *([other] if two else [cross])]
        under = self.screen.above
        self.screen.above = [*under, *parts]
        self.screen.changed()
        if self.chance(self.persona.escape * 0.7):
            self.hand.press(KeyClass.OTHER)
        elif not two and self.chance(0.3):
            self.click(cross)
        else:
            self.confirm(good)
        self.screen.above = under
        self.screen.changed()

    def _filled(self, widget: Widget | None, share: float) -> None:
        if widget is not None:
            widget.fill, widget.seed = share, self.seed()
        self.screen.changed()

    def _start(self) -> None:
        """A cover that must be clicked away."""
        cover = Widget(draw=look.sheet, box=Box(0, 0, self.screen.width, self.screen.height))
        middle = Box(0, 0, self.screen.width // 3, self.row)
        middle = middle._replace(x=self.screen.width // 3, y=self.screen.height // 2 - self.row)
        words = Widget(draw=look.label, box=middle, fill=0.9, seed=5)
        self.screen.above = [cover, words]
        self.click(words)
        self.screen.above = []
        self.screen.changed()

    def _paint_page(self) -> None:
        screen, theme = self.screen, self.persona.theme
        width, height = screen.width, screen.height
        screen.fill(Box(0, 0, width, height), theme.page)
        head = 50 if height > 200 else 2 * self.row
        screen.fill(Box(0, 0, width, head), 226)
        for line in Box(3, 3, width - 6, head - 6).rows(screen.letter + 5)[: self.random.randint(1, 4)]:
            screen.text(line, theme.ink, seed=self.seed(), share=self.random.uniform(0.5, 1.0))
        self.page = Box(4, head + 4, width - 8, height - head - 8)

    def _paint_desktop(self) -> None:
        screen, theme, layout, row = self.screen, self.persona.theme, self.layout, self.row
        everything = Box(0, 0, screen.width, screen.height)
        habits = Random(f"{self.persona.seed}/desktop")  # noqa: S311
        if habits.random() < 0.5:
            screen.texture(everything, seed=habits.getrandbits(8))
        else:
            screen.fill(everything, theme.ground)
        bar = Box(0, 0 if habits.random() < 0.3 else screen.height - row, screen.width, row)
        screen.fill(bar, theme.panel)
        for number in range(habits.randint(3, 9)):
            screen.texture(Box(3 + number * (row + 2), bar.y + 1, row - 2, row - 2), seed=number)
        free = Box(0, row if bar.y == 0 else 0, screen.width, screen.height - row)
        if layout.random() < 0.6:
            window = free
        else:
            behind = Box(free.x + layout.randint(2, 20), free.y + layout.randint(2, 12), free.w // 2, free.h * 2 // 3)
            look.panel(screen, Widget(draw=look.panel, box=behind))
            look.paragraph(screen, Widget(draw=look.paragraph, box=behind.inset(row), seed=layout.getrandbits(8)))
            width, height = int(free.w * layout.uniform(0.6, 0.9)), int(free.h * layout.uniform(0.65, 0.95))
            window = Box(
                free.x + layout.randint(0, free.w - width), free.y + layout.randint(0, free.h - height), width, height
            )
        self.page = self._paint_window(window)

    def _paint_window(self, window: Box) -> Box:
        screen, theme, layout, row = self.screen, self.persona.theme, self.layout, self.row
        look.panel(screen, Widget(draw=look.panel, box=window))
        title = Box(window.x, window.y, window.w, row)
        screen.fill(title, theme.button)
        screen.text(title.column(0.02, 0.4), theme.ink, seed=layout.getrandbits(8), share=0.8)
        for number in range(3):
            screen.fill(Box(window.x + window.w - (number + 1) * row, window.y + 2, row - 3, row - 4), theme.faint)
        top = row
        if layout.random() < 0.5:  # an address bar
            box = Box(window.x + 4 * row, window.y + top + 1, max(row, window.w - 8 * row), row - 2)
            look.entry(screen, Widget(draw=look.entry, box=box, fill=0.4, seed=layout.getrandbits(8)))
            top += row
        if layout.random() < 0.5:  # tools
            for number in range(min(layout.randint(4, 14), window.w // (row + 2))):
                screen.texture(
                    Box(window.x + 2 + number * (row + 2), window.y + top + 1, row - 2, row - 2), seed=number
                )
            top += row
        left = 0
        if layout.random() < 0.35:  # a side bar
            left = window.w // 5
            for line in Box(window.x + 2, window.y + top + 2, left - 4, window.h - top - 4).rows(row):
                screen.text(line, theme.faint, seed=layout.getrandbits(8), share=layout.uniform(0.4, 0.9))
        content = Box(window.x + left + 1, window.y + top, window.w - left - 2, window.h - top - 1)
        screen.fill(content, theme.page)
        return Box(content.x + 2, content.y + 2, max(4 * row, content.w - 4), max(3 * row, content.h - 4))
