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


@pytest.mark.parametrize("name", ["localhost:10.0", "elsewhere:0", "tcp/elsewhere:0", "[::1]:0", "garbage"])
def test_a_display_behind_the_network_is_refused(name):
    with pytest.raises(StateError, match=r"behind the network.*nothing was recorded"):
        check_display({"DISPLAY": name})


@pytest.mark.parametrize(("name", "local"), [(":3", ":3"), (":0.0", ":0.0"), ("unix:1", ":1"), ("unix/:1", ":1")])
def test_a_local_x11_display_is_fine(name, local):
    assert check_display({"DISPLAY": name, "XDG_SESSION_TYPE": "x11"}) == local


def test_a_display_that_does_not_answer_is_a_sentence_and_no_recorder(monkeypatch):
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("XDG_SESSION_TYPE", raising=False)
    monkeypatch.setenv("DISPLAY", ":9999")
    recorder = Recorder(deliver=lambda _: None)
    with pytest.raises(StateError, match=r"nothing was recorded"):
        recorder.start()
    assert not recorder.is_alive()
    recorder.stop()
