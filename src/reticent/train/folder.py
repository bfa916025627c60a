"""The output folder of one run: which files it holds and how they are written."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # has no type information

from reticent.aggregate.durable import whole_lines
from reticent.audit.report.files import Round
from reticent.errors import FormatError, SettingError, StateError
from reticent.records.files import read_regular, replace_private
from reticent.train.settings import NOTHING, Settings, named

_LIMIT_BYTES = 1 << 20
_DIGEST = "settings.sha256"  # of what the run began with: a resume goes on with nothing that was edited
_MAY_CHANGE = {  # where and how it runs, not what comes out
    "data.path", "engine.address", "engine.workers", "engine.cache_mb", "engine.device", "tracking.name", "tracking.folder",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunFolder:
    """root: made where it is missing; Hydra makes it first."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "config.yaml"

    @property
    def rounds(self) -> Path:
        return self.root / "rounds.jsonl"

    @property
    def model(self) -> Path:
        return self.root / "model.safetensors"

    @property
    def results(self) -> Path:
        return self.root / "results.json"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    def begin(self, settings: Settings) -> None:
        """Write the settings down, or, on a resume, find the very same ones. Raises: StateError, SettingError."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(f"{self.root} can't be a run's folder ({error.strerror}); {NOTHING}") from error
        if not self.config.exists():
            strange = [path.name for path in (self.rounds, self.model, self.report, self.results) if path.exists()]
            if strange:
                raise SettingError(
                    f"{self.root} holds {strange[0]} and no run's config.yaml; {NOTHING} and it is unchanged"
                )
            text = yaml.safe_dump(settings.to_value(), sort_keys=False).encode()
            replace_private(self.config, text)
            replace_private(self.root / _DIGEST, self._decides())
        elif self.settings().pinned() != settings:
            raise SettingError(f"{self.root} holds a run with other settings; {NOTHING} and it is unchanged")
        elif self._changed():
            raise SettingError(
                f"{self.config} was changed after its run began, so what lies there is of other settings; {NOTHING} and it is unchanged"
            )

    def settings(self) -> Settings:
        """The settings of the run that lies here. Raises: StateError where there is none, FormatError."""
        if not self.config.exists():
            raise StateError(f"{self.root} isn't the folder of a run: it has no {self.config.name}; {NOTHING}")
        data = read_regular(self.config, what="settings", limit_bytes=_LIMIT_BYTES)
        try:
            value = yaml.safe_load(data)
        except (yaml.YAMLError, ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise FormatError(f"{self.config} doesn't hold the settings of a run; {NOTHING}")
        try:
            return Settings.of(value)
        except SettingError as error:
            raise FormatError(f"{self.config}: {error}") from None

    def _changed(self) -> bool:
        kept = self.root / _DIGEST
        return kept.exists() and kept.read_bytes() != self._decides()

    def _decides(self) -> bytes:
        """A digest of config.yaml's values, as they stand there: what a later release adds is not among them."""
        values = named(yaml.safe_load(self.config.read_bytes()))
        kept = sorted((name, repr(value)) for name, value in values if name not in _MAY_CHANGE)
        return sha256(json.dumps(kept).encode()).hexdigest().encode()

    def write(self, name: str, value: Mapping[str, Any]) -> None:
        """Write a JSON file for people and programs. Raises: StateError."""
        replace_private(self.root / name, json.dumps(value, indent=2, allow_nan=False).encode() + b"\n")

    def lines(self) -> list[dict[str, Any]]:
        """The whole lines of rounds.jsonl. Raises: FormatError for one that is none."""
        data = self.rounds.read_bytes() if self.rounds.exists() else b""
        found = []
        for line in whole_lines(data):
            try:
                Round.model_validate_json(line)
                found.append(json.loads(line))
            except (ValueError, RecursionError):  # pydantic's own is one
                raise FormatError(f"{self.rounds} isn't a journal of rounds; {NOTHING} and it is unchanged") from None
        return found
