"""Where do captured sessions lie on the device? In one SQLCipher file: every page encrypted and authenticated.

What is stored of an action is its kind, cell, time and gap; `start` is renumbered, so that how many keys a typing run
held is not in the vault. Nothing is ever written unencrypted: journals are encrypted too, temporary tables stay in
memory. Deleted rows are overwritten, and a purge shrinks the file; what a disk keeps of old blocks is still encrypted, and
unreadable once the key is gone too.

How old a session is counts from the moment it was stored here, by this machine's clock: a recording carries no date of its
own, and what a person puts into the vault begins to lie on this device then.
"""

import os
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from sqlcipher3 import dbapi2

from reticent.actions.action import Action, Frame, Session
from reticent.actions.vocabulary import CELLS, FRAME_HEIGHT, FRAME_WIDTH, KINDS, PATCH_SIDE, ActionKind
from reticent.errors import FormatError, NewerFormatError, SettingError, StateError

SCHEMA_VERSION = 2
KEY_BYTES = 32
MAX_SESSION_ACTIONS = 32_768
_APPLICATION = 0x7265746E  # "retn"
_BUSY_S = 5.0
_DAY_S = 86_400
_ACTION = np.dtype([("kind", "u1"), ("cell", "<u2"), ("t_ms", "<i8"), ("gap_ms", "<i8")])
_THUMBNAIL = FRAME_HEIGHT * FRAME_WIDTH
_PATCH = PATCH_SIDE * PATCH_SIDE


class Vault:
    """Sessions of one enrolment, encrypted. Safe to use from several threads; close it, or use it as a context."""

    def __init__(self, connection: Any, now: Callable[[], float]) -> None:
        self._connection = connection
        self._now = now
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return "<Vault>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @classmethod
    def create(cls, path: Path, *, key: bytes, now: Callable[[], float] = time.time) -> "Vault":
        """An empty vault in a new file that only its owner can read (0600).

        key: 32 bytes, used as they are. now: Unix seconds. Raises StateError if there is anything at `path`, SettingError for another key.
        """
        _check_key(key)
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            raise StateError("there is a vault already; it was left as it is") from None
        except OSError as error:
            raise StateError(f"the vault cannot be made here ({error.strerror}); nothing was stored") from None
        connection = _connect(path, key)
        with _translated("nothing was stored"):
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute(
                "CREATE TABLE session (id INTEGER PRIMARY KEY, stored_at INTEGER NOT NULL, count INTEGER NOT NULL, "
                "actions BLOB, frames BLOB)"
            )
        return cls(connection, now)

    @classmethod
    def open(cls, path: Path, *, key: bytes, now: Callable[[], float] = time.time) -> "Vault":
        """The vault at `path`, every page's authentication checked. One of version 1 is brought to version 2: its sessions
        count as stored now.

        Raises StateError if there is none, FormatError if the key is another's, the file is damaged or is no vault,
        NewerFormatError if a newer release made it. Nothing is changed then.
        """
        _check_key(key)
        if not path.is_file():
            raise StateError("there is no vault here; 'reticent device init' makes one; nothing was changed")
        if path.stat().st_size == 0:
            raise FormatError("the vault is an empty file; nothing was read or changed")
        connection = _connect(path, key)
        try:
            with _translated("nothing was read or changed"):
                application = connection.execute("PRAGMA application_id").fetchone()[0]
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                damage = connection.execute("PRAGMA cipher_integrity_check").fetchall()
                tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'session'").fetchall()
            if application != _APPLICATION:
                raise FormatError("the file is encrypted by this key, but it is no vault; nothing was read or changed")
            if version > SCHEMA_VERSION:
                raise NewerFormatError(
                    f"the vault is of version {version}; this release reads up to {SCHEMA_VERSION}; nothing was changed"
                )
            if damage or version < 1 or not tables:
                raise FormatError(
                    "the vault is damaged: some of its pages fail their check; nothing was read or changed"
                )
            if version < SCHEMA_VERSION:
                with _translated("it is as it was"):
                    _date_sessions(connection, int(now()))
        except BaseException:
            connection.close()
            raise
        return cls(connection, now)

    def close(self) -> None:
        """Close the file; the vault is of no more use. Closing twice does nothing."""
        with self._lock:
            self._connection.close()

    def add(self, session: Session) -> None:
        """Store one session; it is on disk when this returns. A session without actions is not stored.

        Raises StateError if the disk is full or the vault is in use elsewhere, SettingError for a session longer than
        MAX_SESSION_ACTIONS; the vault is as before then.
        """
        count = len(session.actions)
        if count > MAX_SESSION_ACTIONS:
            raise SettingError(f"a session holds at most {MAX_SESSION_ACTIONS} actions; nothing was stored")
        if count == 0:
            return
        row = (int(self._now()), count, _pack_actions(session), _pack_frames(session))
        with self._lock, _translated("this session was not stored"):
            self._connection.execute("INSERT INTO session (stored_at, count, actions, frames) VALUES (?, ?, ?, ?)", row)

    def sessions(self, *, newest: int | None = None) -> Iterator[Session]:
        """Every session, in the order they were added, one at a time. Raises FormatError for a row that is damaged.

        newest: only those sessions that hold the newest so many actions.
        """
        with self._lock, _translated("nothing was changed"):
            held = self._connection.execute("SELECT id, count FROM session ORDER BY id DESC").fetchall()
        numbers, actions = [], 0
        for number, count in held:
            if newest is not None and actions >= newest:
                break
            numbers.append(number)
            actions += count
        for number in reversed(numbers):
            with self._lock, _translated("nothing was changed"):
                row = self._connection.execute(
                    "SELECT count, actions, frames FROM session WHERE id = ?", (number,)
                ).fetchone()
            if row is not None:  # purged meanwhile
                yield _unpack(*row)

    def count(self) -> int:
        """How many sessions are stored."""
        with self._lock, _translated("nothing was changed"):
            return int(self._connection.execute("SELECT count(*) FROM session").fetchone()[0])

    def actions(self) -> int:
        """How many actions are stored."""
        with self._lock, _translated("nothing was changed"):
            return int(self._connection.execute("SELECT coalesce(sum(count), 0) FROM session").fetchone()[0])

    def forget(self, *, older_than_days: int) -> int:
        """Delete every session that was stored so many days ago or earlier, and overwrite where it lay. Returns how many.

        One that seems to be stored later than now (the clock was set back) counts as stored now, so that it too goes in time.
        Raises StateError if that cannot be done; what was not deleted stays for the next call.
        """
        now = int(self._now())
        with self._lock, _translated("not everything that is too old may have been deleted: try again"):
            self._connection.execute("UPDATE session SET stored_at = ? WHERE stored_at > ?", (now, now))
            gone = self._connection.execute(
                "DELETE FROM session WHERE stored_at <= ?", (now - older_than_days * _DAY_S,)
            ).rowcount
        return int(gone)

    def purge(self) -> None:
        """Delete everything, overwrite where it lay and shrink the file. Raises StateError if that cannot be done."""
        with self._lock, _translated("not everything may have been deleted: try again"):
            self._connection.execute("DELETE FROM session")
            self._connection.execute("VACUUM")


