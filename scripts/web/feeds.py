"""MiniWoB pages with mails and posts: finding one in a list that scrolls, and doing something with it."""

import json

from page import Page, one, with_text


def email_inbox(page: Page) -> None:
    task, sender, text = _asked(page)
    mail = _of("#main .email-thread", ".email-sender", sender)
    page.fidget(mail)
    if page.chance(0.04):
        _search(page, sender)
        opened = True
    else:
        opened = task in ("reply", "forward") or page.chance(0.12)
        if opened:
            page.click(mail, part=(0.35, 0.5))
    if task in ("trash", "star"):
        page.click(one(f"#email .email-actions .{task}") if opened else f"{mail}.querySelector('.{task}')")
        return
    page.click(one(f"#email .email-{task}"))
    page.fill(one("#reply-text" if task == "reply" else ".forward-sender"), text)
    page.click(one(f"#send-{task}"))


def _asked(page: Page) -> tuple[str, str, str]:
    """What to do, with whose mail, and the text or the name to enter."""
    told = page.ask("core.getUtterance()")
    if isinstance(told, dict):
        fields = told["fields"]
        task = {"delete": "trash"}.get(fields.get("task", "forward"), fields.get("task", "forward"))
        return task, fields["by"], fields.get("message") or fields.get("to") or ""
    bold, query = page.bold(), page.query
    for word, task in (("trash icon", "trash"), ("star icon", "star"), ("forward that", "forward")):
        if word in query:
            return task, bold[0], bold[-1]
    return "reply", bold[0], bold[-1]


def _search(page: Page, sender: str) -> None:
    page.click(one("#open-search"))
    page.hand.pause(page.persona.step_ms)
    page.hand.type(sender)
    page.click(one("#search-results .email-thread"), part=(0.35, 0.5))


def _of(posts: str, name: str, wanted: str, number: int = 0) -> str:
    """Script: the `number`-th of the posts by somebody."""
    return (
        f"[...document.querySelectorAll({json.dumps(posts)})]"
        f".filter(e => e.querySelector({json.dumps(name)}).textContent === {json.dumps(wanted)})[{number}]"
    )


def social_media(page: Page) -> None:
    user, action = page.bold()[:2]
    post = _of("#area .media", ".username", user)
    kind = page.ask(f"Object.keys(ACTIONS).find(k => ACTIONS[k] === {json.dumps(action)})")
    page.fidget(post)
    page.place(post)
    if kind not in ("reply", "retweet", "like"):
        page.click(f"{post}.querySelector('.more')", toggles=True)
    page.click(f"{post}.querySelector('.{kind}')")


def social_media_posts(page: Page) -> None:
    """All posts, or some, by one person."""
    action, *count, user = page.bold()
    kind = action.lower()
    posts = "[...document.querySelectorAll('#area .media')]"
    there = int(
        page.ask(f"{posts}.filter(e => e.querySelector('.username').textContent === {json.dumps(user)}).length")
    )
    for number in range(int(count[0]) if count else there):
        page.click(f"{_of('#area .media', '.username', user, number)}.querySelector('.{kind}')", toggles=True)
    page.submit(with_text("#submitRow button", "Submit"))
