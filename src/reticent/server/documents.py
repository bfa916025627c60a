"""Files that a person writes (YAML) and records that a person carries (JSON), read strictly."""

import json
import math
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # has no type information
from pydantic import JsonValue

from reticent.errors import FormatError, NewerFormatError, SettingError, StateError
from reticent.records.signed import Signed
from reticent.server.settings import read_capped

_LIMIT_BYTES = 64 * 1024


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML without its surprises: a key twice is an error, aliases don't exist, 1e-6 is a number, `no` is text."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise SettingError(f"{str(key)[:60]!r} stands there twice; which one counts is not guessed")
        return super().construct_mapping(node, deep)  # type: ignore[no-any-return]


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:null", r"null|~|", ["n", "~", ""]),
    ("tag:yaml.org,2002:bool", r"true|false", list("tf")),
    ("tag:yaml.org,2002:int", r"-?(0|[1-9][0-9]*)", list("-0123456789")),
    (
        "tag:yaml.org,2002:float",
        r"-?(0|[1-9][0-9]*)(\.[0-9]*)?([eE][-+]?[0-9]+)?|[-+]?\.(inf|nan)",
        list("-+0123456789."),
    ),
):
    _Loader.add_implicit_resolver(_tag, re.compile(f"(?:{_pattern})\\Z"), _first)


def read_yaml(path: Path) -> dict[str, JsonValue]:
    """A YAML file that holds one mapping of names to plain values, lists and mappings.

    Raises: StateError where there is no file, FormatError for anything but such a mapping, SettingError for a doubled
    name or a number that isn't finite.
    """
    try:
        data = read_capped(path, limit_bytes=_LIMIT_BYTES)
    except FileNotFoundError:
        raise StateError(f"{path} does not exist; nothing was signed or sent") from None
    try:
        value = yaml.load(data, _Loader)  # noqa: S506  a SafeLoader
    except SettingError as error:
        raise SettingError(f"{path}: {error}; nothing was signed or sent") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise FormatError(f"{path} is not YAML{where}; nothing was signed or sent") from None
    if not isinstance(value, dict):
        raise FormatError(f"{path} must hold names and values, one a line; nothing was signed or sent")
    return {_name(key, path): _plain(part, str(key), path) for key, part in value.items()}


def _name(key: object, path: Path) -> str:
    if not isinstance(key, str):
        raise FormatError(f"{path}: {str(key)[:60]!r} is not a name; nothing was signed or sent")
    return key


def _plain(value: object, name: str, path: Path) -> JsonValue:
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingError(f"{path}: {name[:60]} must be a finite number; nothing was signed or sent")
    if isinstance(value, dict):
        return {_name(key, path): _plain(part, f"{name}.{key}", path) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part, name, path) for part in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise FormatError(f"{path}: {name[:60]} is neither text nor a number; nothing was signed or sent")


def read_signed(path: Path, *, what: str) -> Signed:
    """A signed record in a file, canonical or pretty-printed JSON. Verifies nothing.

    Raises: StateError where there is no file, FormatError for anything but a signed record.
    """
    try:
        return Signed.from_json(read_json(path))
    except NewerFormatError:
        raise
    except FormatError:
        raise FormatError(f"{path} is not {what}; nothing was changed") from None


def read_json(path: Path) -> JsonValue:
    """A JSON file. Raises StateError where there is none, FormatError where it isn't JSON."""
    try:
        data = read_capped(path, limit_bytes=_LIMIT_BYTES)
    except FileNotFoundError:
        raise StateError(f"{path} does not exist; nothing was changed") from None
    try:
        value: JsonValue = json.loads(data)
    except (ValueError, RecursionError):
        raise FormatError(f"{path} is not JSON; nothing was changed") from None
    return value
