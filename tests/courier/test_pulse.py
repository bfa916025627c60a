"""Heartbeats and waits: nothing dies unnoticed, nothing asks too often."""

import itertools
import threading
from typing import Any

import pytest

from reticent.courier.connection import Cause, Trouble
from reticent.courier.pace import Backoff, until_next_pull
from reticent.courier.pulse import Pulse


class Scripted:
    """A fleet whose heartbeats end as scripted; the last outcome repeats."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.beats = 0
        self.beat = threading.Semaphore(0)
        self._outcomes = iter(itertools.chain(outcomes, itertools.repeat(outcomes[-1])))

    def heartbeat(self) -> None:
        self.beats += 1
        self.beat.release()
        if (outcome := next(self._outcomes)) is not None:
            raise outcome


def pulse_of(fleet: Scripted) -> tuple[Pulse, threading.Event]:
    woken = threading.Event()
    stranger: Any = fleet
    return Pulse(stranger, wake=woken.set), woken


@pytest.mark.parametrize("cause", [Cause.UNKNOWN, Cause.REFUSED])
def test_a_pulse_that_the_superlink_no_longer_knows_says_so(cause: Cause) -> None:
    pulse, woken = pulse_of(Scripted(Trouble(cause)))
    pulse.start()
    assert woken.wait(10)
    assert pulse.lost is cause


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_pulse_that_dies_of_something_else_is_noticed_too() -> None:
    pulse, woken = pulse_of(Scripted(RuntimeError("a bug")))
    pulse.start()
    assert woken.wait(10)
    assert pulse.lost is not None
    pulse.stop()  # its thread has ended, so that what it says of its end belongs to this test


def test_a_pulse_outlives_an_outage() -> None:
    fleet = Scripted(Trouble(Cause.AWAY), Trouble(Cause.REJECTED), Trouble(Cause.MALFORMED), None)
    pulse, _ = pulse_of(fleet)
    pulse.start()
    for _ in range(6):
        assert fleet.beat.acquire(timeout=10)
        pulse.now()
    assert pulse.lost is None
    pulse.stop()


def test_waits_grow_from_1_to_30_seconds_and_differ_between_devices() -> None:
    waits = [Backoff() for _ in range(200)]
    for upper in (1, 2, 4, 8, 16, 30, 30):
        drawn = [backoff.wait_s() for backoff in waits]
        assert upper / 2 <= min(drawn)
        assert max(drawn) <= upper
        assert len({round(wait, 3) for wait in drawn}) > 50
    waits[0].reset()
    assert waits[0].wait_s() <= 1


def test_pulls_are_quick_while_something_happens_and_seldom_when_nothing_does() -> None:
    for idle_s, expected in ((0, 0.25), (2, 0.25), (10, 1.0), (30, 3.0), (1e6, 3.0)):
        assert 0.8 * expected <= until_next_pull(idle_s=idle_s) <= 1.2 * expected
