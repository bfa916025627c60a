"""Whom the courier talks to, and with which key: `connection.json` and `node.key`."""

import fcntl
import ipaddress
import json
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

from reticent.errors import FormatError, NewerFormatError, StateError
from reticent.records.layout import DeviceFolder

_LARGEST_BYTES: Final = 64 * 1024
_ADDRESS: Final = re.compile(
    r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})?)):(?P<port>[0-9]{1,5})"
)


@dataclass(frozen=True, slots=True)
class Connection:
    """The gateway's address ("host:port" or "[v6]:port") and the one authority whose certificate it must show (PEM)."""

    address: str
    host: str
    port: int
    ca_certificate: str = field(repr=False)

    @property
    def by_name(self) -> bool:
        """Whether the host must be looked up."""
        return not _is_address(self.host)


def read_connection(folder: DeviceFolder) -> Connection:
    """Read `connection.json`.

    Raises: StateError, if it is missing; FormatError or NewerFormatError, if it isn't what an enrolment writes.
    """
    try:
        said = json.loads(_content(folder.connection))
    except (ValueError, RecursionError):
        raise FormatError("the courier's connection.json isn't JSON; nothing was sent") from None
    version = said.get("version") if isinstance(said, dict) else None
    if type(version) is int and version > 1:
        raise NewerFormatError(f"connection.json has version {version}; this release reads 1; nothing was sent")
    if type(version) is not int or version != 1 or said.keys() != {"version", "address", "ca_certificate"}:
        raise FormatError("connection.json must hold version 1, address and ca_certificate only; nothing was sent")
    address, certificate = said["address"], said["ca_certificate"]
    found = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
    if found is None or not 1 <= int(found["port"]) <= 65535 or (found["v6"] and not _is_address(found["v6"])):
        raise FormatError("connection.json: the gateway's address must be host:port; nothing was sent")
    try:
        x509.load_pem_x509_certificates(certificate.encode("ascii"))
    except (AttributeError, ValueError, UnsupportedAlgorithm):
        raise FormatError(
            "connection.json: ca_certificate must be a certificate in PEM form; nothing was sent"
        ) from None
    return Connection(address, found["v6"] or found["host"], int(found["port"]), certificate)


def read_node_key(folder: DeviceFolder) -> ec.EllipticCurvePrivateKey:
    """Read the Flower node key, in OpenSSH's form or PKCS 8.

    Raises: StateError, if it is missing or open to other accounts; FormatError, if it isn't an ECDSA key on P-384.
    """
    content = _content(folder.node_key)
    if folder.node_key.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StateError("node.key can be read by other accounts (allowed is mode 600); nothing was sent")
    key: object = None
    for load in (load_ssh_private_key, load_pem_private_key):
        try:
            key = load(content, None)
            break
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP384R1):
        raise FormatError("node.key must be an unencrypted ECDSA key on P-384; nothing was sent")
    return key


def claim(folder: DeviceFolder) -> int:
    """Hold the node key's lock until this process ends: two couriers with one key would push each other out.

    Raises: StateError, if another courier holds it.
    """
    try:
        handle = os.open(folder.node_key, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        raise StateError(f"the node key can't be opened ({error.strerror}); nothing was sent") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise StateError("another courier runs on this state folder; one is allowed; nothing was sent") from None
    return handle


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _content(path: Path) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would wait for a writer
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise StateError(f"{path.name} is not a file; nothing was sent")
            content = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise StateError(f"{path.name} can't be read ({error.strerror}); nothing was sent") from None
    if len(content) > _LARGEST_BYTES:
        raise FormatError(f"{path.name} is larger than {_LARGEST_BYTES} bytes; nothing was sent")
    return content
