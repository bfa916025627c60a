"""MiniWoB pages that are solved by typing into fields."""

import re

from page import Page, one, with_text


def enter_text(page: Page) -> None:
    page.fill(one("#tt"), page.quoted()[0])
    page.submit(from_field=True)


def enter_password(page: Page) -> None:
    _two_fields(page, ("#password", page.quoted()[0]), ("#verify", page.quoted()[0]))


def login_user(page: Page) -> None:
    user, password = page.quoted()[:2]
    _two_fields(page, ("#username", user), ("#password", password))


def _two_fields(page: Page, first: tuple[str, str], second: tuple[str, str]) -> None:
    """A name and a password; where a dialog gets in the way it is sent off, and the field clicked again."""
    _field(page, *first, focused=False)
    _field(page, *second, focused=page.next_field(one(second[0])))
    page.submit(from_field=True)


def _field(page: Page, selector: str, text: str, *, focused: bool) -> None:
    cancel = one("#popup-cancel")
    if not focused:
        page.click(one(selector), part=(0.35, 0.5))
    if page.shows(cancel):
        page.click(cancel)
        page.click(one(selector), part=(0.35, 0.5))
    if page.ask(f"document.activeElement !== {one(selector)}"):
        page.click(one(selector), part=(0.35, 0.5))
    page.fill(one(selector), text, focused=True)


def enter_date(page: Page) -> None:
    month, day, year = page.bold()[0].split("/")
    _parts(page, month + day + year, f"{year}-{month}-{day}")


def enter_time(page: Page) -> None:
    hour, minute, half = re.search(r"(\d+):(\d+)\s*(AM|PM)", page.query).groups()  # type: ignore[union-attr]
    wanted = int(hour) % 12 + (12 if half == "PM" else 0)
    _parts(page, f"{int(hour):02d}{minute}{half[0].lower()}", f"{wanted:02d}:{minute}")


def _parts(page: Page, text: str, value: str) -> None:
    """A field of several parts: who has begun in the wrong one clicks on the first and types it all again."""
    for share in (0.1, 0.04, 0.02):
        page.click(one("#tt"), part=(share, 0.5))
        page.hand.pause(page.persona.step_ms)
        page.hand.type(text)
        if page.ask(f"{one('#tt')}.value === '{value}'"):
            break
    page.submit()


def guess_number(page: Page) -> None:
    field, button = one("#tt"), one("#subbtn")
    low, high = 0, 9
    for number in range(10):
        guess = (low + high) // 2 if page.chance(0.6) else page.dice.randint(low, high)
        if number:
            if page.chance(0.5):
                page.click(field, part=(0.3, 0.5), times=2)
                page.hand.pause(page.persona.step_ms * 0.6)
            else:
                page.click(field, part=(0.6, 0.5))
                page.hand.pause(page.persona.step_ms * 0.6)
                page.hand.tap("backspace")
                page.hand.pause(page.persona.step_ms * 0.4)
        else:
            page.click(field, part=(0.4, 0.5))
            page.hand.pause(page.persona.step_ms)
        page.ask(f"{field}.select()")  # what was there before goes, wherever the click put the caret
        page.hand.type(str(guess))
        page.submit(button, from_field=True)
        if page.done():
            return
        if page.shows("web.one('#higher')"):
            low = max(low, guess + 1)
        elif page.shows("web.one('#lower')"):
            high = min(high, guess - 1)


def search_films(page: Page) -> None:
    """Three fields in any order and under several names."""
    genre, director, year = page.bold()[:3]
    labels = list(
        page.ask(
            "web.all('#area input').map(e => e.closest('p, tr, .row, .field, .ui-entry').textContent.toLowerCase())"
        )
    )
    texts = [genre if "genre" in label else director if "director" in label else year for label in labels]
    order = list(range(3))
    if not page.chance(max(page.persona.in_order, 0.6)):
        order.sort(key=lambda number: (genre, director, year).index(texts[number]))
    for place, number in enumerate(order):
        field = one("#area input", number)
        follows = place > 0 and number == order[place - 1] + 1
        page.fill(field, texts[number], focused=follows and page.next_field(field))
    page.submit("web.one('#area button, #area .final, #area .ui-submit')", from_field=True)


def search_engine(page: Page) -> None:
    text, position = page.bold()[:2]
    index = int(re.sub(r"\D", "", position)) - 1
    page.fill(one("#search-text"), text)
    page.submit(one("#search"), from_field=True)
    wanted = index // 3 + 1
    if wanted > 1:
        if wanted == 3 and page.chance(0.35):
            page.click(with_text("#pagination a", ">"))
            page.click(with_text("#pagination a", ">"))
        else:
            page.click(with_text("#pagination a", ">" if wanted == 2 and page.chance(0.3) else str(wanted)))
    page.click(one(f'#page-content a[data-result="{index}"]'))


def use_autocomplete(page: Page) -> None:
    start, *end = page.bold()
    page.fill(one("#tags"), start)
    page.settle()
    names = list(page.ask("web.all('.ui-autocomplete li').map(e => e.textContent)"))
    index = next((number for number, name in enumerate(names) if not end or name.endswith(end[0])), None)
    if index is None or page.chance(0.1):
        names = names or list(page.ask(f"ui_utils.COUNTRIES.filter(name => name.startsWith('{start}'))"))
        full = next(name for name in names if not end or name.endswith(end[0]))
        page.hand.pause(page.persona.step_ms)
        page.hand.type(full[len(start) :])
        page.settle()
        if page.shows(one(".ui-autocomplete li")):  # it hides the button
            if page.chance(0.6):
                page.click(one(".ui-autocomplete li"))
            else:
                page.hand.pause(page.persona.step_ms)
                page.hand.tap("tab")
    elif page.by_keyboard() or not page.shows(one(".ui-autocomplete li", index)):
        page.hand.pause(page.persona.step_ms)
        page.hand.tap("down", times=index + 1)
        page.hand.pause(page.persona.step_ms * 0.5)
        page.hand.tap("enter")
    else:
        page.click(one(".ui-autocomplete li", index))
    page.submit()
