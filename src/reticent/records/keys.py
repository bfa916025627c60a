"""Who signed it: Ed25519 keys, and what a signature was made for."""

import os
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from reticent.errors import FormatError, SignatureError, StateError
from reticent.records.canonical import digest
from reticent.records.files import open_regular, write_private

_PEM_LIMIT_BYTES = 4096


class Domain(StrEnum):
    """What a signature was made for; a signature for one domain verifies in no other."""

    PLAN = "plan"
    POLICY = "policy"
    COUNCIL = "council"
    LEDGER = "ledger"
    RECEIPT = "receipt"
    REPLY = "reply"
    ENROLMENT = "enrolment"
    TICKET = "ticket"


# The encodings of points of small order, with the sign bit cleared: under such a "key" one signature fits many texts.
# The list is libsodium's (ge25519_has_small_order); tests/records/test_keys.py checks it by multiplying.
_SMALL_ORDER = frozenset(
    bytes.fromhex(point)
    for point in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)


class PublicKey:
    """An Ed25519 public key by its 64 hexadecimal digits. Equal when the digits are.

    Raises: FormatError, for anything else, and for a point of small order.
    """

    def __init__(self, key: str) -> None:
        if not is_hex(key, digits=64):
            raise FormatError("a public key must be 64 lower-case hexadecimal digits; nothing was read")
        raw = bytes.fromhex(key)
        if raw[:31] + bytes([raw[31] & 0x7F]) in _SMALL_ORDER:
            raise FormatError("this public key is a point of small order, which proves nothing; nothing was read")
        self._raw = raw
        self.hex = key

    @cached_property
    def device_id(self) -> str:
        """The first 32 hexadecimal digits of the SHA-256 of the raw key."""
        return digest(self._raw)[:32]

    @cached_property
    def _key(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self._raw)

    def verify(self, domain: Domain, message: bytes, signature: str) -> None:
        """Check that this key signed `message` for `domain`.

        Raises: SignatureError.
        """
        if not is_hex(signature, digits=128):
            raise SignatureError(
                f"a {domain} signature must be 128 lower-case hexadecimal digits; nothing was accepted"
            )
        try:
            self._key.verify(bytes.fromhex(signature), _to_be_signed(domain, message))
        except InvalidSignature:
            raise SignatureError(
                f"the {domain} signature does not verify under key {self.hex[:16]}; nothing was accepted"
            ) from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and other.hex == self.hex

    def __hash__(self) -> int:
        return hash(self.hex)

    def __repr__(self) -> str:
        return f"PublicKey({self.hex!r})"


class SigningKey:
    """An Ed25519 private key; its repr shows the public half only."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key().public_bytes_raw().hex())

    @classmethod
    def generate(cls) -> Self:
        """Make a key from the operating system's entropy."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a key that `save` wrote: PKCS 8, PEM, unencrypted, a regular file of its owner alone.

        Raises: StateError, FormatError.
        """
        descriptor = open_regular(path, what="key")
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            if mode & 0o077:
                raise StateError(
                    f"the key {path} is open to other accounts (mode {mode & 0o777:o}); "
                    "only 600 is allowed; nothing was signed"
                )
            pem = file.read(_PEM_LIMIT_BYTES + 1)
        try:
            key = load_pem_private_key(pem, password=None) if len(pem) <= _PEM_LIMIT_BYTES else None
        except (ValueError, TypeError):  # TypeError: encrypted
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise FormatError(f"the file {path} is not an unencrypted Ed25519 private key in PEM; nothing was signed")
        return cls(key)

    def save(self, path: Path) -> None:
        """Write the key to a new file of mode 600 and put it on the disk.

        Raises: StateError, where the path exists or the disk refuses; then no file is left behind.
        """
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(path, pem)

    def sign(self, domain: Domain, message: bytes) -> str:
        """Return the signature of `message` for `domain`: 128 hexadecimal digits, the same for the same input."""
        return self._key.sign(_to_be_signed(domain, message)).hex()

    def __repr__(self) -> str:
        return f"<SigningKey of {self.public.hex[:16]}>"


def is_hex(text: object, *, digits: int) -> bool:
    """Tell whether `text` is exactly so many lower-case hexadecimal digits."""
    return isinstance(text, str) and len(text) == digits and not set(text) - set("0123456789abcdef")


def _to_be_signed(domain: Domain, message: bytes) -> bytes:
    return b"reticent/" + Domain(domain).value.encode() + b"/1\n" + message
