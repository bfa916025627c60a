"""Where does a visitor do one errand? A small page, two hands, and what all errands do alike: fields, lists, buttons."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random

from reticent.actions.events import Button, KeyClass
from reticent.recordings.drawn import screen as look
from reticent.recordings.drawn.errands import looks
from reticent.recordings.drawn.errands.visitor import Visitor
from reticent.recordings.drawn.hand import Hand
from reticent.recordings.drawn.screen import Box, Screen, Widget
from reticent.recordings.recorded import RecordedSession

LIMIT = 14  # actions after which a page closes; a double click that is too slow may add one
LAYOUTS = 2  # how many pages of a kind one person meets


class TimeUp(Exception):
    """The page has closed before its errand was done."""


class Page:
    """One sitting of one person. Errands lay widgets out in `area` by `layout`, and behave by `random`."""

    def __init__(self, visitor: Visitor, random: Random, *, errand: str) -> None:
        monitor = visitor.monitor
        self.visitor, self.random = visitor, random
        self.screen = (looks.Boxes if visitor.boxes else Screen)(
            width=monitor.width,
            height=monitor.height,
            zoom=monitor.zoom,
            row=monitor.row,
            letter=monitor.letter,
            theme=visitor.theme,
        )
        self.hand = Hand(self.screen, visitor, random)
        self.row = monitor.row
        self.layout = Random(f"{visitor.seed}/{errand}/{random.randrange(LAYOUTS)}")  # noqa: S311
        self.focused: Widget | None = None
        self.area = self._paint()
        self.screen.chrome = self.screen.canvas.copy()
        self._y = self.area.y

    def run(self, errand: "Callable[[Page], None]") -> RecordedSession:
        """The errand from the opened page to its end."""
        with suppress(TimeUp):
            if self.visitor.cover:
                self._uncover()
            errand(self)
        return self.hand.recorded(self.visitor.seed)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def seed(self) -> int:
        """What a text looks like, this time."""
        return self.random.getrandbits(10)

    # What is on the page

    def room(self, *, high: float = 1.0, gap: float = 0.25, spare: float = 1.5) -> int:
        """How many such lines still fit, at least one; spare: rows to leave below them."""
        free = self.area.y + self.area.h - self._y - spare * self.row
        return max(1, int((free + gap * self.row) / ((high + gap) * self.row)))

    def line(self, *, high: float = 1.0, gap: float = 0.25, start: float = 0.0, end: float = 1.0) -> Box:
        """The next line below what is there, at the bottom where nothing is free. high, gap: in rows."""
        height = min(max(4, round(high * self.row)), self.area.h)
        y = min(self._y, self.area.y + self.area.h - height)
        self._y = y + height + round(gap * self.row)
        return Box(self.area.x, y, self.area.w, height).column(start, end)

    def rest(self, *, spare: float = 0.0) -> Box:
        """All that is free, but for `spare` rows."""
        height = int(self.area.y + self.area.h - self._y - spare * self.row)
        box = Box(self.area.x, self._y, self.area.w, max(2 * self.row, height))
        self._y = box.y + box.h + 2
        return box

    def put(
        self,
        draw: Callable[[Screen, Widget], None],
        box: Box,
        *,
        fill: float = 0.0,
        on: bool = False,
        mark: float = 0.0,
    ) -> Widget:
        widget = Widget(draw=draw, box=box, fill=fill, on=on, mark=mark, seed=self.seed())
        self.screen.widgets.append(widget)
        self.screen.changed()
        return widget

    def words(self, *, share: float = 0.6) -> Widget:
        """A line of text."""
        return self.put(look.label, self.line(high=0.8), fill=share)

    def button(self, *, wide: float = 0.42) -> Widget:
        """The button that ends a page, below what is there."""
        start = self.layout.choice([0.0, 0.0, 0.15, (1 - wide) / 2])
        button = self.put(look.button, self.line(high=self.layout.uniform(1.0, 1.35), start=start, end=start + wide))
        button.seed = 7
        return button

    def lift(self, *widgets: Widget) -> None:
        """Put widgets above the page: a menu, a dialog, a list."""
        self.screen.above = list(widgets)
        self.screen.changed()

    def clear(self) -> None:
        """The next page, empty."""
        self.screen.widgets, self.screen.above, self.focused, self._y = [], [], None, self.area.y
        self.screen.changed()

    def turn(self, widget: Widget, *, on: bool = True, fill: float | None = None) -> None:
        """A widget changes."""
        widget.on = on
        if fill is not None:
            widget.fill, widget.seed = fill, self.seed()
        self.screen.changed()

    # What the hands do

    def click(self, target: Widget, *, times: int = 1, button: Button = Button.LEFT) -> None:
        """Click on a widget; what had the focus loses it, unless it is this one."""
        self._tick()
        if self.chance(self.visitor.stray):
            self.hand.click(self.area)
            self._tick()
        if self.chance(self.visitor.search):
            self.hand.wait(self.visitor.think_ms)
        if times == 1 and button is Button.LEFT and self.chance(self.visitor.double):
            times = 2
        self.hand.click(target.box, times=times, button=button)
        if target is not self.focused:
            self.blur()
        self.screen.changed()

    def again(self, *, soon: bool = True) -> None:
        """One more click where the pointer is."""
        self._tick()
        self.hand.again(after_ms=self.visitor.repeat_ms if soon else self.visitor.repeat_ms + self.visitor.think_ms)
        self.screen.changed()

    def wrong(self, targets: Sequence[Widget], right: Widget) -> None:
        """Sometimes click beside what is meant, where that does no harm."""
        others = [target for target in targets if target is not right]
        if others and self.chance(self.visitor.mistake * 0.5):
            self.click(self.random.choice(others))

    def drag(self, start: Box, end: Box) -> None:
        self._tick()
        self.hand.drag(start, end)
        self.screen.changed()

    def press(self, key: KeyClass, *, times: int = 1) -> None:
        self._tick()
        self.hand.press(key, times=times)
        self.screen.changed()

    def shortcut(self) -> None:
        self._tick()
        self.hand.shortcut()
        self.screen.changed()

    def blur(self) -> None:
        if self.focused is not None:
            self.focused.focus = False
        self.focused = None
        self.screen.changed()

    def enter(self, field: Widget, *, keys: int, follows: bool = False) -> None:
        """Go to a field and type. follows: TAB leads there."""
        self.reach(field, follows=follows)
        self.type(keys, into=field)

    def reach(self, field: Widget, *, follows: bool = False) -> None:
        """Give a field the focus: by TAB where that leads there and is this person's way."""
        if self.focused is field:
            return
        if follows and self.focused is not None and self.chance(self.visitor.tab):
            self.press(KeyClass.TAB)
        else:
            self.click(field)
        self.blur()
        field.focus, self.focused = True, field
        self.screen.changed()

    def type(self, keys: int, *, into: Widget) -> None:
        """Type into what has the focus: sometimes wrongly, sometimes with a stop."""
        if self.chance(self.visitor.mistake):
            self._type(max(1, keys // 2), into, share=0.3)
            self.press(KeyClass.DELETE, times=self.random.randint(1, 4))
        elif keys > 3 and self.chance(self.visitor.halt):
            self._type(keys // 2, into, share=0.3)
            self.hand.wait(3_000)
        self._type(keys, into, share=min(0.9, 0.12 + keys / 22))

    def empty(self, field: Widget) -> None:
        """Take out what a field holds, in this person's way; TYPE may follow."""
        self.reach(field)
        match self.visitor.empty:
            case "all":
                self.shortcut()
            case "double":
                self.click(field, times=2)
            case "drag":
                self.drag(field.box.column(field.fill, field.fill + 0.05), field.box.column(0.0, 0.04))
            case _:
                self.press(KeyClass.DELETE, times=self.random.randint(3, 9))
                self.turn(field, on=False, fill=0.0)
                return
        self.turn(field)
        if self.chance(0.4):
            self.press(KeyClass.DELETE)
            self.turn(field, on=False, fill=0.0)
        field.on = False

    def mark(self, text: Widget, *, word: Box) -> None:
        """Select a word of a text, in this person's way."""
        match self.visitor.select:
            case "double":
                self._tick()
                self.hand.click(word, times=2)
            case "drag":
                self.drag(word.column(0.0, 0.08), word.column(0.95, 1.0))
            case _:
                self.click(text)
                self.shortcut()
        self.turn(text)

    def clip(self, at: Box) -> None:
        """Copy or paste: by shortcut, or by the menu of the right button."""
        if self.chance(self.visitor.shortcut):
            self.shortcut()
            return
        self._tick()
        self.hand.click(at, button=Button.RIGHT)
        x = min(at.x + at.w // 2, self.screen.width - 4 * self.row)
        y = min(at.y + at.h // 2, self.screen.height - 4 * self.row)
        items = self.listed(Box(max(0, x), y, 4 * self.row, 0), count=4)
        self.click(items[self.random.choice([1, 2])])
        self.lift()

    def listed(self, at: Box, *, count: int) -> list[Widget]:
        """Lift a list of `count` lines whose left top is that of `at`, as wide as it; inside the page."""
        height = max(6, min(self.row, (self.screen.height - 2) // count))
        top = max(0, min(at.y, self.screen.height - count * height - 1))
        rows = Box(at.x, top, at.w, count * height).rows(height)
        items = [Widget(draw=look.line, box=row, seed=self.seed()) for row in rows[:count]]
        self.lift(Widget(draw=look.panel, box=Box(at.x, top, at.w, count * height)), *items)
        return items

    def scroll(self, over: Box, bar: Widget, *, to: float) -> None:
        """Scroll what lies under `over`: by the wheel, or by its bar."""
        self._tick()
        if self.chance(self.visitor.wheel):
            self.hand.scroll(over, notches=self.random.randint(2, 9))
        else:
            thumb = bar.box._replace(y=bar.box.y + int(0.75 * bar.box.h * bar.fill), h=max(4, bar.box.h // 4))
            self.hand.drag(thumb, thumb._replace(y=bar.box.y + int(0.75 * bar.box.h * to)))
        bar.fill = to
        self.screen.changed()

    def confirm(self, button: Widget, *, by_key: bool = True) -> None:
        """End a page by its button: by ENTER where a field has the focus and that is this person's way."""
        if by_key and self.focused is not None and self.chance(self.visitor.enter):
            self.press(KeyClass.ENTER)
            if self.chance(0.7):
                return
        elif by_key and self.focused is not None and self.chance(self.visitor.tab * 0.2):
            self.press(KeyClass.TAB)
            self.press(KeyClass.ENTER)
            return
        self.click(button)

    def _type(self, keys: int, into: Widget, *, share: float) -> None:
        self._tick()
        self.hand.type(keys)
        self.turn(into, on=False, fill=share)

    def _tick(self) -> None:
        if self.hand.actions >= LIMIT:
            raise TimeUp

    def _uncover(self) -> None:
        """A cover that must be clicked away."""
        everything = Box(0, 0, self.screen.width, self.screen.height)
        middle = Box(self.screen.width // 3, self.screen.height // 2 - self.row, self.screen.width // 3, self.row)
        words = Widget(draw=look.label, box=middle, fill=0.9, seed=5)
        self.lift(Widget(draw=look.sheet, box=everything), words)
        self.click(words)
        self.lift()

    def _paint(self) -> Box:
        """The instruction at the top; returns where the task is."""
        screen, theme = self.screen, self.visitor.theme
        site = Random(f"{self.visitor.seed}/site")  # noqa: S311
        width, height, step = screen.width, screen.height, screen.letter + 5
        head = int(height * site.uniform(0.15, 0.26))
        inset = site.randint(2, 6)
        screen.fill(Box(0, 0, width, height), theme.page)
        screen.fill(Box(0, 0, width, head), theme.ground)
        ink = 20 if theme.ground > 140 else 235
        lines = Box(3, 3, width - 6, head - 4).rows(step)
        for line in lines[: self.random.randint(1, len(lines))]:
            screen.text(line, ink, seed=self.seed(), share=self.random.uniform(0.5, 1.0))
        if site.random() < 0.3:
            screen.fill(Box(0, head, width, 1), theme.border)
        return Box(inset, head + inset, width - 2 * inset, height - head - 2 * inset)
