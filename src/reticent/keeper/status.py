"""What a device has promised, spent and sent, read without its private key and without disturbing the daemon."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reticent.errors import StateError
from reticent.keeper.retention import deleted_by_age, note_file
from reticent.keeper.state import accepted_terms, existing
from reticent.privacy.guarantees import guarantees
from reticent.records.entries import Charge, Genesis, Released
from reticent.records.files import is_locked
from reticent.records.layout import DeviceFolder
from reticent.records.ledger import read_ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """epsilon: by unit, against the server, beside the accepted limits; None before a policy was accepted."""

    device: str
    running: bool
    walls: dict[str, str] | None
    policy_hash: str | None
    charged_rounds: int
    released_rounds: int
    bytes_sent: int
    delta: float | None
    epsilon: dict[str, float] | None
    epsilon_limit: dict[str, float] | None
    retention_days: int | None
    deleted_by_age: int
    last_refusal: str | None

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    def lines(self) -> tuple[tuple[str, str], ...]:
        """Name and value of each fact, for a person."""
        walls = (
            "not running" if self.walls is None else "; ".join(f"{side}: {wall}" for side, wall in self.walls.items())
        )
        spent = {
            f"epsilon ({unit})": f"{value:.3g} of {(self.epsilon_limit or {})[unit]:.3g} at delta {self.delta:g}"
            for unit, value in (self.epsilon or {}).items()
        }
        stay = "no policy says how long" if self.retention_days is None else f"{self.retention_days} days"
        return (
            ("device", self.device),
            ("running", "yes" if self.running else "no"),
            ("walls", walls),
            ("policy", self.policy_hash or "none accepted; nothing can be sent"),
            ("rounds", f"{self.charged_rounds} charged, {self.released_rounds} released"),
            ("bytes sent", f"{self.bytes_sent:,}"),
            *spent.items(),
            ("captures stay", f"{stay}; {self.deleted_by_age} sessions were deleted by age"),
            ("last refusal", self.last_refusal or "none"),
        )


def read_status(root: Path) -> Status:
    """Read a device's status. Raises: StateError, IntegrityError."""
    folder = existing(root)
    data = folder.ledger.read_bytes()
    entries = read_ledger(data[: data.rfind(b"\n") + 1])  # the daemon may be appending
    charges = [entry.body for entry in entries if isinstance(entry.body, Charge)]
    releases = [entry.body for entry in entries if isinstance(entry.body, Released)]
    genesis = entries[0].body
    if not isinstance(genesis, Genesis):
        raise StateError("the ledger does not begin with a device; nothing was read")
    terms = accepted_terms(folder, entries)
    running = is_locked(folder.ledger)  # by a keeper
    walls = _walls(folder) if running else None
    epsilon = limit = None
    if terms is not None:
        events = tuple(event for charge in charges for event in charge.events)
        epsilon = {"employee": 0.0, "example": 0.0} | {
            guarantee.unit.value: guarantee.epsilon
            for guarantee in guarantees(events, delta=terms.policy.delta, honest_devices=1)
            if guarantee.adversary == "server" and guarantee.adjacency == "zero_out"
        }
        limit = {"employee": terms.policy.epsilon_employee, "example": terms.policy.epsilon_example}
    return Status(
        device=genesis.device,
        running=running,
        walls=walls,
        policy_hash=None if terms is None else terms.policy_hash,
        charged_rounds=len(charges),
        released_rounds=len(releases),
        bytes_sent=sum(release.bytes for release in releases),
        delta=None if terms is None else terms.policy.delta,
        epsilon=epsilon,
        epsilon_limit=limit,
        retention_days=None if terms is None else terms.policy.retention_days,
        deleted_by_age=deleted_by_age(note_file(folder)),
        last_refusal=_last_refusal(folder),
    )


def _walls(folder: DeviceFolder) -> dict[str, str] | None:
    """The walls that the newest keeper reported at its start."""
    try:
        walls: dict[str, str] = json.loads((folder.keeper / "status.json").read_bytes())["walls"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return walls


def _last_refusal(folder: DeviceFolder) -> str | None:
    try:
        reason: str = json.loads((folder.keeper / "last-refusal.json").read_bytes())["reason"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return reason
