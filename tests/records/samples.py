"""Fixed keys and ordinary records, for tests and for the vectors beside docs/formats.md. Nobody's data."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from reticent.privacy.events import Mode
from reticent.records.canonical import canonical, digest
from reticent.records.entries import Body, Charge, Consent, Receipted, Released, kind_of
from reticent.records.keys import Domain, SigningKey
from reticent.records.ledger import Ledger
from reticent.records.messages import ReleaseReply, encode_reply
from reticent.records.plan import MEASURES, LocalTraining, Plan, Release, sign_plan
from reticent.records.policy import Policy, PolicyOffer, approve, sign_policy
from reticent.records.receipt import Receipt, sign_receipt
from reticent.records.signed import Signed


def key(number: int) -> SigningKey:
    """The key whose seed is 32 times this byte."""
    return SigningKey(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))


OPERATOR, RECEIPTS, COUNCIL, DEVICE, OTHER = (key(number) for number in range(1, 6))

NODE_KEY = (
    derive_private_key(7, SECP384R1())
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
)

WEIGHTS = bytes(range(16))
PAYLOAD = bytes(range(16, 32))
NOW = 1_800_000_000
WALLS = {"filesystem": "landlock", "network": "namespace"}


def policy(**changes: Any) -> Policy:
    ordinary = {
        "organisation": "Example Works Ltd",
        "purposes": ("next-action",),
        "models": ("office-60k",),
        "trainable": ("heads",),
        "modes": (Mode.LOCAL,),
        "delta": 1e-6,
        "epsilon_employee": 8.0,
        "epsilon_example": 4.0,
        "max_clip_norm": 0.5,
        "min_noise_multiplier": 5.0,
        "sampling_rate": 0.05,
        "expected_batch": 16,
        "steps": 10,
        "max_example_clip_norm": 1.0,
        "min_example_noise_multiplier": 1.0,
        "max_rounds": 50,
        "min_cohort": 3,
        "max_plan_days": 30,
        "retention_days": 14,
        "receipt_key": RECEIPTS.public.hex,
        "council_key": None,
    }
    return Policy(**{**ordinary, **changes})


def plan(**changes: Any) -> Plan:
    """A plan that `policy()` allows; `training__steps=3` changes a field of `training`."""
    training = {
        "sampling_rate": 0.05,
        "expected_batch": 16,
        "steps": 10,
        "learning_rate": 0.1,
        "clip_norm": 1.0,
        "noise_multiplier": 1.0,
    }
    release = {"mode": Mode.LOCAL, "clip_norm": 0.5, "noise_multiplier": 5.0, "grid": 2.0**-12}
    ordinary = {
        "purpose": "next-action",
        "model": "office-60k",
        "parameters": 4,
        "trainable": "heads",
        "min_cohort": 3,
        "rounds": 40,
        "issued_at": NOW,
        "expires_at": NOW + 86_400,
    }
    for name, value in changes.items():
        part, _, field = name.partition("__")
        if field:
            {"training": training, "release": release}[part][field] = value
        else:
            ordinary[name] = value
    ordinary.setdefault("training", LocalTraining(**training))
    return Plan(**ordinary, release=Release(**release))


def offer(
    terms: Policy | None = None, *, operator: SigningKey = OPERATOR, council: SigningKey | None = None
) -> PolicyOffer:
    signed = sign_policy(terms or policy(), operator)
    return PolicyOffer(policy=signed, council=approve(signed, council) if council else None)


OFFER = offer()
PLAN = sign_plan(plan(), OPERATOR)
MEASURING = sign_plan(plan(version=2, training=None, parameters=len(MEASURES), rounds=1), OPERATOR)


def consent(terms: PolicyOffer = OFFER, *, receipt_key: SigningKey = RECEIPTS) -> Consent:
    return Consent(policy_hash=terms.hash, operator_key=terms.policy.key, receipt_key=receipt_key.public.hex)


def charge(round: int = 0, *, signed_plan: Signed = PLAN, **changes: Any) -> Charge:  # noqa: A002
    ordinary = {
        "plan_id": signed_plan.id,
        "round": round,
        "weights_hash": digest(WEIGHTS),
        "policy_hash": OFFER.hash,
        "events": plan().events(),
        "walls": WALLS,
    }
    return Charge(**{**ordinary, **changes})


def receipt(ledger: Ledger, round: int = 0, *, by: SigningKey = RECEIPTS, **changes: Any) -> Signed:  # noqa: A002
    """A receipt for the ledger's head."""
    ordinary = {
        "device": ledger.entries[0].body.device,
        "index": ledger.head.index,
        "head": ledger.head.hash,
        "plan_id": PLAN.id,
        "round": round,
        "weights_hash": digest(WEIGHTS),
    }
    return sign_receipt(Receipt(**{**ordinary, **changes}), by)


def release_reply(index: int, round: int = 0, *, device: SigningKey = DEVICE, payload: bytes = PAYLOAD) -> bytes:  # noqa: A002
    header = ReleaseReply(
        device=device.public.device_id,
        plan_id=PLAN.id,
        round=round,
        weights_hash=digest(WEIGHTS),
        index=index,
        parameters=len(payload) // 4,
        payload_hash=digest(payload),
    )
    return encode_reply(header, payload, device)


def released(ledger: Ledger, round: int = 0, *, device: SigningKey = DEVICE) -> Released:  # noqa: A002
    """The release that comes next in this ledger."""
    reply = release_reply(ledger.head.index + 1, round, device=device)
    return Released(plan_id=PLAN.id, round=round, payload_hash=digest(PAYLOAD), bytes=len(reply))


def live(ledger: Ledger, rounds: int, *, device: SigningKey = DEVICE) -> Ledger:
    """Consent, then charge, receipt and release for so many rounds."""
    ledger.append(consent())
    for round in range(rounds):  # noqa: A001
        ledger.append(charge(round))
        ledger.append(Receipted(receipt=receipt(ledger, round)))
        ledger.append(released(ledger, round, device=device))
    return ledger


def memory(*bodies: Body, device: SigningKey = DEVICE) -> Ledger:
    ledger = Ledger.in_memory(device)
    for body in bodies:
        ledger.append(body)
    return ledger


def forged(*entries: tuple[str, dict[str, Any]], device: SigningKey = DEVICE, **changes: Any) -> bytes:
    """A ledger that follows the chain's form but asks nobody for permission: genesis, then (kind, body) in order.

    changes: fields that the last entry gets instead, before it is signed.
    """
    genesis = {"device": device.public.device_id, "device_key": device.public.hex}
    lines, previous = [], "0" * 64
    for index, (kind, body) in enumerate((("genesis", genesis), *entries)):
        value = {"version": 1, "index": index, "kind": kind, "body": body, "previous": previous}
        if index == len(entries):
            value.update(changes)
        signature = device.sign(Domain.LEDGER, canonical(value))
        lines.append(canonical({**value, "signature": signature}))
        previous = digest(lines[-1])
    return b"".join(line + b"\n" for line in lines)


def as_entry(body: Body) -> tuple[str, dict[str, Any]]:
    return kind_of(body), body.to_value()
