"""Which line may follow: the hash chain, the signatures and the rules of a ledger, without any file.

The same `Chain` judges what a device appends and what an auditor reads.
"""

from pydantic import JsonValue

from reticent.errors import FormatError, IntegrityError, LedgerError, NewerFormatError
from reticent.privacy.events import PrivacyEvent
from reticent.records.canonical import canonical, digest, parse_canonical
from reticent.records.entries import (
    GENESIS_PREVIOUS,
    KINDS,
    Body,
    Charge,
    Consent,
    Entry,
    Genesis,
    Head,
    Receipted,
    Released,
    kind_of,
)
from reticent.records.keys import Domain, PublicKey, SigningKey
from reticent.records.receipt import Receipt, read_receipt
from reticent.records.record import check_version
from reticent.records.signed import Signed

VERSION = 1
LINE_LIMIT_BYTES = 16 * 1024
"""Of one entry, without its newline. The largest has 1.3 KB."""

_FIELDS = frozenset({"version", "index", "kind", "body", "previous", "signature"})


class Chain:
    """Everything that the entries so far say, and what that allows next. Grows only; `follow` checks, then takes."""

    def __init__(self) -> None:
        self.hashes: list[str] = []
        self.consents: list[tuple[int, Consent]] = []
        self.charges: dict[tuple[str, int], tuple[int, Charge]] = {}
        self.receipts: dict[tuple[str, int], Receipt] = {}  # the newest for each round
        self.releases: dict[tuple[str, int], tuple[int, Released]] = {}
        self.witnessed = -1  # the newest index that some receipt covers
        self._receipted: set[tuple[str, int, int]] = set()
        self._key: PublicKey | None = None

    @property
    def key(self) -> PublicKey:
        """The device's key, from the genesis entry."""
        if self._key is None:
            raise LedgerError("the ledger is empty, it lacks even its genesis entry; nothing was accepted")
        return self._key

    @property
    def head(self) -> Head:
        """The newest entry. Raises LedgerError before the genesis entry."""
        if not self.hashes:
            raise LedgerError("the ledger is empty, it lacks even its genesis entry; nothing was accepted")
        return Head(index=len(self.hashes) - 1, hash=self.hashes[-1])

    def charged_events(self) -> tuple[PrivacyEvent, ...]:
        """Return the events of all charges, in order."""
        return tuple(event for _, charge in self.charges.values() for event in charge.events)

    def make(self, body: Body, key: SigningKey) -> tuple[Entry, bytes]:
        """Return the next entry and its line (without newline), signed, or refuse it. Takes nothing yet.

        Raises: LedgerError, where a rule forbids it or the key isn't the ledger's.
        """
        self._allow(body)
        if self._key is not None and key.public != self._key:
            raise LedgerError("the ledger belongs to another device key; nothing was written")
        previous = self.hashes[-1] if self.hashes else GENESIS_PREVIOUS
        value: dict[str, JsonValue] = {
            "version": VERSION,
            "index": len(self.hashes),
            "kind": kind_of(body),
            "body": body.to_value(),
            "previous": previous,
        }
        signature = key.sign(Domain.LEDGER, canonical(value))
        line = canonical({**value, "signature": signature})
        entry = Entry(
            index=len(self.hashes),
            kind=kind_of(body),
            body=body,
            previous=previous,
            signature=signature,
            hash=digest(line),
        )
        return entry, line

    def follow(self, line: bytes) -> Entry:
        """Check one line (without its newline) and take it.

        Raises: LedgerError, saying what is wrong with which entry; NewerFormatError.
        """
        index = len(self.hashes)
        try:
            entry = self._read(line)
            receipt = self._allow(entry.body)
        except NewerFormatError:
            raise
        except (FormatError, IntegrityError) as error:
            raise LedgerError(
                f"entry {index} of the ledger does not hold: {str(error).partition('; nothing ')[0]}; nothing was accepted"
            ) from None
        self._take(entry, receipt)
        return entry

    def _read(self, line: bytes) -> Entry:
        """Check form, place, link and signature of the next line."""
        index, previous = len(self.hashes), self.hashes[-1] if self.hashes else GENESIS_PREVIOUS
        value = parse_canonical(line, limit_bytes=LINE_LIMIT_BYTES)
        check_version(value, known=VERSION, title="ledger entry")
        if not isinstance(value, dict) or value.keys() != _FIELDS or type(value["version"]) is not int:
            raise FormatError("its fields are not those of a ledger entry")
        kind, signature = value["kind"], value["signature"]
        if type(value["index"]) is not int or value["index"] != index:
            raise FormatError("its index is not the next one")
        if value["previous"] != previous:
            raise FormatError("it does not name the hash of the entry before it")
        if not isinstance(kind, str) or kind not in KINDS or value["version"] != VERSION:
            raise FormatError("its kind is unknown")
        if not isinstance(signature, str):
            raise FormatError("its signature is not a string")
        body = KINDS[kind].from_value(value["body"])
        key = self._key
        if key is None:
            if not isinstance(body, Genesis):
                raise FormatError("the first entry must be genesis")
            key = PublicKey(body.device_key)
        key.verify(Domain.LEDGER, _unsigned(line, signature), signature)
        return Entry(index=index, kind=kind, body=body, previous=previous, signature=signature, hash=digest(line))

    def take(self, entry: Entry) -> None:
        """Note an entry that `make` made for this place."""
        self._take(entry, self._allow(entry.body))

    def _take(self, entry: Entry, receipt: Receipt | None) -> None:
        body = entry.body
        self.hashes.append(entry.hash)
        match body:
            case Genesis():
                self._key = PublicKey(body.device_key)
            case Consent():
                self.consents.append((entry.index, body))
            case Charge():
                self.charges[body.plan_id, body.round] = (entry.index, body)
            case Released():
                self.releases[body.plan_id, body.round] = (entry.index, body)
        if receipt is not None:
            where = (receipt.plan_id, receipt.round)
            self._receipted.add((*where, receipt.index))
            if where not in self.receipts or self.receipts[where].index < receipt.index:
                self.receipts[where] = receipt
            self.witnessed = max(self.witnessed, receipt.index)

    def check_receipt(self, signed: Signed) -> Receipt:
        """Return the receipt, if it fits this chain: right device and key, a head of it, a round charged by then.

        A receipt of the right key for a head that is NOT here means that the ledger was restored from an older copy.
        Raises: LedgerError, SignatureError, FormatError, NewerFormatError.
        """
        claimed = Receipt.from_bytes(signed.body).index
        # The key of the policy that was in force when that head was the newest.
        in_force = [consent for index, consent in self.consents if index <= claimed]
        if not in_force:
            raise LedgerError("the receipt is for a head before any consent; nothing was accepted")
        receipt = read_receipt(signed, PublicKey(in_force[-1].receipt_key))
        if receipt.device != self.key.device_id:
            raise LedgerError(f"the receipt is for device {receipt.device}; nothing was accepted")
        if receipt.index >= len(self.hashes):
            raise LedgerError(
                f"the receipt is for entry {receipt.index} and the ledger ends at {len(self.hashes) - 1}: "
                "it was truncated or restored from an older copy; nothing was accepted"
            )
        if self.hashes[receipt.index] != receipt.head:
            raise LedgerError(
                f"the receipt is for another entry {receipt.index} than the ledger's: "
                "it was forked or restored from an older copy; nothing was accepted"
            )
        index, charge = self.charges.get((receipt.plan_id, receipt.round), (len(self.hashes), None))
        if charge is None or index > receipt.index or charge.weights_hash != receipt.weights_hash:
            raise LedgerError("the receipt is for a round that was not charged by then; nothing was accepted")
        return receipt

    def _allow(self, body: Body) -> Receipt | None:
        """Refuse what may not come next; return the receipt in it, where there is one."""
        if isinstance(body, Genesis) != (not self.hashes):
            raise LedgerError("genesis must be the first entry and no other; nothing was accepted")
        match body:
            case Genesis():
                if body.device != PublicKey(body.device_key).device_id:
                    raise LedgerError("the genesis entry's device is not its key's; nothing was accepted")
            case Charge():
                self._allow_charge(body)
            case Receipted():
                receipt = self.check_receipt(body.receipt)
                if (receipt.plan_id, receipt.round, receipt.index) in self._receipted:
                    raise LedgerError("this receipt is in the ledger already; nothing was accepted")
                return receipt
            case Released():
                self._allow_release(body)
        return None

    def _allow_charge(self, body: Charge) -> None:
        if not self.consents or self.consents[-1][1].policy_hash != body.policy_hash:
            raise LedgerError("a charge must name the policy that was accepted last; nothing was accepted")
        if (body.plan_id, body.round) in self.charges:
            raise LedgerError(
                f"round {body.round} of plan {body.plan_id[:16]} is charged already; nothing was accepted"
            )

    def _allow_release(self, body: Released) -> None:
        where = f"round {body.round} of plan {body.plan_id[:16]}"
        index, charge = self.charges.get((body.plan_id, body.round), (0, None))
        if charge is None:
            raise LedgerError(f"a release of {where} has no charge; nothing was accepted")
        if (body.plan_id, body.round) in self.releases:
            raise LedgerError(f"{where} is released already; nothing was accepted")
        if self.witnessed < index:
            raise LedgerError(f"a release of {where} has no receipt for its charge; nothing was accepted")


def _unsigned(line: bytes, signature: str) -> bytes:
    """Return the canonical form of an entry without its signature: what was signed.

    The line is canonical, so the last two fields are where they must be; cutting spares a third of verifying.
    """
    return line.removesuffix(f',"signature":"{signature}","version":{VERSION}}}'.encode()) + b',"version":1}'
