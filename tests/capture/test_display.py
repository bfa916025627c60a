"""Where input can't be watched, one sentence says so and nothing starts."""

import pytest

from reticent.capture.display import check_display
from reticent.capture.recorder import Recorder
from reticent.errors import StateError


@pytest.mark.parametrize(
    "environment",
    [
        {"XDG_SESSION_TYPE": "wayland", "DISPLAY": ":0"},
        {"XDG_SESSION_TYPE": "Wayland", "DISPLAY": ":0"},
        {"WAYLAND_DISPLAY": "wayland-0", "DISPLAY": ":0"},
    ],
)
def test_wayland_is_refused_although_an_x_display_answers(environment):
    with pytest.raises(StateError, match=r"Wayland.*nothing was recorded"):
        check_display(environment)


@pytest.mark.parametrize("environment", [{}, {"DISPLAY": ""}, {"XDG_SESSION_TYPE": "x11"}])
def test_no_display_is_said_in_one_sentence(environment):
    with pytest.raises(StateError, match=r"without a display.*nothing was recorded"):
        check_display(environment)


def test_an_x11_session_is_fine():
    check_display({"DISPLAY": ":3", "XDG_SESSION_TYPE": "x11"})


def test_a_display_that_does_not_answer_is_a_sentence_and_no_recorder(monkeypatch):
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("XDG_SESSION_TYPE", raising=False)
    monkeypatch.setenv("DISPLAY", ":9999")
    recorder = Recorder(deliver=lambda _: None)
    with pytest.raises(StateError, match=r"nothing was recorded"):
        recorder.start()
    assert not recorder.is_alive()
    recorder.stop()
