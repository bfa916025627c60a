"""One request on its way: from the SuperLink into the spool, and the keeper's bytes back. No waiting in here."""

from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Final

from reticent import spool
from reticent.courier.connection import (
    Cause,
    Fleet,
    Incoming,
    Outgoing,
    Trouble,
    record_bytes,
    record_names,
    refusal,
    reply,
)
from reticent.courier.pace import Backoff
from reticent.errors import ReticentError
from reticent.records.messages import REQUEST_LIMIT_BYTES

STAGES: Final = {"query.join": "join", "train": "train"}
"""Flower's message type → the spool's stage. No other type is answered with anything but the constant error."""

_LIMITS_BYTES: Final = {
    "join": {"request": REQUEST_LIMIT_BYTES},
    "train": {"request": REQUEST_LIMIT_BYTES, "weights": spool.LARGEST_WEIGHTS_BYTES},
}
_LARGEST_INDEX_BYTES: Final = 1024
_UPLOAD_S: Final = 120.0  # the server announces a message before its objects have arrived there
_UNAVAILABLE_S: Final = 0.2


class Step(Enum):
    """What became of one step."""

    WAITS = auto()
    MOVED = auto()
    ENDED = auto()


@dataclass(slots=True)
class Errand:
    """Fetch, deliver, collect, send. `advance` does what can be done now and returns.

    name: the spool's id, once delivered. outgoing: the reply, once there is one; it is sent until it arrived.
    """

    incoming: Incoming
    started: float
    name: str | None = None
    outgoing: Outgoing | None = field(default=None, repr=False)
    why_refused: str | None = None
    _names: dict[str, str] | None = None
    _objects: dict[str, bytes] = field(default_factory=dict, repr=False)
    _not_before: float = 0.0
    _backoff: Backoff = field(default_factory=Backoff, repr=False)

    @property
    def fetching(self) -> bool:
        """Whether content is still being taken from the SuperLink, and held in memory."""
        return self.name is None and self.outgoing is None

    def refuse(self, why: str) -> None:
        """Answer with the constant error. `why` is for the device's own log and never leaves."""
        self.why_refused = why
        self._objects.clear()
        self.outgoing = refusal(self.incoming)

    def advance(self, fleet: Fleet, folder: Path, *, now: float) -> Step:
        """Take the next step.

        now: monotonic seconds.
        Raises: Trouble, if the SuperLink doesn't take it; what is worth another try, `postpone` tries later.
        """
        if now < self._not_before:
            return Step.WAITS
        if self.outgoing is not None:
            fleet.send(self.outgoing)
            return Step.ENDED
        if self.name is not None:
            return self._collect(folder, self.name)
        try:
            return self._fetch(fleet, folder, now=now)
        except Trouble as trouble:
            if trouble.cause is not Cause.MALFORMED:
                raise
            self.refuse("its content isn't a request's")
            return Step.MOVED

    def postpone(self, *, now: float) -> None:
        """Leave the next step for later, and later each time."""
        self._not_before = now + self._backoff.wait_s()

    def _fetch(self, fleet: Fleet, folder: Path, *, now: float) -> Step:
        limits = _LIMITS_BYTES[STAGES[self.incoming.kind]]
        if self._names is None:
            index = fleet.fetch(self.incoming, self.incoming.content, limit_bytes=_LARGEST_INDEX_BYTES)
            if index is None:
                return self._wait(now)
            self._names = record_names(index, records=self.incoming.records)
            if self._names.keys() != limits.keys():
                raise Trouble(Cause.MALFORMED)
        for name, limit_bytes in limits.items():
            if name not in self._objects:
                content = fleet.fetch(self.incoming, self._names[name], limit_bytes=limit_bytes)
                if content is None:
                    return self._wait(now)
                self._objects[name] = record_bytes(content, name=name)
        self._deliver(folder)
        fleet.confirm(self.incoming)
        return Step.MOVED

    def _wait(self, now: float) -> Step:
        if now - self.started > _UPLOAD_S:
            self.refuse("its content never arrived at the SuperLink")
            return Step.MOVED
        self._not_before = now + _UNAVAILABLE_S
        return Step.WAITS

    def _deliver(self, folder: Path) -> None:
        stage = STAGES[self.incoming.kind]
        request, weights = self._objects["request"], self._objects.get("weights")
        try:
            name = spool.id_of(stage, request, weights)
            answered = spool.collect(folder, name)
            if answered is None:
                spool.deliver(folder, stage=stage, request=request, weights=weights)
            self.name = name
        except ReticentError as error:
            self.refuse(str(error))
        self._objects.clear()

    def _collect(self, folder: Path, name: str) -> Step:
        try:
            content = spool.collect(folder, name)
        except ReticentError as error:
            self.refuse(str(error))
            return Step.MOVED
        if content is None:
            return Step.WAITS
        self.outgoing = reply(self.incoming, content)
        return Step.MOVED


def start(incoming: Incoming, *, now: float, full: bool) -> Errand:
    """An errand for a message that was announced; one that isn't a request has its refusal already."""
    errand = Errand(incoming=incoming, started=now)
    stage = STAGES.get(incoming.kind)
    if stage is None:
        errand.refuse("its type isn't a request's")
    elif len(incoming.records) != len(_LIMITS_BYTES[stage]):
        errand.refuse("its shape isn't a request's")
    elif full:
        errand.refuse("too many requests are under way")
    return errand
