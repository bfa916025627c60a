"""A value with its signature: the one container for everything that crosses between people."""

from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import JsonValue, PlainSerializer, PlainValidator

from reticent.errors import FormatError, SignatureError
from reticent.records.canonical import LIMIT_BYTES as LIMIT_BYTES
from reticent.records.canonical import canonical, digest, parse_canonical
from reticent.records.keys import Domain, PublicKey, SigningKey, is_hex


@dataclass(frozen=True, slots=True)
class Signed:
    """`body`: canonical JSON of an object; `key`: the signer's public key; `signature`: of body, for some domain.

    Holding one proves nothing: `verify` does.
    """

    body: bytes
    key: str
    signature: str

    @property
    def id(self) -> str:
        """The digest of the body; a plan's id and a policy's hash."""
        return digest(self.body)

    def check(self, domain: Domain, key: PublicKey) -> None:
        """Check that `key` signed this body for `domain`.

        Raises: SignatureError.
        """
        if self.key != key.hex:
            raise SignatureError(
                f"this {domain} is signed by key {self.key[:16]}, expected {key.hex[:16]}; nothing was accepted"
            )
        key.verify(domain, self.body, self.signature)

    def verify(self, domain: Domain, key: PublicKey) -> JsonValue:
        """Return the body as JSON values, once `check` has passed.

        Raises: SignatureError; FormatError, where a body was signed that isn't canonical.
        """
        self.check(domain, key)
        return parse_canonical(self.body, limit_bytes=LIMIT_BYTES)

    def to_json(self) -> dict[str, JsonValue]:
        """Return `{"body": object, "key": hex, "signature": hex}`."""
        return {
            "body": parse_canonical(self.body, limit_bytes=LIMIT_BYTES),
            "key": self.key,
            "signature": self.signature,
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> Self:
        """Read what `to_json` made; verifies nothing.

        Raises: FormatError.
        """
        if not isinstance(value, dict) or value.keys() != {"body", "key", "signature"}:
            raise FormatError("a signed record has exactly body, key and signature; nothing was read")
        body, key, signature = value["body"], value["key"], value["signature"]
        if not isinstance(body, dict):
            raise FormatError("the body of a signed record is a JSON object; nothing was read")
        if not isinstance(key, str) or not is_hex(key, digits=64):
            raise FormatError("the key of a signed record is 64 lower-case hexadecimal digits; nothing was read")
        if not isinstance(signature, str) or not is_hex(signature, digits=128):
            raise FormatError("the signature of a signed record is 128 lower-case hexadecimal digits; nothing was read")
        return cls(body=canonical(body), key=key, signature=signature)

    def to_bytes(self) -> bytes:
        """Return the canonical form of `to_json`."""
        return canonical(self.to_json())

    @classmethod
    def from_bytes(cls, data: bytes, *, limit_bytes: int = LIMIT_BYTES) -> Self:
        """Read what `to_bytes` made; verifies nothing.

        Raises: FormatError.
        """
        return cls.from_json(parse_canonical(data, limit_bytes=limit_bytes))


def sign(domain: Domain, body: JsonValue, key: SigningKey) -> Signed:
    """Sign a JSON object for a domain.

    Raises: FormatError, for a body that isn't an object or has no canonical form.
    """
    if not isinstance(body, dict):
        raise FormatError("the body of a signed record is a JSON object; nothing was signed")
    data = canonical(body)
    return Signed(body=data, key=key.public.hex, signature=key.sign(domain, data))


def _read(value: Any) -> Signed:
    try:
        return value if isinstance(value, Signed) else Signed.from_json(value)
    except FormatError as error:
        raise ValueError(str(error)) from None  # what pydantic expects of a validator


SignedField = Annotated[Signed, PlainValidator(_read), PlainSerializer(Signed.to_json)]
"""A `Signed` inside a record."""
