"""What goes in here? Fields, passwords, copied words, suggestions, numbers."""

from reticent.actions.events import KeyClass
from reticent.recordings.drawn import screen as look
from reticent.recordings.drawn.errands import looks
from reticent.recordings.drawn.errands.page import Page
from reticent.recordings.drawn.screen import Box, Widget


def text(d: Page) -> None:
    """One field, sometimes filled already; submit."""
    if d.layout.random() < 0.4:
        d.words(share=d.random.uniform(0.2, 0.6))
    field = d.put(look.entry, d.line(end=d.layout.uniform(0.6, 0.95)))
    submit = d.button()
    if d.layout.random() < 0.15:
        field.fill = 0.5
        d.empty(field)
    d.enter(field, keys=d.random.randint(2, 12))
    d.confirm(submit)


def focus(d: Page) -> None:
    """One field of a few must have the focus; no more."""
    count = min(d.room(spare=0.5, gap=1.0), d.layout.randint(1, 4))
    fields = [d.put(look.entry, d.line(gap=1.0, end=0.8)) for _ in range(count)]
    right = d.random.choice(fields)
    d.wrong(fields, right)
    d.reach(right)


def form(d: Page) -> None:
    """Several labelled fields, some of them choices; submit."""
    beside = d.layout.random() < 0.5
    count = min(d.room(gap=0.3, high=1.0 if beside else 2.05), d.layout.randint(2, 6))
    fields = []
    for _ in range(count):
        if beside:
            line = d.line(gap=0.3)
            d.put(look.label, line.column(0, 0.34))
            fields.append(d.put(look.entry, line.column(0.36, 0.98)))
        else:
            d.words(share=d.random.uniform(0.2, 0.5))
            fields.append(d.put(look.entry, d.line(gap=0.3, end=0.85)))
    tick = d.put(look.choice, d.line(high=0.9), fill=0.4) if d.layout.random() < 0.3 else None
    submit = d.button()
    for number, field in enumerate(fields):
        d.enter(field, keys=d.random.randint(3, 12), follows=number > 0)
    if tick is not None:
        d.click(tick)
        d.turn(tick)
    d.confirm(submit)


