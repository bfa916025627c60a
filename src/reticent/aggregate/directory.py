"""Who is enrolled: the device, the key that signs its replies, and the Flower node that carries them."""

import fcntl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import StringConstraints

from reticent.aggregate.durable import append, whole_lines
from reticent.errors import FormatError, IntegrityError, StateError
from reticent.records.files import sync_folder
from reticent.records.keys import PublicKey
from reticent.records.record import DeviceId, Hash, Record, Version1

_LINE_LIMIT_BYTES = 1024
_LARGEST_NODE_ID = 2**64 - 1


class _Line(Record):
    """One line of devices.jsonl. node_id is a string: canonical JSON has no integers beyond 2**53."""

    TITLE: ClassVar[str] = "device"

    version: Version1 = 1
    device: DeviceId
    device_key: Hash
    node_id: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,19}\z")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One enrolment.

    device: 32 hexadecimal digits, derived from device_key. device_key: the public key, 64 hexadecimal digits.
    node_id: Flower's, 1 to 2**64 - 1.
    Raises: FormatError, if the three don't make sense together.
    """

    device: str
    device_key: str
    node_id: int

    def __post_init__(self) -> None:
        if self.device != PublicKey(self.device_key).device_id:
            raise FormatError("this device id doesn't belong to that key; nothing was enrolled")
        if type(self.node_id) is not int or not 1 <= self.node_id <= _LARGEST_NODE_ID:
            raise FormatError(f"a node id lies between 1 and {_LARGEST_NODE_ID}; nothing was enrolled")

    @property
    def public_key(self) -> PublicKey:
        return PublicKey(self.device_key)


def read_directory(path: Path) -> tuple[Device, ...]:
    """All enrolled devices, in the order of enrolment; none where the file doesn't exist yet.

    A tail without a newline is an enrolment that was interrupted before it counted; it isn't returned.
    Raises: FormatError, NewerFormatError for a line that isn't exactly one device; IntegrityError for a duplicate.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise StateError(f"{path} can't be read ({error.strerror}); nothing was changed") from error
    return _devices(data, path)


def add_device(path: Path, device: Device) -> None:
    """Append one device; it is on the disk when this returns.

    Raises: StateError, if its key, its id or its node is enrolled already or the disk refuses; nothing was added.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b", buffering=0)
    except OSError as error:
        raise StateError(f"{path} can't be written ({error.strerror}); the device wasn't enrolled") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        if _clash((*_devices(file.read(), path), device)):
            raise StateError(f"device {device.device} or its node is enrolled already; nothing was added")
        line = _Line(device=device.device, device_key=device.device_key, node_id=str(device.node_id))
        append(file.fileno(), line.to_bytes(), name=path.name)
        sync_folder(path.parent)


def _devices(data: bytes, path: Path) -> tuple[Device, ...]:
    devices = tuple(_device(line, f"{path}, line {number}") for number, line in enumerate(whole_lines(data), start=1))
    if _clash(devices):
        raise IntegrityError(f"{path} names a device, a key or a node twice; no round is run with it")
    return devices


def _device(line: bytes, place: str) -> Device:
    try:
        read = _Line.from_bytes(line, limit_bytes=_LINE_LIMIT_BYTES)
        return Device(device=read.device, device_key=read.device_key, node_id=int(read.node_id))
    except FormatError as error:
        raise type(error)(f"{place}: {error}") from None


def _clash(devices: Iterable[Device]) -> bool:
    seen = list(devices)
    return min(len({one.device for one in seen}), len({one.node_id for one in seen})) < len(seen)
