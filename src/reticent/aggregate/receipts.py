"""The receipt index: each ledger head that a device has shown, counter-signed, so that it can't be taken back."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from reticent.aggregate.durable import append, cut_torn_tail, whole_lines
from reticent.errors import IntegrityError, StateError
from reticent.records.files import sync_folder
from reticent.records.keys import SigningKey
from reticent.records.messages import JoinReply
from reticent.records.receipt import Receipt, read_receipt, sign_receipt
from reticent.records.signed import Signed

_LINE_LIMIT_BYTES = 4096


@dataclass(frozen=True, slots=True)
class _Known:
    receipt: Receipt
    signed: Signed


class ReceiptIndex:
    """Append-only receipts.jsonl, one signed receipt a line, with one writer at a time.

    Within one plan a device's heads only rise, because its rounds are asked in order. So a lower index than one of the
    same plan, or another hash (or round) where one was shown before, means a ledger that was restored, forked or rolled
    back. Between plans a lower index proves nothing: a device shows the entry that holds the charge, and a plan whose
    first answer was lost is asked again after another plan. A round may be shown twice, by a later head that holds the
    same charge.
    """

    def __init__(self, path: Path, key: SigningKey) -> None:
        """Open the index, verify every line, and cut off what an interrupted append left behind.

        Raises: StateError, if another process writes it; SignatureError, FormatError or IntegrityError, if a line isn't
        what this key signed or the order is wrong: nothing is changed then.
        """
        self._path = path
        self._key = key
        self._last: dict[str, _Known] = {}
        self._by_index: dict[tuple[str, int], _Known] = {}
        self._highest: dict[tuple[str, str], int] = {}  # by device and plan
        self._paid_at: dict[tuple[str, str, int], int] = {}
        self._failed = False
        self._size = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            sync_folder(path.parent)  # a new index must outlive a power cut as its lines do
        except OSError as error:
            raise StateError(f"{path} can't be opened ({error.strerror}); no head was counter-signed") from None
        try:
            self._lock_and_read()
        except BaseException:
            os.close(self._descriptor)
            raise

    def _lock_and_read(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StateError(
                f"{self._path} is in use by another run of this server; one at a time is allowed; nothing was sent"
            ) from None
        for line in whole_lines(self._path.read_bytes()):
            signed = Signed.from_bytes(line, limit_bytes=_LINE_LIMIT_BYTES)
            known = _Known(read_receipt(signed, self._key.public), signed)
            self._check_new(known.receipt)
            self._remember(known)
        self._size = cut_torn_tail(self._descriptor)

    def last(self, device: str) -> Signed | None:
        """The receipt for the head with the highest index that this device has shown, or None."""
        known = self._last.get(device)
        return known.signed if known else None

    def paid_at(self, device: str, *, plan_id: str, round: int) -> int | None:  # noqa: A002
        """The first index at which this device showed its charge for a round; its release stands above it."""
        return self._paid_at.get((device, plan_id, round))

    def counter_sign(self, reply: JoinReply) -> Signed:
        """Sign the head that a device showed when it joined; the receipt is on the disk before this returns.

        The very same head for the same round gives the very same receipt, however often it is shown.
        Raises: IntegrityError, if the ledger was restored, forked or rolled back; StateError, if the disk refuses. No
        receipt exists then.
        """
        if self._failed:
            raise StateError(f"{self._path} could not be written before; no head is counter-signed until a restart")
        asked = Receipt(
            device=reply.device,
            index=reply.index,
            head=reply.head,
            plan_id=reply.plan_id,
            round=reply.round,
            weights_hash=reply.weights_hash,
        )
        known = self._by_index.get((asked.device, asked.index))
        if known is not None and known.receipt == asked:
            return known.signed
        self._check_new(asked)
        self._check_in_place()
        signed = sign_receipt(asked, self._key)
        try:
            append(self._descriptor, signed.to_bytes(), name=self._path.name)
        except StateError:
            self._failed = True
            raise
        self._size = os.fstat(self._descriptor).st_size
        self._remember(_Known(asked, signed))
        return signed

    def _check_new(self, asked: Receipt) -> None:
        who = f"device {asked.device} showed entry {asked.index} of its ledger"
        known = self._by_index.get((asked.device, asked.index))
        if known is not None:
            what = "for another round" if known.receipt.head == asked.head else "with another hash: it was forked"
            raise IntegrityError(f"{who} before, {what}; nothing was counter-signed")
        highest = self._highest.get((asked.device, asked.plan_id), -1)
        if asked.index < highest:
            raise IntegrityError(
                f"{who} after entry {highest} for the same plan: it was restored or rolled back; "
                "nothing was counter-signed"
            )

    def _check_in_place(self) -> None:
        """Refuse to go on where the index on the disk was removed, replaced or changed by somebody else."""
        held = os.fstat(self._descriptor)
        try:
            named = self._path.stat(follow_symlinks=False)
        except OSError:
            named = None
        if named is None or not os.path.samestat(named, held) or held.st_size != self._size:
            raise StateError(f"{self._path} was changed or replaced while in use; nothing was counter-signed")

    def _remember(self, known: _Known) -> None:
        receipt = known.receipt
        last = self._last.get(receipt.device)
        if last is None or last.receipt.index < receipt.index:
            self._last[receipt.device] = known
        plan = (receipt.device, receipt.plan_id)
        self._highest[plan] = max(self._highest.get(plan, -1), receipt.index)
        self._by_index[receipt.device, receipt.index] = known
        self._paid_at.setdefault((receipt.device, receipt.plan_id, receipt.round), receipt.index)

    def close(self) -> None:
        """Let another run open the index."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