def login(d: Page) -> None:
    """Name, word, go; sometimes a notice is in the way."""
    fields = []
    for _ in range(2):
        if d.layout.random() < 0.7:
            d.words(share=0.35)
        fields.append(d.put(look.entry, d.line(end=d.layout.choice([0.7, 0.9]))))
    go = d.button()
    notice = d.layout.random() < 0.25
    for number, field in enumerate(fields):
        d.enter(field, keys=d.random.randint(2, 10), follows=number > 0)
        if notice and d.chance(0.5):
            notice = False
            box = Box(d.area.x + 6, d.area.y + d.row, d.area.w - 12, 4 * d.row)
            good, bad = (
                Widget(draw=look.button, box=Box(x, box.y + int(2.7 * d.row), box.w // 3, d.row), seed=d.seed())
                for x in (box.x + 5, box.x + box.w // 2 + 5)
            )
            words = Widget(draw=looks.prose, box=box.inset(4)._replace(h=2 * d.row), seed=d.seed())
            d.lift(Widget(draw=look.panel, box=box), words, good, bad)
            d.click(d.random.choice([good, good, bad]))
            d.lift()
    d.confirm(go)


def password(d: Page) -> None:
    """The same word twice; submit."""
    first, second = ((d.words(share=0.4), d.put(look.entry, d.line(end=0.85)))[1] for _ in range(2))
    submit = d.button()
    keys = d.random.randint(3, 8)
    d.enter(first, keys=keys)
    d.enter(second, keys=keys, follows=True)
    d.confirm(submit)


def copying(d: Page) -> None:
    """Take a word or a text from here to there; submit."""
    source = d.put(look.entry if d.layout.random() < 0.5 else looks.words, d.line(high=1.2), fill=0.5)
    if d.layout.random() < 0.4:
        for _ in range(2):
            d.put(look.entry, d.line(high=1.2), fill=d.random.uniform(0.3, 0.8))
    field = d.put(look.entry, d.line(end=0.8))
    submit = d.button()
    if d.chance(0.15):  # types what others copy
        d.enter(field, keys=d.random.randint(4, 10))
    else:
        word = source.box.column(0.05, 0.4)
        d.mark(source, word=word)
        d.clip(word)
        d.turn(source, on=False)
        d.reach(field)
        d.clip(field.box)
        d.turn(field, on=False, fill=0.5)
    d.confirm(submit)


def finding(d: Page) -> None:
    """Read a text, type one of its words; submit."""
    text = d.put(looks.prose, d.line(high=d.layout.uniform(2.5, 4.0), end=0.9))
    bar = d.put(look.scrollbar, Box(text.box.x + text.box.w, text.box.y, 5, text.box.h))
    field = d.put(look.entry, d.line(end=0.8))
    submit = d.button()
    d.hand.wait(2_000)
    if d.chance(0.4):
        d.scroll(text.box, bar, to=1.0)
        d.turn(text, on=False, fill=0.0)
    d.enter(field, keys=d.random.randint(2, 9))
    d.confirm(submit)


def suggestions(d: Page) -> None:
    """Type the beginning, take what is suggested; submit."""
    d.words(share=0.3)
    field = d.put(look.entry, d.line(end=0.85))
    submit = d.button()
    d.enter(field, keys=d.random.randint(2, 5))
    _suggested(d, field)
    d.confirm(submit)


def _suggested(d: Page, field: Widget) -> None:
    items = d.listed(field.box._replace(y=field.box.y + field.box.h), count=d.random.randint(1, 6))
    which = min(int(d.random.expovariate(0.8)), len(items) - 1)
    if d.chance(d.visitor.tab * 0.6):
        d.press(KeyClass.NAVIGATION, times=which + 1)
        d.turn(items[which])
        d.press(KeyClass.ENTER if d.chance(0.8) else KeyClass.TAB)
    else:
        d.click(items[which])
        d.blur()
    d.lift()
    d.turn(field, on=False, fill=0.7)


def sums(d: Page) -> None:
    """A small sum, its answer, submit."""
    line = d.line(high=1.6)
    d.put(looks.words, line.column(0.05, 0.45))
    field = d.put(look.entry, line.column(0.5, 0.85))
    submit = d.button()
    d.hand.wait(800)
    d.enter(field, keys=d.random.randint(1, 3))
    d.confirm(submit)


def spinner(d: Page) -> None:
    """A number by its small arrows, or typed; submit."""
    line = d.line(high=1.2)
    field = d.put(look.entry, line.column(0.0, 0.4), fill=0.2)
    up = d.put(looks.arrow, Box(field.box.x + field.box.w, line.y, d.row, line.h // 2))
    down = d.put(looks.arrow, Box(field.box.x + field.box.w, line.y + line.h // 2, d.row, line.h // 2), on=True)
    submit = d.button()
    if d.chance(0.3):
        d.empty(field)
        d.enter(field, keys=d.random.randint(1, 2))
    else:
        d.click(up if d.chance(0.6) else down)
        for _ in range(d.random.randint(0, 11)):
            d.again()
            d.turn(field, on=False, fill=0.2)
    d.confirm(submit)


def guessing(d: Page) -> None:
    """A number again and again, until it is right: type, submit, read, change."""
    field = d.put(look.entry, d.line(end=0.6))
    submit = d.button()
    answer = d.words(share=0.01)
    for number in range(d.random.randint(1, 4)):
        if number:
            d.hand.wait(500)
            d.empty(field)
        d.enter(field, keys=d.random.randint(1, 2))
        d.confirm(submit)
        answer.fill, answer.seed = 0.6, d.seed()
        d.screen.changed()


def flight(d: Page) -> None:
    """From, to, a day, search; then the best of what comes."""
    d.words(share=0.5)
    fields = [d.put(look.entry, d.line(end=0.85)) for _ in range(2)]
    day = d.put(look.entry, d.line(end=0.85))
    search = d.button(wide=0.8)
    for number, field in enumerate(fields):
        d.enter(field, keys=d.random.randint(2, 4), follows=number > 0)
        _suggested(d, field)
    d.click(day)
    side = max(5, min(d.area.w // 8, (d.screen.height - d.area.y) // 8))
    top = min(day.box.y + day.box.h, d.screen.height - 6 * side)
    days = [
        Widget(draw=look.cell, box=Box(d.area.x + 3 + i % 7 * side, top + i // 7 * side, side, side), fill=0.6, seed=i)
        for i in range(35)
    ]
    d.lift(Widget(draw=look.panel, box=Box(d.area.x, top, 7 * side + 6, 5 * side + 3)), *days)
    d.click(d.random.choice(days))
    d.lift()
    d.turn(day, on=False, fill=0.5)
    d.click(search)
    d.clear()
    offers = []
    for _ in range(min(3, d.room(high=3.0, spare=0))):
        box = d.line(high=3.0, gap=0.2)
        d.put(look.panel, box)
        d.put(looks.prose, box.inset(3)._replace(h=d.row))
        offers.append(d.put(look.button, Box(box.x + 6, box.y + 2 * d.row - 2, box.w - 12, d.row)))
    d.click(d.random.choice(offers))
