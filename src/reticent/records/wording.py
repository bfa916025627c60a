"""What is wrong with one field of a record, in this project's words."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is no field of it",
    "greater_than_equal": "must be {ge:.16g} at least",
    "less_than_equal": "must be {le:.16g} at most",
    "greater_than": "must be more than {gt:.16g}",
    "less_than": "must be less than {lt:.16g}",
    "finite_number": "must be a finite number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a whole number of reasonable size",
    "float_type": "must be a number",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "enum": "must be {expected}",
    "union_tag_invalid": "must name one of {expected_tags}",
    "union_tag_not_found": "must have a name",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "has characters or a length that are not allowed there",
    "string_too_short": "must have {min_length} characters at least",
    "string_too_long": "must have {max_length} characters at most",
    "too_short": "must hold {min_length} at least",
    "too_long": "must hold {max_length} at most",
    "dict_type": "must hold names and values",
    "model_type": "must hold names and values",
    "model_attributes_type": "must hold names and values",
    "dataclass_type": "must hold names and values",
}


def complaint(error: ValidationError) -> str:
    """Name the first wrong field and what it must be. Never shows the value, and shows a hostile field name shortened and escaped."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "these values together"
    if not where.isascii() or not where.isprintable() or len(where) > 60:
        where = ascii(where)[:60]
    return f"{where} {_words(first['type'], first.get('ctx', {}))}"


def _words(kind: str, context: Mapping[str, Any]) -> str:
    if kind == "value_error":  # raised by a validator of ours
        return f"can't stand: {context['error']}"
    return _WORDS.get(kind, "is not what it has to be").format(**context)
