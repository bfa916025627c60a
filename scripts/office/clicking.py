"""MiniWoB pages that are solved by clicking the right things."""

import re
import time

from page import SUBMIT, Page, by_text


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
        left, top, width, height = page.browser.place(select)
        row = height * 1.09
        page.hand.click(left + width * 0.3, top + height + row * (index + 0.5))
    time.sleep(0.2)
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
