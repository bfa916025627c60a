"""A Flower Grid in this process, with devices that sign real replies and may misbehave."""

import itertools
import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from flwr.app import ConfigRecord, Error, Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from reticent.aggregate.attempt import Organisation, Waiting
from reticent.aggregate.directory import Device, add_device
from reticent.aggregate.optimiser import Momentum, Optimiser
from reticent.aggregate.receipts import ReceiptIndex
from reticent.aggregate.rounds import run_plan
from reticent.aggregate.stage import Pace
from reticent.privacy.events import Mode
from reticent.privacy.mechanism import payload_bound
from reticent.records.canonical import digest
from reticent.records.keys import SigningKey
from reticent.records.messages import (
    Abstain,
    JoinReply,
    JoinRequest,
    ReleaseReply,
    TrainRequest,
    encode_reply,
)
from reticent.records.plan import LocalTraining, Plan, Release, sign_plan

PARAMETERS = 50
QUICK = Pace(connect_s=0.2, join_s=20, train_s=20, grace_s=0.05, poll_s=0.001, retry_s=0, attempts=1)

Answer = bytes | RecordDict | Error | Message | None
"""What a script gives back: reply bytes, another content, Flower's error, a whole message, or silence."""

Script = Callable[["ScriptedDevice", bytes, Message], Answer | list[Answer]]
"""Turns the genuine reply to a message into what really comes back."""


def a_plan(**changes: object) -> Plan:
    training = LocalTraining(
        sampling_rate=0.1, expected_batch=16, steps=4, learning_rate=0.1, clip_norm=1.0, noise_multiplier=1.0
    )
    release = Release(mode=Mode.LOCAL, clip_norm=0.5, noise_multiplier=1.0, grid=2.0**-14)
    values: dict[str, object] = {
        "purpose": "next-action",
        "model": "office-60k",
        "parameters": PARAMETERS,
        "trainable": "heads",
        "training": training,
        "release": release,
        "min_cohort": 3,
        "rounds": 3,
        "issued_at": 1_000,
        "expires_at": 2_000,
    }
    return Plan(**(values | changes))


class ScriptedDevice:
    """A device whose replies depend on the question alone: asked again, it gives the same bytes.

    join, train: scripts for the two stages; they see the genuine reply.
    """

    def __init__(self, node_id: int, *, join: Script | None = None, train: Script | None = None) -> None:
        self.key = SigningKey.generate()
        self.node_id = node_id
        self.id = self.key.public.device_id
        self.scripts = {"query.join": join, "train": train}
        self.parameters = PARAMETERS
        self.asked: list[tuple[str, int]] = []
        self.last_receipts: list[object] = []

    def values(self, round_number: int) -> np.ndarray:
        """The genuine release, in grid units."""
        seed = int(self.id[:8], 16) + round_number
        return np.random.default_rng(seed).integers(-9_000, 9_001, self.parameters).astype(np.int32)

    def joins(self, request: JoinRequest | TrainRequest, **changes: object) -> bytes:
        body = {
            "device": self.id,
            "plan_id": request.plan.id,
            "round": request.round,
            "weights_hash": request.weights_hash,
            "index": 10 + 3 * request.round,
            "head": digest(b"%d" % request.round),
        }
        return encode_reply(JoinReply(**(body | changes)), b"", self.key)

    def releases(self, request: TrainRequest | JoinRequest, payload: bytes | None = None, **changes: object) -> bytes:
        payload = self.values(request.round).astype("<i4").tobytes() if payload is None else payload
        body = {
            "device": self.id,
            "plan_id": request.plan.id,
            "round": request.round,
            "weights_hash": request.weights_hash,
            "index": 12 + 3 * request.round,
            "parameters": len(payload) // 4,
            "payload_hash": digest(payload),
        }
        return encode_reply(ReleaseReply(**(body | changes)), payload, self.key)

    def abstains(self, request: JoinRequest | TrainRequest, **changes: object) -> bytes:
        body = {"device": self.id, "plan_id": request.plan.id, "round": request.round}
        return encode_reply(Abstain(**(body | changes)), b"", self.key)

    def answers(self, message: Message) -> list[Answer]:
        kind = message.metadata.message_type
        request = request_of(message)
        self.asked.append((kind, request.round))
        if isinstance(request, JoinRequest):
            self.last_receipts.append(request.last_receipt)
            genuine = self.joins(request)
        else:
            weights = message.content["weights"]["weights"]
            assert digest(weights) == request.weights_hash
            genuine = self.releases(request)
        script = self.scripts[kind]
        answer: Answer | list[Answer] = genuine if script is None else script(self, genuine, message)
        return answer if isinstance(answer, list) else [answer]


def request_of(message: Message) -> JoinRequest | TrainRequest:
    data = message.content["request"]["request"]
    kind = JoinRequest if message.metadata.message_type == "query.join" else TrainRequest
    return kind.from_bytes(data, limit_bytes=65_536)


