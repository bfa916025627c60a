"""One attempt at one round over a Flower Grid: join, receipt, train, sum, step."""

import functools
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypeVar

import numpy as np
import numpy.typing as npt
from flwr.app import ConfigRecord, RecordDict
from flwr.serverapp import Grid

from reticent.aggregate.directory import Device, read_directory
from reticent.aggregate.journal import Metrics, ReplyStore
from reticent.aggregate.mailbox import Arrival
from reticent.aggregate.optimiser import Momentum, Optimiser, ServerState, Vector
from reticent.aggregate.receipts import ReceiptIndex
from reticent.aggregate.stage import Pace, ask
from reticent.aggregate.total import Total
from reticent.aggregate.validation import (
    INCIDENTS,
    Abstained,
    Contribution,
    Dropped,
    Question,
    Reason,
    check_join,
    check_release,
    reply_bytes,
)
from reticent.errors import IntegrityError, RoundAborted
from reticent.evaluate.shares import reading
from reticent.privacy.mechanism import norm_bound, payload_bound
from reticent.records.canonical import digest
from reticent.records.files import replace_private
from reticent.records.messages import JoinReply, JoinRequest, TrainRequest
from reticent.records.plan import Plan
from reticent.records.signed import Signed

JOIN_MESSAGE = "query.join"
TRAIN_MESSAGE = "train"
MEASURED = "measured.json"
_NAMED = 4  # devices in one sentence

