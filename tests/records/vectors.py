"""Makes docs/formats-vectors.json from fixed keys: `python -m tests.records.vectors` prints it."""

import datetime
import json
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from reticent.records.canonical import canonical, digest
from reticent.records.enrolment import EnrolmentRequest, Ticket, sign_enrolment, sign_ticket
from reticent.records.entries import Receipted
from reticent.records.keys import Domain
from reticent.records.messages import Abstain, JoinReply, JoinRequest, TrainRequest, encode_reply
from reticent.spool import request_id
from tests.records import kept_vectors
from tests.records.samples import (
    COUNCIL,
    DEVICE,
    MEASURING,
    NODE_KEY,
    OPERATOR,
    PLAN,
    RECEIPTS,
    WEIGHTS,
    as_entry,
    charge,
    consent,
    forged,
    memory,
    offer,
    policy,
    receipt,
    release_reply,
    released,
)

SEEDS = {"operator": (1, OPERATOR), "receipts": (2, RECEIPTS), "council": (3, COUNCIL), "device": (4, DEVICE)}
VALUES: list[Any] = [
    {
        "b": [1, 1.5, 1e21, 1e-7, 0.000001, -0.0, 100000000000000000000.0],
        "a": '€\n\u0001"\\/é',
        "": None,
        "😀": True,
        "ﬀ": [],
    },
]


def certificate() -> str:
    """A certificate that is the same every time: Ed25519 signatures hold no chance."""
    key = Ed25519PrivateKey.from_private_bytes(bytes([6]) * 32)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example CA")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), 1).not_valid_before(start)
    return built.not_valid_after(start.replace(year=2036)).sign(key, None).public_bytes(Encoding.PEM).decode()


def build() -> dict[str, Any]:
    """Return every format once. Text stands for UTF-8 bytes, `_hex` for others."""
    ledger = memory(consent(), charge())
    signed_receipt = receipt(ledger)
    ledger.append(Receipted(receipt=signed_receipt))
    ledger.append(released(ledger))
    approved = offer(policy(council_key=COUNCIL.public.hex), council=COUNCIL)
    measuring = offer(policy(version=2, trainable=("heads", "nothing")))
    about = {"device": DEVICE.public.device_id, "plan_id": PLAN.id, "round": 0}
    asked = {"plan": PLAN, "round": 0, "weights_hash": digest(WEIGHTS)}
    join = JoinReply(**about, weights_hash=digest(WEIGHTS), index=2, head=ledger.entries[2].hash)
    release, payload = release_reply(ledger.head.index).split(b"\n", 1)
    request = EnrolmentRequest(device=DEVICE.public.device_id, device_key=DEVICE.public.hex, node_key=NODE_KEY)
    ticket = Ticket(
        device=DEVICE.public.device_id, address="127.0.0.1:8443", ca_certificate=certificate(), policy=offer()
    )
    return {
        "canonical": [{"value": value, "bytes": canonical(value).decode()} for value in VALUES],
        "keys": {
            name: {"seed": bytes([seed] * 32).hex(), "public": key.public.hex, "device_id": key.public.device_id}
            for name, (seed, key) in SEEDS.items()
        },
        "signature": {
            "key": "device",
            "domain": "reply",
            "message": "message",
            "signed": "reticent/reply/1\nmessage",
            "signature": DEVICE.sign(Domain.REPLY, b"message"),
        },
        "plan": {"file": PLAN.to_bytes().decode(), "id": PLAN.id},
        "plan_that_measures": {"file": MEASURING.to_bytes().decode(), "id": MEASURING.id},
        "policy_that_measures": {"file": measuring.to_bytes().decode(), "hash": measuring.hash},
        "policy": {"file": offer().to_bytes().decode(), "hash": offer().hash},
        "policy_with_council": {"file": approved.to_bytes().decode(), "hash": approved.hash},
        "weights": {"bytes_hex": WEIGHTS.hex(), "hash": digest(WEIGHTS)},
        "receipt": signed_receipt.to_bytes().decode(),
        "ledger": {
            "lines": forged(*(as_entry(entry.body) for entry in ledger.entries[1:])).decode().splitlines(),
            "hashes": [entry.hash for entry in ledger.entries],
        },
        "join_request": JoinRequest(**asked, last_receipt=None).to_bytes().decode(),
        "train_request": TrainRequest(**asked, receipt=signed_receipt).to_bytes().decode(),
        "join_reply": {"header": encode_reply(join, b"", DEVICE)[:-1].decode(), "payload_hex": ""},
        "release_reply": {"header": release.decode(), "payload_hex": payload.hex()},
        "abstain_reply": {"header": encode_reply(Abstain(**about), b"", DEVICE)[:-1].decode(), "payload_hex": ""},
        "enrolment_request": sign_enrolment(request, DEVICE).to_bytes().decode(),
        "ticket": sign_ticket(ticket, OPERATOR).to_bytes().decode(),
        "request_ids": {
            stage: request_id(stage=stage, plan_id=PLAN.id, round=0, weights_hash=digest(WEIGHTS))
            for stage in ("join", "train")
        },
        **kept_vectors.build(),
    }


if __name__ == "__main__":
    print(json.dumps(build(), indent=1, ensure_ascii=False))
