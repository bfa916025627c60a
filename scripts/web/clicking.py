"""MiniWoB pages that are solved by clicking the right things."""

import json
import re

from hand import CTRL
from page import Page, one, with_text


def click_button(page: Page) -> None:
    page.click(with_text("#area button", page.quoted()[0]))


def click_button_sequence(page: Page) -> None:
    page.click(one("#subbtn"))
    page.click(one("#subbtn2"))


def click_first(page: Page) -> None:
    """The page's one button or field, or the first of two."""
    page.click(one("#subbtn, #area input"))


def focus_nth(page: Page) -> None:
    page.click(one("#area input", int(re.search(r"the (\d)", page.query).group(1)) - 1))  # type: ignore[union-attr]


def click_checkboxes(page: Page) -> None:
    listed = re.sub(r"^Select (words similar to )?| and click Submit\.$", "", page.query).split(", ")
    there = list(page.ask("web.all('#area label').map(e => e.textContent.trim())"))
    alike = page.ask("typeof SYNONYMS === 'undefined' ? [] : SYNONYMS") or []

    def fits(label: str, word: str) -> bool:
        return label == word or any(label in group and word in group for group in alike)

    wanted = [label for word in listed for label in there if fits(label, word)]
    wanted = list(dict.fromkeys(wanted))
    if page.chance(page.persona.in_order):
        wanted.sort(key=there.index)
    on_box = page.chance(0.6)
    for label in wanted:
        _tick(page, label, on_box=on_box)
        if page.chance(0.02):  # the wrong one, and back
            wrong = page.dice.choice(there)
            _tick(page, wrong, on_box=on_box)
            _tick(page, wrong, on_box=on_box)
    page.submit()


def _tick(page: Page, label: str, *, on_box: bool) -> None:
    text = with_text("#area label", label)
    page.click(
        f"{text}.querySelector('input')" if on_box else text, part=(0.5, 0.5) if on_box else (0.65, 0.5), toggles=True
    )


def click_option(page: Page) -> None:
    name = re.sub(r"^Select | and click Submit\.$", "", page.query)
    _tick(page, name, on_box=page.chance(0.6))
    page.submit(from_field=True)


def click_color(page: Page) -> None:
    color = re.sub(r"^Click on the | colored box\.$", "", str(page.ask("core.getUtterance()")))
    page.click(f"[...document.querySelectorAll('#area .color')].find(e => e.dataset.color === {json.dumps(color)})")


def click_shades(page: Page) -> None:
    color = re.search(r"shades of (\w+)", page.query).group(1)  # type: ignore[union-attr]
    for number in range(int(page.ask(f"web.all('#area span[data-color={color}]').length"))):
        page.click(one(f"#area span[data-color={color}]", number), toggles=True)
    page.submit("web.one('#submit')")


def click_dialog(page: Page) -> None:
    name = (page.quoted() or ["x"])[0]
    page.click(one(".ui-dialog-titlebar button") if name == "x" else with_text(".ui-dialog-buttonset button", name))


def click_link(page: Page) -> None:
    page.click(with_text("#area .alink", page.quoted()[-1]))


def click_widget(page: Page) -> None:
    page.click(one(f"#area [data-type={page.quoted()[0]}]"))


def click_tab(page: Page) -> None:
    page.click(with_text("#area ul a", re.search(r"Tab #\d", page.query).group()))  # type: ignore[union-attr]


def click_tab_2(page: Page) -> None:
    link = with_text("#area .alink", page.quoted()[-1])
    tabs = int(page.ask("web.all('#area ul a').length"))
    order = list(range(1, tabs))
    if not page.chance(0.85):
        page.dice.shuffle(order)
    for tab in order:
        if page.shows(link):
            break
        page.click(one("#area ul a", tab))
    else:
        if not page.shows(link):
            page.click(one("#area ul a", 0))
    page.click(link)


def click_collapsible(page: Page) -> None:
    page.click(one("#area h3"), toggles=True)
    page.submit()


def click_collapsible_2(page: Page) -> None:
    link = with_text("#area .alink", page.quoted()[-1])
    order = [0, 1, 2]
    if not page.chance(0.85):
        page.dice.shuffle(order)
    for section in order:
        page.click(one("#area h3", section), toggles=True)
        if page.shows(link):
            break
    page.click(link)


def click_menu(page: Page) -> None:
    """Submenus open under the pointer; who clicks on the way has chosen wrong."""
    *path, leaf = re.sub(r"^Select ", "", page.query).split(">")
    for name in path:
        item = with_text("#menu div", name)
        page.think()
        page.hand.point(*page.place(item))
        page.settle()
        if page.chance(0.04):
            page.click(item)
    page.click(with_text("#menu div", leaf))


