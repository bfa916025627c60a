"""MiniWoB pages that are solved by dragging, scrolling and pressing again and again."""

import re
import time

from page import SUBMIT, Page


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
    left, top, width, height = page.browser.place("return document.getElementById('slider')")
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


def drag_box(page: Page) -> None:
    small, large = (f"return document.getElementById('draggable{size}')" for size in ("Small", "Large"))
    to_left, to_top, to_width, to_height = page.browser.place(large)
    x, y = page.browser.point(small)
    page.hand.drag(x, y, to_left + to_width / 2, to_top + to_height / 2)
    page.click(SUBMIT)


def highlight_text(page: Page) -> None:
    if page.dice.random() < 0.4:
        page.click("return document.getElementById('randomText')", times=3, part_x=0.25)
    else:
        edges = "const n = document.getElementById('randomText').firstChild, r = document.createRange(); r.setStart(n, %s); r.setEnd(n, %s); return r"
        first = page.browser.place(edges % ("0", "1"))
        last = page.browser.place(edges % ("n.textContent.trimEnd().length - 1", "n.textContent.trimEnd().length"))
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
        _, top, _, height = page.browser.place(f"return document.querySelectorAll('#sortable li')[{place}]")
        x, y = page.browser.point(f"return document.querySelectorAll('#sortable li')[{source}]")
        page.hand.drag(x, y, x, top + height * 0.1)
        time.sleep(0.3)
    page.click(SUBMIT)
