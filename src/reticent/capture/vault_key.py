"""Where does a vault's key lie? In the system's keyring where there is one, else in a file only its owner can read.

The file at `path` says which, for good: a keyring that is locked tomorrow must never make a second key.

::

    reticent-vault-key 1 keyring <a random name, no identity in it>
    reticent-vault-key 1 file <the key, hex>
"""

import os
import re
import secrets
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from reticent.errors import FormatError, NewerFormatError, StateError
from reticent.records.files import read_regular, replace_private

Where = Literal["keyring", "file"]
KEY_BYTES = 32
SERVICE = "reticent-vault"
_LIMIT_BYTES = 1_000
_TRUSTED = ("keyring.backends.SecretService", "keyring.backends.kwallet", "keyring.backends.libsecret")
_TRUSTED_ELSEWHERE = ("keyring.backends.macOS", "keyring.backends.Windows")
_LINE = re.compile(r"reticent-vault-key ([1-9][0-9]{0,5}) ([^\n]{1,200})\n")
_PLACE = re.compile(r"(keyring [0-9a-f]{32}|file [0-9a-f]{64})")
_Answer = TypeVar("_Answer")


class Keyring(Protocol):
    """What is used of a keyring backend."""

    def get_password(self, service: str, username: str) -> str | None: ...

    def set_password(self, service: str, username: str, password: str) -> None: ...


def load_or_create(path: Path, *, keyring: Keyring | None = None, wait_s: float = 5.0) -> tuple[bytes, Where]:
    """The key whose place `path` names, made now if there is none, and where it lies.

    keyring: a backend to use instead of the system's. wait_s: how long the system's may take to answer before the
    key is put into a file. Raises: as `load_key`; StateError too if nothing can be written at `path`.
    """
    if path.exists():
        return _load(path, keyring=keyring)
    key = secrets.token_bytes(KEY_BYTES)
    name = secrets.token_hex(16)
    if _stored(key, name, keyring=keyring, wait_s=wait_s):
        _write(path, f"keyring {name}")
        return key, "keyring"
    _write(path, f"file {key.hex()}")
    return key, "file"


def load_key(path: Path, *, keyring: Keyring | None = None) -> bytes:
    """The key whose place `path` names.

    Raises StateError if there is no such file, or the keyring is locked or does not hold the key; FormatError for a
    file that names no place; NewerFormatError for a newer release's. No other key is ever made instead.
    """
    return _load(path, keyring=keyring)[0]


def _load(path: Path, *, keyring: Keyring | None) -> tuple[bytes, Where]:
    text = read_regular(path, what="vault's key file", limit_bytes=_LIMIT_BYTES).decode("ascii", errors="replace")
    line = _LINE.fullmatch(text)
    if line is None:
        raise FormatError("the vault's key file is damaged; without it the vault stays shut; nothing was changed")
    if int(line[1]) > 1:
        raise NewerFormatError(
            f"the vault's key file is of version {line[1]}; this release reads 1; nothing was changed"
        )
    if _PLACE.fullmatch(line[2]) is None:
        raise FormatError("the vault's key file is damaged; without it the vault stays shut; nothing was changed")
    where, value = line[2].split()
    if where == "file":
        return bytes.fromhex(value), "file"
    backend = keyring or _answer(_system_keyring, wait_s=60.0)  # its person may have to unlock it
    held = _answer(lambda: backend.get_password(SERVICE, value), wait_s=60.0) if backend is not None else None
    if held is None or re.fullmatch("[0-9a-f]{64}", held) is None:
        raise StateError("the keyring that holds the vault's key is locked or gone; unlock it; nothing was changed")
    return bytes.fromhex(held), "keyring"


def _stored(key: bytes, name: str, *, keyring: Keyring | None, wait_s: float) -> bool:
    """Whether a keyring took the key and gives it back."""

    def store() -> bool:
        backend = keyring or _system_keyring()
        if backend is None:
            return False
        backend.set_password(SERVICE, name, key.hex())
        return backend.get_password(SERVICE, name) == key.hex()

    return _answer(store, wait_s=wait_s) is True


def _system_keyring() -> Keyring | None:
    """The system's keyring, None where there is none worth the name (the plain-text ones are not)."""
    if sys.platform == "linux" and not _has_bus():
        return None
    import keyring.backend  # imported late: it looks for backends, which can take long

    trusted = (*_TRUSTED, *_TRUSTED_ELSEWHERE)
    found = [backend for backend in keyring.backend.get_all_keyring() if type(backend).__module__ in trusted]
    chosen: Keyring | None = max(found, key=lambda backend: float(backend.priority), default=None)
    return chosen


def _has_bus() -> bool:
    return "DBUS_SESSION_BUS_ADDRESS" in os.environ or Path(f"/run/user/{os.getuid()}/bus").exists()


def _answer(ask: Callable[[], _Answer], *, wait_s: float) -> _Answer | None:
    """What `ask` returns; None if it fails or is not back in time. A bus that never answers must not stop a device."""
    answers: list[_Answer] = []

    def run() -> None:
        try:
            answers.append(ask())
        except Exception:  # backends raise what they like; its text may name accounts
            return

    thread = threading.Thread(target=run, name="keyring", daemon=True)
    thread.start()
    thread.join(wait_s)
    return answers[0] if answers else None


def _write(path: Path, place: str) -> None:
    replace_private(path, f"reticent-vault-key 1 {place}\n".encode("ascii"))
