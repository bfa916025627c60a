"""Which bytes stand for a value: the one canonical JSON form (RFC 8785), written and read."""

import hashlib
import json
from typing import Any, NoReturn

import rfc8785
from pydantic import JsonValue

from reticent.errors import FormatError

MAX_DEPTH = 32
"""Arrays and objects inside each other. The deepest record of ours has 7."""

LIMIT_BYTES = 64 * 1024
"""More than any single record of ours needs."""

_LONGEST_NUMBER = 32  # characters; the longest canonical number has 25


def canonical(value: JsonValue) -> bytes:
    """Return the RFC 8785 form of `value`, UTF-8, without a newline.

    Raises: FormatError, for NaN, infinities, integers beyond 2**53 - 1, lone surrogates, other types, or nesting beyond
    MAX_DEPTH.
    """
    _check_depth(value)
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeError) as error:
        raise FormatError(f"a value has no canonical form: {type(error).__name__}; nothing was written") from None


def parse_canonical(data: bytes, *, limit_bytes: int) -> JsonValue:
    """Return the value that `data` is the canonical form of.

    Guarantee: `canonical(parse_canonical(data)) == data`, so a value has one encoding and a hash of it means something.
    That excludes duplicate keys, spaces, another order of keys, other escapes, `1.0`, `1e0` and `-0`.
    Numbers without a fraction come back as int where that is exact (up to 2**53 - 1) and as float beyond.
    Raises: FormatError, also for more than `limit_bytes`; the size is looked at first.
    """
    if len(data) > limit_bytes:
        raise FormatError(f"{len(data)} bytes were given where at most {limit_bytes} are read; nothing was read")
    try:
        value: JsonValue = json.loads(
            data.decode("utf-8"), parse_int=_integer, parse_float=_float, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise _too_deep() from None
    except ValueError:  # JSONDecodeError and UnicodeDecodeError are both
        raise FormatError("the bytes are not JSON in UTF-8; nothing was read") from None
    # Nesting can't be deeper than there are brackets, so ordinary records skip the walk.
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH:
        _check_depth(value)
    try:
        again = rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeError):
        raise FormatError("the JSON has no canonical form (RFC 8785); nothing was read") from None
    if again != data:
        raise FormatError("the JSON is not in canonical form (RFC 8785); nothing was read")
    return value


def digest(data: bytes) -> str:
    """Return the SHA-256 of `data`: 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def _check_depth(value: Any) -> None:
    """Refuse nesting beyond MAX_DEPTH; breadth first, so a hostile value can't exhaust the stack."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            child
            for parent in level
            if isinstance(parent, (dict, list, tuple))
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> FormatError:
    return FormatError(f"the JSON nests deeper than {MAX_DEPTH} levels; nothing was read")


def _integer(text: str) -> int | float:
    if len(text) > _LONGEST_NUMBER:
        raise FormatError("the JSON holds a number of unreasonable length; nothing was read")
    number = int(text)
    return number if abs(number) < 2**53 else float(number)


def _float(text: str) -> float:
    if len(text) > _LONGEST_NUMBER:
        raise FormatError("the JSON holds a number of unreasonable length; nothing was read")
    return float(text)


def _refuse_constant(name: str) -> NoReturn:
    raise FormatError(f"the JSON holds {name}, which is not a number; nothing was read")
