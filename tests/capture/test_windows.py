"""What may be recorded and what is masked follows from the windows; the doubtful case is always no."""

from dataclasses import replace

from reticent.capture.exclusions import Exclusions
from reticent.capture.monitors import Rect
from reticent.capture.windows import Survey, Verdict, Window, judge

SCREEN = Rect(left=0, top=0, width=1000, height=800)
MANAGER = 0x100000
EDITOR = Window(
    number=0x200001,
    owner=0x200000,
    rect=Rect(left=0, top=0, width=400, height=800),
    classes=("mousepad", "Mousepad"),
    title="notes",
    managed=True,
)
SECRET = Window(
    number=0x300001,
    owner=0x300000,
    rect=Rect(left=500, top=10, width=300, height=200),
    classes=("signal", "Signal"),
    title="chat with somebody",
    managed=True,
)
POPUP = Rect(left=420, top=300, width=80, height=90)


def verdict(*windows: Window, active: int | None = EDITOR.number, manager: int | None = MANAGER) -> Verdict:
    return judge(
        Survey(windows=windows, active=active, manager=manager),
        exclusions=Exclusions(apps=frozenset({"signal"})),
        screens=(SCREEN,),
    )


def nameless(*, owner: int, rect: Rect = POPUP) -> Window:
    return Window(number=owner + 9, owner=owner, rect=rect, classes=(), title="", managed=False)


def test_a_known_active_window_is_recorded_whole():
    assert verdict(EDITOR) == Verdict(permitted=True, masked=())


def test_a_visible_excluded_window_is_masked_although_another_has_the_focus():
    assert verdict(EDITOR, SECRET) == Verdict(permitted=True, masked=(SECRET.rect,))


def test_nothing_is_permitted_while_an_excluded_window_has_the_focus():
    assert not verdict(EDITOR, SECRET, active=SECRET.number).permitted


def test_a_hidden_excluded_window_masks_nothing():
    assert verdict(EDITOR, replace(SECRET, rect=None)) == Verdict(permitted=True, masked=())


def test_no_active_window_an_unknown_one_or_a_hidden_one_permits_nothing():
    assert not verdict(EDITOR, active=None).permitted
    assert not verdict(EDITOR, active=0x999).permitted
    assert not verdict(replace(EDITOR, rect=None)).permitted
    assert not verdict(replace(EDITOR, classes=())).permitted


def test_without_a_window_manager_nothing_is_permitted():
    assert not verdict(EDITOR, manager=None).permitted


def test_a_menu_without_a_name_is_judged_by_its_program():
    assert verdict(EDITOR, nameless(owner=EDITOR.owner)).masked == ()
    assert verdict(EDITOR, SECRET, nameless(owner=SECRET.owner)).masked == (SECRET.rect, POPUP)
    hidden = replace(SECRET, rect=None)
    assert verdict(EDITOR, hidden, nameless(owner=SECRET.owner)).masked == (POPUP,)


def test_a_nameless_window_of_nobody_is_masked():
    assert verdict(EDITOR, nameless(owner=0x700000)).masked == (POPUP,)


def test_what_shows_other_windows_titles_is_masked_while_an_excluded_window_is_open():
    switcher = replace(nameless(owner=MANAGER), classes=("SWITCHER",))
    panel = Window(
        number=0x500001,
        owner=0x500000,
        rect=Rect(left=0, top=780, width=1000, height=20),
        classes=("panel", "Panel"),
        title="",
        managed=True,
        dock=True,
    )
    assert verdict(EDITOR, switcher, panel).masked == ()
    assert verdict(EDITOR, replace(SECRET, rect=None), switcher, panel).masked == (switcher.rect, panel.rect)


def test_a_locker_or_something_nameless_over_a_whole_monitor_permits_nothing():
    locker = replace(nameless(owner=0x700000, rect=SCREEN), classes=("i3lock", "i3lock"))
    assert not verdict(EDITOR, locker).permitted
    assert not verdict(EDITOR, nameless(owner=0x700000, rect=SCREEN)).permitted
    assert verdict(EDITOR, nameless(owner=EDITOR.owner, rect=SCREEN)).permitted  # the program's own full screen


def test_titles_show_nowhere():
    survey = Survey(windows=(SECRET,), active=None, manager=None)
    for shown in (repr(SECRET), repr(survey), repr(verdict(EDITOR, SECRET))):
        assert "somebody" not in shown
        assert "signal" not in shown.casefold()
