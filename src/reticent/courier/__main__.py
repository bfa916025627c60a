"""`python -m reticent.courier STATE`: confine this process, then carry messages until told to stop.

Exit: 0 after SIGTERM or SIGINT, 1 if a wall doesn't stand, 2 for wrong use or a broken state folder, 3 if the key was
revoked (starting again doesn't help; enrol anew).
"""

import argparse
import json
import signal
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from reticent.courier.settings import Connection, claim, read_connection, read_node_key
from reticent.errors import ReticentError, StateError
from reticent.records.layout import DeviceFolder
from reticent.walls import bubble, courier_wall, landlock

REVOKED: Final = 3
_DNS_PORT: Final = 53
_INSIDE: Final = "inside"
_FAREWELL_S: Final = 3.0
_GLANCE_S: Final = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the courier of one state folder. Returns: the exit code."""
    parser = argparse.ArgumentParser(prog="python -m reticent.courier", description="The locked SuperNode of a device.")
    parser.add_argument("state", type=Path, help="the device's state folder")
    parser.add_argument(
        "--wall",
        choices=("auto", "bubblewrap", "none", _INSIDE),
        default="auto",
        help="what confines this process: auto takes Landlock, or bubblewrap where the kernel has none "
        f"({_INSIDE} is what a courier in a bubble is started with)",
    )
    asked = parser.parse_args(arguments)
    folder = DeviceFolder(asked.state.resolve())
    wall = asked.wall
    try:
        if wall == "auto" and not landlock.here() and bubble.available():
            wall = "bubblewrap"
        return _run_in_bubble(folder) if wall == "bubblewrap" else _run(folder, wall=wall)
    except ReticentError as error:
        print(f"courier: {error}", file=sys.stderr)
        return error.exit_code


def say(fact: str, **details: object) -> None:
    """One line about one fact to stderr: never what a message holds."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    print(f"{at} courier: {fact}", *(f"{name}={value}" for name, value in details.items()), file=sys.stderr, flush=True)


def _say_how_it_ended(what: threading.ExceptHookArgs) -> None:
    """A thread that ends by an exception is a fact to note, without the values that its traceback could show."""
    trace = what.exc_traceback
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else "-"
    say("a thread ended unexpectedly", error=what.exc_type.__name__, at=place)


class _Stop:
    """Whether a signal asked this process to end. Its handler only notes it: taking a lock in one can wait for ever."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, *_: object) -> None:
        self.asked = True


def _run_in_bubble(folder: DeviceFolder) -> int:
    """Start this courier again where the keeper's folder doesn't exist."""
    return bubble.run(
        [sys.executable, "-m", "reticent.courier", str(folder.root), "--wall", _INSIDE],
        readable=(folder.courier, folder.spool / "outbox"),
        writable=(folder.spool / "inbox",),
        names=read_connection(folder).by_name,
    )


def _run(folder: DeviceFolder, *, wall: str) -> int:
    stop = _Stop()
    connection = read_connection(folder)
    if not (folder.spool / "inbox").is_dir() or not (folder.spool / "outbox").is_dir():
        raise StateError(f"{folder.root} has no spool; enrol the device first; nothing was sent")
    key = read_node_key(folder)
    claim(folder)
    if wall != "none":
        wall = _confine(folder, connection, around="bubblewrap" if wall == _INSIDE else None)
    say("starting", wall=wall)
    print(json.dumps({"ready": True, "wall": wall}), flush=True)  # for whoever started this process
    return _serve(folder, connection, key, wall=wall, stop=stop)


def _confine(folder: DeviceFolder, connection: Connection, *, around: str | None) -> str:
    return courier_wall(
        around=around,
        hidden=folder.keeper,
        readable=(folder.courier, folder.spool / "outbox"),
        writable=(folder.spool / "inbox",),
        ports=(connection.port, _DNS_PORT) if connection.by_name else (connection.port,),
    )


def _serve(
    folder: DeviceFolder, connection: Connection, key: ec.EllipticCurvePrivateKey, *, wall: str, stop: _Stop
) -> int:
    """Everything that knows flwr is imported in here, behind the wall."""
    # httpcore imports trio where that happens to be installed, and trio starts a compiler as it is imported.
    sys.modules.setdefault("trio", None)  # type: ignore[arg-type]
    from reticent.courier.connection import Fleet, Trouble
    from reticent.courier.node import Node

    fleet = Fleet(address=connection.address, ca_certificate=connection.ca_certificate, key=key)
    node = Node(fleet, folder.spool, wall=wall, say=say)
    outcome: list[bool] = []
    threading.excepthook = _say_how_it_ended
    worker = threading.Thread(target=lambda: outcome.append(node.run()), name="node", daemon=True)
    worker.start()
    while worker.is_alive() and not stop.asked:
        worker.join(_GLANCE_S)
    node.stop()
    worker.join(1.5)  # a call under way may take longer; the farewell doesn't wait for it
    if outcome == [False]:
        say("the SuperLink no longer accepts this device's key; nothing more is sent; enrol it again to go on")
        return REVOKED
    if not outcome and not worker.is_alive():
        return 1
    if node.node_id is not None:
        farewell = Fleet(
            address=connection.address, ca_certificate=connection.ca_certificate, key=key, timeout_s=_FAREWELL_S
        )
        started = time.monotonic()
        try:
            farewell.deactivate(node.node_id)
            say("stopped", seconds=f"{time.monotonic() - started:.2f}")
        except Trouble as trouble:
            say("stopped without a farewell", cause=trouble.cause)
    return 0


if __name__ == "__main__":
    sys.exit(main())
