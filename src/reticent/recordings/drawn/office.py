"""What do drawn people do in desktop programs? Menus, files, text, tables, mail: each a function of a desk."""

from reticent.actions.events import Button, KeyClass
from reticent.recordings.drawn import screen as look
from reticent.recordings.drawn.desk import Desk
from reticent.recordings.drawn.screen import Box, Widget


def menu(d: Desk) -> None:
    """A command from the menu bar, or by its shortcut where this person knows it."""
    bar = Box(d.page.x, d.page.y, d.page.w, d.row)
    count = d.layout.randint(3, 7)
    titles = [
        Widget(draw=look.tab, box=bar.column(i / 8, (i + 1) / 8), seed=d.layout.getrandbits(8)) for i in range(count)
    ]
    body = Widget(
        draw=look.paragraph,
        box=Box(d.page.x + d.row, d.page.y + 2 * d.row, d.page.w - 2 * d.row, d.page.h - 3 * d.row),
        seed=d.seed(),
    )
    d.show(*titles, body)
    for _ in range(d.random.randint(1, 3)):
        d.between()
        body.seed = d.seed()
        d.screen.changed()
        if d.chance(d.persona.shortcut):
            d.hand.shortcut()
            continue
        title = titles[min(int(d.random.expovariate(0.8)), count - 1)]
        d.click(title)
        title.on = True
        x = min(title.box.x, d.screen.width - 6 * d.row)
        rows = Box(x, bar.y + d.row, 6 * d.row, d.page.h - d.row).rows(d.row)[: 3 + title.seed % 5]
        items = [Widget(draw=look.line, box=row, seed=title.seed + i) for i, row in enumerate(rows)]
        panel = Widget(draw=look.panel, box=Box(x, bar.y + d.row, 6 * d.row, len(items) * d.row))
        item = d.random.choice(items[: 1 + title.seed % len(items)])
        d.screen.above = [panel, *items]
        d.screen.changed()
        if d.chance(d.persona.tab * 0.4):
            d.hand.press(KeyClass.NAVIGATION, times=items.index(item) + 1)
            item.on = True
            d.screen.changed()
            d.hand.press(KeyClass.ENTER)
        else:
            d.click(item)
        title.on, d.screen.above = False, []
        d.screen.changed()
        if item.seed % 4 == 0:
            d.dialog()


