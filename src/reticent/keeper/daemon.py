"""The keeper's loop: take a request from the spool, answer it, whatever it is.

Every refusal, of whatever cause, becomes the same ABSTAIN. The loop itself ends only when its own evidence or its disk fails: then
nothing is sent at all.
"""

import contextlib
import json
import logging
import time
from collections.abc import Callable

from reticent import spool
from reticent.actions.examples import pool
from reticent.actions.pool import Pool
from reticent.client import join, train
from reticent.egress import Outgoing
from reticent.errors import FormatError, IntegrityError, PolicyViolation, Refused, SettingError, StateError
from reticent.keeper.outbox import Outbox
from reticent.keeper.state import DeviceState
from reticent.learn.memory import Memory
from reticent.privacy.noise import SystemNoise
from reticent.records.canonical import digest
from reticent.records.messages import Abstain, JoinRequest, TrainRequest
from reticent.records.terms import Terms

POLL_S = 0.05
REMEMBERED_S = 600.0  # features are made from captures: they don't outlive a pause between rounds
REFUSALS = (Refused, FormatError, SettingError, IntegrityError)

log = logging.getLogger("reticent.keeper")


class Keeper:
    """Answers the requests of one enrolment."""

    def __init__(self, state: DeviceState, *, walls: dict[str, str], now: Callable[[], float] = time.time) -> None:
        self._state = state
        self._walls = walls
        self._now = now
        self._noise = SystemNoise()
        self._memory = Memory()
        self._trained_at = 0.0
        self._spool = state.folder.spool
        payment = state.payment
        self._outbox = Outbox(
            spool_folder=self._spool, pending=state.folder.pending, ledger=payment.ledger, key=payment.key
        )
        self._outbox.recover()
        spool.sweep_keeper(self._spool)

    def run(self, stopped: Callable[[], bool]) -> None:
        """Answer until `stopped`. Raises: LedgerError or StateError, when ledger or disk fail; nothing more is sent."""
        while not stopped():
            if not self.answer_waiting():
                self.forget_unused()
                time.sleep(POLL_S)

    def answer_waiting(self) -> int:
        """Answer all that waits now; returns how many requests that were."""
        names = spool.arrivals(self._spool)
        for name in names:
            self.answer(name)
        return len(names)

    def forget_unused(self) -> None:
        """Drop what was remembered for further rounds, if none came for REMEMBERED_S."""
        if not 0 <= self._now() - self._trained_at < REMEMBERED_S:  # also where the clock was set
            self._memory.forget()

    def answer(self, name: str) -> None:
        """Answer one request, and remove it from the inbox."""
        if not self._outbox.published(name):
            try:
                item = spool.read_item(self._spool, name)
            except StateError:  # gone again: the courier's side is not ours to trust
                return
            except FormatError as broken:
                log.warning("a request can't be read: %s", broken)
                item = None
            self._outbox.put(name, self._reply(name, item))
        spool.finish(self._spool, name)

    def _reply(self, name: str, item: spool.Item | None) -> Outgoing:
        plan_id, round_ = digest(name.encode()), 0
        try:
            if item is None:
                raise FormatError("the request can't be read; nothing was sent")
            plan_id = digest(item.request)
            request = (JoinRequest if item.stage == "join" else TrainRequest).from_bytes(item.request)
            plan_id, round_ = request.plan.id, request.round
            return self._answer_request(request, item.weights)
        except REFUSALS as refusal:
            log.warning("refused a request: %s", refusal)
            self._note_refusal(refusal)
            return Abstain(device=self._state.device, plan_id=plan_id, round=round_)

    def _answer_request(self, request: JoinRequest | TrainRequest, weights: bytes | None) -> Outgoing:
        terms = self._terms()
        payment, now = self._state.payment, int(self._now())
        if isinstance(request, JoinRequest):
            return join(request, terms=terms, payment=payment, now=now, walls=self._walls)
        if weights is None:
            raise FormatError("a training request without weights; nothing was sent")
        self._trained_at = self._now()
        return train(
            request,
            weights,
            terms=terms,
            payment=payment,
            pool=self._pool,
            noise=self._noise,
            now=now,
            learn=self._memory.update,
        )

    def _terms(self) -> Terms:
        if self._state.terms is None:
            raise PolicyViolation("no policy was accepted on this device; nothing was sent")
        return self._state.terms

    def _pool(self) -> Pool:
        return pool(self._state.vault.sessions())

    def _note_refusal(self, refusal: Exception) -> None:
        """Keep the last refusal where its person can read it; it never leaves the keeper's folder."""
        path = self._state.folder.keeper / "last-refusal.json"
        with contextlib.suppress(OSError):  # a note is worth less than the answer
            path.write_text(json.dumps({"kind": type(refusal).__name__, "reason": str(refusal)}))
