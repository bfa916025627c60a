"""Where is it hidden? Sections, menus, trees, calendars and pages that come one after another."""

from reticent.recordings.drawn import screen as look
from reticent.recordings.drawn.errands import looks
from reticent.recordings.drawn.errands.page import Page
from reticent.recordings.drawn.screen import Box, Widget


def sections(d: Page) -> None:
    """Open sections in turn until one has the link, or open one and submit."""
    count = min(d.room(high=0.9, gap=0.1, spare=4), d.layout.randint(1, 4))
    opened = d.layout.choice([-1, 0]) if count > 1 else -1
    submits = d.layout.random() < 0.3
    d.clear()
    heads, link = _sections(d, count, opened)
    order = [number for number in range(count) if number != opened]
    for number in order[: d.random.randint(1, len(order))]:
        d.click(heads[number])
        d.clear()
        heads, link = _sections(d, count, number)
    if submits:
        d.confirm(d.button(), by_key=False)
    else:
        d.click(link)


def _sections(d: Page, count: int, opened: int) -> tuple[list[Widget], Widget]:
    heads, link = [], None
    for number in range(count):
        heads.append(d.put(looks.band, d.line(high=0.9, gap=0.1), on=number == opened))
        if number == opened:
            body = d.put(looks.prose, d.line(high=3.0, gap=0.1))
            row = d.random.choice(body.box.rows(d.screen.letter + 5))
            start = d.random.uniform(0, 0.7)
            link = d.put(looks.link, row.column(start, start + 0.25))
    return heads, link or heads[0]


def menu(d: Page) -> None:
    """A menu of two or three levels; hovering opens them for some pages, clicks for others."""
    by_click = d.layout.random() < 0.4
    wide = int(d.area.w * 0.36)
    at = Box(d.area.x, d.area.y + d.layout.choice([0, d.row]), wide, 0)
    shown: list[Widget] = []
    if d.layout.random() < 0.4:
        head = d.put(look.tab, at._replace(h=d.row))
        d.click(head)
        at = at._replace(y=at.y + d.row)
    for level in range(levels := d.layout.choice([1, 2, 2, 3])):
        items = d.listed(at, count=d.random.randint(2, 5))
        shown += d.screen.above
        d.lift(*shown)
        item = d.random.choice(items)
        if level == levels - 1 or by_click:
            d.click(item)
        else:
            d.hand.wait(500)
        d.turn(item)
        x = min(item.box.x + wide - level * 4, d.screen.width - wide - 1)
        at = Box(x, item.box.y, wide, 0)
    d.lift()


def tree(d: Page) -> None:
    """Folders within folders: open them until the file is there, and take it."""
    rows: list[tuple[int, Widget]] = []
    for depth in range(d.random.randint(1, 5)):
        d.clear()
        kept = rows[-1][0] + 1 if rows else 0
        old, rows = rows[: kept + 1], []
        for level, _widget in old:
            rows.append((level, _row(d, level, on=True)))
        for _ in range(min(d.room(high=0.75, gap=0.05, spare=0), d.random.randint(2, 5))):
            rows.append((depth, _row(d, depth, on=False)))
        level, target = d.random.choice(rows[len(old) :])
        d.click(target)
        d.turn(target)
        rows = [*rows[: len(old)], (level, target)]


def _row(d: Page, level: int, *, on: bool) -> Widget:
    line = d.line(high=0.75, gap=0.05)
    box = line._replace(x=line.x + level * d.row // 2, w=line.w - level * d.row // 2)
    return d.put(look.choice, box.column(0, 0.7), on=on, fill=d.random.uniform(0.3, 0.7))


def date(d: Page) -> None:
    """Open a calendar, go some months back or on, take a day; submit."""
    line = d.line(high=1.1)
    d.put(look.label, line.column(0, 0.22))
    field = d.put(look.entry, line.column(0.24, 0.9))
    submit = d.button()
    if d.chance(0.12):  # some write it
        d.enter(field, keys=8)
        d.confirm(submit)
        return
    d.click(field)
    side = max(5, min(d.area.w // 8, (d.screen.height - field.box.y - field.box.h - 4) // 7))
    top = min(field.box.y + field.box.h, d.screen.height - 7 * side - 2)
    panel = Widget(draw=look.panel, box=Box(d.area.x, top, 7 * side + 6, 7 * side + 2))
    back, on = (
        Widget(draw=looks.arrow, box=Box(x, top + 2, side, side)) for x in (d.area.x + 3, d.area.x + 3 + 6 * side)
    )
    name = Widget(draw=look.label, box=Box(d.area.x + 3 + 2 * side, top + 2, 3 * side, side), fill=0.9)
    way, months = back if d.chance(0.6) else on, min(8, int(d.random.expovariate(0.3)))
    for month in range(months + 1):
        name.seed, first = d.seed(), d.random.randrange(7)
        days = [
            Widget(
                draw=look.cell,
                box=Box(d.area.x + 3 + i % 7 * side, top + 2 + (1 + i // 7) * side, side, side),
                fill=0.6,
                seed=i,
            )
            for i in range(first, first + 30)
        ]
        d.lift(panel, back, on, name, *days[: 42 - first])
        if month == months:
            d.click(d.random.choice(days))
        elif month == 0:
            d.click(way)
        else:
            d.again(soon=d.chance(0.85))
    d.lift()
    d.turn(field, on=False, fill=0.6)
    d.confirm(submit)


def wizard(d: Page) -> None:
    """Some pages of one question each, with a button that leads on."""
    for number in range(steps := d.layout.randint(2, 4)):
        d.clear()
        line = d.line(high=0.7)
        for step in range(steps):
            d.put(look.tab, line.column(step / steps, (step + 1) / steps), on=step == number)
        d.words(share=d.random.uniform(0.4, 0.9))
        if d.layout.random() < 0.5:
            options = [
                d.put(look.choice, d.line(high=0.85), fill=0.4) for _ in range(min(d.room(), d.layout.randint(2, 4)))
            ]
            go = d.button()
            right = d.random.choice(options)
            d.click(right)
            d.turn(right)
        else:
            field = d.put(look.entry, d.line(end=0.85))
            go = d.button()
            d.enter(field, keys=d.random.randint(2, 10))
        d.confirm(go)


def pie(d: Page) -> None:
    """A round menu opens where it is touched; take one of its parts."""
    side = min(d.area.w, d.area.h)
    wheel = d.put(looks.pie, Box(d.area.x + (d.area.w - side) // 2, d.area.y, side, side))
    middle = Box(wheel.box.x + side // 2 - 4, wheel.box.y + side // 2 - 4, 8, 8)
    if d.layout.random() < 0.6:
        d.click(Widget(draw=looks.pie, box=middle))
    d.turn(wheel)
    d.click(Widget(draw=looks.pie, box=d.random.choice(looks.slices(wheel.box))))
