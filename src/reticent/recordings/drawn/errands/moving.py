"""What must be moved? Sliders, boxes, corners, marked text, scrolled text, lines that are drawn."""

from reticent.actions.events import KeyClass
from reticent.recordings.drawn import screen as look
from reticent.recordings.drawn.errands import looks
from reticent.recordings.drawn.errands.page import Page
from reticent.recordings.drawn.screen import Box, Widget


def sliders(d: Page) -> None:
    """One to three handles to their places, corrected by a drag or an arrow key; submit."""
    count = min(d.room(gap=0.7), d.layout.choice([1, 1, 2, 3]))
    tracks = [
        d.put(look.slider, d.line(gap=0.7, start=0.04, end=0.96), fill=d.layout.choice([0.0, 0.5]))
        for _ in range(count)
    ]
    d.words(share=0.2)
    submit = d.button()
    for track in tracks:
        for _ in range(2 if d.chance(0.2) else 1):
            _slide(d, track, to=d.random.random())
        if d.chance(d.visitor.tab * 0.4):
            d.press(KeyClass.NAVIGATION, times=d.random.randint(1, 4))
            d.turn(track, on=False, fill=min(1.0, track.fill + 0.05))
    d.confirm(submit, by_key=False)


def _slide(d: Page, track: Widget, *, to: float) -> None:
    start = look.handle(d.screen, track)
    far = int((track.box.w - start.w) * to)
    d.drag(start, start._replace(x=track.box.x + far))
    d.turn(track, on=False, fill=to)


