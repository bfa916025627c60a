"""A session in which a secret was typed for real: an own X display, a terminal, XTEST keys, this project's own recorder."""

from collections import Counter

from reticent.actions.action import Session
from reticent.actions.vocabulary import ActionKind
from reticent.capture.recorder import Recorder
from reticent.capture.sitting import Sitting
from tests.capture.desk import display, until

SECRET = "Correct7horse!battery"
TIMES = 4


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
