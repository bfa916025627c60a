"""Which windows are never recorded."""

import pytest

from reticent.capture.exclusions import Exclusions, is_locker

RULES = Exclusions(apps=frozenset({"Signal", " mail-client "}), titles=("My Bank", "  "))


@pytest.mark.parametrize(
    ("classes", "title"),
    [
        (("signal", "Signal"), ""),
        (("x", "SIGNAL"), "anything"),
        (("mail-client", "Mail"), ""),
        (("chromium", "Chromium"), "Welcome to my BANK - Chromium"),
        (("keepassxc", "KeePassXC"), "Passwords"),
        (("pinentry-gtk-2", "Pinentry-gtk-2"), ""),
        (("firefox", "firefox"), "Mozilla Firefox Private Browsing"),
        (("chromium", "Chromium"), "News (Incognito)"),
        ((), "unknown"),
        (("", ""), "unknown"),
    ],
)
def test_a_matching_or_unknown_window_is_excluded(classes, title):
    assert RULES.excludes(classes=classes, title=title)


@pytest.mark.parametrize(
    ("classes", "title"),
    [(("signal-viewer", "Viewer"), ""), (("xterm", "XTerm"), "bank"), (("mousepad", "Mousepad"), "  ")],
)
def test_everything_else_is_not(classes, title):
    assert not RULES.excludes(classes=classes, title=title)


def test_rules_show_neither_apps_nor_titles():
    assert "Bank" not in repr(RULES)
    assert "Signal" not in f"{RULES}"


def test_lockers_are_known():
    assert is_locker(("i3lock", "i3lock"))
    assert not is_locker(("xterm", "XTerm"))
