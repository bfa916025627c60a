"""One ledger as an auditor reads it: verified by the device's own rules, without any private key."""

from dataclasses import dataclass
from pathlib import Path

from reticent.audit.finding import Finding
from reticent.audit.lines import read_lines
from reticent.errors import LedgerError, StateError
from reticent.records.chain import LINE_LIMIT_BYTES, Chain
from reticent.records.entries import Receipted
from reticent.records.layout import DeviceFolder
from reticent.records.signed import Signed


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What a ledger says as far as it holds.

    path: of the file. name: the device, or the path where not even the first entry holds. chain: everything up to the
    first entry that doesn't. receipts: each with the index of its entry. torn_bytes: what follows the last newline; an
    append that never returned, or a copy cut off. broken: why reading stopped, or None.
    """

    path: Path
    name: str
    chain: Chain
    receipts: tuple[tuple[int, Signed], ...]
    torn_bytes: int
    broken: Finding | None


def read_history(place: Path) -> History:
    """Read a ledger, or the ledger in a device's state folder. Changes nothing and takes no lock.

    Raises: StateError, where there is none; NewerFormatError.
    """
    path = ledger_path(place)
    chain, torn_bytes, why = Chain(), 0, None
    receipts: list[tuple[int, Signed]] = []
    try:
        for line in read_lines(path, what="ledger", limit_bytes=LINE_LIMIT_BYTES):
            if not line.endswith(b"\n"):
                torn_bytes = len(line)
                continue
            entry = chain.follow(line[:-1])
            if isinstance(entry.body, Receipted):
                receipts.append((entry.index, entry.body.receipt))
        _ = chain.head  # an empty ledger is no ledger
    except LedgerError as error:
        why = str(error)
    name = chain.key.device_id if chain.hashes else str(path)
    return History(
        path=path,
        name=name,
        chain=chain,
        receipts=tuple(receipts),
        torn_bytes=torn_bytes,
        broken=None if why is None else Finding(subject=name, kind="broken", sentence=why),
    )


def ledger_path(place: Path) -> Path:
    """Return the ledger's own path, given it or a folder that holds it: a device's state, or a copy of its ledger.jsonl.

    Raises: StateError.
    """
    if not place.is_dir():
        return place
    for path in (DeviceFolder(place).ledger, place / "ledger.jsonl"):
        if path.exists():
            return path
    raise StateError(
        f"the folder {place} holds no ledger; give a ledger.jsonl or a device's state folder; nothing was checked"
    )
