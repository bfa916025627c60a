"""`reticent server status`: what runs, who is enrolled and connected, how far the runs came."""

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reticent.aggregate.directory import read_directory
from reticent.aggregate.standing import standing
from reticent.errors import ReticentError
from reticent.server import flower, reading, run
from reticent.server.serve_lock import is_served
from reticent.server.settings import ServerPaths, open_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """pid: None while it waits to start again."""

    name: str
    pid: int | None
    restarts: int
    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledDevice:
    """connection: registered (never seen), online, offline, unregistered; unknown while the SuperLink is down."""

    device: str
    node_id: int
    connection: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """standing: running, interrupted (it goes on by itself while the server runs), stopped, finished, aborted, failed, not
    started. last: the newest line of rounds.jsonl.
    """

    plan_id: str
    standing: str
    rounds: int
    rounds_applied: int
    last: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """One look at a server folder."""

    address: str
    serving: bool
    ready: bool
    processes: tuple[Process, ...]
    devices: tuple[EnrolledDevice, ...]
    runs: tuple[Run, ...]

    def to_value(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        """For a person."""
        state = "ready" if self.ready else "starting" if self.serving else "not running"
        lines = [f"server   {state}, devices connect to {self.address}"]
        for process in self.processes:
            again = f", restarted {process.restarts} times" if process.restarts else ""
            lines.append(f"process  {process.name} ({process.pid or 'waiting to start again'}{again})")
        lines.append(f"devices  {len(self.devices)} enrolled")
        lines.extend(f"device   {device.device} {device.connection}" for device in self.devices)
        lines.append(f"runs     {len(self.runs)}")
        for one in self.runs:
            lines.append(f"run      {one.plan_id} {one.rounds_applied} of {one.rounds} rounds applied, {one.standing}")
            if one.last is not None:
                lines.append(f"         {reading.describe(one.last)}")
        return "\n".join(lines)


def look(root: Path) -> ServerStatus:
    """What the folder and, where it runs, the SuperLink say now. Changes nothing."""
    paths, settings = open_folder(root)
    serving = is_served(paths)
    told = _told(paths) if serving else {}
    return ServerStatus(
        address=settings.address,
        serving=serving,
        ready=bool(told.get("ready")),
        processes=tuple(Process(name=name, **facts) for name, facts in told.get("processes", {}).items()),
        devices=_devices(paths, ask=bool(told.get("ready"))),
        runs=_runs(paths),
    )


def _told(paths: ServerPaths) -> dict[str, Any]:
    """serve.json, or nothing while it isn't there yet."""
    with contextlib.suppress(OSError, ValueError):
        value = json.loads(paths.serving.read_bytes())
        if isinstance(value, dict):
            return value
    return {}


def _devices(paths: ServerPaths, *, ask: bool) -> tuple[EnrolledDevice, ...]:
    enrolled = read_directory(paths.devices)
    seen: dict[int, str] = {}
    if ask and enrolled:
        with contextlib.suppress(ReticentError):  # it may be on its way down
            seen = {node.node_id: node.status for node in flower.nodes(paths)}
    return tuple(
        EnrolledDevice(device=one.device, node_id=one.node_id, connection=seen.get(one.node_id, "unknown"))
        for one in enrolled
    )


def _runs(paths: ServerPaths) -> tuple[Run, ...]:
    """In the order in which their plans were signed."""
    found = []
    for folder in run.folders(paths):
        with contextlib.suppress(ReticentError):  # a folder that is no run
            stands, plan, lines = standing(folder), run.read_run(paths, folder.name), run.journal(folder)
            one = Run(
                plan_id=folder.name,
                standing=stands,
                rounds=plan.rounds,
                rounds_applied=run.applied(lines),
                last=lines[-1] if lines else None,
            )
            found.append((plan.issued_at, one))
    return tuple(one for _, one in sorted(found, key=lambda pair: pair[0]))
