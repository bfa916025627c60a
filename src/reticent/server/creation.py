"""`reticent server init`: everything that a server keeps, made once, in an empty folder."""

import datetime
import errno
import json
import secrets
import socket
from importlib import resources
from pathlib import Path

from reticent.errors import StateError
from reticent.records.files import all_or_nothing, write_private
from reticent.records.keys import SigningKey
from reticent.server.certificates import issue
from reticent.server.settings import (
    ServerPaths,
    ServerSettings,
    join_address,
    listen_address,
    split_address,
)

_PORTS = range(20_000, 32_768)  # below the range from which Linux and macOS hand out ports to outgoing connections


def create(root: Path, *, address: str, now: datetime.datetime) -> ServerSettings:
    """Make a server folder: certificates, keys, secrets, settings, drafts to edit. Every file is 0600, `root` 0700.

    address: host:port that devices will connect to; port 0 picks a free one.
    Raises: StateError if `root` isn't empty, SettingError for an address that no device could use.
    """
    host, port = split_address(address)
    paths = ServerPaths(root.resolve())
    with all_or_nothing(paths.root, claim="tls"):
        return _create(paths, host, port, now=now)


def _create(paths: ServerPaths, host: str, port: int, *, now: datetime.datetime) -> ServerSettings:
    _make_folders(paths.root)
    listen = listen_address(host)
    port = port or _free_port(listen, taken=0)
    settings = ServerSettings(
        address=join_address(host, port), listen=listen, superlink_port=_free_port("127.0.0.1", taken=port)
    )
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


def _make_folders(root: Path) -> None:
    try:
        root.chmod(0o700)
        for folder in ("keys", "flower", "logs", "runs", "tickets"):
            (root / folder).mkdir(mode=0o700)
    except OSError as error:
        raise StateError(f"{root} can't be made a server folder: {error.strerror}; nothing was made") from None


def _free_port(host: str, *, taken: int) -> int:
    """A port that nobody listens on now, drawn at random so that two servers on one machine seldom meet."""
    for _ in range(200):
        port = secrets.choice(_PORTS)
        if port != taken and port_trouble(host, port) is None:
            return port
    raise StateError(f"no free port was found on {host}; nothing was started")


def port_trouble(host: str, port: int) -> str | None:
    """Why a server can't listen there, to follow "the port ..."; None where it can."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do: closed connections don't count
        try:
            probe.bind((host, port))
        except PermissionError:
            return "may not be used by this account: ports below 1024 are the system's"
        except OSError as error:
            return "is in use" if error.errno == errno.EADDRINUSE else f"can't be used ({error.strerror})"
    return None
