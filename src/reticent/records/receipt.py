"""What a server counter-signs: it has seen this head of this device's ledger, so the device can't take it back."""

from typing import ClassVar

from reticent.records.keys import Domain, PublicKey, SigningKey
from reticent.records.record import DeviceId, Hash, Index, Record, Version1
from reticent.records.signed import Signed, sign


class Receipt(Record):
    """index, head: the newest entry of the device's ledger and its hash; the rest says for which round it was shown."""

    TITLE: ClassVar[str] = "receipt"

    version: Version1 = 1
    device: DeviceId
    index: Index
    head: Hash
    plan_id: Hash
    round: Index
    weights_hash: Hash


def sign_receipt(receipt: Receipt, key: SigningKey) -> Signed:
    """Sign a receipt with the server's receipt key."""
    return sign(Domain.RECEIPT, receipt.to_value(), key)


def read_receipt(signed: Signed, key: PublicKey) -> Receipt:
    """Return the receipt, if the receipt key signed it.

    Raises: SignatureError, FormatError, NewerFormatError.
    """
    signed.check(Domain.RECEIPT, key)
    return Receipt.from_bytes(signed.body)