def files(d: Desk) -> None:
    """Icons: open one by a double click, or right-click it and choose; rename by typing."""
    side = max(4, int(1.4 * d.row))
    across = max(2, min(6, d.page.w // (2 * side)))
    icons = [
        Widget(
            draw=look.icon,
            box=Box(d.page.x + side // 2 + i % across * 2 * side, d.page.y + 2 + i // across * 2 * side, side, side),
            seed=d.layout.getrandbits(4),
        )
        for i in range(across * max(1, min(3, d.page.h // (2 * side))))
    ]
    d.show(*icons)
    for _ in range(d.random.randint(1, 3)):
        d.between()
        chosen = d.random.choice(icons)
        chosen.on = True  # where the last look or an arrow key left the frame
        d.screen.changed()
        if d.chance(0.45):
            d.click(chosen, times=2)
        else:
            d.click(chosen, button=Button.RIGHT)
            x = min(chosen.box.x + side, d.screen.width - 5 * d.row)
            y = min(chosen.box.y + side // 2, d.screen.height - 5 * d.row)
            items = [
                Widget(draw=look.line, box=row, seed=i)
                for i, row in enumerate(Box(x, y, 5 * d.row, 5 * d.row).rows(d.row))
            ]
            rename = d.chance(0.4)
            item = items[1] if rename else items[d.layout.choice([0, 2, 4])]
            d.screen.above = [Widget(draw=look.panel, box=Box(x, y, 5 * d.row, 5 * d.row)), *items]
            d.screen.changed()
            d.click(item)
            d.screen.above = []
            if rename:
                box = Box(chosen.box.x - side // 3, chosen.box.y + side, 2 * side, d.row)
                field = Widget(draw=look.entry, box=box, focus=True, fill=0.6, on=True, seed=d.seed())
                d.screen.above = [field]
                d.screen.changed()
                field.on = False
                d.type(d.random.randint(4, 12), into=field)
                d.hand.press(KeyClass.ENTER)
                d.screen.above = []
        chosen.on = False
        d.screen.changed()


def text(d: Desk) -> None:
    """Write, correct, select, copy, paste, save."""
    lines = [
        Widget(draw=look.label, box=row, seed=d.seed(), fill=d.random.uniform(0.3, 0.95))
        for row in Box(d.page.x + d.row, d.page.y + 2, d.page.w - 2 * d.row, d.page.h - 4).rows(d.screen.letter * 3)
    ]
    written = d.random.randint(1, max(1, len(lines) - 1))
    d.show(*lines[:written])
    focused = d.chance(0.3)
    caret = Widget(draw=look.entry, box=lines[0].box, focus=True)
    for _ in range(d.random.randint(2, 7)):
        d.between()
        here = lines[min(len(d.screen.widgets), len(lines)) - 1]
        caret.box = Box(here.box.x, here.box.y, max(2, d.screen.letter), here.box.h)
        what = d.random.random()
        if not focused or what < 0.2:
            d.click(here)
            focused = True
            d.screen.above = [caret]
            d.screen.changed()
        if what < 0.5:
            d.type(d.random.randint(5, 40))
            here.fill = min(0.95, (here.fill or 0.1) + 0.2)
        elif what < 0.62:
            d.hand.press(KeyClass.NAVIGATION, times=d.random.randint(1, 9))
        elif what < 0.72:
            d.hand.press(KeyClass.ENTER)
            if len(d.screen.widgets) < len(lines):
                d.show(Widget(draw=look.label, box=lines[len(d.screen.widgets)].box, seed=d.seed(), fill=0.1))
        else:
            _replace(d, d.random.choice(d.screen.widgets), by_words=what < 0.86)
        d.screen.changed()
    if d.chance(d.persona.shortcut):
        d.hand.shortcut()


def _replace(d: Desk, line: Widget, *, by_words: bool) -> None:
    """Select part of a line; type over it, delete it, or copy it."""
    length = int(line.box.w * line.fill)
    word = Box(line.box.x + d.random.randrange(max(1, length - d.row)), line.box.y, max(3, d.row), line.box.h)
    if by_words:
        d.hand.click(word, times=2)
    else:
        d.hand.drag(word, Box(line.box.x + length, line.box.y, 3, line.box.h))
        word = Box(word.x, word.y, max(3, line.box.x + length - word.x), word.h)
    marked = Widget(draw=look.entry, box=word, on=True, fill=1.0, seed=line.seed)
    d.screen.above = [*d.screen.above, marked]
    d.screen.changed()
    what = d.random.random()
    if what < 0.35:
        d.hand.type(d.random.randint(3, 12))
    elif what < 0.6:
        d.hand.press(KeyClass.DELETE)
        line.fill = max(0.1, line.fill - 0.1)
    elif d.chance(d.persona.shortcut):
        d.hand.shortcut()
        if what < 0.85:
            d.hand.press(KeyClass.NAVIGATION)
            d.hand.shortcut()
    d.screen.above = d.screen.above[:-1]
    d.screen.changed()


def table(d: Desk) -> None:
    """Fill a column or a row of cells: type, ENTER or TAB, on."""
    across = max(2, min(d.page.w // (3 * d.row), d.layout.randint(3, 7)))
    down = max(2, min(d.page.h // d.row, d.layout.randint(4, 12)))
    width, height = max(6, d.page.w // across), min(2 * d.row, max(d.row, d.page.h // down))
    cells = [
        [
            Widget(draw=look.cell, box=Box(d.page.x + c * width, d.page.y + r * height, width, height))
            for c in range(across)
        ]
        for r in range(down)
    ]
    for r in range(down):
        for c in range(across):
            if r == 0 or c == 0 or d.layout.random() < 0.2:
                cells[r][c].fill, cells[r][c].seed = 0.7, d.layout.getrandbits(8)
    d.show(*(w for row in cells for w in row))
    by_row = d.layout.random() < 0.5
    r, c = d.random.randrange(1, down), d.random.randrange(1, across)
    d.click(cells[r][c])
    for _ in range(d.random.randint(2, 7)):
        here = cells[r][c]
        here.focus = True
        d.screen.changed()
        if here.fill:  # someone was here: leave it
            d.hand.press(KeyClass.NAVIGATION)
        else:
            d.type(d.random.randint(1, 6), into=here)
            here.fill = 0.7
            d.hand.press(KeyClass.TAB if by_row else KeyClass.ENTER)
        here.focus = False
        r, c = (r, c + 1) if by_row else (r + 1, c)
        if r >= down or c >= across:
            break
        d.screen.changed()
    d.screen.changed()
    if d.chance(d.persona.shortcut):
        d.hand.shortcut()


def terminal(d: Desk) -> None:
    """A dark window: a command, ENTER, what it says."""
    d.show(Widget(draw=_black, box=d.page))
    rows = d.page.inset(2).rows(d.screen.letter * 2)
    at = d.random.randrange(len(rows))
    d.show(*(Widget(draw=_glow, box=row, seed=d.seed(), fill=d.random.uniform(0.2, 0.9)) for row in rows[:at]))
    if d.chance(0.4):
        d.hand.click(d.page)
    for _ in range(d.random.randint(2, 5)):
        again = d.chance(0.3)
        if again:
            d.hand.press(KeyClass.NAVIGATION, times=d.random.randint(1, 4))
        else:
            d.type(d.random.randint(2, 25))
            if d.chance(0.25):
                d.hand.press(KeyClass.TAB)
        if at >= len(rows) - 1:
            d.screen.widgets[1:], at = [], 0
        d.show(Widget(draw=_glow, box=rows[at], seed=d.seed(), fill=0.3))
        d.hand.press(KeyClass.ENTER)
        at += 1
        for _ in range(d.random.randint(0, 4)):
            if at < len(rows):
                d.show(Widget(draw=_glow, box=rows[at], seed=d.seed(), fill=d.random.uniform(0.2, 0.9)))
                at += 1
    if d.chance(0.3):
        d.hand.shortcut()


def _black(s: look.Screen, w: Widget) -> None:
    s.fill(w.box, 18)


def _glow(s: look.Screen, w: Widget) -> None:
    s.text(w.box, 200, seed=w.seed, share=w.fill)


def reading(d: Desk) -> None:
    """Scroll down a long page to its end; go on to the next."""
    bar = Widget(
        draw=look.scrollbar, box=Box(d.page.x + d.page.w - max(2, d.row // 3), d.page.y, max(2, d.row // 3), d.page.h)
    )
    body = Box(d.page.x + d.row, d.page.y, max(d.row, d.page.w - 3 * d.row), d.page.h)
    steps = d.random.randint(2, 6)
    for step in range(steps + 1):
        bar.fill = step / steps
        words = Widget(draw=look.paragraph, box=body, seed=d.seed())
        parts = [words, bar]
        if d.chance(0.4):
            parts.append(Widget(draw=look.picture, box=body.column(0.2, 0.7)._replace(h=body.h // 3), seed=d.seed()))
        d.clear()
        d.show(*parts)
        if step < steps:
            d.between()
            if d.chance(d.persona.wheel):
                d.hand.wait(1_000)
                d.hand.scroll(body, notches=d.random.randint(2, 9))
            elif d.chance(d.persona.tab):
                d.hand.wait(1_200)
                d.hand.press(KeyClass.NAVIGATION, times=d.random.randint(1, 4))
            else:
                thumb = bar.box._replace(y=bar.box.y + int(0.75 * bar.box.h * bar.fill), h=bar.box.h // 4)
                d.hand.drag(thumb, thumb._replace(y=min(thumb.y + int(0.75 * bar.box.h / steps), d.screen.height - 4)))
    go = Widget(
        draw=look.button,
        box=Box(body.x, d.page.y + d.page.h - 2 * d.row, min(body.w, 5 * d.row), d.row),
        asked=True,
        seed=d.seed(),
    )
    d.show(go)
    d.click(go)


def mail(d: Desk) -> None:
    """A list: find the marked message, scrolling if it is not there; open it, answer, delete or close it."""
    rows = d.page.rows(int(1.5 * d.row))
    bar = Widget(draw=look.scrollbar, box=Box(d.page.x + d.page.w - 2, d.page.y, 2, d.page.h))
    pages = d.random.choice([0, 0, 1, 2])
    for number in range(pages + 1):
        bar.fill = number / max(1, pages)
        d.clear()
        messages = [Widget(draw=look.line, box=row.column(0, 0.95), seed=d.seed()) for row in rows]
        if number == pages:
            break
        d.show(*messages, bar)
        d.hand.scroll(d.page, notches=d.random.randint(2, 6))
    target = d.random.choice(messages)
    target.asked = True
    d.show(*messages, bar)
    d.between()
    d.click(target, times=2 if d.layout.random() < 0.4 else 1)
    d.clear()
    tools = d.page.rows(d.row)[0]
    answer = Widget(draw=look.button, box=tools.column(0.0, 0.22), seed=d.layout.getrandbits(8))
    delete = Widget(draw=look.button, box=tools.column(0.25, 0.47), seed=d.layout.getrandbits(8))
    close = Widget(draw=look.button, box=tools.column(0.75, 0.97), seed=d.layout.getrandbits(8))
    body = Box(d.page.x, d.page.y + int(1.5 * d.row), d.page.w, d.page.h - 4 * d.row)
    d.show(answer, delete, close, Widget(draw=look.paragraph, box=body, seed=d.seed()))
    what = d.random.random()
    button = answer if what < 0.5 else delete if what < 0.75 else close
    button.asked = True
    d.screen.changed()
    if button is delete and d.chance(d.persona.shortcut):
        d.hand.press(KeyClass.DELETE)
    else:
        d.click(button)
    if button is answer:
        d.clear()
        field = Widget(draw=look.entry, box=Box(body.x, body.y, body.w, max(d.row, body.h // 2)), focus=True)
        send = Widget(draw=look.button, box=tools.column(0.0, 0.25), seed=6)
        d.show(field, send)
        if d.layout.random() < 0.5:
            field.focus = False
            d.screen.changed()
            d.click(field)
            field.focus = True
        for _ in range(d.random.randint(1, 2)):
            d.type(d.random.randint(10, 40), into=field)
            if d.chance(0.4):
                d.hand.press(KeyClass.ENTER, times=2)
                d.type(d.random.randint(5, 20), into=field)
        send.asked = True
        d.screen.changed()
        if d.chance(d.persona.shortcut):
            d.hand.shortcut(KeyClass.ENTER)
        else:
            d.click(send)


def sorting(d: Desk) -> None:
    """Drag every item into the box."""
    target = Widget(draw=look.sheet, box=d.page.column(0.6, 1.0)._replace(h=max(d.row, d.page.h // 2)))
    rows = d.page.column(0.0, 0.5).rows(d.row, gap=2)
    items = [Widget(draw=look.button, box=row, seed=d.seed()) for row in rows[: d.layout.randint(2, 5)]]
    d.show(target, *items)
    while items:
        d.between()
        item = items.pop(0)
        d.hand.drag(item.box, target.box)
        d.screen.widgets.remove(item)
        d.screen.changed()


def switching(d: Desk) -> None:
    """Go to another window and back: by shortcut, or by the bar."""
    there = Box(0, d.screen.height - d.row, 6 * d.row, d.row)
    for _ in range(d.random.randint(1, 2)):
        d.show(Widget(draw=look.paragraph, box=d.page.inset(d.row), seed=d.seed()))
        if d.chance(d.persona.shortcut):
            d.hand.shortcut(KeyClass.TAB)
        else:
            d.hand.click(there)
        d.clear()
        d.show(Widget(draw=look.picture, box=d.page, seed=d.seed()))
        if d.chance(0.5):
            d.hand.scroll(d.page, notches=d.random.randint(1, 5))
        if d.chance(d.persona.escape * 0.5):
            d.hand.press(KeyClass.OTHER)
        d.clear()
