"""What Hydra and OmegaConf refuse → one sentence of ours, which also says what would do."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from hydra.errors import MissingConfigException
from omegaconf import DictConfig

from reticent.errors import ReticentError, SettingError
from reticent.train.settings import NOTHING

_SEVERAL = "Ambiguous value for argument"
_NO_OPTION = "Config group override must be"  # a bare ValueError of Hydra's


def refused(error: Exception) -> ReticentError:
    """Ours as it is; what Hydra says as one sentence."""
    if isinstance(error, ReticentError):
        return error
    sentence = first_sentence(error)
    if "hydra/launcher" in sentence or "hydra/sweeper" in sentence:
        sentence += "; plugins come with pip install 'reticent[sweep]'"
    return SettingError(f"{sentence}; {NOTHING}")


def first_sentence(error: Exception) -> str:
    """Hydra explains itself over several lines; the first says what was wrong, and not always with which setting."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    sentence = (lines[0] if lines else type(error).__name__).rstrip(".")
    if isinstance(error, MissingConfigException) and error.options:
        return f"{sentence}; there are: {', '.join(error.options)}"
    if sentence.startswith(_SEVERAL):
        return f"{sentence}; -m makes a run of each value"
    near = _near(error.__cause__)
    if near:
        return f"{sentence}; is {near} meant?"
    setting = getattr(error, "full_key", None)
    return sentence if not setting or setting in sentence else f"{setting}: {sentence}"


def no_option(error: Exception, words: Iterable[str], folder: Path) -> SettingError | None:
    """Where a whole group was set to null, to a number, or to names and values: what it takes instead.

    words: of the command line. folder: with a folder for each group.
    """
    if not isinstance(error, ValueError) or not str(error).startswith(_NO_OPTION):
        return None
    for word in words:
        group, _, value = word.partition("=")
        options = sorted(path.stem for path in (folder / group.lstrip("+")).glob("*.yaml")) if group else []
        if options and value not in options:
            return SettingError(f"{word}: {group.lstrip('+')} takes one of {', '.join(options)}; {NOTHING}")
    return SettingError(f"a group takes the name of one of its options: {error}; {NOTHING}")


def _near(cause: BaseException | None) -> str | None:
    """The setting that a misspelt one is likely to be, in full."""
    parent, key = getattr(cause, "parent_node", None), getattr(cause, "key", None)
    if not isinstance(parent, DictConfig) or not isinstance(key, str):
        return None
    names: Mapping[str, str] = {str(name): str(parent._get_full_key(name)) for name in parent}
    found = get_close_matches(key, names, n=1)
    return names[found[0]] if found else None
