"""What do drawn people do on web pages? Forms, choices, lists, tabs, sliders: each a function of a desk."""

from reticent.actions.events import KeyClass
from reticent.recordings.drawn import screen as look
from reticent.recordings.drawn.desk import Desk
from reticent.recordings.drawn.screen import Box, Widget


def _submit(d: Desk, under: int) -> Widget:
    """The page's button, below `under`, at this program's place."""
    width = min(d.page.w, int(4.5 * d.row))
    x = d.page.x + int((d.page.w - width) * d.layout.choice([0.0, 0.0, 0.5, 1.0]))
    y = min(under + d.row // 2, d.page.y + d.page.h - d.row)
    return Widget(draw=look.button, box=Box(x, y, width, d.row), seed=d.layout.getrandbits(8))


def _form(d: Desk, fields: int, *, beside: bool) -> tuple[list[Widget], int]:
    """Labelled fields from the top of the page, and where they end."""
    gap = max(1, d.row // 4)
    rows = d.page.rows(d.row, gap=gap)
    widgets: list[Widget] = []
    at = 0
    for _ in range(fields):
        if at + (1 if beside else 2) > len(rows) - 2 and widgets:
            break
        title = rows[at].column(0, 0.3) if beside else rows[at]
        d.show(Widget(draw=look.label, box=title, seed=d.layout.getrandbits(8), fill=d.layout.uniform(0.3, 0.9)))
        at += 0 if beside else 1
        row = rows[min(at, len(rows) - 1)]
        box = row.column(0.32, d.layout.choice([0.8, 1.0])) if beside else row.column(0, 0.9)
        widgets.append(Widget(draw=look.entry, box=box))
        at += 1
    return widgets, rows[min(at, len(rows) - 1)].y


def form(d: Desk) -> None:
    """Fill what is empty, in order; tick what is asked; submit."""
    fields, end = _form(d, d.layout.randint(1, 6), beside=d.layout.random() < 0.6)
    ticks: list[Widget] = []
    for row in Box(d.page.x, end, d.page.w, max(d.row, d.page.y + d.page.h - end - 2 * d.row)).rows(d.row):
        if len(ticks) < d.layout.choice([0, 0, 1, 2]):
            ticks.append(Widget(draw=look.choice, box=row.column(0, 0.7), seed=d.layout.getrandbits(8)))
            end = row.y + d.row
    submit = _submit(d, end)
    for field in fields:
        if d.chance(0.3):  # filled already
            field.fill, field.seed = d.random.uniform(0.2, 0.8), d.seed()
    for tick in ticks:
        tick.asked, tick.on = d.chance(0.6), d.chance(0.2)
    d.show(*fields, *ticks, submit)
    focus = 0 if d.layout.random() < 0.3 else -1
    empty = [number for number, field in enumerate(fields) if not field.fill]
    if focus == 0:
        fields[0].focus = True
    for number in empty:
        d.between()
        if focus >= 0 and number - focus in (1, 2) and d.chance(d.persona.tab):
            for _ in range(number - focus):
                d.hand.press(KeyClass.TAB)
        elif number != focus:
            d.click(fields[number])
        for field in fields:
            field.focus = field is fields[number]
        focus = number
        d.screen.changed()
        d.type(d.random.randint(2, 18), into=fields[number])
    for tick in ticks:
        if tick.asked and not tick.on:
            d.between()
            d.click(tick)
            tick.on, focus = True, -1
            for field in fields:
                field.focus = False
            d.screen.changed()
    submit.asked = True  # everything is there: the button wakes up
    d.screen.changed()
    d.confirm(submit, by_key=focus >= 0)
    if d.chance(0.2):
        d.dialog()


def login(d: Desk) -> None:
    """Name, secret, go."""
    middle = d.page.column(0.25, 0.75) if d.page.w > 12 * d.row else d.page
    y = d.page.y + d.page.h // 4
    name = Widget(draw=look.entry, box=Box(middle.x, y, middle.w, d.row), focus=True)
    word = Widget(draw=look.entry, box=Box(middle.x, y + int(1.5 * d.row), middle.w, d.row))
    go = Widget(draw=look.button, box=Box(middle.x, y + 3 * d.row, middle.w, d.row), asked=True, seed=9)
    d.show(name, word, go)
    if d.chance(0.5):
        name.fill, name.focus, word.focus = 0.5, False, True  # remembered
    else:
        if d.layout.random() < 0.4:
            name.focus = False
            d.screen.changed()
            d.click(name)
            name.focus = True
        d.type(d.random.randint(5, 14), into=name)
        if d.chance(d.persona.tab):
            d.hand.press(KeyClass.TAB)
        else:
            d.click(word)
        name.focus, word.focus = False, True
    d.screen.changed()
    d.type(d.random.randint(6, 14), into=word)
    d.confirm(go)


def pick(d: Desk) -> None:
    """Buttons or links, one of them marked; then the next page of them."""
    columns, rows = d.layout.randint(1, 3), d.layout.randint(2, 6)
    links = d.layout.random() < 0.3
    for _ in range(d.random.randint(1, 4)):
        d.clear()
        places = [
            row.column(c / columns, (c + 0.85) / columns)
            for row in d.page.rows(d.row, gap=d.row // 2)[:rows]
            for c in range(columns)
        ]
        draw = look.label if links else look.button
        widgets = [Widget(draw=draw, box=box, seed=d.seed()) for box in places]
        target = d.random.choice(widgets)
        target.asked = True
        d.show(*widgets)
        d.between()
        d.click(target)


def checklist(d: Desk) -> None:
    """Tick what is marked, from the top; submit."""
    rows = d.page.rows(d.row, gap=1)
    count = min(len(rows) - 1, d.layout.randint(3, 9))
    ticks = [Widget(draw=look.choice, box=row.column(0, 0.8), seed=d.seed()) for row in rows[:count]]
    for tick in ticks:
        tick.asked = d.chance(0.45)
    submit = _submit(d, rows[count - 1].y + d.row)
    d.show(*ticks, submit)
    for tick in ticks:
        if tick.asked:
            d.click(tick)
            tick.on = True
            d.screen.changed()
    submit.asked = True
    d.screen.changed()
    d.click(submit)


def tabs(d: Desk) -> None:
    """Look through the tabs in order until one shows what is marked."""
    count = d.layout.randint(3, 6)
    strip = Box(d.page.x, d.page.y, d.page.w, d.row)
    heads = [
        Widget(draw=look.tab, box=strip.column(i / count, (i + 1) / count), seed=d.layout.getrandbits(8))
        for i in range(count)
    ]
    right, opened = d.random.randrange(count), d.random.choice([0, 0, 0, d.random.randrange(count)])
    rows = Box(d.page.x, d.page.y + d.row + 2, d.page.w, d.page.h - d.row - 2).rows(d.row)
    order = [opened, *(i for i in range(count) if i != opened)]
    for number in order:
        if number != opened:
            d.click(heads[number])
        d.clear()
        for head in heads:
            head.on = head is heads[number]
        links = [Widget(draw=look.line, box=row.column(0.05, 0.8), seed=d.seed()) for row in rows[:5]]
        d.show(*heads, *links)
        if number == right:
            target = d.random.choice(links)
            target.asked = True
            d.screen.changed()
            d.click(target)
            return
        d.between()


def search(d: Desk) -> None:
    """Type into the search field, take a suggestion or none, open what is marked among the results."""
    field = Widget(draw=look.entry, box=d.page.rows(d.row)[0].column(0.1, 0.75), focus=d.layout.random() < 0.4)
    go = Widget(draw=look.button, box=d.page.rows(d.row)[0].column(0.78, 0.98), seed=4)
    d.show(field, go, Widget(draw=look.picture, box=d.page.inset(2 * d.row), seed=d.layout.getrandbits(8)))
    if not field.focus:
        d.click(field)
        field.focus = True
        d.screen.changed()
    d.type(d.random.randint(3, 9), into=field)
    if d.layout.random() < 0.5:
        count = d.random.randint(2, 5)
        rows = Box(field.box.x, field.box.y + d.row, field.box.w, count * d.row).rows(d.row)
        hints = [Widget(draw=look.line, box=row, seed=d.seed()) for row in rows]
        wanted = d.random.randrange(len(hints))
        d.screen.above = [Widget(draw=look.panel, box=Box(*rows[0][:3], count * d.row)), *hints]
        if d.chance(d.persona.tab):
            d.screen.changed()
            d.hand.press(KeyClass.NAVIGATION, times=wanted + 1)
            hints[wanted].on = True
            d.screen.changed()
            d.hand.press(KeyClass.ENTER)
        else:
            hints[wanted].asked = True
            d.screen.changed()
            d.click(hints[wanted])
        d.screen.above = []
    else:
        d.confirm(go)
    d.clear()
    results = Box(d.page.x, d.page.y + 2 * d.row, d.page.w, d.page.h - 2 * d.row).rows(int(1.6 * d.row))[:5]
    links = [Widget(draw=look.label, box=row.column(0.1, 0.8), seed=d.seed()) for row in results]
    target = d.random.choice(links)
    target.asked = True
    d.show(field, go, *links)
    d.click(target)


def dropdown(d: Desk) -> None:
    """Open a list box, choose what is marked, submit."""
    rows = d.page.rows(d.row, gap=1)
    field = Widget(draw=look.entry, box=rows[min(1, len(rows) - 1)].column(0, 0.7), fill=0.4, seed=2)
    submit = _submit(d, rows[min(3, len(rows) - 1)].y)
    d.show(field, submit, Widget(draw=look.label, box=rows[0], seed=d.layout.getrandbits(8)))
    d.between()
    d.click(field)
    below = Box(field.box.x, field.box.y + d.row, field.box.w, d.page.y + d.page.h - field.box.y - d.row)
    choices = [Widget(draw=look.line, box=row, seed=d.seed()) for row in below.rows(d.row)[: d.layout.randint(3, 8)]]
    target = d.random.choice(choices)
    target.asked = True
    end = choices[-1].box.y + d.row
    d.screen.above = [Widget(draw=look.panel, box=Box(below.x, below.y, below.w, end - below.y)), *choices]
    d.screen.changed()
    d.click(target)
    d.screen.above, field.fill, field.seed, submit.asked = [], 0.6, d.seed(), True
    d.screen.changed()
    d.click(submit)


def calendar(d: Desk) -> None:
    """Open a calendar, go to the month that has the marked day, take it, submit."""
    field = Widget(draw=look.entry, box=d.page.rows(d.row)[0].column(0, 0.6))
    submit = Widget(draw=look.button, box=d.page.rows(d.row)[0].column(0.65, 1.0), seed=11)
    d.show(field, submit)
    d.click(field)
    side = max(4, min((d.page.h - 2 * d.row) // 6, d.page.w // 7, 2 * d.row))
    top = d.page.y + d.row + 1
    back = Widget(draw=look.button, box=Box(d.page.x, top, side, side), seed=1)
    on = Widget(draw=look.button, box=Box(d.page.x + 6 * side, top, side, side), seed=2)
    forward, months = d.chance(0.6), d.random.randint(0, 4)
    for month in range(months + 1):
        days = [
            Widget(
                draw=look.cell,
                box=Box(d.page.x + i % 7 * side, top + (1 + i // 7) * side, side, side),
                fill=0.6 if d.random.random() < 0.9 else 0.0,
                seed=i,
            )
            for i in range(35)
        ]
        panel = Widget(draw=look.panel, box=Box(d.page.x, top, 7 * side, 6 * side))
        mark = on if forward else back
        mark.asked = month < months
        d.screen.above = [panel, back, on, *days]
        if month == months:
            target = d.random.choice(days)
            target.asked = target.on = True
            d.screen.changed()
            d.hand.wait(d.persona.think_ms)
            d.click(target)
        else:
            d.screen.changed()
            d.hand.wait(300)
            d.click(mark)
    d.screen.above, field.fill, field.seed, submit.asked = [], 0.5, d.seed(), True
    d.screen.changed()
    d.click(submit)


def sliders(d: Desk) -> None:
    """Drag each handle to its mark; submit."""
    rows = d.page.rows(d.row, gap=d.row)[: d.layout.randint(1, 3)]
    widgets = [
        Widget(draw=look.slider, box=row.column(0.05, 0.95), mark=d.random.random(), fill=d.layout.choice([0.0, 0.5]))
        for row in rows
    ]
    submit = _submit(d, rows[-1].y + 2 * d.row)
    d.show(*widgets, submit)
    for widget in widgets:
        d.between()
        start = look.handle(d.screen, widget)
        widget.fill, before = widget.mark, widget.fill
        end = look.handle(d.screen, widget)
        widget.fill = before
        d.hand.drag(start, end)
        widget.fill = widget.mark
        d.screen.changed()
    submit.asked = True
    d.screen.changed()
    d.click(submit)


def shapes(d: Desk) -> None:
    """Figures anywhere; click the dark ones until none is left."""
    widgets = []
    for _ in range(d.layout.randint(3, 9)):
        side = d.random.randint(max(3, d.row // 2), int(1.3 * d.row))
        x = d.page.x + d.random.randrange(max(1, d.page.w - side))
        y = d.page.y + d.random.randrange(max(1, d.page.h - side))
        widgets.append(Widget(draw=look.shape, box=Box(x, y, side, side), seed=d.seed(), asked=d.chance(0.35)))
    d.show(*widgets)
    for widget in sorted((w for w in widgets if w.asked), key=lambda w: w.box.y):
        d.click(widget)
        d.screen.widgets.remove(widget)
        d.screen.changed()