A = TypeVar("A", JoinReply, Contribution)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """needed: connected devices without which no round begins. absent: the enrolled devices that aren't connected."""

    needed: int
    connected: int
    absent: tuple[str, ...]

    def sentence(self) -> str:
        """For a person; a long list of devices is cut."""
        more = f" and {len(self.absent) - _NAMED} more" if len(self.absent) > _NAMED else ""
        away = f"away: {', '.join(self.absent[:_NAMED])}{more}" if self.absent else "nobody else is enrolled"
        enrolled = self.connected + len(self.absent)
        return f"{self.connected} of {enrolled} enrolled devices are connected, the plan needs {self.needed}; {away}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """What one run needs; everything that a test or another engine may want to exchange.

    plan: as signed; terms: what it says. devices: the directory, read again before each round. run_folder: where the
    run leaves its files. score: metrics of some weights on public people, or None. publish: takes the number of
    rounds applied and the model after them; called again for the same number on a restart. now: Unix seconds. tell:
    hears whom the run waits for, whenever that changes, and None when it goes on.
    """

    grid: Grid
    plan: Signed
    terms: Plan
    devices: Path
    receipts: ReceiptIndex
    run_folder: Path
    score: Callable[[Vector], Metrics | None]
    publish: Callable[[int, Vector], None]
    optimiser: Optimiser = field(default_factory=Momentum)
    pace: Pace = field(default_factory=Pace)
    now: Callable[[], float] = time.time
    tell: Callable[[Waiting | None], None] = lambda waiting: None


@dataclass(slots=True)
class Tally:
    """What one attempt at a round counted."""

    asked: int = 0
    joined: int = 0
    stored: int = 0
    abstained: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    incidents: dict[str, str] = field(default_factory=dict)
    bytes_received: int = 0
    released: int = 0
    seconds_join: float = 0.0
    seconds_train: float = 0.0

    def drop(self, device: str, reason: Reason) -> None:
        self.dropped[reason.value] += 1
        if reason in INCIDENTS:
            self.incidents[device] = reason.value


@dataclass(frozen=True, slots=True)
class _Joined:
    device: Device
    receipt: Signed


class Attempt:
    """One attempt at one round. It changes no weights: `run` returns new ones or raises RoundAborted."""

    def __init__(
        self, organisation: Organisation, number: int, state: ServerState, weights: bytes, tally: Tally
    ) -> None:
        self._of = organisation
        self._number = number
        self._state = state
        self._weights = ConfigRecord({"weights": weights})  # one record for all, so that Flower uploads it once
        self._weights_hash = digest(weights)
        self._tally = tally
        release = organisation.terms.release
        scale = {"clip_norm": release.clip_norm, "noise_multiplier": release.noise_multiplier, "grid": release.grid}
        self._bound = payload_bound(**scale)
        self._longest = norm_bound(**scale, parameters=organisation.terms.parameters)
        self._replies = ReplyStore(organisation.run_folder / "replies")
        self._joined: dict[int, _Joined] = {}
        self._sum = Total(organisation.terms.parameters, bound=self._bound)

    def run(self) -> ServerState:
        terms, tally = self._of.terms, self._tally
        stored = self._take_stored()
        asked = {node: device for node, device in self._connected(stored).items() if node not in stored}
        tally.asked = tally.stored + len(asked)
        began = time.monotonic()
        self._stage(JOIN_MESSAGE, asked, self._join_question, self._receive_join, self._of.pace.join_s)
        tally.seconds_join = time.monotonic() - began
        tally.joined = tally.stored + len(self._joined)
        if tally.joined < terms.min_cohort:
            self._abort(f"{tally.joined} of {tally.asked} devices joined")
        began = time.monotonic()
        trainees = {node: joined.device for node, joined in self._joined.items()}
        self._stage(TRAIN_MESSAGE, trainees, self._train_question, self._receive_train, self._of.pace.train_s)
        tally.seconds_train = time.monotonic() - began
        if tally.released < terms.min_cohort:
            self._abort(f"{tally.released} of {tally.joined} devices gave a valid release")
        mean = self._sum.values() * terms.release.grid / tally.released
        if terms.measures:
            write_measured(self._of.run_folder, mean, terms=terms, released=tally.released)
            return self._state
        return self._of.optimiser.step(self._state, mean, step=self._number, steps=terms.rounds)

    def _abort(self, what: str) -> NoReturn:
        raise RoundAborted(f"{what}, the plan needs {self._of.terms.min_cohort}; nothing was applied")

    def _take_stored(self) -> frozenset[int]:
        """Add the releases that an earlier attempt at this round was given, and return the nodes of their devices.

        They are paid for, and an attempt that nobody had interrupted would have used them, wherever their devices are now.
        """
        nodes = set()
        for device in read_directory(self._of.devices):
            data = self._replies.stored(round_number=self._number, device=device.device)
            if data is None:
                continue
            contribution = self._checked_release(device)(data, self._question(device))
            if isinstance(contribution, Contribution):
                self._add(contribution)
                self._tally.stored += 1
                nodes.add(device.node_id)
            else:
                self._replies.set_aside(round_number=self._number, device=device.device)
        return frozenset(nodes)

    def _connected(self, stored: frozenset[int]) -> dict[int, Device]:
        """The enrolled devices that are connected or whose release is stored, once they are enough."""
        pace, ends, told = self._of.pace, time.monotonic() + self._of.pace.connect_s, None
        while True:
            listed, enrolled = stored | set(self._of.grid.get_node_ids()), read_directory(self._of.devices)
            present = {one.node_id: one for one in enrolled if one.node_id in listed}
            if len(present) >= self._of.terms.min_cohort:
                if told is not None:
                    self._of.tell(None)
                return present
            absent = tuple(one.device for one in enrolled if one.node_id not in listed)
            waiting = Waiting(needed=self._of.terms.min_cohort, connected=len(present), absent=absent)
            if waiting != told:
                self._of.tell(waiting)
                told = waiting
            if time.monotonic() >= ends:
                self._abort(f"{len(present)} devices were connected")
            time.sleep(pace.poll_s)

    def _stage(
        self,
        message_type: str,
        nodes: dict[int, Device],
        question: Callable[[int, Device], RecordDict],
        receive: Callable[[Device, Arrival], bool],
        deadline_s: float,
    ) -> None:
        if not nodes:
            return
        missing = ask(
            self._of.grid,
            {node: question(node, device) for node, device in nodes.items()},
            message_type=message_type,
            group=str(self._number),
            deadline_s=deadline_s,
            enough=self._of.terms.min_cohort - self._tally.stored,
            pace=self._of.pace,
            receive=lambda arrival: receive(nodes[arrival.node], arrival),
        )
        for node in missing.undelivered:
            self._tally.drop(nodes[node].device, Reason.UNDELIVERED)
        for node in missing.silent:
            self._tally.drop(nodes[node].device, Reason.SILENT)

    def _join_question(self, node: int, device: Device) -> RecordDict:
        request = JoinRequest(
            plan=self._of.plan,
            round=self._number,
            weights_hash=self._weights_hash,
            last_receipt=self._of.receipts.last(device.device),
        )
        return RecordDict({"request": ConfigRecord({"request": request.to_bytes()})})

    def _train_question(self, node: int, device: Device) -> RecordDict:
        request = TrainRequest(
            plan=self._of.plan,
            round=self._number,
            weights_hash=self._weights_hash,
            receipt=self._joined[node].receipt,
        )
        return RecordDict({"request": ConfigRecord({"request": request.to_bytes()}), "weights": self._weights})

    def _receive_join(self, device: Device, arrival: Arrival) -> bool:
        reply = self._answer(device, arrival, check_join)
        if reply is None:
            return False
        try:
            receipt = self._of.receipts.counter_sign(reply[0])
        except IntegrityError:
            self._tally.drop(device.device, Reason.ROLLED_BACK)
            return False
        self._joined[device.node_id] = _Joined(device, receipt)
        return True

    def _receive_train(self, device: Device, arrival: Arrival) -> bool:
        reply = self._answer(device, arrival, self._checked_release(device))
        if reply is None:
            return False
        contribution, data = reply
        if not self._replies.keep(data, round_number=self._number, device=device.device):
            self._tally.drop(device.device, Reason.EQUIVOCATION)
            return False
        self._add(contribution)
        return True

    def _add(self, contribution: Contribution) -> None:
        self._sum.add(contribution.values)
        self._tally.released += 1

    def _checked_release(self, device: Device) -> Callable[[bytes, Question], Contribution | Abstained | Dropped]:
        paid_at = self._of.receipts.paid_at(device.device, plan_id=self._of.plan.id, round=self._number)
        return functools.partial(
            check_release,
            parameters=self._of.terms.parameters,
            bound=self._bound,
            longest=self._longest,
            paid_at=paid_at,
        )

    def _question(self, device: Device) -> Question:
        return Question(
            device=device.device,
            device_key=device.public_key,
            plan_id=self._of.plan.id,
            round=self._number,
            weights_hash=self._weights_hash,
        )

    def _answer(
        self, device: Device, arrival: Arrival, check: Callable[[bytes, Question], A | Abstained | Dropped]
    ) -> tuple[A, bytes] | None:
        """The one valid answer of a device to one question; None, with the reason counted, where there is none."""
        if arrival.messages is None:
            self._tally.drop(device.device, Reason.UNREADABLE)
            return None
        found = [reply_bytes(message) for message in arrival.messages]
        answers = dict.fromkeys(one for one in found if isinstance(one, bytes))
        self._tally.bytes_received += sum(map(len, answers))
        checked = [(check(data, self._question(device)), data) for data in answers]
        valid = [(answer, data) for answer, data in checked if not isinstance(answer, Dropped)]
        if len(valid) > 1:
            self._tally.drop(device.device, Reason.EQUIVOCATION)
            return None
        if not valid:
            reasons = [answer.reason for answer, _ in checked if isinstance(answer, Dropped)]
            self._tally.drop(device.device, (reasons or [one for one in found if isinstance(one, Reason)])[0])
            return None
        answer, data = valid[0]
        if isinstance(answer, Abstained):
            self._tally.abstained += 1
            return None
        return answer, data


def write_measured(run_folder: Path, mean: npt.NDArray[np.float64], *, terms: Plan, released: int) -> None:
    """measured.json: what the mean of the releases says of the weights. Written again, it says the same."""
    found = reading(mean, release=terms.release, released=released)
    replace_private(run_folder / MEASURED, json.dumps(found, indent=2).encode() + b"\n")


def weights_bytes(weights: Vector) -> bytes:
    """The bytes that travel and are hashed: float32, little-endian."""
    return weights.astype("<f4", copy=False).tobytes()
