"""Which of these? Buttons, links, check boxes, lists and dialogs."""

from reticent.actions.events import KeyClass
from reticent.recordings.drawn import screen as look
from reticent.recordings.drawn.errands import looks
from reticent.recordings.drawn.errands.page import Page
from reticent.recordings.drawn.screen import Box, Widget


def buttons(d: Page) -> None:
    """One button of several, or some in turn, between other things."""
    found = []
    for _ in range(min(d.room(spare=0), d.random.randint(2, 7))):
        line = d.line(high=d.random.uniform(0.9, 1.3))
        for column in range(d.random.choice([1, 1, 2])):
            if d.chance(0.75):
                start = 0.5 * column + d.random.uniform(0, 0.1)
                found.append(d.put(look.button, line.column(start, start + d.random.uniform(0.25, 0.38))))
            else:
                d.put(look.entry, line.column(0.5 * column, 0.5 * column + 0.4), fill=d.random.choice([0.0, 0.5]))
    found = found or [d.button()]
    for _ in range(d.layout.choice([1, 1, 2, 3])):
        right = d.random.choice(found)
        d.wrong(found, right)
        d.click(right)


def links(d: Page) -> None:
    """One word of a text that is a link; on some pages it must be scrolled to."""
    text = d.put(looks.prose, d.rest(spare=0.5).column(0, 0.94))
    if d.layout.random() < 0.4:
        bar = d.put(look.scrollbar, Box(d.area.x + d.area.w - 5, text.box.y, 5, text.box.h))
        for part in range(1, 1 + d.random.randint(0, 2)):
            d.hand.wait(900)
            d.scroll(text.box, bar, to=part / 2)
            d.turn(text, on=False, fill=0.0)
    lines = text.box.rows(d.screen.letter + 5)
    marked = d.random.sample(lines, min(len(lines), d.random.randint(2, 6)))
    found = []
    for line in marked:
        start = d.random.uniform(0, 0.7)
        found.append(d.put(looks.link, line.column(start, start + d.random.uniform(0.12, 0.28))))
    right = d.random.choice(found)
    d.wrong(found, right)
    d.click(right)


def checkboxes(d: Page) -> None:
    """Tick what is asked for, from the top or as it comes; submit."""
    count = min(d.room(high=0.85, gap=0.1), d.random.randint(3, 12))
    ticks = [d.put(look.choice, d.line(high=0.85, gap=0.1), fill=d.random.uniform(0.2, 0.6)) for _ in range(count)]
    submit = d.button()
    asked = [tick for tick in ticks if d.chance(0.5)]
    if d.chance(0.15):
        d.random.shuffle(asked)
    for tick in asked:
        if d.chance(d.visitor.mistake * 0.3):
            slip = d.random.choice(ticks)
            for on in (not slip.on, slip.on):
                d.click(slip)
                d.turn(slip, on=on)
        d.click(_mark_of(d, tick))
        d.turn(tick)
    d.confirm(submit, by_key=False)


def radios(d: Page) -> None:
    """One of several for each question, sometimes changed once more; submit."""
    questions, count = d.layout.randint(1, 3), d.layout.randint(2, 6)
    groups = []
    for _ in range(min(questions, d.room(high=count + 1, gap=0.15))):
        d.words(share=d.random.uniform(0.4, 0.9))
        lines = [d.line(high=0.85, gap=0.1) for _ in range(min(count, d.room(high=0.85, gap=0.1)))]
        groups.append([d.put(look.choice, line, fill=d.random.uniform(0.1, 0.5)) for line in lines])
    submit = d.button()
    for options in groups:
        for _ in range(2 if d.chance(d.visitor.mistake) else 1):
            right = d.random.choice(options)
            d.click(_mark_of(d, right))
            for option in options:
                option.on = option is right
    d.confirm(submit, by_key=False)


def _mark_of(d: Page, tick: Widget) -> Widget:
    """Most people hit the square, some the words beside it."""
    wide = 2 * d.screen.letter + 1 if d.visitor.aim < 0.17 else tick.box.w // 2
    return Widget(draw=tick.draw, box=tick.box._replace(w=wide))


def dropdown(d: Page) -> None:
    """Open a list box, take one, submit; some people walk through it by arrow keys."""
    d.words()
    field = d.put(looks.picker, d.line(end=0.75), fill=0.5)
    submit = d.button()
    d.click(field)
    below, count = field.box._replace(y=field.box.y + field.box.h), d.random.randint(3, 9)
    items = d.listed(below, count=count)
    if d.chance(d.visitor.mistake):  # away, and once more
        d.press(KeyClass.OTHER)
        d.lift()
        d.click(field)
        items = d.listed(below, count=count)
    if d.chance(d.visitor.tab * 0.3):
        d.press(KeyClass.NAVIGATION, times=d.random.randint(1, len(items)))
        d.press(KeyClass.ENTER)
    else:
        d.click(d.random.choice(items))
    d.lift()
    d.turn(field, on=False, fill=0.6)
    d.confirm(submit)


