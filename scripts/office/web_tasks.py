"""How is each MiniWoB page solved? An oracle reads the page; the hand does what a person would."""

import random
import re
import time
from collections.abc import Callable

from browser import SET_UP, Browser
from hand import Hand
from persona import Persona

SUBMIT = "return document.getElementById('subbtn') || document.querySelector('#area button.secondary-action')"
COVER = "return document.getElementById('sync-task-cover')"


def by_text(selector: str, text: str) -> str:
    """Script: the first visible element of the selector with exactly this text."""
    return (
        f"return [...document.querySelectorAll({selector!r})].find(e => e.textContent.trim() === {text!r}"
        " && e.getClientRects().length && e.getBoundingClientRect().height > 0)"
    )


class Page:
    """One task's page, while it is worked on."""

    def __init__(self, browser: Browser, hand: Hand, *, dice: random.Random) -> None:
        self.browser, self.hand, self.dice = browser, hand, dice
        self.persona: Persona = hand.persona

    @property
    def query(self) -> str:
        return re.sub(r"\s+", " ", str(self.browser.ask("return document.getElementById('query').textContent"))).strip()

    def quoted(self) -> list[str]:
        return re.findall(r'"([^"]*)"', self.query)

    def bold(self) -> list[str]:
        return list(self.browser.ask("return [...document.querySelectorAll('#query .bold')].map(e => e.textContent)"))

    def by_keyboard(self) -> bool:
        return self.dice.random() < self.persona.keyboard_forms

    def shows(self, script: str) -> bool:
        """Is the element there, with a size, and inside the task's area?"""
        return bool(
            self.browser.ask(
                f"const e = (() => {{ {script} }})(); if (!e) return false; const b = e.getBoundingClientRect();"
                "return b.height > 1 && b.width > 1 && b.bottom < innerHeight && b.top >= 0"
            )
        )

    def click(self, script: str, *, times: int = 1, part_x: float = 0.5) -> None:
        self.browser.click(script, times=times, part_x=part_x)

    def fill(self, script: str, text: str, *, focused: bool = False) -> None:
        if not focused:
            self.click(script, part_x=0.3)
        self.hand.type(text)

    def submit(self, *, tabs: int = 1) -> None:
        """Send the form: Tab to the button and Enter, or a click."""
        if tabs and self.by_keyboard():
            self.hand.strike("Tab", times=tabs)
            self.hand.strike("enter")
        else:
            self.click(SUBMIT)

    def done(self) -> bool:
        return bool(self.browser.ask("return WOB_DONE_GLOBAL"))


def click_button(page: Page) -> None:
    page.click(by_text("#area button", page.quoted()[0]))


def click_checkboxes(page: Page) -> None:
    wanted = re.sub(r"^Select | and click Submit\.$", "", page.query).split(", ")
    for name in wanted:
        if name != "nothing":
            page.click(by_text("#area label", name), part_x=0.15 if page.dice.random() < 0.6 else 0.6)
    page.submit(tabs=0)


def click_option(page: Page) -> None:
    name = re.sub(r"^Select | and click Submit\.$", "", page.query)
    page.click(by_text("#area label", name), part_x=0.2)
    if page.by_keyboard():
        page.hand.strike("Tab")
        page.hand.strike("enter")
    else:
        page.click(SUBMIT)


def click_dialog(page: Page) -> None:
    name = page.quoted()[0]
    close = "return document.querySelector('.ui-dialog-titlebar button')"
    page.click(close if name == "x" else by_text(".ui-dialog-buttonset button", name))


def click_link(page: Page) -> None:
    page.click(by_text("#area .alink", page.quoted()[0]))


def click_tab(page: Page) -> None:
    link = by_text("#area .alink", page.quoted()[-1])
    for tab in range(1, 7):
        if page.shows(link):
            break
        script = f"return document.querySelector('#area li:nth-child({tab}) a')"
        if page.shows(script):
            page.click(script)
            time.sleep(0.2)
    page.click(link)


