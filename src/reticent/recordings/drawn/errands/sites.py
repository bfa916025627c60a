"""What do people do at small sites? Mail, search, posts, a phone book, a shop, an editor, a terminal."""

from reticent.actions.events import KeyClass
from reticent.recordings.drawn import screen as look
from reticent.recordings.drawn.errands import looks
from reticent.recordings.drawn.errands.page import Page
from reticent.recordings.drawn.screen import Box, Widget


def mail(d: Page) -> None:
    """An inbox: star or delete one from the list, or open it and answer, forward or delete it."""
    bar = d.put(look.tab, d.line(high=1.1, gap=0), on=True)
    rows = []
    for _ in range(min(d.room(high=1.9, gap=0.05, spare=0), 6)):
        line = d.line(high=1.9, gap=0.05, end=0.94)
        d.put(look.sheet, line)
        top = line._replace(h=line.h // 2)
        d.put(look.label, top.column(0.03, 0.6))
        d.put(look.faint, top._replace(y=top.y + top.h).column(0.03, 0.7))
        star, bin_ = _marks(d, Box(line.x, line.y + line.h // 2, line.w, d.row // 2))
        rows.append((line, star, bin_))
    side = d.put(look.scrollbar, Box(d.area.x + d.area.w - 4, bar.box.y + bar.box.h, 4, d.area.h - bar.box.h))
    if d.chance(0.5):
        d.scroll(d.area, side, to=d.random.choice([0.4, 1.0]))
        for widget in d.screen.widgets[1:-1]:
            widget.seed = d.seed()
    line, star, bin_ = d.random.choice(rows)
    what = d.random.random()
    if what < 0.3:
        d.click(star if what < 0.17 else bin_)
        d.turn(star)
        return
    d.click(Widget(draw=look.label, box=line.column(0.0, 0.7)))
    _message(d)


def _marks(d: Page, line: Box) -> tuple[Widget, Widget]:
    """A star and a bin at the right end of a line."""
    star, bin_ = (line._replace(x=line.x + int(line.w * share), w=line.h) for share in (0.78, 0.9))
    return d.put(looks.star, star), d.put(look.button, bin_)


def _message(d: Page) -> None:
    d.clear()
    bar = d.put(look.tab, d.line(high=1.1, gap=0.2), on=True)
    close = d.put(looks.arrow, Box(bar.box.x + 2, bar.box.y + 2, bar.box.h - 4, bar.box.h - 4))
    title = d.line(high=1.2)
    d.put(look.label, title.column(0, 0.6))
    star, bin_ = _marks(d, Box(d.area.x, title.y, d.area.w, int(0.7 * d.row)))
    d.put(looks.prose, d.rest(spare=1.8))
    below = d.line(high=1.2)
    reply, forward = d.put(look.button, below.column(0.02, 0.48)), d.put(look.button, below.column(0.52, 0.98))
    what = d.random.random()
    if what < 0.3:
        right = d.random.choice([star, bin_])
        d.click(right)
        d.turn(right)
        if right is star and d.chance(0.3):
            d.click(close)
        return
    answers = what < 0.65
    d.click(reply if answers else forward)
    d.clear()
    bar = d.put(look.tab, d.line(high=1.1, gap=0.2), on=True)
    send = d.put(look.button, Box(bar.box.x + bar.box.w - 2 * d.row, bar.box.y + 1, 2 * d.row - 2, bar.box.h - 2))
    to = d.put(look.entry, d.line(high=0.9), fill=0.4 if answers else 0.0)
    body = d.put(look.entry, d.rest(spare=0.2), fill=0.0 if answers else 0.5)
    field = body if answers else to
    d.enter(field, keys=d.random.randint(3, 14))
    d.click(send)


def search(d: Page) -> None:
    """Words into the field, search, and a result: on this page of them or a later one."""
    line = d.line(high=1.1)
    field = d.put(look.entry, line.column(0, 0.68))
    go = d.put(look.button, line.column(0.7, 1.0))
    d.enter(field, keys=d.random.randint(3, 8))
    d.confirm(go)
    pages = d.random.choice([0, 1, 2, 3])
    for page in range(pages + 1):
        del d.screen.widgets[2:]
        d.blur()
        results = []
        top = line.y + line.h + 4
        rows = Box(line.x, top, line.w, d.area.y + d.area.h - top - d.row).rows(int(2.2 * d.row))
        for row in rows[:3]:
            results.append(d.put(looks.link, row._replace(h=int(0.8 * d.row)).column(0, d.random.uniform(0.3, 0.7))))
            d.put(look.faint, row._replace(y=row.y + int(0.9 * d.row), h=d.row))
        numbers = Box(line.x, d.area.y + d.area.h - d.row, line.w, d.row)
        ways = [d.put(looks.link, numbers.column(0.1 + 0.16 * i, 0.18 + 0.16 * i)) for i in range(5)]
        d.click(ways[min(page + 1, 4)] if page < pages else d.random.choice(results))


def posts(d: Page) -> None:
    """Posts with small buttons: like, share or answer one, several, or what hides under 'more'."""
    side = d.put(look.scrollbar, Box(d.area.x + d.area.w - 5, d.area.y, 5, d.area.h))
    rows = []
    for _ in range(min(d.room(high=3.0, gap=0.1, spare=0), 5)):
        box = d.line(high=3.0, gap=0.1, end=0.94)
        d.put(look.sheet, box)
        d.put(look.label, Box(box.x + 3, box.y + 2, box.w - 6, d.row - 2), fill=0.6)
        d.put(look.faint, Box(box.x + 3, box.y + d.row, box.w - 6, d.row - 2), fill=d.random.uniform(0.6, 1.0))
        low = Box(box.x, box.y + box.h - int(0.9 * d.row), box.w, int(0.75 * d.row))
        rows.append([d.put(looks.star, low.column(0.1 + 0.22 * i, 0.22 + 0.22 * i)) for i in range(4)])
    if d.chance(0.6):
        d.scroll(d.area, side, to=d.random.random())
    which = d.random.randrange(4)
    if d.layout.random() < 0.35:  # all of them, then submit
        for row in rows[: d.random.randint(1, len(rows))]:
            d.click(row[which])
            d.turn(row[which])
        d.confirm(d.button(), by_key=False)
        return
    button = d.random.choice(rows)[which]
    d.click(button)
    d.turn(button)
    if which == 3:
        items = d.listed(
            Box(max(0, button.box.x - 4 * d.row), button.box.y + button.box.h, 5 * d.row, 0),
            count=d.random.randint(3, 5),
        )
        d.click(d.random.choice(items))
        d.lift()


def phone_book(d: Page) -> None:
    """Leaf through cards by numbers or arrows until one is right, then take a line of it."""
    pages = d.random.randint(0, 8)
    for page in range(pages + 1):
        d.clear()
        picture = d.line(high=2.0)
        d.put(look.picture, picture.column(0.0, 0.3))
        d.put(look.label, picture.column(0.35, 0.9))
        details = [d.put(looks.link, d.line(high=0.8).column(0.1, d.random.uniform(0.4, 0.8))) for _ in range(3)]
        low = Box(d.area.x, d.area.y + d.area.h - d.row, d.area.w, d.row)
        on = d.put(looks.arrow, low.column(0.85, 0.98))
        for number in range(4):
            d.put(look.cell, low.column(0.15 + 0.15 * number, 0.27 + 0.15 * number), fill=0.5)
        if page == pages:
            d.click(d.random.choice(details))
        elif page == 0:
            d.click(on)
        else:
            d.again(soon=d.chance(0.4))


def shop(d: Page) -> None:
    """Things with counters: some of this, some of that; order."""
    count = min(d.room(high=1.1, gap=0.15), d.layout.randint(2, 5))
    lines = [d.line(high=1.1, gap=0.15) for _ in range(count)]
    for line in lines:
        d.put(look.label, line.column(0, 0.5))
    less, more = ([d.put(look.button, line.column(x, x + 0.12)) for line in lines] for x in (0.55, 0.87))
    numbers = [d.put(look.cell, line.column(0.68, 0.86), fill=0.3) for line in lines]
    order = d.button(wide=0.55)
    for number in sorted(d.random.sample(range(count), d.random.randint(1, min(4, count)))):
        d.click(more[number])
        d.turn(numbers[number], on=False, fill=0.3)
        for _ in range(d.random.choice([0, 1, 1, 2, 3, 5])):
            d.again()
            d.turn(numbers[number], on=False, fill=0.3)
        if d.chance(d.visitor.mistake):
            d.click(less[number])
    d.confirm(order, by_key=False)


def editor(d: Page) -> None:
    """Mark a word of a text and make it bold, coloured or large by the bar above; submit."""
    line = d.line(high=1.1, gap=0.1)
    tools = [d.put(look.button, line.column(i / 6, (i + 0.85) / 6)) for i in range(6)]
    frame = d.put(look.sheet, d.rest(spare=1.8))
    text = d.put(looks.prose, frame.box.inset(4)._replace(h=min(frame.box.h - 8, 3 * d.row)))
    submit = d.button()
    row = d.random.choice(text.box.rows(d.screen.letter + 5))
    start = d.random.uniform(0, 0.7)
    d.mark(text, word=row.column(start, start + 0.22))
    tool = d.random.choice(tools)
    d.click(tool)
    d.turn(tool)
    if tool is tools[-1]:
        items = d.listed(Box(tool.box.x - 2 * d.row, tool.box.y + d.row, 3 * d.row, 0), count=4)
        d.click(d.random.choice(items))
        d.lift()
    d.confirm(submit, by_key=False)


def terminal(d: Page) -> None:
    """A command, ENTER, what it says; another."""
    dark = d.put(_black, d.area)
    lines = dark.box.inset(3).rows(d.screen.letter + 4)
    if d.chance(0.7):
        d.click(dark)
    for number in range(d.random.randint(1, 5)):
        d.type(d.random.randint(2, 12), into=dark)
        d.put(_glow, lines[min(2 * number, len(lines) - 1)], fill=d.random.uniform(0.2, 0.6))
        d.press(KeyClass.ENTER)
        d.put(_glow, lines[min(2 * number + 1, len(lines) - 1)], fill=d.random.uniform(0.3, 0.9))


def _black(s: look.Screen, w: Widget) -> None:
    s.fill(w.box, 15)


def _glow(s: look.Screen, w: Widget) -> None:
    s.text(w.box, 205, seed=w.seed, share=w.fill)


def table(d: Page) -> None:
    """Read a table, type one of its values, submit; or sign it."""
    count = min(d.room(high=0.8, gap=0, spare=3.2), 6)
    for _ in range(count):
        line = d.line(high=0.8, gap=0)
        for column in range(2):
            d.put(look.cell, line.column(column / 2, (column + 1) / 2), fill=d.random.uniform(0.3, 0.8))
    field = d.put(look.entry, d.line(end=0.7))
    submit = d.button()
    d.hand.wait(1_500)
    d.enter(field, keys=d.random.randint(2, 9))
    d.confirm(submit)