def listbox(d: Page) -> None:
    """An open list that must be scrolled: find one, or two, and submit."""
    shown = min(d.room(high=0.8, gap=0), d.random.randint(3, 6))
    lines = [d.line(high=0.8, gap=0, end=0.72) for _ in range(shown)]
    frame = lines[0]._replace(h=lines[-1].y + lines[-1].h - lines[0].y)
    d.put(look.sheet, frame)
    rows = [d.put(look.line, line) for line in lines]
    bar = d.put(look.scrollbar, Box(frame.x + frame.w, frame.y, max(4, d.row // 3), frame.h))
    submit = d.button()
    for number in range(d.layout.choice([1, 1, 2])):
        if d.chance(0.55):
            d.scroll(frame, bar, to=d.random.random())
            for row in rows:
                row.on, row.seed = False, d.seed()
        right = d.random.choice(rows)
        d.click(right)
        d.turn(right)
        if number == 0 and d.chance(d.visitor.mistake):
            d.click(d.random.choice(rows))
    d.confirm(submit, by_key=False)


def dialog(d: Page) -> None:
    """A window above the page: close it, or press the right one of its buttons."""
    d.put(looks.prose, d.rest())
    wide, high = int(d.area.w * d.layout.uniform(0.6, 0.95)), min(d.area.h - 2, int(d.row * d.random.uniform(3.2, 5)))
    box = Box(
        d.area.x + d.random.randint(0, d.area.w - wide), d.area.y + d.random.randint(0, d.area.h - high), wide, high
    )
    bar = Widget(draw=look.tab, box=box._replace(h=d.row), seed=d.seed())
    cross = Widget(draw=look.button, box=Box(box.x + wide - d.row, box.y + 1, d.row - 1, d.row - 2), seed=3)
    words = Widget(
        draw=looks.prose, box=Box(box.x + 3, box.y + d.row + 2, wide - 6, high - int(2.6 * d.row)), seed=d.seed()
    )
    below = Box(box.x + 3, box.y + high - d.row - 3, wide - 6, d.row)
    count = d.layout.randint(0, 3)
    answers = [
        Widget(draw=look.button, box=below.column(i / count, (i + 0.85) / count), seed=d.seed()) for i in range(count)
    ]
    d.lift(Widget(draw=look.panel, box=box), bar, cross, words, *answers)
    if d.chance(d.visitor.escape * 0.6):
        d.press(KeyClass.OTHER)
    elif answers and d.chance(0.7):
        right = d.random.choice(answers)
        d.wrong(answers, right)
        d.click(right)
    else:
        d.click(cross)
    d.lift()


def tabs(d: Page) -> None:
    """Go through the tabs until one has what is asked for; on some pages that is a tab."""
    ends = d.layout.random() < 0.2
    count = d.layout.randint(2, 6)
    line = d.line(high=1.1, gap=0.1)
    heads = [d.put(look.tab, line.column(i / count, (i + 1) / count)) for i in range(count)]
    right = d.random.randrange(int(ends), count)
    ways = list(range(right + 1)) if d.chance(0.75) else [0, right]
    for number in ways:
        if number:
            d.click(heads[number])
        del d.screen.widgets[count:]
        for head in heads:
            head.on = head is heads[number]
        body = d.put(looks.prose, Box(line.x, line.y + line.h + 2, line.w, d.area.y + d.area.h - line.y - line.h - 2))
        found = [
            d.put(looks.link, row.column(start, start + 0.25))
            for row in body.box.rows(d.screen.letter + 5)
            if d.chance(0.35) and (start := d.random.uniform(0, 0.7)) >= 0
        ]
    if not ends:
        d.click(d.random.choice(found) if found else body)


def colours(d: Page) -> None:
    """All patches of one shade; submit."""
    across, side = 6, d.area.w // 6
    high = max(6, min(side, int((d.area.h - 2 * d.row) / 4)))
    shades = [0.15, 0.4, 0.65, 0.9]
    patches = []
    for _ in range(min(d.layout.randint(2, 4), max(1, (d.area.h - 2 * d.row) // high))):
        line = d.line(high=high / d.row, gap=0)
        patches += [
            d.put(looks.swatch, line.column(i / across, (i + 0.92) / across), fill=d.random.choice(shades))
            for i in range(across)
        ]
    submit = d.button()
    shade = d.random.choice(patches).fill
    for patch in [one for one in patches if one.fill == shade][:10]:
        d.click(patch)
        d.turn(patch)
    d.confirm(submit, by_key=False)
