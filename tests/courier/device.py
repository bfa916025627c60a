"""A device for the courier's tests: a state folder, a courier process, and a keeper that answers by a script."""

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reticent import spool
from reticent.records.layout import DeviceFolder
from tests.courier.organisation import Process, node_key, wait_until

Script = Callable[[str, spool.Item], bytes]


@dataclass
class Device:
    """`folder` as an enrolment leaves it, as far as the courier is concerned."""

    root: Path
    port: int
    ca_certificate: str
    courier: Process | None = field(default=None)

    def __post_init__(self) -> None:
        self.folder = DeviceFolder(self.root)
        for path in (self.root, self.folder.keeper, self.folder.courier, self.folder.pending):
            path.mkdir(exist_ok=True, mode=0o700)
        spool.create(self.folder.spool)
        for secret in (self.folder.device_key, self.folder.ledger, self.folder.vault, self.folder.vault_key):
            secret.write_text("for the keeper only")
        self.key = node_key(self.folder.node_key)
        self.folder.connection.write_text(
            json.dumps({"version": 1, "address": f"127.0.0.1:{self.port}", "ca_certificate": self.ca_certificate})
        )

    @property
    def log(self) -> str:
        return (self.root / "courier.log").read_text() if (self.root / "courier.log").exists() else ""

    @property
    def report(self) -> spool.CourierReport | None:
        return spool.courier_report(self.folder.spool)

    def start(self, *options: str) -> Process:
        return self._start("-m", "reticent.courier", self.root, *options)

    def start_script(self, script: Path) -> Process:
        """Start a courier that `script` has prepared."""
        return self._start(script, self.root)

    def _start(self, *words: object) -> Process:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FLWR")}
        self.courier = Process(
            *(sys.executable, *words),
            log=self.root / "courier.log",
            environment=environment,
        )
        return self.courier

    def connect(self, *options: str) -> Process:
        """Start a courier and wait until it is connected."""
        started = self.start(*options)
        self.await_state("connected")
        return started

    def await_state(self, state: str, *, seconds: float = 90.0) -> None:
        def reached() -> bool:
            assert self.courier is not None
            assert self.courier.popen.poll() is None, self.log
            report = self.report
            return report is not None and report.state == state and report.pid == self.courier.popen.pid

        wait_until(reached, what=f"the courier is {state}", seconds=seconds)

    def end(self, *, number: int = signal.SIGTERM) -> None:
        if self.courier is not None:
            if self.courier.popen.poll() is None:
                self.courier.popen.send_signal(number)
                with contextlib.suppress(Exception):
                    self.courier.wait(seconds=10)
            self.courier.end()

    @contextlib.contextmanager
    def keeper(
        self, script: Script, *, first: Callable[[spool.Item], bool] = lambda _: True
    ) -> Iterator[list[spool.Item]]:
        """Answer every request with what `script` makes of it, those first for which `first` holds.

        Gives the list of requests answered.
        """
        seen: list[spool.Item] = []
        stopped = threading.Event()

        def work() -> None:
            while not stopped.wait(0.01):
                for name in spool.arrivals(self.folder.spool):
                    item = spool.read_item(self.folder.spool, name)
                    if not first(item):
                        continue
                    if spool.collect(self.folder.spool, name) is None:
                        seen.append(item)
                        pending = self.folder.pending / name
                        pending.write_bytes(script(name, item))
                        spool.publish(self.folder.spool, name, pending)
                    spool.finish(self.folder.spool, name)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield seen
        finally:
            stopped.set()
            thread.join()
