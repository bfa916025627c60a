"""Which MiniWoB pages can be solved, and how is one worked on?"""

import time
from collections.abc import Callable

from browser import SET_UP
from clicking import (
    choose_list,
    click_button,
    click_checkboxes,
    click_collapsible,
    click_dialog,
    click_link,
    click_menu,
    click_option,
    click_scroll_list,
    click_tab,
    email_inbox,
    navigate_tree,
    social_media,
)
from forms import (
    copy_paste,
    enter_date,
    enter_text,
    enter_time,
    find_word,
    login_user,
    read_table,
    search_engine,
    simple_arithmetic,
    use_autocomplete,
)
from page import COVER, Page
from pointing import (
    drag_box,
    drag_sort,
    form_sequence,
    highlight_text,
    scroll_text,
    use_slider,
    use_spinner,
)

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
