"""What a hostile node may send instead of its genuine reply, each with the reason it must be dropped for."""

import json

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict

from reticent.privacy.mechanism import norm_bound, payload_bound
from reticent.records.canonical import digest
from reticent.records.keys import Domain, SigningKey
from reticent.records.messages import JoinRequest, TrainRequest
from reticent.records.signed import Signed, sign
from tests.aggregate.scripted import PARAMETERS, Script, ScriptedDevice, a_plan, exploding, request_of

STRANGER = ScriptedDevice(999)
"""Has a key, but isn't enrolled for the node that answers."""

RELEASE = a_plan().release
SCALE = {"clip_norm": RELEASE.clip_norm, "noise_multiplier": RELEASE.noise_multiplier, "grid": RELEASE.grid}
BOUND = payload_bound(**SCALE)
LONGEST = norm_bound(**SCALE, parameters=PARAMETERS)


def forged(body: dict, payload: bytes, key: SigningKey, domain: Domain = Domain.REPLY) -> bytes:
    """A reply whose header is signed without a look at it."""
    return sign(domain, body, key).to_bytes() + b"\n" + payload


def header_of(reply: bytes) -> dict:
    return json.loads(reply[: reply.index(b"\n")])["body"]


def payload(reply: bytes) -> bytes:
    return reply[reply.index(b"\n") + 1 :]


def retouched(reply: bytes, changes: dict) -> bytes:
    """The header changed, under the signature of the old one."""
    signed = Signed.from_bytes(reply[: reply.index(b"\n")])
    other = sign(Domain.REPLY, header_of(reply) | changes, STRANGER.key)
    return Signed(other.body, signed.key, signed.signature).to_bytes() + b"\n" + payload(reply)


def same_question(device: ScriptedDevice, message: Message) -> bytes:
    request = request_of(message)
    return device.joins(request) if isinstance(request, JoinRequest) else device.releases(request)


def other_answer(device: ScriptedDevice, reply: bytes) -> bytes:
    """A second answer to the same question, as well signed as the first."""
    if header_of(reply)["kind"] == "join":
        return forged(header_of(reply) | {"head": digest(b"another past")}, b"", device.key)
    other = one_value(1)
    return forged(header_of(reply) | {"payload_hash": digest(other)}, other, device.key)


def one_value(value: int) -> bytes:
    values = np.zeros(PARAMETERS, dtype="<i4")
    values[7] = value
    return values.tobytes()


def as_long_as(norm: float) -> bytes:
    """A payload whose values are equal, and whose L2 norm is `norm` but for rounding."""
    return np.full(PARAMETERS, round(norm / PARAMETERS**0.5), dtype="<i4").tobytes()


def paid_index(message: Message) -> int:
    request = request_of(message)
    assert isinstance(request, TrainRequest)
    return json.loads(request.receipt.body)["index"]


def arrays(value: np.ndarray, **metrics: float) -> RecordDict:
    records = {"arrays": ArrayRecord([value])}
    return RecordDict(records | ({"metrics": MetricRecord(metrics)} if metrics else {}))


def a_lying_array() -> RecordDict:
    honest = Array(np.ones((1000, 1000), dtype=np.float64))
    return RecordDict({"reply": ArrayRecord({"w": Array("float32", (3, 4), "numpy.ndarray", honest.data)})})


def reply_record(**entries: object) -> RecordDict:
    return RecordDict({"reply": ConfigRecord(entries)})


