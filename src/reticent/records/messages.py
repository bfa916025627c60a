"""What crosses the spool and the wire: two requests, three replies, each with one encoding."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from reticent.errors import FormatError, SettingError, SignatureError
from reticent.records.canonical import digest, parse_canonical
from reticent.records.keys import Domain, PublicKey, SigningKey
from reticent.records.plan import LARGEST_MODEL
from reticent.records.record import DeviceId, Hash, Index, Record, Version1, check_version
from reticent.records.signed import Signed, SignedField, sign

REQUEST_LIMIT_BYTES = 64 * 1024
HEADER_LIMIT_BYTES = 4096
"""Of a reply's first line, without the newline."""

VALUE_BYTES = 4
"""Of one parameter: float32 in weights, int32 in a payload, both little-endian."""


class JoinRequest(Record):
    """Will you take part in this round? `last_receipt` is the newest the server holds for this device, or None."""

    TITLE: ClassVar[str] = "join request"

    version: Version1 = 1
    plan: SignedField
    round: Index
    weights_hash: Hash
    last_receipt: SignedField | None


class TrainRequest(Record):
    """Train. The weights travel beside it: float32, little-endian, 4 bytes a parameter, with digest `weights_hash`."""

    TITLE: ClassVar[str] = "train request"

    version: Version1 = 1
    plan: SignedField
    round: Index
    weights_hash: Hash
    receipt: SignedField


class JoinReply(Record):
    """I charged this round. index, head: the newest entry of my ledger, at or after the charge."""

    TITLE: ClassVar[str] = "join reply"

    version: Version1 = 1
    kind: Literal["join"] = "join"
    device: DeviceId
    plan_id: Hash
    round: Index
    weights_hash: Hash
    index: Index
    head: Hash


class ReleaseReply(Record):
    """Here is my release. index: of the ledger's release entry, which holds the same payload_hash.

    The payload: int32, little-endian, 4 bytes a parameter, in grid units of the plan.
    """

    TITLE: ClassVar[str] = "release reply"

    version: Version1 = 1
    kind: Literal["release"] = "release"
    device: DeviceId
    plan_id: Hash
    round: Index
    weights_hash: Hash
    index: Index
    parameters: Annotated[int, Field(ge=1, le=LARGEST_MODEL)]
    payload_hash: Hash


class Abstain(Record):
    """No. Holds nothing but who was asked what, so a refusal doesn't tell its cause."""

    TITLE: ClassVar[str] = "abstention"

    version: Version1 = 1
    kind: Literal["abstain"] = "abstain"
    device: DeviceId
    plan_id: Hash
    round: Index


Header: TypeAlias = JoinReply | ReleaseReply | Abstain

_HEADERS: dict[str, type[JoinReply] | type[ReleaseReply] | type[Abstain]] = {
    "join": JoinReply,
    "release": ReleaseReply,
    "abstain": Abstain,
}


def encode_reply(header: Header, payload: bytes, key: SigningKey) -> bytes:
    """Return the exact bytes of a reply: the signed header, a newline, the payload (empty but for a release).

    Ed25519 signatures are deterministic, so equal headers and payloads give equal bytes.
    Raises: SettingError, where key or payload don't belong to the header.
    """
    if header.device != key.public.device_id:
        raise SettingError(f"a reply of device {header.device} can't be signed by another key; nothing was written")
    trouble = _misfit(header, payload)
    if trouble:
        raise SettingError(f"{trouble}; nothing was written")
    return sign(Domain.REPLY, header.to_value(), key).to_bytes() + b"\n" + payload


def decode_reply(data: bytes, *, limit_bytes: int, device_key: PublicKey | None) -> tuple[Header, bytes]:
    """Return a reply's header and payload, once signature, device id, payload length and payload hash hold.

    device_key: the key that must have signed; None takes the key that it brings, which must still give the device id.
    Sizes are looked at before anything is parsed.
    Raises: FormatError, NewerFormatError, SignatureError.
    """
    if len(data) > limit_bytes:
        raise FormatError(f"a reply of {len(data)} bytes came where at most {limit_bytes} are read; it was dropped")
    end = data.find(b"\n", 0, HEADER_LIMIT_BYTES + 1)
    if end < 0:
        raise FormatError(f"the reply's header does not end within {HEADER_LIMIT_BYTES} bytes; it was dropped")
    signed = Signed.from_bytes(data[:end], limit_bytes=HEADER_LIMIT_BYTES)
    signer = device_key if device_key is not None else PublicKey(signed.key)
    signed.check(Domain.REPLY, signer)
    header = _read_header(signed)
    if header.device != signer.device_id:
        raise SignatureError(
            f"the reply names device {header.device} and is signed by {signer.device_id}; it was dropped"
        )
    payload = data[end + 1 :]
    trouble = _misfit(header, payload)
    if trouble:
        raise FormatError(f"{trouble}; it was dropped")
    return header, payload


def _read_header(signed: Signed) -> Header:
    value = parse_canonical(signed.body, limit_bytes=HEADER_LIMIT_BYTES)
    check_version(value, known=1, title="reply")
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in _HEADERS:
        raise FormatError("the reply is none of join, release and abstain; it was dropped")
    return _HEADERS[kind].from_bytes(signed.body, limit_bytes=HEADER_LIMIT_BYTES)


def _misfit(header: Header, payload: bytes) -> str | None:
    """Say how a payload doesn't belong to its header, or None."""
    expected = VALUE_BYTES * header.parameters if isinstance(header, ReleaseReply) else 0
    if len(payload) != expected:
        return f"the {header.kind} reply has a payload of {len(payload)} bytes, its header says {expected}"
    if isinstance(header, ReleaseReply) and digest(payload) != header.payload_hash:
        return "the release reply's payload does not have the hash in its header"
    return None