def click_collapsible(page: Page) -> None:
    link = by_text("#area .alink", page.quoted()[-1])
    for section in range(3):
        if page.shows(link):
            break
        page.click(f"return document.querySelectorAll('#area h3')[{section}]")
        time.sleep(0.3)
    page.click(link)


def choose_list(page: Page) -> None:
    name = re.sub(r"^Select | from the list and click Submit\.$", "", page.query)
    index = int(
        page.browser.ask(
            "return [...document.querySelectorAll('#options option')].findIndex(e => e.innerHTML === arguments[0])",
            name,
        )
    )
    select = "return document.getElementById('options')"
    page.click(select)
    time.sleep(0.4)
    if page.dice.random() < page.persona.shortcuts or index > 6:
        if index:
            page.hand.strike("Down", times=index)
        page.hand.strike("enter")
    else:
        left, top, width, height = page.browser.box(select) or (0, 0, 0, 0)
        row = height * 1.09
        page.hand.click(left + width * 0.3, top + height + row * (index + 0.5))
    time.sleep(0.2)
    page.click(SUBMIT)


def enter_text(page: Page) -> None:
    page.fill("return document.getElementById('tt')", page.quoted()[0])
    page.submit()


def enter_date(page: Page) -> None:
    page.click("return document.getElementById('tt')", part_x=0.12)
    page.hand.type(page.bold()[0].replace("/", ""))
    page.submit(tabs=0)


def enter_time(page: Page) -> None:
    hour, minute, half = re.search(r"(\d+):(\d+)\s*(AM|PM)", page.query).groups()  # type: ignore[union-attr]
    page.click("return document.getElementById('tt')", part_x=0.12)
    page.hand.type(f"{int(hour):02d}{minute}{half[0]}")
    page.submit(tabs=0)


def login_user(page: Page) -> None:
    user, password = page.quoted()[:2]
    page.fill("return document.getElementById('username')", user)
    if page.by_keyboard():
        page.hand.strike("Tab")
        page.hand.type(password)
    else:
        page.fill("return document.getElementById('password')", password)
    page.submit()


