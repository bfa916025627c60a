"""What is to be hit? Boards, grids, figures, number pads and things that move."""

from reticent.recordings.drawn import screen as look
from reticent.recordings.drawn.errands import looks
from reticent.recordings.drawn.errands.page import Page
from reticent.recordings.drawn.screen import Box, Widget


def noughts(d: Page) -> None:
    """Three in a row against a machine that answers at once."""
    side = min(d.area.w, d.area.h) // 3
    left = d.area.x + d.layout.choice([0, (d.area.w - 3 * side) // 2])
    cells = [
        d.put(looks.sign, Box(left + i % 3 * side, d.area.y + i // 3 * side, side - 2, side - 2)) for i in range(9)
    ]
    free = list(cells)
    for _ in range(d.random.randint(3, 5)):
        right = d.random.choice(free)
        d.click(right)
        d.turn(right)
        free.remove(right)
        if not free:
            return
        theirs = d.random.choice(free)
        theirs.on, theirs.mark = True, 1.0
        free.remove(theirs)
        d.screen.changed()


def board(d: Page) -> None:
    """A cell of a grid by its place or number, or some of them in turn."""
    across = d.layout.randint(3, 7)
    side = min(d.area.w, d.area.h) // across
    fill = d.layout.choice([0.0, 0.5])
    cells = [
        d.put(look.cell, Box(d.area.x + i % across * side, d.area.y + i // across * side, side, side), fill=fill)
        for i in range(across * across)
    ]
    for right in d.random.sample(cells, d.layout.randint(1, 4)):
        d.wrong(cells, right)
        d.click(right)
        d.turn(right)


def figures(d: Page) -> None:
    """Figures of some kinds and shades: hit one, all of one kind, or say how many there are."""
    how = d.layout.choice(["one", "all", "all", "count"])
    spare = 1.8 if how == "count" else 0.0
    field = Box(d.area.x, d.area.y, d.area.w, d.area.h - int(spare * d.row))
    found = _scattered(d, field, d.random.randint(3, 12))
    if how == "count":
        line = Box(d.area.x, d.area.y + d.area.h - int(1.3 * d.row), d.area.w, int(1.2 * d.row))
        d.click(d.random.choice([d.put(look.button, line.column(i / 5, (i + 0.85) / 5)) for i in range(5)]))
    elif how == "one":
        d.click(d.random.choice(found))
    else:
        for figure in [one for one in found if one.seed % 4 == found[0].seed % 4]:
            d.click(figure)
            d.screen.widgets.remove(figure)
            d.screen.changed()


def _scattered(d: Page, field: Box, count: int) -> list[Widget]:
    side = max(8, d.row)
    places = [
        Box(x, y, side, side)
        for x in range(field.x, field.x + field.w - side, side + 3)
        for y in range(field.y, field.y + field.h - side, side + 3)
    ]
    dark = d.visitor.theme.page > 128
    return [
        d.put(looks.figure, place, fill=d.random.uniform(0.05, 0.6) if dark else d.random.uniform(0.5, 1.0))
        for place in d.random.sample(places, min(count, len(places)))
    ]


def ascending(d: Page) -> None:
    """Numbers in their order, each gone when it is hit."""
    found = _scattered(d, d.area, d.layout.randint(3, 9))
    for figure in found:
        figure.draw, figure.fill = look.cell, 0.6
    for figure in found:
        d.click(figure)
        d.screen.widgets.remove(figure)
        d.screen.changed()


def number_pad(d: Page) -> None:
    """A number, or a small sum, by buttons; then the button that ends it."""
    shown = d.put(look.entry, d.line(high=1.1, end=0.9))
    rows = 4
    high = max(6, min(int(1.4 * d.row), (d.area.y + d.area.h - shown.box.y - shown.box.h - 6) // rows - 2))
    keys = []
    for _ in range(rows):
        line = d.line(high=high / d.row, gap=0.1)
        keys += [d.put(look.button, line.column(0.05 + c * 0.3, 0.31 + c * 0.3)) for c in range(3)]
    for number in range(d.random.randint(2, 9)):
        key = d.random.choice(keys[:10])
        d.click(key)
        if d.chance(0.15):
            d.again(soon=False)
        d.turn(shown, on=False, fill=min(0.9, 0.15 * (number + 1)))
    if d.chance(d.visitor.mistake):
        d.click(keys[10])
    d.click(keys[11])


def repeating(d: Page) -> None:
    """Four large buttons light up in turn: press them in the same order."""
    wide, high = d.area.w // 2, min(d.area.w // 2, d.area.h // 2)
    pads = [
        d.put(
            looks.swatch,
            Box(d.area.x + i % 2 * wide, d.area.y + i // 2 * high, wide - 3, high - 3),
            fill=0.25 + 0.15 * i,
        )
        for i in range(4)
    ]
    for number in range(d.random.randint(2, 4)):
        d.hand.wait(900)
        before = None
        for _ in range(number + 1):
            pad = d.random.choice(pads)
            if pad is before:
                d.again(soon=False)
            else:
                d.click(pad)
            before = pad


def chasing(d: Page) -> None:
    """Something that moves away: hit it where it is, until it stays."""
    side = max(8, d.row)
    thing = d.put(looks.figure, _place(d, side), fill=0.3)
    for _ in range(d.random.randint(2, 9)):
        d.click(thing)
        thing.box = _place(d, side)
        d.screen.changed()


def pointing(d: Page) -> None:
    """A place between others: the middle of a line, a right angle; click it, perhaps better, and submit."""
    sheet = d.put(look.sheet, d.rest(spare=1.8))
    ends = [
        d.put(
            looks.figure,
            Box(
                sheet.box.x + d.random.randint(4, sheet.box.w - 10),
                sheet.box.y + d.random.randint(4, max(5, sheet.box.h - 10)),
                6,
                6,
            ),
            fill=0.1,
        )
        for _ in range(2)
    ]
    submit = d.button()
    middle = Box((ends[0].box.x + ends[1].box.x) // 2 - 3, (ends[0].box.y + ends[1].box.y) // 2 - 3, 9, 9)
    for _ in range(2 if d.chance(0.3) else 1):
        d.click(Widget(draw=looks.figure, box=middle))
        d.put(looks.figure, middle._replace(w=6, h=6), fill=0.5)
    d.confirm(submit, by_key=False)


def _place(d: Page, side: int) -> Box:
    return Box(
        d.area.x + d.random.randint(0, d.area.w - side), d.area.y + d.random.randint(0, d.area.h - side), side, side
    )
