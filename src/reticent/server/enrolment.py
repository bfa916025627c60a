"""A device's signed request becomes a registered node, a line in the device directory and a ticket."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from reticent.aggregate.directory import Device, add_device, read_directory
from reticent.errors import StateError
from reticent.records.enrolment import Ticket, read_enrolment, sign_ticket
from reticent.records.files import naming, write_private
from reticent.records.keys import SigningKey
from reticent.server import flower, policies
from reticent.server.documents import read_signed
from reticent.server.serve_lock import is_served
from reticent.server.settings import ServerPaths, open_folder


def enroll(root: Path, request_file: Path, *, out: Path | None = None) -> tuple[Device, Path]:
    """Enrol one device at the running server; returns it and its ticket's path.

    The ticket is written to tickets/ in the server folder, and to `out` where that is given.
    Raises: SignatureError or FormatError for a request that isn't its device's own; StateError if the device or its
    node key is enrolled already, no policy is signed, the server isn't running or `out` exists; nobody is enrolled.
    """
    paths, settings = open_folder(root)
    with naming(request_file):
        request = read_enrolment(read_signed(request_file, what="a device's enrolment request"))
        public_key = flower.node_public_key(request.node_key)
    offer, _ = policies.current(paths)
    if not is_served(paths):
        raise StateError(f"the server isn't running; start `reticent server serve {paths.root}` and enrol again")
    with _one_at_a_time(paths):
        if any(device.device == request.device for device in read_directory(paths.devices)):
            raise StateError(
                f"device {request.device} is enrolled already; its ticket lies in {_ticket(paths, request.device)}"
            )
        if out is not None and (out.exists() or not out.absolute().parent.is_dir()):
            raise StateError(f"{out} exists already or lies in no folder; nobody was enrolled")
        ticket = sign_ticket(
            Ticket(
                device=request.device,
                address=settings.address,
                ca_certificate=paths.ca_certificate.read_text("ascii"),
                policy=offer,
            ),
            SigningKey.load(paths.operator_key),
        ).to_bytes()
        node_id = flower.register(paths, public_key)
        device = Device(device=request.device, device_key=request.device_key, node_id=node_id)
        add_device(paths.devices, device)
        write_private(_ticket(paths, request.device), ticket)
    if out is not None:
        write_private(out, ticket)
    return device, out or _ticket(paths, request.device)


def _ticket(paths: ServerPaths, device: str) -> Path:
    return paths.tickets / f"{device}.json"


@contextlib.contextmanager
def _one_at_a_time(paths: ServerPaths) -> Iterator[None]:
    with paths.enrol_lock.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