CONTENT: dict[str, tuple[Script, str]] = {
    "flower's error reply": (lambda d, g, m: Error(5, "node unavailable"), "node_error"),
    "a reply that can't be rebuilt": (lambda d, g, m: exploding(m), "unreadable"),
    "no record": (lambda d, g, m: RecordDict(), "wrong_content"),
    "NaN arrays": (lambda d, g, m: arrays(np.full(PARAMETERS, np.nan, np.float32)), "wrong_content"),
    "infinite arrays": (lambda d, g, m: arrays(np.full(PARAMETERS, np.inf, np.float32)), "wrong_content"),
    "arrays of 1e30": (lambda d, g, m: arrays(np.full(PARAMETERS, 1e30, np.float32)), "wrong_content"),
    "num-examples 1e18": (lambda d, g, m: arrays(np.ones(PARAMETERS), **{"num-examples": 1e18}), "wrong_content"),
    "num-examples -9": (lambda d, g, m: arrays(np.ones(PARAMETERS), **{"num-examples": -9.0}), "wrong_content"),
    "num-examples NaN": (
        lambda d, g, m: arrays(np.ones(PARAMETERS), **{"num-examples": float("nan")}),
        "wrong_content",
    ),
    "an array that declares another shape": (lambda d, g, m: a_lying_array(), "wrong_content"),
    "metrics named reply": (lambda d, g, m: RecordDict({"reply": MetricRecord({"reply": 1.0})}), "wrong_content"),
    "another record beside it": (
        lambda d, g, m: RecordDict({"reply": ConfigRecord({"reply": g}), "more": ConfigRecord()}),
        "wrong_content",
    ),
    "another entry beside it": (lambda d, g, m: reply_record(reply=g, weight=1e18), "wrong_content"),
    "another record's name": (lambda d, g, m: RecordDict({"answer": ConfigRecord({"reply": g})}), "wrong_content"),
    "another entry's name": (lambda d, g, m: reply_record(answer=g), "wrong_content"),
    "no entry": (lambda d, g, m: reply_record(), "wrong_content"),
    "text": (lambda d, g, m: reply_record(reply="reply"), "wrong_content"),
    "a number": (lambda d, g, m: reply_record(reply=1), "wrong_content"),
    "a list of replies": (lambda d, g, m: reply_record(reply=[g, g]), "wrong_content"),
    "nothing": (lambda d, g, m: b"", "not_a_reply"),
    "a newline": (lambda d, g, m: b"\n", "not_a_reply"),
    "no newline": (lambda d, g, m: g.replace(b"\n", b" "), "not_a_reply"),
    "eight megabytes": (lambda d, g, m: g + bytes(8 << 20), "too_large"),
    "half a header": (lambda d, g, m: g[100:], "not_a_reply"),
    "spaces in the header": (lambda d, g, m: g.replace(b":", b": ", 1), "not_a_reply"),
    "nested beyond any stack": (lambda d, g, m: b"[" * 2000 + b"\n", "not_a_reply"),
    "NaN in the header": (lambda d, g, m: g.replace(b'"version":1', b'"version":NaN'), "not_a_reply"),
    "a newer version": (lambda d, g, m: forged(header_of(g) | {"version": 2}, payload(g), d.key), "not_a_reply"),
    "a truth for a version": (
        lambda d, g, m: forged(header_of(g) | {"version": True}, payload(g), d.key),
        "not_a_reply",
    ),
    "another field": (lambda d, g, m: forged(header_of(g) | {"weight": 9}, payload(g), d.key), "not_a_reply"),
    "another kind": (lambda d, g, m: forged(header_of(g) | {"kind": "share"}, payload(g), d.key), "not_a_reply"),
    "a negative round": (lambda d, g, m: forged(header_of(g) | {"round": -1}, payload(g), d.key), "not_a_reply"),
    "a payload that is one byte longer": (lambda d, g, m: g + b"\0", "not_a_reply"),
    "somebody else's key": (lambda d, g, m: forged(header_of(g), payload(g), STRANGER.key), "wrong_signature"),
    "somebody else's reply": (lambda d, g, m: same_question(STRANGER, m), "wrong_signature"),
    "somebody else's name": (
        lambda d, g, m: forged(header_of(g) | {"device": STRANGER.id}, payload(g), d.key),
        "wrong_signature",
    ),
    "a signature for another purpose": (
        lambda d, g, m: forged(header_of(g), payload(g), d.key, Domain.LEDGER),
        "wrong_signature",
    ),
    "a header changed after signing": (lambda d, g, m: retouched(g, {"round": 7}), "wrong_signature"),
    "another plan": (lambda d, g, m: forged(header_of(g) | {"plan_id": "ab" * 32}, payload(g), d.key), "wrong_plan"),
    "an earlier or later round": (
        lambda d, g, m: forged(header_of(g) | {"round": header_of(g)["round"] + 1}, payload(g), d.key),
        "wrong_round",
    ),
    "other weights": (
        lambda d, g, m: forged(header_of(g) | {"weights_hash": "ab" * 32}, payload(g), d.key),
        "wrong_weights",
    ),
    "an abstention from another plan": (lambda d, g, m: d.abstains(request_of(m), plan_id="ab" * 32), "wrong_plan"),
    "an abstention from another round": (lambda d, g, m: d.abstains(request_of(m), round=99), "wrong_round"),
    "two different answers": (lambda d, g, m: [g, other_answer(d, g)], "equivocation"),
    "an answer and an abstention": (lambda d, g, m: [g, d.abstains(request_of(m))], "equivocation"),
}
"""Whatever the stage is."""

