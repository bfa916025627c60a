"""The only way into the outbox: a closed union of types, written whole, recorded before it can be seen.

A release goes through three steps, each on disk before the next: its bytes into `pending/` (private), its hash into the ledger,
a rename into `outbox/`. Killed between any two, the next start publishes what the ledger names and deletes the rest.
"""

import os
from collections import deque
from pathlib import Path

from reticent import spool
from reticent.egress import Outgoing, SealedRelease
from reticent.errors import ForgeryError, IntegrityError, ReticentError, StateError
from reticent.records.entries import Released
from reticent.records.keys import SigningKey
from reticent.records.ledger import Ledger
from reticent.records.messages import Abstain, JoinReply, ReleaseReply, decode_reply, encode_reply

MOST_ABSTENTIONS = 256


class Outbox:
    """Publishes replies for one device."""

    def __init__(self, *, spool_folder: Path, pending: Path, ledger: Ledger, key: SigningKey) -> None:
        self._spool = spool_folder
        self._pending = pending
        self._ledger = ledger
        self._key = key
        self._abstained: deque[str] = deque()
        pending.mkdir(mode=0o700, exist_ok=True)

    def put(self, name: str, outgoing: Outgoing) -> None:
        """Publish the reply to request `name`; what was published before stays.

        Raises: ForgeryError, for anything outside the closed union; StateError, if the disk is full (nothing is published then).
        """
        if isinstance(outgoing, SealedRelease):  # can't be subclassed
            data = outgoing.data()
            header, _ = decode_reply(data, limit_bytes=spool.LARGEST_REPLY_BYTES, device_key=self._key.public)
            if not isinstance(header, ReleaseReply):
                raise ForgeryError("a sealed release holds something else; nothing was sent")
            path = self._write(name, data)
            self._ledger.append(
                Released(plan_id=header.plan_id, round=header.round, payload_hash=header.payload_hash, bytes=len(data))
            )
        elif type(outgoing) is JoinReply or type(outgoing) is Abstain:
            path = self._write(name, encode_reply(outgoing, b"", self._key))
        else:
            raise ForgeryError(
                f"the outbox takes a sealed release, a join reply or an abstention, not a {type(outgoing).__name__}; nothing was sent"
            )
        try:
            spool.publish(self._spool, name, path)
        except IntegrityError:
            path.unlink(missing_ok=True)
        if isinstance(outgoing, Abstain):
            self._forget_old_abstentions(name)

    def _forget_old_abstentions(self, newest: str) -> None:
        """Rubbish requests must not fill the disk. An abstention can be made again, bit for bit; nothing else is removed."""
        self._abstained.append(newest)
        while len(self._abstained) > MOST_ABSTENTIONS:
            (self._spool / "outbox" / self._abstained.popleft()).unlink(missing_ok=True)

    def published(self, name: str) -> bool:
        """Whether a reply to request `name` lies in the outbox."""
        return spool.collect(self._spool, name) is not None

    def recover(self) -> None:
        """After a kill: publish each pending release that the ledger names, delete every other pending file."""
        replies = sorted((self._spool / "outbox").iterdir(), key=lambda path: path.lstat().st_mtime_ns)
        self._abstained.extend(path.name for path in replies if self._abstains(path))
        for path in sorted(self._pending.iterdir()):
            if self._is_recorded(path):
                spool.publish(self._spool, path.name, path)
            else:
                path.unlink()

    def _abstains(self, path: Path) -> bool:
        try:
            data = spool.collect(self._spool, path.name)
            header, _ = decode_reply(data or b"", limit_bytes=spool.LARGEST_REPLY_BYTES, device_key=self._key.public)
        except ReticentError:
            return False
        return isinstance(header, Abstain)

    def _is_recorded(self, path: Path) -> bool:
        try:
            header, _ = decode_reply(
                path.read_bytes(), limit_bytes=spool.LARGEST_REPLY_BYTES, device_key=self._key.public
            )
        except ReticentError:
            return False
        if not isinstance(header, ReleaseReply):
            return False
        known = self._ledger.release(header.plan_id, header.round)
        return known is not None and known.payload_hash == header.payload_hash

    def _write(self, name: str, data: bytes) -> Path:
        path = self._pending / name
        try:
            path.unlink(missing_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StateError(f"a reply can't be written ({error.strerror}); nothing was sent") from None
        return path