def box(d: Page) -> None:
    """A figure into a larger one; sometimes submit."""
    side = int(1.2 * d.row)
    target = d.put(look.sheet, _somewhere(d, int(2.6 * d.row), top=0.3))
    item = d.put(looks.figure, _somewhere(d, side), fill=0.3)
    submit = d.button() if d.layout.random() < 0.6 else None
    for aim in [_somewhere(d, side), target.box] if d.chance(d.visitor.mistake) else [target.box]:
        d.drag(item.box, aim)
        item.box = Box(aim.x + (aim.w - side) // 2, aim.y + (aim.h - side) // 2, side, side)
        d.screen.changed()
    if submit is not None:
        d.confirm(submit)


def ordering(d: Page) -> None:
    """A list into another order, line by line; submit."""
    count = min(d.room(high=1.0, gap=0.15), d.layout.randint(3, 6))
    rows = [d.put(look.button, d.line(high=1.0, gap=0.15, end=d.layout.uniform(0.35, 0.9))) for _ in range(count)]
    submit = d.button()
    for _ in range(d.random.randint(1, min(5, count))):
        one, other = d.random.sample(rows, 2)
        d.drag(one.box, other.box)
        one.seed, other.seed = other.seed, one.seed
        d.screen.changed()
    d.confirm(submit, by_key=False)


def grouping(d: Page) -> None:
    """Figures of one kind into the field for them, some of them twice because they fell short; submit."""
    field = d.put(look.sheet, d.rest(spare=1.8).column(0.55, 1.0))
    side = max(6, int(0.9 * d.row))
    kinds = d.random.sample(range(4), 2)
    items = []
    for _ in range(d.random.randint(3, 10)):
        x = d.area.x + d.random.randint(0, max(1, d.area.w // 2 - side))
        y = d.random.randint(field.box.y, field.box.y + field.box.h - side)
        items.append(d.put(looks.figure, Box(x, y, side, side), fill=0.3))
        items[-1].seed = d.random.choice(kinds)
    submit = d.button()
    for item in [one for one in items if one.seed == items[0].seed]:
        end = _within(d, field.box, side)
        d.drag(item.box, end)
        item.box = end
        d.screen.changed()
    d.confirm(submit, by_key=False)


def grid(d: Page) -> None:
    """Things in a grid change places with a neighbour; submit."""
    across, side = 3, min(d.area.w // 3, (d.area.h - 2 * d.row) // 3)
    lines = [d.line(high=side / d.row, gap=0.05) for _ in range(3)]
    cells = [
        d.put(look.cell, Box(line.x + c * side, line.y, side - 1, line.h), fill=0.8)
        for line in lines
        for c in range(across)
    ]
    submit = d.button()
    for _ in range(d.layout.choice([1, 2, 3, 4])):
        one, other = d.random.sample(cells, 2)
        d.drag(one.box, other.box)
        one.seed, other.seed = other.seed, one.seed
        d.screen.changed()
    d.confirm(submit, by_key=False)


def resizing(d: Page) -> None:
    """Pull a text area by its corner, until it has the right size; submit."""
    area = d.put(looks.grip, d.line(high=2.0, end=0.6), fill=0.6)
    d.line(high=max(0.5, d.room() - 2.5))
    submit = d.button()
    for _ in range(1 if d.chance(0.7) else 2):
        corner = looks.corner(area.box, d.row // 2)
        wide = d.random.randint(2 * d.row, d.area.w)
        high = d.random.randint(d.row, max(d.row + 1, submit.box.y - area.box.y - 2))
        area.box, before = area.box._replace(w=wide, h=high), area.box
        end, area.box = looks.corner(area.box, d.row // 2), before
        d.drag(corner, end)
        area.box = area.box._replace(w=wide, h=high)
        d.screen.changed()
    d.confirm(submit, by_key=False)


def marking(d: Page) -> None:
    """Mark a paragraph or a word by the mouse; submit."""
    count = d.layout.randint(1, 3)
    texts = [d.put(looks.prose, d.line(high=d.random.uniform(1.6, 2.4), gap=0.5)) for _ in range(count)]
    submit = d.button()
    right = d.random.choice(texts)
    if d.visitor.select == "double" and d.chance(0.6):
        d.click(right, times=2)
        if d.chance(0.7):
            d.again()  # a third click takes the whole line
    else:
        last = right.box.rows(d.screen.letter + 5)[-1]
        d.drag(right.box.column(0.0, 0.05)._replace(h=d.screen.letter + 2), last.column(0.9, 0.98))
    d.turn(right)
    d.confirm(submit, by_key=False)


def scrolling(d: Page) -> None:
    """A text that is longer than its frame: to its end or its top; type its last word, or submit."""
    frame = d.line(high=d.layout.uniform(2.5, 4.5), end=0.9)
    d.put(look.sheet, frame)
    text = d.put(looks.prose, frame.inset(3))
    bar = d.put(
        look.scrollbar,
        Box(frame.x + frame.w, frame.y, max(4, d.row // 3), frame.h),
        fill=d.random.choice([0.0, 0.5, 1.0]),
    )
    field = d.put(look.entry, d.line(end=0.8)) if d.layout.random() < 0.5 else None
    submit = d.button()
    end = 0.0 if bar.fill == 1.0 else 1.0
    for part in (0.5, 1.0)[d.random.randint(0, 1) :]:
        d.scroll(frame, bar, to=bar.fill + part * (end - bar.fill))
        d.turn(text, on=False, fill=0.0)
        d.hand.wait(700)
    if field is not None:
        d.enter(field, keys=d.random.randint(2, 9))
    d.confirm(submit)


def drawing(d: Page) -> None:
    """A line through a point, or round one, drawn by the mouse; submit."""
    sheet = d.put(look.sheet, d.rest(spare=1.8))
    point = d.put(looks.figure, _within(d, sheet.box.inset(d.row), 6), fill=0.1)
    point.seed = 1
    submit = d.button()
    for _ in range(2 if d.chance(d.visitor.mistake * 2) else 1):
        if d.layout.random() < 0.5:
            line = Box(point.box.x + 2, sheet.box.y + 3, 3, sheet.box.h - 6)
            d.drag(line._replace(h=6), line._replace(y=line.y + line.h - 6, h=6))
        else:
            line = Box(sheet.box.x + 3, point.box.y + 2, sheet.box.w - 6, 3)
            d.drag(line.column(0, 0.08), line.column(0.92, 1))
        d.put(looks.stroke, line, on=True)
    d.confirm(submit, by_key=False)


def colour(d: Page) -> None:
    """A colour from a wheel, by clicks or drags; submit."""
    field = d.put(look.entry, d.line(end=0.6), fill=0.4)
    side = max(3 * d.row, min(d.area.w, d.area.h - int(3.2 * d.row)))
    wheel = Widget(draw=looks.wheel, box=d.line(high=side / d.row)._replace(w=side), seed=1, mark=0.5)
    opens = d.layout.random() < 0.5
    submit = d.button()
    if opens:
        d.click(field)
    d.screen.widgets.append(wheel)
    d.screen.changed()
    for _ in range(d.random.randint(1, 3)):
        place = wheel.box.column(0.1, 0.9)._replace(y=wheel.box.y + wheel.box.h // 3, h=wheel.box.h // 3)
        if d.chance(0.3):
            knob = Box(wheel.box.x + int(wheel.box.w * wheel.mark) - 2, wheel.box.y + wheel.box.h // 2 - 2, 5, 5)
            d.drag(knob, place)
        else:
            d.click(Widget(draw=looks.wheel, box=place))
        wheel.mark = d.random.uniform(0.1, 0.9)
        d.turn(field, on=False, fill=0.4)
    d.confirm(submit, by_key=False)


def calendar_drag(d: Page) -> None:
    """Mark a stretch of hours in a day's list by one drag, then name it, or leave it."""
    count = d.room(high=0.8, gap=0, spare=0)
    hours = [d.put(look.cell, d.line(high=0.8, gap=0, start=0.2)) for _ in range(count)]
    for hour in hours:
        d.put(look.label, Box(d.area.x, hour.box.y, int(0.18 * d.area.w), hour.box.h))
    start = d.random.randrange(max(1, count - 2))
    end = min(count - 1, start + d.random.randint(1, 4))
    if end > start:
        d.drag(hours[start].box, hours[end].box)
    else:
        d.click(hours[start])
    for hour in hours[start : end + 1]:
        d.turn(hour)
    if d.layout.random() < 0.7:
        panel = Box(d.area.x + 8, d.area.y + d.area.h // 3, d.area.w - 16, int(2.8 * d.row))
        name = Widget(draw=look.entry, box=Box(panel.x + 4, panel.y + 4, panel.w - 8, d.row))
        good = Widget(draw=look.button, box=Box(panel.x + 4, panel.y + int(1.5 * d.row), panel.w // 2, d.row), seed=4)
        d.lift(Widget(draw=look.panel, box=panel), name, good)
        d.enter(name, keys=d.random.randint(3, 10))
        d.confirm(good)
        d.lift()


def _somewhere(d: Page, side: int, *, top: float = 0.0) -> Box:
    """A square in the page, above its last two rows; top: not in this share from the top."""
    y = d.area.y + int(top * d.area.h)
    return _within(d, Box(d.area.x, y, d.area.w, d.area.y + d.area.h - y - 2 * d.row), side)


def _within(d: Page, box: Box, side: int) -> Box:
    x = box.x + d.random.randint(0, max(0, box.w - side))
    return Box(x, box.y + d.random.randint(0, max(0, box.h - side)), side, side)
