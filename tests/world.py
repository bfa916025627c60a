"""A small true world for tests: an organisation with keys, a policy, plans; and devices with real state folders."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from reticent.actions.action import Session
from reticent.keeper import enrolment
from reticent.keeper.daemon import Keeper
from reticent.keeper.state import opened
from reticent.model import catalogue
from reticent.privacy.events import Mode
from reticent.privacy.mechanism import grid_for
from reticent.records.canonical import digest
from reticent.records.enrolment import Ticket, read_enrolment, sign_ticket
from reticent.records.keys import SigningKey
from reticent.records.messages import Header, JoinReply, JoinRequest, TrainRequest, decode_reply
from reticent.records.plan import MEASURES, LocalTraining, Plan, Release, sign_plan
from reticent.records.policy import Policy, PolicyOffer, sign_policy
from reticent.records.receipt import Receipt, sign_receipt
from reticent.records.signed import Signed
from reticent.server.certificates import issue

NOW = 1_800_000_000
MODEL = "office-60k"
P = catalogue.parameters(MODEL, "heads")
LARGEST = 1 << 24


def training(**changes: Any) -> LocalTraining:
    values = {
        "sampling_rate": 0.5,
        "expected_batch": 8,
        "steps": 2,
        "learning_rate": 0.1,
        "clip_norm": 1.0,
        "noise_multiplier": 1.0,
    }
    return LocalTraining(**(values | changes))


def release(**changes: Any) -> Release:
    values: dict[str, Any] = {"mode": Mode.LOCAL, "clip_norm": 0.5, "noise_multiplier": 2.0}
    values |= changes
    values.setdefault(
        "grid", grid_for(clip_norm=values["clip_norm"], noise_multiplier=values["noise_multiplier"], parameters=P)
    )
    return Release(**values)


def plan(**changes: Any) -> Plan:
    values: dict[str, Any] = {
        "purpose": "next-action",
        "model": MODEL,
        "parameters": P,
        "trainable": "heads",
        "training": training(),
        "release": release(),
        "min_cohort": 4,
        "rounds": 3,
        "issued_at": NOW - 10,
        "expires_at": NOW + 3600,
    }
    return Plan(**(values | changes))


def measuring_plan(*, model: str = MODEL, noise_multiplier: float = 2.0, **changes: Any) -> Plan:
    """A plan that trains nothing."""
    values: dict[str, Any] = {"version": 2, "training": None, "parameters": len(MEASURES), "rounds": 1}
    return plan(model=model, release=release(noise_multiplier=noise_multiplier), **(values | changes))


@dataclass
class Organisation:
    """The server's half of the protocol, by hand."""

    operator: SigningKey = field(default_factory=SigningKey.generate)
    receipts: SigningKey = field(default_factory=SigningKey.generate)

    def policy(self, **changes: Any) -> Policy:
        values: dict[str, Any] = {
            "organisation": "Test",
            "purposes": ("next-action",),
            "models": (MODEL,),
            "trainable": ("heads",),
            "modes": (Mode.LOCAL,),
            "delta": 1e-6,
            "epsilon_employee": 8.0,
            "epsilon_example": 20.0,
            "max_clip_norm": 0.5,
            "min_noise_multiplier": 1.0,
            "sampling_rate": 0.5,
            "expected_batch": 8,
            "steps": 2,
            "max_example_clip_norm": 1.0,
            "min_example_noise_multiplier": 1.0,
            "max_rounds": 10,
            "min_cohort": 4,
            "max_plan_days": 1,
            "retention_days": 30,
            "receipt_key": self.receipts.public.hex,
            "council_key": None,
        }
        return Policy(**(values | changes))

    def offer(self, **changes: Any) -> PolicyOffer:
        return PolicyOffer(policy=sign_policy(self.policy(**changes), self.operator), council=None)

    def ticket(self, root: Path, *, address: str = "127.0.0.1:9443", **changes: Any) -> Signed:
        """The answer to a device's request."""
        request = read_enrolment(Signed.from_bytes((root / "enrolment-request.json").read_bytes()))
        ticket = Ticket(
            device=request.device,
            address=address,
            ca_certificate=self.certificate.decode(),
            policy=self.offer(**changes),
        )
        return sign_ticket(ticket, self.operator)

    @cached_property
    def certificate(self) -> bytes:
        return issue(("127.0.0.1",), now=datetime.now(UTC)).ca_certificate

    def signed(self, asked: Plan) -> Signed:
        return sign_plan(asked, self.operator)

    def receipt(self, reply: JoinReply) -> Signed:
        return sign_receipt(
            Receipt(
                device=reply.device,
                index=reply.index,
                head=reply.head,
                plan_id=reply.plan_id,
                round=reply.round,
                weights_hash=reply.weights_hash,
            ),
            self.receipts,
        )


def join_request(signed: Signed, weights: bytes, *, number: int = 0, last: Signed | None = None) -> JoinRequest:
    return JoinRequest(plan=signed, round=number, weights_hash=digest(weights), last_receipt=last)


def train_request(signed: Signed, weights: bytes, receipt: Signed, *, number: int = 0) -> TrainRequest:
    return TrainRequest(plan=signed, round=number, weights_hash=digest(weights), receipt=receipt)


def enrolled(root: Path, organisation: Organisation, *, sessions: tuple[Session, ...] = (), **policy: Any) -> Path:
    """A device folder whose person accepted the policy."""
    enrolment.create(root, sessions=sessions)
    with opened(root) as state:
        enrolment.accept_policy(state, organisation.offer(**policy), fresh_yes=True)
    return root


def reply_header(data: bytes) -> Header:
    return decode_reply(data, limit_bytes=LARGEST, device_key=None)[0]


__all__ = [
    "LARGEST", "MODEL", "NOW", "Keeper", "Organisation", "P", "enrolled", "join_request", "measuring_plan", "plan", "release",
    "reply_header", "train_request", "training",
]  # fmt: skip