def click_pie(page: Page) -> None:
    page.click("document.getElementById('wheelnav-divWheel-spreader')", toggles=True)
    page.settle()
    page.click(
        f"[...document.querySelectorAll('#divWheel text')].find(e => e.textContent === {json.dumps(page.quoted()[0])})"
    )


def click_scroll_list(page: Page) -> None:
    names = re.sub(r"^Select | from the scroll list and click Submit\.$", "", page.query).split(", ")
    page.fidget(one("#options option"))
    for number, name in enumerate(names):
        page.click(with_text("#options option", name), part=(0.3, 0.5), modifiers=CTRL if number else 0)
    page.submit()


def choose_list(page: Page) -> None:
    name = re.sub(r"^Select | from the list and click Submit\.$", "", page.query)
    index = int(
        page.ask(
            f"[...document.querySelectorAll('#options option')].findIndex(e => e.innerHTML === {json.dumps(name)})"
        )
    )
    box = one("#options")
    page.click(box, part=(0.6, 0.5))
    page.hand.pause(page.persona.step_ms)
    if page.by_keyboard() and index < 8:
        page.hand.tap("down", times=index)
    else:  # in the list that dropped down, which is no part of the page
        page.ask(f"{box}.selectedIndex = {index}")
    page.submit()


def click_shape(page: Page) -> None:
    page.click("web.grid.shapes.find(s => shapes.shapeMatchesText(s, web.wanted)).svg_shape.node()")


def count_shape(page: Page) -> None:
    count = page.ask("web.grid.shapes.filter(s => shapes.shapeMatchesText(s, web.wanted)).length")
    page.hand.pause(page.persona.read_ms)
    page.click(with_text("#count-buttons button", str(count)))


def identify_shape(page: Page) -> None:
    shape = page.ask("web.grid.shapes[0].type === 'shape' ? web.grid.shapes[0].text : web.grid.shapes[0].type")
    page.click(one(f"#area-buttons button[data-type={shape}]"))


def grid_coordinate(page: Page) -> None:
    page.click(f"document.getElementById({json.dumps(page.bold()[0])})")


def navigate_tree(page: Page) -> None:
    target = with_text("#tree span", page.quoted()[0])
    for _ in range(10):
        if page.shows(target):
            break
        folder = "#tree li.expandable > span.folder" if page.chance(0.7) else "#tree li.expandable > .hitarea"
        page.click(one(folder), part=(0.3, 0.5), toggles=True)
    page.click(target)


def choose_date(page: Page) -> None:
    month, day, year = (int(part) for part in re.search(r"(\d+)/(\d+)/(\d+)", page.query).groups())  # type: ignore[union-attr]
    page.click(one("#datepicker"))
    for number in range(14):
        told = page.ask(
            "[document.querySelector('.ui-datepicker-month').textContent, document.querySelector('.ui-datepicker-year').textContent]"
        )
        ahead = (int(told[1]) - year) * 12 + _MONTHS.index(told[0]) - (month - 1)
        if not ahead:
            break
        way = ".ui-datepicker-prev" if ahead > 0 else ".ui-datepicker-next"
        page.click(one(way), quick=number > 0, toggles=True)
    page.click(with_text(".ui-datepicker-calendar td a", str(day)))
    page.submit()


_MONTHS = (
    "January February March April May June July August September October November December".split()  # noqa: SIM905
)


def tic_tac_toe(page: Page) -> None:
    lines = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]
    for _ in range(5):
        cells = list(page.ask("[...document.querySelectorAll('.ttt-row span')].map(e => e.className)"))
        free = [number for number in range(9) if not cells[number]]
        if not free or page.done():
            return

        def gap(mark: str, cells: list[str] = cells) -> int | None:
            for line in lines:
                marks = [cells[number] for number in line]
                if marks.count(mark) == 2 and marks.count("") == 1:
                    return line[marks.index("")]
            return None

        choice = gap("mark-x")
        if choice is None and page.chance(0.9):
            choice = gap("mark-o")
        if choice is None:
            choice = 4 if 4 in free and page.chance(0.6) else page.dice.choice(free)
        page.click(one(f"#ttt-{choice}"))


def use_spinner(page: Page) -> None:
    wanted = int(re.search(r"-?\d+", page.query).group())  # type: ignore[union-attr]
    way = "up" if wanted > 0 else "down"
    if page.by_keyboard():
        page.click(one("#spinner"))
        page.hand.pause(page.persona.step_ms)
        page.hand.tap(way, times=abs(wanted))
    else:
        for number in range(abs(wanted)):
            page.click(one(f".ui-spinner-{way}"), quick=number > 0, toggles=True)
    page.submit()
