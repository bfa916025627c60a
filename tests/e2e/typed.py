"""A session in which a secret was typed for real: an own X display, a terminal, XTEST keys, this project's own recorder."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from reticent.actions.action import Session
from reticent.actions.vocabulary import ActionKind
from reticent.capture.recorder import Recorder
from reticent.capture.sitting import Sitting
from tests.capture.desk import NEEDED, Desk, until

SECRET = "Correct7horse!battery"
TIMES = 4


def missing() -> list[str]:
    """Which programs this needs and the machine lacks."""
    return [name for name in NEEDED if shutil.which(name) is None]


@contextmanager
def display() -> Iterator[Desk]:
    """An empty display with a window manager, and DISPLAY set to it."""
    before = {
        name: os.environ.pop(name, None)
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_SESSION_TYPE", "XDG_SESSION_ID")
    }
    read_end, write_end = os.pipe()
    desk = Desk("")
    command = ["Xvfb", "-displayfd", str(write_end), "-screen", "0", "1024x768x24", "-nolisten", "tcp", "-noreset"]
    try:
        desk.server = desk.run(*command, pass_fds=(write_end,))
        os.close(write_end)
        with os.fdopen(read_end) as told:
            desk.number = f":{told.readline().strip()}"
        os.environ["DISPLAY"] = desk.number
        desk.manager = desk.run("openbox")
        until(desk.is_managed)
        yield desk
    finally:
        desk.close()
        os.environ.pop("DISPLAY", None)
        os.environ.update({name: value for name, value in before.items() if value is not None})


def sessions() -> tuple[Session, ...]:
    """What the recorder made of the secret, typed a few times among clicks: a secret that nobody recorded proves nothing."""
    sittings: list[Sitting] = []
    with display() as desk:
        desk.xterm("Plain")
        desk.xdotool("mousemove 300 300")
        recorder = Recorder(deliver=sittings.append)
        recorder.start()
        try:
            until(lambda: recorder.permitted and recorder._gate._open)
            for _ in range(TIMES):
                desk.xdotool("click 1 sleep 0.7 type --delay 25 " + SECRET)
                desk.xdotool("sleep 0.2 key Return sleep 0.2 mousemove_relative 15 5")
        finally:
            recorder.stop()
    recorded = tuple(sitting.session() for sitting in sittings)
    kinds = Counter(action.kind for session in recorded for action in session.actions)
    assert kinds[ActionKind.TYPE] >= TIMES, kinds
    assert kinds[ActionKind.ENTER] == TIMES, kinds
    return recorded
