"""A headless Chromium, told what to do through a pair of pipes: no port is opened, and no driver is needed."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from typing import Any

NAME = "chromium"
PATIENCE_S = 20.0
FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-frame-rate-limit",
    "--disable-gpu-vsync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--disable-breakpad",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pings",
    "--password-store=basic",
    "--lang=en-US",
    "--window-size=1000,700",
)
_READ, _WRITE = 3, 4  # the numbers that a browser expects its pipes at


class Chromium:
    """One browser with one page, in a profile that is thrown away."""

    def __init__(self) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="web-", ignore_cleanup_errors=True)
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        read, write = (fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (theirs_in, theirs_out))

        def place_pipes() -> None:
            os.dup2(read, _READ)
            os.dup2(write, _WRITE)

        self._process = subprocess.Popen(
            [shutil.which(NAME) or NAME, *FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"],
            preexec_fn=place_pipes,
            pass_fds=(_READ, _WRITE),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for end in (theirs_in, theirs_out, read, write):
            os.close(end)
        self._number, self._session = 0, ""
        self._unread = b""
        self._replies: dict[int, dict[str, Any]] = {}
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(one["targetId"] for one in targets if one["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]

    def __enter__(self) -> "Chromium":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._to)
        os.close(self._from)
        self._profile.cleanup()

    def send(self, method: str, **parameters: Any) -> int:
        """Ask for something without waiting; the number of the question."""
        self._number += 1
        said = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            said["sessionId"] = self._session
        os.write(self._to, json.dumps(said).encode() + b"\0")
        return self._number

    def wait(self, number: int) -> dict[str, Any]:
        """The answer to a question. Raises RuntimeError where the browser refuses it or has ended."""
        while number not in self._replies:
            told = json.loads(self._read())
            if "id" in told:
                self._replies[told["id"]] = told
        told = self._replies.pop(number)
        if "error" in told:
            raise RuntimeError(f"the browser refused: {told['error'].get('message')}")
        result: dict[str, Any] = told["result"]
        return result

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.wait(self.send(method, **parameters))

    def ask(self, script: str) -> Any:
        """What a script gives in the page, a promise's value once it has one. Raises RuntimeError where it throws."""
        told = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in told:
            raise RuntimeError(f"the page could not say: {script[:200]}")
        return told["result"].get("value")

    def _read(self) -> bytes:
        parts = [self._unread]
        while b"\0" not in parts[-1]:
            part = os.read(self._from, 1 << 20)
            if not part:
                raise RuntimeError("the browser has ended")
            parts.append(part)
        told, _, self._unread = b"".join(parts).partition(b"\0")
        return told
