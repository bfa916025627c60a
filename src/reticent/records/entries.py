"""What a ledger's lines say: five kinds of entries."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, TypeAlias

from pydantic import Field, StringConstraints, model_validator

from reticent.privacy.events import Adjacency, PrivacyEvent, Unit
from reticent.records.plan import LARGEST_MODEL
from reticent.records.record import Count, DeviceId, Hash, Index, Key, Name, Record
from reticent.records.signed import SignedField

GENESIS_PREVIOUS = "0" * 64
"""What the first entry has in place of a previous entry's hash."""

LARGEST_REPLY_BYTES = 4 * LARGEST_MODEL + 4096 + 1
"""The largest payload, the largest header and the newline between them."""

Wall = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[ -~]+\z")]


class Genesis(Record):
    """The ledger is this device's. Always the first entry, never another."""

    TITLE: ClassVar[str] = "genesis entry"

    device: DeviceId
    device_key: Key


class Consent(Record):
    """A person accepted this policy of this operator; receipts from now on are this receipt key's."""

    TITLE: ClassVar[str] = "consent entry"

    policy_hash: Hash
    operator_key: Key
    receipt_key: Key


class Charge(Record):
    """One round is paid for, before anything is learned: the employee-level event, then the example-level one.

    walls: which confinements stand, by name, as the keeper found them when it charged.
    """

    TITLE: ClassVar[str] = "charge entry"

    plan_id: Hash
    round: Index
    weights_hash: Hash
    policy_hash: Hash
    events: tuple[PrivacyEvent, PrivacyEvent]
    walls: Annotated[dict[Name, Wall], Field(max_length=16)]

    @model_validator(mode="after")
    def _one_of_each(self) -> "Charge":
        if tuple(event.unit for event in self.events) != (Unit.EMPLOYEE, Unit.EXAMPLE):
            raise ValueError("events must be the employee-level one, then the example-level one")
        if any(event.adjacency is not Adjacency.ZERO_OUT for event in self.events):
            raise ValueError("events are charged under zero-out adjacency")
        return self


class Receipted(Record):
    """The server counter-signed a head of this ledger."""

    TITLE: ClassVar[str] = "receipt entry"

    receipt: SignedField


class Released(Record):
    """A release is sealed and may leave. bytes: of the whole reply that carries it, header and payload."""

    TITLE: ClassVar[str] = "release entry"

    plan_id: Hash
    round: Index
    payload_hash: Hash
    bytes: Annotated[Count, Field(le=LARGEST_REPLY_BYTES)]


Body: TypeAlias = Genesis | Consent | Charge | Receipted | Released

KINDS: dict[str, type[Genesis] | type[Consent] | type[Charge] | type[Receipted] | type[Released]] = {
    "genesis": Genesis,
    "consent": Consent,
    "charge": Charge,
    "receipt": Receipted,
    "release": Released,
}


def kind_of(body: Body) -> str:
    """Return the name of an entry's kind."""
    return next(kind for kind, record in KINDS.items() if type(body) is record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a ledger. `hash` is the digest of the line, without its newline."""

    index: int
    kind: str
    body: Body
    previous: str
    signature: str
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """The newest entry's index and hash. It stands for the whole chain before it."""

    index: int
    hash: str