def _date_sessions(connection: Any, now: int) -> None:
    """Version 1 to 2, in one transaction: its sessions bore no time."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("ALTER TABLE session ADD COLUMN stored_at INTEGER NOT NULL DEFAULT 0")
        connection.execute("UPDATE session SET stored_at = ?", (now,))
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(dbapi2.Error):
            connection.execute("ROLLBACK")
        raise


def _check_key(key: bytes) -> None:
    if len(key) != KEY_BYTES:
        raise SettingError(f"a vault's key has {KEY_BYTES} bytes, not {len(key)}; nothing was read or changed")


def _connect(path: Path, key: bytes) -> Any:
    # isolation_level None: every statement commits by itself. The lock above replaces the check of threads.
    connection = dbapi2.connect(path.as_posix(), timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    for pragma in (
        "cipher_log_level = NONE",  # it writes to stderr past Python, and what is wrong is told once
        f"key = \"x'{key.hex()}'\"",
        "journal_mode = DELETE",
        "secure_delete = ON",
        "temp_store = MEMORY",
        "synchronous = FULL",
    ):
        with suppress(dbapi2.DatabaseError):  # a wrong key shows at the first real statement
            connection.execute(f"PRAGMA {pragma}")
    return connection


@contextmanager
def _translated(state: str) -> Iterator[None]:
    try:
        yield
    except dbapi2.OperationalError as error:
        raise StateError(f"the vault cannot be used ({error}); {state}") from None
    except dbapi2.ProgrammingError:
        raise StateError(f"the vault is closed; {state}") from None
    except dbapi2.DatabaseError:
        raise FormatError(f"the vault is damaged, is no vault, or has another key; {state}") from None


def _pack_actions(session: Session) -> bytes:
    table = np.zeros(len(session.actions), dtype=_ACTION)
    for row, action in zip(table, session.actions, strict=True):
        row["kind"], row["cell"], row["t_ms"], row["gap_ms"] = action.kind, action.cell, action.t_ms, action.gap_ms
    return zlib.compress(table.tobytes())


def _pack_frames(session: Session) -> bytes:
    parts = []
    for frame in session.frames:
        parts.append(frame.thumbnail.tobytes())
        parts.append(b"\0" + bytes(_PATCH) if frame.patch is None else b"\1" + frame.patch.tobytes())
    packed = b"".join(parts)
    if len(packed) != len(session.frames) * (_THUMBNAIL + 1 + _PATCH):
        raise SettingError("a frame has another shape or type than the canonical one; this session was not stored")
    return zlib.compress(packed)


def _unpack(count: int, actions: bytes, frames: bytes) -> Session:
    table = np.frombuffer(_inflate(actions, size=count * _ACTION.itemsize), dtype=_ACTION)
    pictures = np.frombuffer(_inflate(frames, size=count * (_THUMBNAIL + 1 + _PATCH)), dtype=np.uint8)
    pictures = pictures.reshape(count, _THUMBNAIL + 1 + _PATCH)
    if table["kind"].max() >= KINDS or table["cell"].max() >= CELLS:
        raise FormatError("a session in the vault is damaged; nothing was changed")
    return Session(
        actions=tuple(
            Action(kind=ActionKind(kind), cell=cell, t_ms=t_ms, gap_ms=gap_ms, start=number)
            for number, (kind, cell, t_ms, gap_ms) in enumerate(table.tolist())
        ),
        frames=tuple(
            Frame(
                thumbnail=picture[:_THUMBNAIL].reshape(FRAME_HEIGHT, FRAME_WIDTH),
                patch=picture[_THUMBNAIL + 1 :].reshape(PATCH_SIDE, PATCH_SIDE) if picture[_THUMBNAIL] else None,
            )
            for picture in pictures
        ),
    )


def _inflate(data: bytes, *, size: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(data, size + 1)
    except (zlib.error, TypeError):
        raw = b""
    if len(raw) != size or size == 0:
        raise FormatError("a session in the vault is damaged; nothing was changed")
    return raw
