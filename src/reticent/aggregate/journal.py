"""rounds.jsonl and replies/: what each round did, one line, and the exact bytes it was made of."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from reticent.aggregate.durable import append_line, make_folder, whole_lines
from reticent.errors import FormatError, IntegrityError
from reticent.records.files import replace_private

Metrics = Mapping[str, float | int | None]


class Status(StrEnum):
    """What became of a round."""

    START = "start"  # round -1: the public weights, before anybody was asked
    APPLIED = "applied"
    ABORTED = "aborted"  # nothing was applied; the weights are as before
    RESUMED = "resumed"  # an earlier process ended before the plan did; another one goes on with this round


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundLine:
    """One line of rounds.jsonl.

    asked, joined, released, abstained: devices. stored: how many of the released ones had given their release to an
    attempt that was interrupted or aborted; they count as asked and joined too, and weren't asked again. dropped:
    reason → devices. clip_norm: L2 bound of one update in this round, in weight space. incidents: device → reason, where a person should look. bytes_received: of replies, dropped ones
    too. seconds: of the whole attempt. weights_hash: before; new_weights_hash: after, None where nothing was applied.
    metrics: on public test people, None where none were scored. reason: why a round was aborted, or had to be resumed.
    """

    plan_id: str
    round: int
    status: Status
    weights_hash: str
    new_weights_hash: str | None
    asked: int = 0
    joined: int = 0
    released: int = 0
    stored: int = 0
    abstained: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    incidents: Mapping[str, str] = field(default_factory=dict)
    bytes_received: int = 0
    clip_norm: float | None = None
    seconds_join: float = 0.0
    seconds_train: float = 0.0
    seconds: float = 0.0
    metrics: Metrics | None = None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values; a metric that isn't a finite number becomes null."""
        line = asdict(self)
        if self.metrics is not None:
            line["metrics"] = {name: _finite(value) for name, value in self.metrics.items()}
        return line


class Journal:
    """A run's rounds.jsonl: append-only, each line on the disk before the next step. told: gets each line after that."""

    def __init__(self, path: Path, *, told: Callable[[Mapping[str, Any]], None] = lambda line: None) -> None:
        self._path = path
        self._told = told

    def append(self, line: Mapping[str, Any]) -> None:
        """Write one line. Raises: StateError, if the disk refuses."""
        append_line(self._path, json.dumps(line, sort_keys=True, allow_nan=False).encode())
        self._told(line)

    def catch_up(self, line: Mapping[str, Any]) -> None:
        """Add the line of the newest checkpoint, where a stop came between the two.

        Raises: IntegrityError, if a later round was applied: the checkpoint is older than the journal; nothing changes.
        """
        done = self._done()
        if done and max(done) > line["round"]:
            raise IntegrityError(
                f"{self._path} says that round {max(done)} was applied, the newest checkpoint is that of round "
                f"{line['round']}; nothing was applied or changed"
            )
        if line["round"] not in done:
            self.append(line)

    def check_unbegun(self) -> None:
        """Raises: IntegrityError, if a round was applied, for a run without a checkpoint; nothing changes."""
        last = max(self._done(), default=-1)
        if last >= 0:
            raise IntegrityError(
                f"{self._path} says that round {last} was applied, and there is no checkpoint of it; nothing was applied or changed"
            )

    def _done(self) -> list[int]:
        return [one["round"] for one in self._lines() if one["status"] in (Status.START, Status.APPLIED)]

    def _lines(self) -> list[dict[str, Any]]:
        data = self._path.read_bytes() if self._path.exists() else b""
        try:
            return [_read(line) for line in whole_lines(data)]
        except (ValueError, KeyError, TypeError):
            raise FormatError(f"{self._path} isn't a journal of rounds; nothing was applied or changed") from None


class ReplyStore:
    """A run's replies/: the exact bytes of every validated release, applied or not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        make_folder(folder)

    def keep(self, data: bytes, *, round_number: int, device: str) -> bool:
        """Store a validated release; False if this device answered the round with other bytes before.

        The other bytes are kept too, as evidence: both are signed. Raises: StateError, if the disk refuses.
        """
        path = self._path(round_number, device)
        if not path.exists():
            replace_private(path, data)
            return True
        if path.read_bytes() == data:
            return True
        replace_private(path.with_suffix(".equivocation"), data)
        return False

    def stored(self, *, round_number: int, device: str) -> bytes | None:
        """What `keep` stored for this device and round; None where it stored nothing, or found two answers."""
        path = self._path(round_number, device)
        if not path.exists() or path.with_suffix(".equivocation").exists():
            return None
        return path.read_bytes()

    def set_aside(self, *, round_number: int, device: str) -> None:
        """Rename a stored reply that no longer is what was stored, so that the device is asked for it again."""
        path = self._path(round_number, device)
        path.rename(path.with_suffix(".damaged"))

    def _path(self, round_number: int, device: str) -> Path:
        return self._folder / f"{round_number}-{device}.reply"


def _read(line: bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(line)
    if type(value["round"]) is not int or value["status"] not in set(Status):
        raise ValueError("no line of a journal")
    return value


def _finite(value: float | int | None) -> float | int | None:
    return value if value is not None and math.isfinite(value) else None