JOIN: dict[str, tuple[Script, str]] = {
    "a release": (lambda d, g, m: d.releases(request_of(m)), "wrong_kind"),
    "a payload behind it": (lambda d, g, m: g + bytes(4), "not_a_reply"),
}

TRAIN: dict[str, tuple[Script, str]] = {
    "a join": (lambda d, g, m: d.joins(request_of(m)), "wrong_kind"),
    "one value, which would broadcast": (lambda d, g, m: d.releases(request_of(m), bytes(4)), "wrong_shape"),
    "one value too few": (lambda d, g, m: d.releases(request_of(m), bytes(4 * PARAMETERS - 4)), "wrong_shape"),
    "one value too many": (lambda d, g, m: d.releases(request_of(m), bytes(4 * PARAMETERS + 4)), "wrong_shape"),
    "a header that promises more": (
        lambda d, g, m: forged(header_of(g) | {"parameters": PARAMETERS + 1}, payload(g), d.key),
        "not_a_reply",
    ),
    "a header that promises gigabytes": (
        lambda d, g, m: forged(header_of(g) | {"parameters": 1 << 24}, payload(g), d.key),
        "not_a_reply",
    ),
    "a header that promises more than any model": (
        lambda d, g, m: forged(header_of(g) | {"parameters": 1 << 50}, payload(g), d.key),
        "not_a_reply",
    ),
    "half of the payload": (lambda d, g, m: g[:-80], "not_a_reply"),
    "a flipped bit": (lambda d, g, m: g[:-1] + bytes([g[-1] ^ 1]), "not_a_reply"),
    "a value one above the bound": (lambda d, g, m: d.releases(request_of(m), one_value(BOUND + 1)), "out_of_range"),
    "a value one below the bound": (lambda d, g, m: d.releases(request_of(m), one_value(-BOUND - 1)), "out_of_range"),
    "the smallest integer": (lambda d, g, m: d.releases(request_of(m), one_value(-(2**31))), "out_of_range"),
    "the largest integer": (lambda d, g, m: d.releases(request_of(m), one_value(2**31 - 1)), "out_of_range"),
    "every value within the bound, too long together": (
        lambda d, g, m: d.releases(request_of(m), as_long_as(LONGEST * (1 + 1e-4))),
        "too_long",
    ),
    "every value at the bound": (
        lambda d, g, m: d.releases(request_of(m), np.full(PARAMETERS, BOUND, dtype="<i4").tobytes()),
        "too_long",
    ),
    "recorded before it was paid for": (lambda d, g, m: d.releases(request_of(m), index=paid_index(m)), "unpaid"),
    "recorded at the start of the ledger": (lambda d, g, m: d.releases(request_of(m), index=0), "unpaid"),
}
