"""The device's own account of what it accepted, paid and let go: a file that only grows."""

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from reticent.errors import LedgerError
from reticent.privacy.events import PrivacyEvent
from reticent.records.chain import Chain
from reticent.records.entries import Body, Charge, Entry, Genesis, Head, Released
from reticent.records.journal import Journal
from reticent.records.keys import SigningKey
from reticent.records.receipt import Receipt
from reticent.records.signed import Signed


class Ledger:
    """One device's ledger, open for appending. Made by `create`, `open` or `in_memory`; left by `with` or `close`."""

    def __init__(self, chain: Chain, entries: list[Entry], key: SigningKey, journal: Journal | None) -> None:
        self._chain = chain
        self._entries = entries
        self._key = key
        self._journal = journal
        self._lock = threading.Lock()

    @classmethod
    def create(cls, path: Path, key: SigningKey) -> Self:
        """Make a new ledger that holds its genesis entry; it appears whole and on the disk, or not at all.

        Raises: StateError, where the path exists or the disk refuses.
        """
        chain = Chain()
        entry, line = chain.make(_genesis(key), key)
        journal = Journal.create(path, line + b"\n")
        chain.take(entry)
        return cls(chain, [entry], key, journal)

    @classmethod
    def open(cls, path: Path, key: SigningKey) -> Self:
        """Open a ledger alone, verify all of it, and drop a torn tail.

        A torn tail is what follows the last newline: an append that never returned, so nothing was sent because of it.
        Raises: StateError, where it is missing, no regular file, or another daemon has it; LedgerError for anything
        that does not hold; NewerFormatError.
        """
        journal = Journal.open(path)
        try:
            chain, entries = Chain(), []
            for line in journal.lines():
                entries.append(chain.follow(line))
            if chain.key != key.public:
                raise LedgerError(f"the ledger {path} belongs to another device key; nothing was changed")
            journal.repair()
        except BaseException:
            journal.close()
            raise
        return cls(chain, entries, key, journal)

    @classmethod
    def in_memory(cls, key: SigningKey) -> Self:
        """Make a ledger that is kept nowhere, with its genesis entry: for simulations and tests."""
        chain = Chain()
        entry, _ = chain.make(_genesis(key), key)
        chain.take(entry)
        return cls(chain, [entry], key, None)

    def append(self, body: Body) -> Entry:
        """Sign `body` as the next entry, put it on the disk, and return it; only then does it count.

        Raises: LedgerError, where a rule forbids it (`Chain`), or the file changed under this daemon;
        StateError, where the disk refuses: the ledger is as it was.
        """
        with self._lock:
            entry, line = self._chain.make(body, self._key)
            if self._journal is not None:
                self._journal.append(line + b"\n")
            self._chain.take(entry)
            self._entries.append(entry)
            return entry

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries so far."""
        return tuple(self._entries)

    @property
    def head(self) -> Head:
        """The newest entry's index and hash."""
        return self._chain.head

    def charge(self, plan_id: str, round: int) -> Charge | None:  # noqa: A002  # the wire's own word
        """Return the charge of a round, or None."""
        found = self._chain.charges.get((plan_id, round))
        return found[1] if found else None

    def release(self, plan_id: str, round: int) -> Released | None:  # noqa: A002
        """Return the release of a round, or None."""
        found = self._chain.releases.get((plan_id, round))
        return found[1] if found else None

    def receipt(self, plan_id: str, round: int) -> Receipt | None:  # noqa: A002
        """Return the newest receipt that was given for a round, or None."""
        return self._chain.receipts.get((plan_id, round))

    def charged_events(self) -> tuple[PrivacyEvent, ...]:
        """Return the events of all charges, in order: what `check_budget` weighs."""
        return self._chain.charged_events()

    def check_receipt(self, signed: Signed) -> Receipt:
        """Return a receipt that fits this ledger, without appending it.

        Raises: LedgerError, where it doesn't: a restored, forked or truncated ledger shows here; SignatureError;
        FormatError.
        """
        return self._chain.check_receipt(signed)

    def close(self) -> None:
        """Let go of the file and its lock; appending is over."""
        if self._journal is not None:
            self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Ledger of {self._key.public.device_id}, {len(self._entries)} entries>"


def read_ledger(data: bytes) -> tuple[Entry, ...]:
    """Verify a whole ledger without its private key, and return its entries.

    Raises: LedgerError, also for an empty one and for one that doesn't end in a newline; NewerFormatError.
    """
    chain = Chain()
    entries = tuple(follow_lines(data.splitlines(keepends=True), chain))
    _ = chain.head  # an empty ledger is no ledger
    return entries


def follow_lines(lines: Iterable[bytes], chain: Chain) -> Iterator[Entry]:
    """Verify lines (each with its newline) one by one into `chain`, holding one at a time.

    Raises: as `read_ledger`.
    """
    for line in lines:
        if not line.endswith(b"\n"):
            raise LedgerError(
                f"entry {len(chain.hashes)} of the ledger is torn: it lacks its newline; nothing was accepted"
            )
        yield chain.follow(line[:-1])


def _genesis(key: SigningKey) -> Genesis:
    return Genesis(device=key.public.device_id, device_key=key.public.hex)
