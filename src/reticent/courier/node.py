"""The locked SuperNode's life: go online, carry messages to the spool and answers back, through every outage."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from reticent import spool
from reticent.courier.connection import Cause, Fleet, Trouble
from reticent.courier.errand import Errand, Step, start
from reticent.courier.pace import Backoff, until_next_pull
from reticent.courier.pulse import Pulse
from reticent.errors import ReticentError

REVOKED_AFTER_S: Final = 90.0
"""A key that is refused for longer than any earlier activation of it can last was taken off the SuperLink's list."""

_TICK_S: Final = 0.05
_MOST_UNDER_WAY: Final = 64
_MOST_FETCHING: Final = 2  # their content is held in memory

Say = Callable[..., None]


class Node:
    """Runs in one thread, with heartbeats in a second. `stop` may be called from anywhere, `run` returns soon after."""

    def __init__(
        self, fleet: Fleet, folder: Path, *, wall: str, say: Say, revoked_after_s: float = REVOKED_AFTER_S
    ) -> None:
        self.node_id: int | None = None
        self._fleet, self._folder, self._wall, self._say = fleet, folder, wall, say
        self._revoked_after_s = revoked_after_s
        self._stopped = False
        self._wake = threading.Event()
        self._errands: list[Errand] = []
        self._last_message = time.monotonic()
        self._state = ""

    def stop(self) -> None:
        """Ask `run` to return."""
        self._stopped = True
        self._wake.set()

    def run(self) -> bool:
        """Serve until `stop`. Returns False, if the SuperLink took the key off its list."""
        spool.sweep_courier(self._folder)
        self._release_earlier_activation()
        backoff = Backoff()
        refused_since: float | None = None
        while not self._stopped:
            try:
                self.node_id = self._fleet.activate()
            except Trouble as trouble:
                self._now("refused" if trouble.cause is Cause.REFUSED else "away", trouble.cause)
                if trouble.cause is Cause.REFUSED:
                    refused_since = refused_since or time.monotonic()
                    if time.monotonic() - refused_since >= self._revoked_after_s:
                        return False
                else:
                    refused_since = None
                self._pause(backoff.wait_s())
                continue
            refused_since = None
            backoff.reset()
            self._serve()
        self._now("stopped")
        return True

    def _release_earlier_activation(self) -> None:
        """After a kill the SuperLink still counts the node as online and would refuse the key for a minute."""
        earlier = spool.courier_report(self._folder)
        self.node_id = earlier.node_id if earlier is not None else None
        if self.node_id is not None and earlier is not None and earlier.state != "stopped":
            try:
                self._fleet.deactivate(self.node_id)
            except Trouble as trouble:
                self._say("an earlier activation was not released", cause=trouble.cause)

    def _serve(self) -> None:
        """One session: from an activation until the SuperLink no longer knows the node, or `stop`."""
        self._now("connected")
        pulse = Pulse(self._fleet, wake=self._wake.set)
        pulse.start()
        backoff = Backoff()
        resume = next_pull = 0.0
        try:
            while not self._stopped and pulse.lost is None:
                now = time.monotonic()
                if now >= resume:
                    try:
                        if now >= next_pull:
                            next_pull = self._receive(now)
                            backoff.reset()
                            if self._state == "away":
                                self._now("connected")
                                pulse.now()
                        if self._advance(now):
                            continue
                    except Trouble as trouble:
                        if trouble.cause is Cause.UNKNOWN:
                            self._say("the session ended", cause=trouble.cause)
                            return
                        self._now("away", trouble.cause)
                        resume, next_pull = time.monotonic() + backoff.wait_s(), 0.0
                self._pause(_TICK_S if self._errands else min(max(next_pull, resume) - now, 1.0))
            if pulse.lost is not None:
                self._say("the session ended", cause=pulse.lost)
        finally:
            pulse.stop()

    def _receive(self, now: float) -> float:
        """Take one message if there is one. Returns: when to ask again."""
        try:
            incoming = self._fleet.receive()
        except Trouble as trouble:
            if trouble.cause is not Cause.MALFORMED:
                raise
            self._say("a message was dropped", cause=trouble.cause)
            return now + until_next_pull(idle_s=0)
        if incoming is None:
            return now + until_next_pull(idle_s=now - self._last_message)
        self._last_message = now
        try:
            self._errands.append(start(incoming, now=now, full=len(self._errands) >= _MOST_UNDER_WAY))
        except Exception as error:  # a hostile server chose every value in it; none may end the node
            self._say("a message was dropped", cause=type(error).__name__)
        return now  # there may be more

    def _advance(self, now: float) -> bool:
        """Take every errand's next step. Returns: whether one more step can be taken at once."""
        moved = False
        fetching = 0
        for errand in list(self._errands):
            if errand.fetching:
                fetching += 1
                if fetching > _MOST_FETCHING:
                    continue
            if errand.incoming.expires_at <= time.time():
                self._end(errand, "expired")
                continue
            try:
                step = errand.advance(self._fleet, self._folder, now=now)
            except Trouble as trouble:
                if trouble.cause is Cause.UNKNOWN:
                    raise
                if trouble.cause in (Cause.AWAY, Cause.UNTRUSTED):
                    errand.postpone(now=now)
                else:
                    self._end(errand, "dropped", cause=trouble.cause)
                continue
            except Exception as error:  # as in _receive
                self._end(errand, "dropped", cause=type(error).__name__)
                continue
            moved = moved or step is not Step.WAITS
            if step is Step.ENDED:
                self._end(errand, "refused" if errand.why_refused else "answered")
        return moved

    def _end(self, errand: Errand, outcome: str, *, cause: str | None = None) -> None:
        self._errands.remove(errand)
        self._say(
            f"a message was {outcome}",
            id=errand.name or "-",
            cause=cause or errand.why_refused or "-",
            seconds=f"{time.monotonic() - errand.started:.2f}",
        )

    def _pause(self, seconds: float) -> None:
        if not self._stopped:
            self._wake.wait(max(0.0, seconds))
            self._wake.clear()

    def _now(self, state: str, cause: Cause | None = None) -> None:
        """Note a change of state, in the log and for the keeper to show."""
        if state == self._state:
            return
        self._state = state
        self._say(state, cause=cause or "-", node=self.node_id or "-")
        try:
            report = spool.CourierReport(wall=self._wall, state=state, pid=os.getpid(), node_id=self.node_id)
            spool.announce(self._folder, report)
        except ReticentError as error:
            self._say("the report was not written", cause=error)
