"""What Hydra and OmegaConf refuse → one sentence of ours, which also says what would do."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError

from reticent.errors import ReticentError, SettingError
from reticent.train.groups import options_with
from reticent.train.settings import NOTHING

_GOES_ON = re.compile(r"[a-z]+ ")  # and is no "full_key: ..."
_UNEXPECTED = re.compile(r"got an unexpected keyword argument '(\w+)'")
_MISSING = re.compile(r"missing \d+ required positional arguments?: '(\w+)'")
_SEVERAL = "Ambiguous value for argument"
_NO_GROUP = "No match in the defaults list"
_IN_A_CALL = "Error in call to target"
_MERGING = "Error merging override"
_NO_SETTING = re.compile(r"Could not override '([\w.]+)'$")
_QUOTED = "; a value with a comma, an equals sign, spaces or other letters takes quotes of its own: 'setting=\"value\"'"
_NO_OPTION = "Config group override"  # so begins a bare ValueError of Hydra's


def refused(error: Exception) -> ReticentError:
    """Ours as it is; what Hydra says as one sentence."""
    if isinstance(error, ReticentError):
        return error
    sentence = first_sentence(error)
    if "hydra/launcher" in sentence or "hydra/sweeper" in sentence:
        sentence += "; plugins come with pip install 'reticent[sweep]'"
    return SettingError(f"{sentence}; {NOTHING}")


def first_sentence(error: BaseException) -> str:
    """Hydra explains itself over several lines; the first says what was wrong, and not always with which setting."""
    lines = [line.strip().rstrip(".") for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    sentence = lines[0]
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    if sentence.startswith(_IN_A_CALL) and len(lines) > 1:
        sentence = _of_call(error, lines[1])
    elif len(lines) > 1 and _GOES_ON.match(lines[1]):
        sentence = f"{sentence} {lines[1]}"
    if isinstance(error, OverrideParseException):
        return f"{error.override} can't be read; it should be setting=value or group=option{_QUOTED}"
    if sentence.startswith(_MERGING) and error.__cause__ is not None:
        return f"{sentence}: {first_sentence(error.__cause__)}"
    if isinstance(error, MissingConfigException) and error.options:
        return f"{sentence}; there are: {', '.join(error.options)}"
    if sentence.startswith(_SEVERAL):
        return f"{sentence}; -m makes a run of each value{_QUOTED}"
    if sentence.endswith(_NO_GROUP):
        return "; ".join(lines[:2])
    if named := _NO_SETTING.match(sentence):
        options = options_with(named[1])
        if options:
            return f"{sentence}: it is a setting of {', '.join(options)}"
    near = _near(error.__cause__)
    if near:
        return f"{sentence}; is {near} meant?"
    setting = getattr(error, "full_key", None)
    return sentence if not setting or setting in sentence else f"{setting}: {sentence}"


def _of_call(error: BaseException, line: str) -> str:
    """What was wrong with the arguments of a launcher or a sweeper. line: the error's, as Hydra shows it."""
    cause = error.__cause__
    said = line if cause is None else (str(cause).splitlines() or [type(cause).__name__])[0]
    if found := _UNEXPECTED.search(said):
        return f"there is no setting {found[1]} there"
    found = _MISSING.search(said)
    return f"the setting {found[1]} is needed there" if found else said


def no_option(error: Exception, words: Iterable[str], folder: Path) -> SettingError | None:
    """Where a whole group was set to null or to a number: what it takes instead; None for any other error.

    words: of the command line. folder: with a folder for each group.
    """
    if not isinstance(error, ValueError) or not str(error).startswith(_NO_OPTION):
        return None
    for word in words:
        group, values = _parsed(word)
        options = _options(group, folder)
        if options and not all(isinstance(value, str | list) for value in values):
            return SettingError(f"{word}: {group} takes one of {', '.join(options)}; {NOTHING}")
    return SettingError(f"a group takes the name of one of its options; {NOTHING}")


def _options(group: str, folder: Path) -> list[str]:
    """The names in one of our folders, and those that plugins register."""
    if not group:
        return []
    store, names = ConfigStore.instance(), list((folder / group).glob("*.yaml"))
    if store.get_type(group) is ObjectType.GROUP:
        names += map(Path, store.list(group))
    return sorted({name.stem for name in names})


def _parsed(word: str) -> tuple[str, list[Any]]:
    """The group or setting that a word of the command line is about, and its values, of which a sweep has several."""
    try:
        (override,) = OverridesParser.create().parse_overrides([word])
    except HydraException:  # an option, such as -m
        return "", []
    value = override.value()
    return override.key_or_group, list(value.list) if isinstance(value, ChoiceSweep) else [value]


def _near(cause: BaseException | None) -> str | None:
    """The setting that a misspelt one is likely to be, in full."""
    if not isinstance(cause, ConfigAttributeError | ConfigKeyError) or not isinstance(cause.parent_node, DictConfig):
        return None
    group, _, name = str(cause.full_key).rpartition(".")
    found = get_close_matches(name, map(str, cause.parent_node), n=1)
    return ".".join(filter(None, (group, found[0]))) if found and found[0] != name else None