def search_engine(page: Page) -> None:
    text, position = page.bold()[:2]
    index = int(re.sub(r"\D", "", position)) - 1
    page.fill("return document.getElementById('search-text')", text)
    if page.by_keyboard():
        page.hand.strike("Tab")
        page.hand.strike("enter")
    else:
        page.click("return document.getElementById('search')")
    time.sleep(0.2)
    if index >= 3:
        page.click(by_text("#pagination a", str(index // 3 + 1)))
        time.sleep(0.2)
    page.click(f"return document.querySelector('#page-content a[data-result=\"{index}\"]')")


def use_autocomplete(page: Page) -> None:
    start, *end = page.bold()
    page.fill("return document.getElementById('tags')", start)
    time.sleep(0.4)
    names = list(
        page.browser.ask("return [...document.querySelectorAll('.ui-autocomplete li')].map(e => e.textContent)")
    )
    index = next((i for i, name in enumerate(names) if not end or name.endswith(end[0])), 0)
    item = f"return document.querySelectorAll('.ui-autocomplete li')[{index}]"
    if page.by_keyboard() or not page.shows(item):
        page.hand.strike("Down", times=index + 1)
        page.hand.strike("enter")
    else:
        page.click(item)
    page.click(SUBMIT)


def use_spinner(page: Page) -> None:
    wanted = int(re.search(r"-?\d+", page.query).group())  # type: ignore[union-attr]
    way = "up" if wanted > 0 else "down"
    arrow = f"return document.querySelector('.ui-spinner-{way}')"
    if wanted:
        page.click(arrow)
    for _ in range(abs(wanted) - 1):
        page.hand.pause(0.3)
        page.hand.tap()
    page.click(SUBMIT)


def _slide(page: Page, wanted: int) -> None:
    handle = "return document.querySelector('#slider .ui-slider-handle')"
    now, low, high, way = page.browser.ask(
        "const s = $('#slider'); return ['value', 'min', 'max', 'orientation'].map(o => o === 'value' ? s.slider('value')"
        " : s.slider('option', o))"
    )
    left, top, width, height = page.browser.box("return document.getElementById('slider')") or (0, 0, 0, 0)
    x, y = page.browser.point(handle)
    if now != wanted:
        part = (wanted - low) / (high - low)
        if way == "horizontal":
            page.hand.drag(x, y, left + width * part + (x - left - width * (now - low) / (high - low)), y)
        else:
            page.hand.drag(x, y, x, top + height * (1 - part) + (y - top - height * (1 - (now - low) / (high - low))))
    for _ in range(12):
        missing = wanted - int(page.browser.ask("return $('#slider').slider('value')"))
        if not missing:
            return
        page.hand.strike("Right" if missing > 0 else "Left", times=min(abs(missing), 8))


def use_slider(page: Page) -> None:
    _slide(page, int(re.search(r"Select (-?\d+)", page.query).group(1)))  # type: ignore[union-attr]
    page.click(SUBMIT)


def form_sequence(page: Page) -> None:
    wanted, place = re.search(r"Select (-?\d+) .*click the (\w+) checkbox", page.query).groups()  # type: ignore[union-attr]
    number = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3}[place]
    _slide(page, int(wanted))
    page.click(f"return document.getElementById('checkbox-{number}')")
    page.click(SUBMIT)


def scroll_text(page: Page) -> None:
    up = "to the top" in page.query
    area = "return document.getElementById('text-area')"
    end = "const e = document.getElementById('text-area');return %s" % (
        "e.scrollTop < 5" if up else "e.scrollTop + e.offsetHeight > e.scrollHeight - 5"
    )
    if page.dice.random() < page.persona.shortcuts * 0.6:
        page.click(area)
        page.hand.chord("ctrl+Home" if up else "ctrl+End")
    else:
        page.hand.move(*page.browser.point(area))
        for _ in range(12):
            page.hand.wheel(page.dice.randint(3, 6), up=up)
            time.sleep(0.25)
            if page.browser.ask(end):
                break
    page.click(SUBMIT)


def copy_paste(page: Page) -> None:
    area, answer = (f"return document.getElementById('{name}')" for name in ("to-copy", "answer-input"))
    page.click(area)
    page.hand.chord("ctrl+a")
    page.hand.chord("ctrl+c")
    page.click(answer)
    page.hand.chord("ctrl+v")
    page.submit(tabs=0)


def email_inbox(page: Page) -> None:
    query, bold = page.query, page.bold()
    find = f"[...document.querySelectorAll('#main .email-thread')].find(e => e.querySelector('.email-sender').textContent === {bold[0]!r})"
    page.hand.move(*page.browser.point("return document.getElementById('area')"))
    for _ in range(10):
        place = page.browser.ask(
            f"const b = {find}.getBoundingClientRect(), a = document.getElementById('area').getBoundingClientRect(); return [b.top - a.top, a.bottom - b.bottom]"
        )
        if place[0] >= -2 and place[1] >= -2:
            break
        page.hand.wheel(1, up=place[0] < 0)
        time.sleep(0.3)
    if "trash" in query or "star icon" in query:
        page.click(f"return {find}.querySelector('.{'trash' if 'trash' in query else 'star'}')")
        return
    page.click(f"return {find}.querySelector('.email-body')")
    time.sleep(0.3)
    kind = "forward" if "forward" in query else "reply"
    button = f"return [...document.querySelectorAll('.email-{kind}')].find(e => e.getClientRects().length)"
    for _ in range(6):
        if page.shows(button):
            break
        page.hand.wheel(2)
        time.sleep(0.2)
    page.click(button)
    time.sleep(0.3)
    field = "#reply-text" if kind == "reply" else ".forward-sender"
    page.fill(f"return document.querySelector('{field}')", bold[1])
    page.click(f"return document.getElementById('send-{kind}')")


def drag_box(page: Page) -> None:
    small, large = (f"return document.getElementById('draggable{size}')" for size in ("Small", "Large"))
    to_left, to_top, to_width, to_height = page.browser.box(large) or (0, 0, 0, 0)
    x, y = page.browser.point(small)
    page.hand.drag(x, y, to_left + to_width / 2, to_top + to_height / 2)
    page.click(SUBMIT)


def click_menu(page: Page) -> None:
    *path, leaf = re.sub(r"^Select ", "", page.query).split(">")
    for name in path:
        page.click(by_text("#menu div", name)) if page.dice.random() < 0.5 else page.hand.move(
            *page.browser.point(by_text("#menu div", name))
        )
        page.hand.pause(0.5)
        time.sleep(0.4)
    page.click(by_text("#menu div", leaf))


def navigate_tree(page: Page) -> None:
    wanted = page.quoted()[0]
    target = by_text("#tree span", wanted)
    for _ in range(8):
        if page.shows(target):
            break
        page.click(
            "return [...document.querySelectorAll('#tree li.expandable > span.folder')].find(e => e.getClientRects().length)"
        )
        time.sleep(0.3)
    page.click(target)


def click_scroll_list(page: Page) -> None:
    names = re.sub(r"^Select | from the scroll list and click Submit\.$", "", page.query).split(", ")
    box = "return document.querySelector('#area select')"
    for number, name in enumerate(names):
        item = f"return [...document.querySelectorAll('#area option')].find(e => e.textContent === {name!r})"
        inside = (
            f"const o = (() => {{ {item} }})().getBoundingClientRect(), s = document.querySelector('#area select').getBoundingClientRect();"
            "return o.top < s.top ? -1 : o.bottom > s.bottom ? 1 : 0"
        )
        page.hand.move(*page.browser.point(box))
        for _ in range(8):
            where = int(page.browser.ask(inside))
            if not where:
                break
            page.hand.wheel(1, up=where < 0)
            time.sleep(0.3)
        page.hand.hold("ctrl", held=number > 0)
        page.click(item, part_x=0.3)
        page.hand.hold("ctrl", held=False)
    page.click(SUBMIT)


def simple_arithmetic(page: Page) -> None:
    one, sign, other = re.search(
        r"(\d+) (.) (\d+)", str(page.browser.ask("return document.getElementById('math-problem').textContent"))
    ).groups()  # type: ignore[union-attr]
    answer = {"+": int(one) + int(other), "-": int(one) - int(other), "x": int(one) * int(other)}[sign]
    page.fill("return document.getElementById('math-answer')", str(answer))
    page.submit()


def find_word(page: Page) -> None:
    index = int(re.search(r"(\d+)(st|nd|rd|th) word", page.query).group(1)) - 1  # type: ignore[union-attr]
    words = str(page.browser.ask("return document.querySelector('#area p').textContent")).split()
    answer = re.sub(r"[^a-zA-Z]", "", words[index])
    paragraph, field = "return document.querySelector('#area p')", "return document.getElementById('answer-input')"
    if page.dice.random() < 0.4:
        word = (
            "const n = document.querySelector('#area p').firstChild, w = [...n.textContent.matchAll(/\\S+/g)][%d];"
            "const r = document.createRange(); r.setStart(n, w.index); r.setEnd(n, w.index + w[0].length); return r"
            % index
        )
        page.browser.click(word, times=2)
        page.hand.chord("ctrl+c")
        page.click(field)
        page.hand.chord("ctrl+v")
    else:
        if page.dice.random() < 0.3:
            page.hand.move(*page.browser.point(paragraph))
        page.fill(field, answer)
    page.submit()


def highlight_text(page: Page) -> None:
    if page.dice.random() < 0.4:
        page.click("return document.getElementById('randomText')", times=3, part_x=0.25)
    else:
        edges = "const n = document.getElementById('randomText').firstChild, r = document.createRange(); r.setStart(n, %s); r.setEnd(n, %s); return r"
        first = page.browser.box(edges % ("0", "1")) or (0, 0, 0, 0)
        last = page.browser.box(edges % ("n.textContent.trimEnd().length - 1", "n.textContent.trimEnd().length")) or (
            0,
            0,
            0,
            0,
        )
        page.hand.drag(first[0] + 1, first[1] + first[3] / 2, last[0] + last[2] + 6, last[1] + last[3] / 2)
    page.click(SUBMIT)


def drag_sort(page: Page) -> None:
    for place in range(4):
        numbers = [
            int(text)
            for text in page.browser.ask(
                "return [...document.querySelectorAll('#sortable li')].map(e => e.textContent)"
            )
        ]
        source = numbers.index(sorted(numbers)[place])
        if source == place:
            continue
        left, top, _, height = page.browser.box(f"return document.querySelectorAll('#sortable li')[{place}]") or (
            0,
            0,
            0,
            0,
        )
        x, y = page.browser.point(f"return document.querySelectorAll('#sortable li')[{source}]")
        page.hand.drag(x, y, x, top + height * 0.1)
        time.sleep(0.3)
    page.click(SUBMIT)


def read_table(page: Page) -> None:
    value = str(
        page.browser.ask(
            "return [...document.querySelectorAll('#tab tr')].find(e => e.children[0].textContent === arguments[0]).children[1].textContent",
            page.bold()[0],
        )
    )
    page.fill("return document.getElementById('tt')", value)
    page.submit()


def social_media(page: Page) -> None:
    user, action = page.bold()[:2]
    media = f"[...document.querySelectorAll('.media')].find(e => e.querySelector('.username').textContent === {user!r})"
    kind = page.browser.ask("return Object.keys(ACTIONS).find(k => ACTIONS[k] === arguments[0])", action)
    page.hand.move(*page.browser.point("return document.getElementById('area')"))
    for _ in range(12):
        place = page.browser.ask(
            f"const b = {media}.querySelector('.controls').getBoundingClientRect(), a = document.getElementById('area').getBoundingClientRect(); return [b.top - a.top, a.bottom - b.bottom]"
        )
        if place[0] >= 0 and place[1] >= 0:
            break
        page.hand.wheel(1, up=place[0] < 0)
        time.sleep(0.3)
    if kind not in ("reply", "retweet", "like"):
        page.click(f"return {media}.querySelector('.more')")
        time.sleep(0.3)
    page.click(f"return {media}.querySelector('.{kind}')")


TASKS: dict[str, Callable[[Page], None]] = {
    "choose-list": choose_list,
    "click-button": click_button,
    "click-checkboxes": click_checkboxes,
    "click-collapsible-2-nodelay": click_collapsible,
    "click-dialog-2": click_dialog,
    "click-link": click_link,
    "click-menu": click_menu,
    "click-option": click_option,
    "click-scroll-list": click_scroll_list,
    "click-tab-2": click_tab,
    "copy-paste": copy_paste,
    "drag-box": drag_box,
    "drag-sort-numbers": drag_sort,
    "email-inbox": email_inbox,
    "enter-date": enter_date,
    "enter-text": enter_text,
    "enter-time": enter_time,
    "find-word": find_word,
    "form-sequence": form_sequence,
    "highlight-text": highlight_text,
    "login-user": login_user,
    "navigate-tree": navigate_tree,
    "read-table": read_table,
    "scroll-text-2": scroll_text,
    "search-engine": search_engine,
    "simple-arithmetic": simple_arithmetic,
    "social-media": social_media,
    "use-autocomplete-nodelay": use_autocomplete,
    "use-slider": use_slider,
    "use-spinner": use_spinner,
}


def work_on(page: Page, task: str, *, seed: int) -> bool:
    """Begin the task, solve it; True if the page says that it is solved."""
    page.browser.wait_until(COVER, what="the page")
    page.browser.ask(SET_UP, str(seed))
    page.browser.forget_place()
    page.click(COVER)
    time.sleep(0.3)
    TASKS[task](page)
    time.sleep(0.2)
    return page.done() and float(page.browser.ask("return WOB_RAW_REWARD_GLOBAL")) > 0
