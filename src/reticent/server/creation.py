"""`reticent server init`: everything that a server keeps, made once, in an empty folder."""

import datetime
import json
import secrets
import socket
from importlib import resources
from pathlib import Path

from reticent.errors import StateError
from reticent.records.keys import SigningKey
from reticent.server.certificates import issue
from reticent.server.settings import (
    ServerPaths,
    ServerSettings,
    join_address,
    listen_address,
    split_address,
    write_private,
)

_PORTS = range(20_000, 32_768)  # below the range from which Linux and macOS hand out ports to outgoing connections


def create(root: Path, *, address: str, now: datetime.datetime) -> ServerSettings:
    """Make a server folder: certificates, keys, secrets, settings, drafts to edit. Every file is 0600, `root` 0700.

    address: host:port that devices will connect to; port 0 picks a free one.
    Raises: StateError if `root` isn't empty, SettingError for an address that no device could use.
    """
    host, port = split_address(address)
    paths = ServerPaths(root.resolve())
    _claim(paths.root)
    listen = listen_address(host)
    port = port or _free_port(listen, taken=0)
    settings = ServerSettings(
        address=join_address(host, port), listen=listen, superlink_port=_free_port("127.0.0.1", taken=port)
    )
    for folder in ("tls", "keys", "flower", "logs", "runs", "tickets"):
        (paths.root / folder).mkdir(mode=0o700)
    certificates = issue(tuple(dict.fromkeys((host, "127.0.0.1", "localhost"))), now=now)
    write_private(paths.ca_certificate, certificates.ca_certificate)
    write_private(paths.certificate, certificates.certificate)
    write_private(paths.certificate_key, certificates.key)
    write_private(paths.superexec_secret, secrets.token_bytes(32))
    SigningKey.generate().save(paths.operator_key)
    SigningKey.generate().save(paths.receipt_key)
    write_private(paths.policy_draft, _shipped("default-policy.yaml"))
    write_private(paths.plan_draft, _shipped("default-plan.yaml"))
    # Last, so that a folder is whole or isn't one.
    write_private(paths.settings, (json.dumps(settings.to_value(), indent=2) + "\n").encode())
    return settings


def _shipped(name: str) -> bytes:
    return (resources.files("reticent.server") / name).read_bytes()


def _claim(root: Path) -> None:
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(root.iterdir()):
            raise StateError(f"{root} is not empty; `init` wants a new folder and changed nothing")
        root.chmod(0o700)
    except OSError as error:
        raise StateError(f"{root} can't be made a server folder: {error.strerror}") from None


def _free_port(host: str, *, taken: int) -> int:
    """A port that nobody listens on now, drawn at random so that two servers on one machine seldom meet."""
    for _ in range(200):
        port = secrets.choice(_PORTS)
        if port != taken and port_is_free(host, port):
            return port
    raise StateError(f"no free port was found on {host}; nothing was started")


def port_is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do: closed connections don't count
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
