"""One reply, as hostile as it likes → what it contributes, or the reason why it is dropped.

Nothing here raises for what a reply holds, and nothing in a reply decides how much memory is used: the size is looked
at before anything is parsed, and every length is compared with the plan's.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from flwr.app import ConfigRecord, Message

from reticent.aggregate.total import genuine
from reticent.errors import SignatureError
from reticent.records.keys import PublicKey
from reticent.records.messages import (
    HEADER_LIMIT_BYTES,
    VALUE_BYTES,
    Abstain,
    Header,
    JoinReply,
    ReleaseReply,
    decode_reply,
)

GridVector = npt.NDArray[np.int32]

JOIN_LIMIT_BYTES = HEADER_LIMIT_BYTES + 1


class Reason(StrEnum):
    """Why a device that was asked contributes nothing. Closed: whatever happens is one of these."""

    UNDELIVERED = "undelivered"  # the SuperLink did not take the question
    SILENT = "silent"  # no answer before the stage ended
    UNREADABLE = "unreadable"  # Flower could not rebuild the reply from its parts
    NODE_ERROR = "node_error"  # Flower's own error reply: a dead node, an expired message, a refusal without words
    WRONG_CONTENT = "wrong_content"  # anything but one record "reply" with one entry "reply" of bytes
    TOO_LARGE = "too_large"
    NOT_A_REPLY = "not_a_reply"  # the bytes aren't a reply, or their payload isn't the one in the header
    WRONG_SIGNATURE = "wrong_signature"  # not signed by the key that is enrolled for this node
    WRONG_KIND = "wrong_kind"  # a reply to another stage
    WRONG_PLAN = "wrong_plan"
    WRONG_ROUND = "wrong_round"
    WRONG_WEIGHTS = "wrong_weights"
    WRONG_SHAPE = "wrong_shape"  # another number of parameters than the plan's
    OUT_OF_RANGE = "out_of_range"  # a value that no genuine release can have
    TOO_LONG = "too_long"  # values that one by one could be genuine, and together can't: their L2 norm
    UNPAID = "unpaid"  # not recorded after the charge for which the receipt was issued
    ROLLED_BACK = "rolled_back"  # another entry than it showed before, or a lower one for the same plan
    EQUIVOCATION = "equivocation"  # two different signed answers to one question


INCIDENTS = frozenset({Reason.ROLLED_BACK, Reason.EQUIVOCATION})
"""What no fault of a network explains: the run names the device."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """The device counts as not having answered."""

    device: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Abstained:
    """The device said no, as it may."""

    device: str


@dataclass(frozen=True, slots=True, repr=False)
class Contribution:
    """One validated release. values: shape (P,), int32, in grid units."""

    device: str
    values: GridVector

    def __repr__(self) -> str:
        return f"<Contribution of {len(self.values)} values>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was asked of whom; an answer to any other question is dropped."""

    device: str
    device_key: PublicKey
    plan_id: str
    round: int
    weights_hash: str


def reply_bytes(message: Message) -> bytes | Reason:
    """The bytes of a reply, if the message has the one form that a reply has."""
    if message.has_error() or not message.has_content():
        return Reason.NODE_ERROR
    content = message.content
    if set(content) != {"reply"}:
        return Reason.WRONG_CONTENT
    record = content["reply"]
    if type(record) is not ConfigRecord or set(record) != {"reply"}:
        return Reason.WRONG_CONTENT
    data = record["reply"]
    return data if type(data) is bytes else Reason.WRONG_CONTENT


def check_join(data: bytes, question: Question) -> JoinReply | Abstained | Dropped:
    """A signed head for exactly this question, an abstention, or the reason why it is neither."""
    header = _decode(data, question, limit_bytes=JOIN_LIMIT_BYTES)
    if isinstance(header, Reason):
        return Dropped(question.device, header)
    if isinstance(header[0], Abstain):
        return Abstained(question.device)
    if not isinstance(header[0], JoinReply):
        return Dropped(question.device, Reason.WRONG_KIND)
    return header[0]


def check_release(
    data: bytes, question: Question, *, parameters: int, bound: int, longest: float, paid_at: int | None
) -> Contribution | Abstained | Dropped:
    """A release for exactly this question, an abstention, or the reason why it is neither.

    parameters: of the plan. bound, longest: largest absolute value and L2 norm of a genuine release, in grid units.
    paid_at: index of the ledger entry that the receipt for this round was issued for; a release is recorded above it.
    """
    reply = _decode(data, question, limit_bytes=JOIN_LIMIT_BYTES + VALUE_BYTES * parameters)
    if isinstance(reply, Reason):
        return Dropped(question.device, reply)
    header, payload = reply
    if isinstance(header, Abstain):
        return Abstained(question.device)
    if not isinstance(header, ReleaseReply):
        return Dropped(question.device, Reason.WRONG_KIND)
    if header.parameters != parameters or len(payload) != VALUE_BYTES * parameters:
        return Dropped(question.device, Reason.WRONG_SHAPE)
    if paid_at is None or header.index <= paid_at:
        return Dropped(question.device, Reason.UNPAID)
    values = np.frombuffer(payload, dtype="<i4").astype(np.int32, copy=False)
    in_range, short_enough = genuine(values, bound=bound, longest=longest)
    if not in_range:
        return Dropped(question.device, Reason.OUT_OF_RANGE)
    if not short_enough:
        return Dropped(question.device, Reason.TOO_LONG)
    return Contribution(question.device, values)


def _decode(data: bytes, question: Question, *, limit_bytes: int) -> tuple[Header, bytes] | Reason:
    if len(data) > limit_bytes:
        return Reason.TOO_LARGE
    try:
        header, payload = decode_reply(data, limit_bytes=limit_bytes, device_key=question.device_key)
    except SignatureError:
        return Reason.WRONG_SIGNATURE
    except Exception:  # FormatError for all we know; but no reply, whatever it finds in a parser, stops a round
        return Reason.NOT_A_REPLY
    if header.plan_id != question.plan_id:
        return Reason.WRONG_PLAN
    if header.round != question.round:
        return Reason.WRONG_ROUND
    if not isinstance(header, Abstain) and header.weights_hash != question.weights_hash:
        return Reason.WRONG_WEIGHTS
    return header, payload
