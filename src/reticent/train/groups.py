"""Where do the config groups of `reticent train` lie, and which option of a group has a setting?"""

from collections.abc import Iterator
from pathlib import Path

import yaml  # type: ignore[import-untyped]  # has no type information

from reticent.errors import StateError
from reticent.train.settings import NOTHING

_NONE = object()


def conf_folder() -> Path:
    """Where the config groups lie: in an installed package, or beside `src` in a checkout. Raises: StateError."""
    package = Path(__file__).parents[1]
    for folder in (package / "conf", package.parents[1] / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise StateError(f"the config groups of `reticent train` are not in this installation; install it again; {NOTHING}")


def options_with(setting: str) -> list[str]:
    """Of a setting such as privacy.clip.quantile, every group=option that has it."""
    parts = setting.split(".")
    groups = [("/".join(parts[:at]), parts[at:]) for at in range(1, len(parts))]
    return [f"{group}={option}" for group, names in groups for option in _options(group, names)]


def _options(group: str, names: list[str]) -> Iterator[str]:
    for path in sorted((conf_folder() / group).glob("*.yaml")):
        found = yaml.safe_load(path.read_text())
        for name in names:
            found = found.get(name, _NONE) if isinstance(found, dict) else _NONE
        if found is not _NONE:
            yield path.stem
