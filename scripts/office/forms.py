"""MiniWoB pages that are solved by typing into fields."""

import re
import time

from page import SUBMIT, Page, by_text


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
            "const n = document.querySelector('#area p').firstChild, w = [...n.textContent.matchAll(/\\S+/g)][INDEX];"
            "const r = document.createRange(); r.setStart(n, w.index); r.setEnd(n, w.index + w[0].length); return r"
        ).replace("INDEX", str(index))
        page.browser.click(word, times=2)
        page.hand.chord("ctrl+c")
        page.click(field)
        page.hand.chord("ctrl+v")
    else:
        if page.dice.random() < 0.3:
            page.hand.move(*page.browser.point(paragraph))
        page.fill(field, answer)
    page.submit()


def read_table(page: Page) -> None:
    value = str(
        page.browser.ask(
            "return [...document.querySelectorAll('#tab tr')].find(e => e.children[0].textContent === arguments[0]).children[1].textContent",
            page.bold()[0],
        )
    )
    page.fill("return document.getElementById('tt')", value)
    page.submit()


def copy_paste(page: Page) -> None:
    area, answer = (f"return document.getElementById('{name}')" for name in ("to-copy", "answer-input"))
    page.click(area)
    page.hand.chord("ctrl+a")
    page.hand.chord("ctrl+c")
    page.click(answer)
    page.hand.chord("ctrl+v")
    page.submit(tabs=0)
