"""What every signed or kept record has in common: frozen, strict, versioned, one canonical form."""

import json
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from reticent.errors import FormatError, NewerFormatError, SettingError
from reticent.records.canonical import LIMIT_BYTES, canonical, parse_canonical
from reticent.records.keys import PublicKey
from reticent.records.wording import complaint

LARGEST_INTEGER = 2**53 - 1
"""The largest integer that canonical JSON carries exactly."""

Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}\z")]
"""A SHA-256: 64 lower-case hexadecimal digits."""


def _key(text: str) -> str:
    try:
        return PublicKey(text).hex
    except FormatError as error:
        raise ValueError(str(error)) from None  # what pydantic expects of a validator


Key = Annotated[Hash, AfterValidator(_key)]
"""A raw Ed25519 public key: 64 lower-case hexadecimal digits, no point of small order."""

DeviceId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}\z")]
"""The first 32 hexadecimal digits of the SHA-256 of a device's raw public key."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\z")]
"""A name out of a closed list somewhere: lower case, digits, dot, underscore, hyphen; 1 to 64 characters."""

Version1 = Annotated[int, Field(ge=1, le=1)]  # not Literal[1]: pydantic lets `true` and `1.0` pass as that
Version2 = Annotated[int, Field(ge=1, le=2)]

Count = Annotated[int, Field(ge=1, le=LARGEST_INTEGER)]
Index = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]
Positive = Annotated[float, Field(ge=1e-12, le=1e6)]
"""A finite positive number of reasonable size: clip norms, grids, learning rates."""

Noise = Annotated[float, Field(ge=1e-6, le=1e6)]
"""A noise multiplier, as far as `reticent.privacy` gives figures."""

Budget = Annotated[float, Field(ge=1e-6, le=1e6)]
"""A limit of epsilon, as far as `reticent.privacy` enforces one."""

Rate = Annotated[float, Field(ge=1e-12, le=1)]
"""A Poisson sampling rate."""


class Record(BaseModel):
    """A frozen record. Making one from wrong values raises SettingError; reading one from wrong bytes, FormatError."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    TITLE: ClassVar[str] = "record"
    """What an error message calls it."""

    KNOWN: ClassVar[int] = 1
    """The newest version that this release reads."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingError(f"in this {self.TITLE}, {complaint(error)}; nothing was written") from None

    # pydantic calls an own __init__ for nested records too, with JSON already turned into Python, unless told that this
    # one adds nothing; tests/records/test_record.py fails first when that name moves.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    def to_value(self) -> dict[str, JsonValue]:
        """Return the record as JSON values."""
        return self.model_dump(mode="json")

    def to_bytes(self) -> bytes:
        """Return the canonical form."""
        return canonical(self.to_value())

    @classmethod
    def from_bytes(cls, data: bytes, *, limit_bytes: int = LIMIT_BYTES) -> Self:
        """Read the canonical form; every field must be there, defaults included.

        Raises: FormatError; NewerFormatError for a newer version, before anything else is looked at.
        """
        value = parse_canonical(data, limit_bytes=limit_bytes)
        check_version(value, known=cls.KNOWN, title=cls.TITLE)
        return _read(cls, value, lambda: cls.model_validate_json(data))

    @classmethod
    def from_value(cls, value: JsonValue) -> Self:
        """Read a record from JSON values that `parse_canonical` gave, by the same rules as `from_bytes`."""
        check_version(value, known=cls.KNOWN, title=cls.TITLE)
        return _read(cls, value, lambda: cls.model_validate_json(json.dumps(value)))


R = TypeVar("R", bound=Record)


def check_version(value: JsonValue, *, known: int, title: str) -> None:
    """Refuse anything that isn't an object, and an object of a newer version.

    Raises: FormatError, NewerFormatError.
    """
    if not isinstance(value, dict):
        raise FormatError(f"a {title} must be a JSON object; nothing was read")
    version = value.get("version", known)
    if isinstance(version, int) and not isinstance(version, bool) and version > known:
        raise NewerFormatError(
            f"this {title} has version {version}, this release reads up to version {known}; "
            "nothing was read; a newer release of reticent is needed"
        )


def _read(cls: type[R], value: JsonValue, validate: Callable[[], R]) -> R:
    try:
        record = validate()
    except ValidationError as error:
        raise FormatError(f"these bytes are not a {cls.TITLE}: {complaint(error)}; nothing was read") from None
    except SettingError as error:
        raise FormatError(f"these bytes are not a {cls.TITLE}: {error}") from None
    if record.to_value() != value:
        # A default that was left out: two encodings of one record would have two hashes.
        raise FormatError(f"these bytes are not a {cls.TITLE}: a field is missing; nothing was read")
    return record