class ScriptedGrid(Grid):
    """Delivers at once; replies wait until they are pulled by the id of their question, once, as at a SuperLink.

    refuses: nodes whose messages are not taken. listed: what get_node_ids returns. on: called before each call, for
    crashes.
    """

    def __init__(self, devices: Iterable[ScriptedDevice], *, on: Callable[[str], None] = lambda step: None) -> None:
        TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = 1, 1, 1  # as Flower does for a ServerApp
        self.devices = {one.node_id: one for one in devices}
        self.listed = set(self.devices)
        self.refuses: set[int] = set()
        self.waiting: dict[str, list[Message]] = {}
        self.sent: list[Message] = []
        self.pulls: list[tuple[str, ...]] = []
        self.hanging: dict[int, threading.Event] = {}
        self._on = on
        self._numbers = itertools.count()

    def set_run(self, run: Run) -> None:
        raise NotImplementedError

    @property
    def run(self) -> Run:
        raise NotImplementedError

    def create_message(self, *args: object, **options: object) -> Message:
        raise NotImplementedError

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        raise NotImplementedError

    def get_node_ids(self) -> Iterable[int]:
        return sorted(self.listed)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        self._on("push")
        return [self._push(message) for message in messages]

    def _push(self, message: Message) -> str:
        node = message.metadata.dst_node_id
        if node in self.refuses:
            return ""
        identifier = f"message-{next(self._numbers)}"
        message.metadata.__dict__["_message_id"] = identifier
        self.sent.append(message)
        self.waiting[identifier] = [
            reply(answer, message) for answer in self.devices[node].answers(message) if answer is not None
        ]
        return identifier

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        identifiers = tuple(message_ids)
        self.pulls.append(identifiers)
        for identifier in identifiers:
            node = next(m.metadata.dst_node_id for m in self.sent if m.metadata.message_id == identifier)
            if node in self.hanging:
                self.hanging[node].wait(30)
        if any(isinstance(one, Exploding) for identifier in identifiers for one in self.waiting.get(identifier, [])):
            raise ValueError("this reply can't be rebuilt")
        return [one for identifier in identifiers for one in self.waiting.pop(identifier, [])]


class Exploding(Message):
    """A reply that Flower fails to rebuild."""


def exploding(message: Message) -> Message:
    return Exploding(RecordDict(), reply_to=message)


def reply(answer: Answer, message: Message) -> Message:
    if isinstance(answer, Message):
        return answer
    if isinstance(answer, bytes):
        answer = RecordDict({"reply": ConfigRecord({"reply": answer})})
    return Message(answer, reply_to=message)


@dataclass
class World:
    """A server folder with its enrolled devices, and a way to run the plan."""

    root: Path
    devices: list[ScriptedDevice]
    plan: Plan = field(default_factory=a_plan)
    pace: Pace = QUICK
    operator: SigningKey = field(default_factory=SigningKey.generate)
    receipt_key: SigningKey = field(default_factory=SigningKey.generate)
    on: Callable[[str], None] = lambda step: None
    published: list[tuple[int, np.ndarray]] = field(default_factory=list)
    told: list[Waiting | None] = field(default_factory=list)
    now: float = 1_500.0
    optimiser: Optimiser = field(default_factory=Momentum)

    def __post_init__(self) -> None:
        self.signed = sign_plan(self.plan, self.operator)
        self.run_folder = self.root / "runs" / self.signed.id
        self.run_folder.mkdir(parents=True, exist_ok=True)
        self.directory = self.root / "devices.jsonl"
        self.grid = ScriptedGrid(self.devices, on=self.on)
        self.initial = np.linspace(-1, 1, self.plan.parameters, dtype=np.float32)
        if not self.directory.exists():
            for one in self.devices:
                add_device(self.directory, Device(device=one.id, device_key=one.key.public.hex, node_id=one.node_id))

    @property
    def bound(self) -> int:
        release = self.plan.release
        return payload_bound(clip_norm=release.clip_norm, noise_multiplier=release.noise_multiplier, grid=release.grid)

    def run(self) -> np.ndarray:
        def score(weights: np.ndarray) -> dict[str, float]:
            self.on("score")
            return {"top1": float(np.abs(weights).sum()), "perplexity": float("inf")}

        def publish(rounds_done: int, weights: np.ndarray) -> None:
            self.on("publish")
            self.published.append((rounds_done, weights))

        with ReceiptIndex(self.root / "receipts.jsonl", self.receipt_key) as receipts:
            organisation = Organisation(
                grid=self.grid,
                plan=self.signed,
                terms=self.plan,
                devices=self.directory,
                receipts=receipts,
                run_folder=self.run_folder,
                score=score,
                publish=publish,
                optimiser=self.optimiser,
                pace=self.pace,
                now=lambda: self.now,
                tell=self.told.append,
            )
            return run_plan(organisation, self.initial).weights

    def lines(self) -> list[dict]:
        path = self.run_folder / "rounds.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def expected(world: World, cohorts: list[list[ScriptedDevice]]) -> np.ndarray:
    """Independent arithmetic: the sum of whole numbers, the mean, momentum .9, a learning rate that falls linearly."""
    weights, velocity = world.initial.astype(np.float32), np.zeros(PARAMETERS)
    for number, cohort in enumerate(cohorts):
        total = sum(one.values(number).astype(np.int64) for one in cohort)
        velocity = 0.9 * velocity + total * 2.0**-14 / len(cohort)
        rate = (world.plan.rounds - number) / world.plan.rounds
        weights = (weights.astype(np.float64) + rate * velocity).astype(np.float32)
    return weights
