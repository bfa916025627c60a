"""Which windows must never be recorded? Rules by application and by title."""

from dataclasses import dataclass, field
from typing import Final

LOCKERS: Final = frozenset(
    (
        "i3lock",
        "slock",
        "xscreensaver",
        "xsecurelock",
        "light-locker",
        "xlock",
        "xtrlock",
        "physlock",
        "gnome-screensaver",
        "mate-screensaver",
        "cinnamon-screensaver",
        "xfce4-screensaver",
        "kscreenlocker",
        "kscreenlocker_greet",
        "betterlockscreen",
        "gtklock",
    )
)
SECRET_APPS: Final = frozenset(
    (
        "pinentry",
        "pinentry-gtk-2",
        "pinentry-gtk",
        "pinentry-qt",
        "pinentry-gnome3",
        "pinentry-x11",
        "gcr-prompter",
        "ssh-askpass",
        "x11-ssh-askpass",
        "ksshaskpass",
        "lxqt-openssh-askpass",
        "polkit-gnome-authentication-agent-1",
        "lxpolkit",
        "mate-polkit",
        "polkit-kde-authentication-agent-1",
        "xfce-polkit",
        "lxqt-policykit-agent",
        "keepassxc",
        "keepass2",
        "keepassx",
        "bitwarden",
        "1password",
        "enpass",
        "lastpass",
        "dashlane",
        "nordpass",
        "proton-pass",
        "protonpass",
        "seahorse",
        "org.gnome.seahorse.application",
        "org.gnome.world.secrets",
        "kwalletmanager",
        "kwalletmanager5",
        "kwalletd5",
        "kwalletd6",
        "buttercup",
        "qtpass",
    )
)
PRIVATE_TITLES: Final = (
    "(incognito)",
    "- incognito",
    "inprivate",
    "private browsing",
    "private window",
    "- private",
    "(private)",
)


_ALWAYS: Final = LOCKERS | SECRET_APPS


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Exclusions:
    """What a person never wants recorded; password managers, their prompts and private windows are always in.

    apps: window classes (WM_CLASS, either part), matched whole. titles: parts of a window's title. Case never matters.
    Both are as private as what they exclude: they have no place in a log, and `repr` shows how many there are.
    """

    apps: frozenset[str] = field(default_factory=frozenset)
    titles: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Exclusions of {len(self.apps)} applications and {len(self.titles)} titles>"

    def excludes(self, *, classes: tuple[str, ...], title: str) -> bool:
        """Does a rule match this window? A window without a class is unknown, and excluded."""
        if not any(classes):
            return True
        names = {name.casefold() for name in classes}
        if names & _ALWAYS or names & {app.strip().casefold() for app in self.apps}:
            return True
        shown = title.casefold()
        parts = (*PRIVATE_TITLES, *(part.strip().casefold() for part in self.titles))
        return any(part in shown for part in parts if part)


def is_locker(classes: tuple[str, ...]) -> bool:
    """Is this the window of a screen locker? While one shows, nothing is recorded."""
    return any(name.casefold() in LOCKERS for name in classes)
