"""What a server folder holds beside the shared layout, and its own settings (server.json)."""

import ipaddress
import json
import os
import re
import stat
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from reticent.errors import FormatError, InputError, NewerFormatError, SettingError, StateError
from reticent.records.files import naming
from reticent.records.layout import ServerFolder
from reticent.records.record import Record, Version1

_LIMIT_BYTES = 64 * 1024
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\Z")


class ServerPaths(ServerFolder):
    """The part of the layout that nobody but the server needs."""

    __slots__ = ()

    @property
    def certificate(self) -> Path:
        return self.root / "tls" / "server.crt"

    @property
    def certificate_key(self) -> Path:
        return self.root / "tls" / "server.key"

    @property
    def superexec_secret(self) -> Path:
        """32 random bytes: who knows them may take a ServerApp task from the SuperLink."""
        return self.root / "keys" / "superexec.secret"

    @property
    def flower_home(self) -> Path:
        return self.root / "flower"

    @property
    def database(self) -> Path:
        """The SuperLink's own state: registered nodes, runs, messages on their way."""
        return self.root / "flower" / "state.db"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def tickets(self) -> Path:
        return self.root / "tickets"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def policy_draft(self) -> Path:
        return self.root / "policy.yaml"

    @property
    def plan_draft(self) -> Path:
        return self.root / "plan.yaml"

    @property
    def serving(self) -> Path:
        """Process ids and ports while `serve` runs."""
        return self.root / "serve.json"

    @property
    def serve_lock(self) -> Path:
        return self.root / "serve.lock"

    @property
    def enrol_lock(self) -> Path:
        return self.root / "enrol.lock"


class ServerSettings(Record):
    """server.json. `address` is what devices connect to, `listen` the address that the gateway binds."""

    TITLE: ClassVar[str] = "server's settings"

    version: Version1 = 1
    address: Annotated[str, Field(max_length=300)]
    listen: Annotated[str, Field(max_length=64)]
    superlink_port: Annotated[int, Field(ge=1, le=65535)]

    @property
    def host(self) -> str:
        return split_address(self.address)[0]

    @property
    def port(self) -> int:
        return split_address(self.address)[1]


def split_address(address: str) -> tuple[str, int]:
    """`host:port` or `[IPv6]:port` → host and port. Raises SettingError for anything a device couldn't connect to."""
    host, _, digits = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host.lower()
    if not digits.isascii() or not digits.isdigit() or len(digits) > 5 or not 0 <= int(digits) <= 65535:
        raise SettingError(
            f"{address[:300]!r} is not an address; it is host:port, such as 127.0.0.1:9443; nothing was made or started"
        )
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        if bracketed or not _NAME.match(host) or host.rsplit(".", 1)[-1].isdigit():
            raise SettingError(
                f"{host[:300]!r} is neither an IP address nor a host name; nothing was made or started"
            ) from None
    else:
        if (parsed.version == 6) is not bracketed or "%" in host:
            raise SettingError(
                f"write an IPv6 address in brackets and without a zone: [{host}]:{digits}; nothing was made or started"
            )
        if parsed.is_unspecified or parsed.is_multicast:
            raise SettingError(
                f"{host} is no address that a device could connect to; name this machine's own; nothing was made or started"
            )
    return host, int(digits)


def join_address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen_address(host: str) -> str:
    """What the gateway binds: the address itself, or every interface when devices know the machine by name only."""
    if host == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return "0.0.0.0"  # noqa: S104  the name's address may be another one than this machine sees


def open_folder(root: Path) -> tuple[ServerPaths, ServerSettings]:
    """The folder that `init` made. Raises StateError where there is none, FormatError where it was spoilt."""
    paths = ServerPaths(root.resolve())
    try:
        data = read_capped(paths.settings, limit_bytes=_LIMIT_BYTES)
    except FileNotFoundError:
        raise StateError(
            f"{paths.root} is not a server folder; `reticent server init` makes one; nothing was changed"
        ) from None
    try:
        with naming(paths.settings):
            settings = ServerSettings.from_value(json.loads(data))
        ipaddress.ip_address(settings.listen)
        if settings.port == 0:
            raise SettingError("port 0")
    except NewerFormatError:
        raise
    except (ValueError, InputError, RecursionError):
        raise FormatError(f"{paths.settings} does not hold a server's settings; nothing was started") from None
    return paths, settings


def read_capped(path: Path, *, limit_bytes: int) -> bytes:
    """A whole file of at most `limit_bytes`; a link to one will do.

    Raises: FileNotFoundError; FormatError beyond the limit; StateError for a folder, a pipe or what can't be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would wait for a writer
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise StateError(f"{path} is not a file; nothing was read or changed")
            data = file.read(limit_bytes + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StateError(f"{path} can't be read: {error.strerror}; nothing was read or changed") from None
    if len(data) > limit_bytes:
        raise FormatError(f"{path} is larger than {limit_bytes} bytes; nothing was read or changed")
    return data
