"""Real rounds over a real SuperLink: seconds a round, bytes a round, memory and CPU of every process."""

import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from scripts.bench import bar
from tests.e2e.federation import Federation

DEVICES = 4
ROLES = {
    "keeper": "reticent.keeper",
    "courier": "reticent.courier",
    "SuperLink": "flower-superlink",
    "SuperExec": "flower-superexec",
    "gateway": "gateway",
    "ServerApp": "serverapp",
}


class Watch(threading.Thread):
    """Samples resident memory and CPU time of this process's descendants until stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stopped = threading.Event()
        self.rss_mb: dict[str, float] = defaultdict(float)
        self.cpu_s: dict[int, tuple[str, float]] = {}

    def run(self) -> None:
        while not self.stopped.wait(0.2):
            for process in psutil.Process().children(recursive=True):
                try:
                    words = " ".join(process.cmdline())
                    role = next((role for role, mark in ROLES.items() if mark in words), None)
                    if role is None:
                        continue
                    self.rss_mb[role] = max(self.rss_mb[role], process.memory_info().rss / 1e6)
                    times = process.cpu_times()
                    self.cpu_s[process.pid] = (role, times.user + times.system)
                except psutil.Error:
                    continue

    def cpu_by_role(self) -> dict[str, float]:
        total: dict[str, float] = defaultdict(float)
        for role, seconds in self.cpu_s.values():
            total[role] += seconds
        return total


def bars(*, quick: bool) -> Iterator[dict[str, Any]]:
    """Four devices with drawn people, the quickstart's plan; the first round is left out (it loads torch on the devices)."""
    with tempfile.TemporaryDirectory() as folder, Federation(Path(folder) / "f") as federation:
        for number in range(1, DEVICES + 1):
            federation.device(f"device-{number}", f"drawn-{number:04d}")
        federation.run_devices(*(federation.folder / f"device-{number}" for number in range(1, DEVICES + 1)))
        watch = Watch()
        watch.start()
        idle_began, idle_cpu = time.monotonic(), None
        while time.monotonic() - idle_began < 10:
            time.sleep(0.5)
            idle_cpu = idle_cpu or watch.cpu_by_role()
        idle = {role: (after - (idle_cpu or {}).get(role, 0)) for role, after in watch.cpu_by_role().items()}
        idle_s = time.monotonic() - idle_began
        before = watch.cpu_by_role()
        outcome = federation.run_plan(rounds=3)
        used = {role: after - before.get(role, 0) for role, after in watch.cpu_by_role().items()}
        watch.stopped.set()
        lines = [line for line in federation.rounds(outcome["plan_id"]) if line["status"] == "applied"]
        later = lines[1:]
        yield bar(
            "seconds a round, 4 devices on 2 cores, both stages",
            statistics.median(x["seconds"] for x in later),
            "s",
            goal=5,
        )
        yield bar("seconds of the join stage", statistics.median(x["seconds_join"] for x in later), "s")
        yield bar("seconds of the train stage", statistics.median(x["seconds_train"] for x in later), "s")
        yield bar(
            "bytes received a round and device",
            statistics.median(x["bytes_received"] / x["released"] for x in later),
            "bytes",
            goal=70_000,
        )
        for role in ROLES:
            if role in watch.rss_mb:
                yield bar(
                    f"largest resident memory of a {role}",
                    watch.rss_mb[role],
                    "MB",
                    goal={"keeper": 500, "courier": 110}.get(role),
                )
        for role in ("keeper", "courier"):
            yield bar(f"CPU of a {role} while idle", 100 * idle[role] / idle_s / DEVICES, "%", goal=3)
            yield bar(f"CPU seconds of a {role} for each round", used[role] / len(lines) / DEVICES, "s")
