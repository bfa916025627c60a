"""Where keeper and courier meet: a folder of requests and a folder of finished bytes, each changed by one rename.

::

    inbox/<id>/{stage,request,weights}   the courier writes, the keeper reads and removes
    inbox/.courier                       the courier's word about itself
    outbox/<id>                          the keeper writes, the courier (and the employee) reads

An id belongs to what was asked, never to who asked or when: a restarted server that asks the same gets the same bytes.
Everything here survives a kill at any step: a name is whole or temporary, and temporary ones are ignored and swept.
Neither side trusts the other's folder: names, kinds and sizes are checked before a byte is read; no link is followed.
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from reticent.errors import FormatError, IntegrityError, ReticentError, SettingError, StateError
from reticent.records.canonical import digest
from reticent.records.messages import REQUEST_LIMIT_BYTES, JoinRequest, TrainRequest

STAGES: Final = ("join", "train")
LARGEST_WEIGHTS_BYTES: Final = 64 * 1024 * 1024
LARGEST_REPLY_BYTES: Final = LARGEST_WEIGHTS_BYTES + REQUEST_LIMIT_BYTES
MOST_WAITING: Final = 64
MOST_WAITING_BYTES: Final = 256 * 1024 * 1024  # a server that keeps asking can't fill the disk of a device

_ID = re.compile(r"[0-9a-f]{32}")
_HASH = re.compile(r"[0-9a-f]{64}")
_NEW = ".new-"  # being written by the courier
_DONE = ".done-"  # being removed by the keeper
_REPORT = ".courier"
_SEARCHABLE = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READABLE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # O_NONBLOCK: a FIFO must not hang the reader
_CREATED = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Item:
    """One request as it lay in the inbox. `weights` are float32, little-endian, 4·P bytes, unchecked."""

    stage: str
    request: bytes = field(repr=False)
    weights: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CourierReport:
    """What a courier says about itself. The keeper shows it as said: it can't check it.

    wall: what confines it, as `reticent.walls` names it. state: one of starting, connected, away, refused, stopped.
    node_id: the name that the SuperLink gave its key, once known.
    """

    wall: str
    state: str
    pid: int
    node_id: int | None = None


def create(spool: Path) -> None:
    """Make the folders, readable by their owner only; what is there already stays."""
    for folder in (spool, spool / "inbox", spool / "outbox"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def request_id(*, stage: str, plan_id: str, round: int, weights_hash: str) -> str:  # noqa: A002 - the records' own name
    """Name what is asked: 32 hex digits of a SHA-256 over stage, plan, round and weights.

    Raises: SettingError, for another stage, a negative round or a hash that isn't 64 hex digits.
    """
    _known(stage)
    if not (_HASH.fullmatch(plan_id) and _HASH.fullmatch(weights_hash)) or round < 0:
        raise SettingError("a request is named by two SHA-256 hashes and a round of 0 or more; nothing was delivered")
    named = f"reticent/request/1\n{stage}\n{plan_id}\n{round}\n{weights_hash}"
    return hashlib.sha256(named.encode()).hexdigest()[:32]


def id_of(stage: str, request: bytes, weights: bytes | None) -> str:
    """The id that both sides compute from the bytes themselves.

    A request that doesn't parse, or whose weights aren't those it names, is named by its own digests, so that
    rubbish can never take the place of an honest request in the outbox.
    """
    try:
        return _id_of_valid(stage, request, weights)
    except ReticentError:
        return request_id(stage=stage, plan_id=digest(request), round=0, weights_hash=digest(weights or b""))


def _id_of_valid(stage: str, request: bytes, weights: bytes | None) -> str:
    kind = JoinRequest if stage == "join" else TrainRequest
    asked = kind.from_bytes(request, limit_bytes=REQUEST_LIMIT_BYTES)
    if (weights is not None) if stage == "join" else (weights is None or digest(weights) != asked.weights_hash):
        raise FormatError("the weights are not those that the request names")
    return request_id(stage=stage, plan_id=asked.plan.id, round=asked.round, weights_hash=asked.weights_hash)


# The courier's side.


def deliver(spool: Path, *, stage: str, request: bytes, weights: bytes | None) -> str:
    """Put a request into the inbox by one rename, and return its id. Delivering it twice changes nothing.

    Raises: SettingError, beyond the size limits; StateError, if too much waits already or the spool can't be written.
    """
    _known(stage)
    if len(request) > REQUEST_LIMIT_BYTES or len(weights or b"") > LARGEST_WEIGHTS_BYTES:
        raise SettingError(
            f"a request may have {REQUEST_LIMIT_BYTES} bytes and {LARGEST_WEIGHTS_BYTES} bytes of weights; "
            f"this one has {len(request)} and {len(weights or b'')}; nothing was delivered"
        )
    name = id_of(stage, request, weights)
    inbox = spool / "inbox"
    target = inbox / name
    if os.path.lexists(target):
        return name
    _room(inbox, asked_bytes=len(request) + len(weights or b""))
    temporary = inbox / f"{_NEW}{secrets.token_hex(8)}"
    try:
        temporary.mkdir(mode=0o700)
        _write(temporary / "stage", stage.encode())
        _write(temporary / "request", request)
        if weights is not None:
            _write(temporary / "weights", weights)
        _sync(temporary)
        temporary.rename(target)  # a folder never replaces one that isn't empty
        _sync(inbox)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if os.path.lexists(target):
            return name
        raise StateError(
            f"the request can't be written to the spool ({error.strerror}); nothing was delivered"
        ) from None
    return name


def collect(spool: Path, name: str) -> bytes | None:
    """The finished bytes of a reply, or None while there are none.

    Raises: FormatError, if what lies there isn't a regular file of an allowed size.
    """
    _named(name)
    try:
        outbox = os.open(spool / "outbox", _SEARCHABLE)
    except OSError as error:
        raise StateError(f"the spool's outbox can't be opened ({error.strerror}); nothing was sent") from None
    try:
        return _read(outbox, name, limit_bytes=LARGEST_REPLY_BYTES)
    finally:
        os.close(outbox)


def announce(spool: Path, report: CourierReport) -> None:
    """Say how the courier is doing, for the keeper to show. Nothing depends on it: it may be lost.

    Raises: StateError, if the spool can't be written.
    """
    temporary = spool / "inbox" / f"{_NEW}{secrets.token_hex(8)}"
    try:
        _write(temporary, json.dumps({"version": 1, **asdict(report)}).encode())
        temporary.rename(spool / "inbox" / _REPORT)
    except OSError as error:
        raise StateError(f"the spool can't be written ({error.strerror}); nothing was delivered") from None


def sweep_courier(spool: Path) -> None:
    """Remove what a killed courier left half written. Call it where no other courier can be writing."""
    _sweep(spool / "inbox", _NEW)


# The keeper's side.


def arrivals(spool: Path) -> tuple[str, ...]:
    """The ids that wait in the inbox, oldest first. Temporary names, links and strangers are passed over."""
    try:
        with os.scandir(spool / "inbox") as entries:
            found = [(_age(entry), entry.name) for entry in entries if _waits(entry)]
    except OSError as error:
        raise StateError(f"the spool's inbox can't be listed ({error.strerror}); nothing was read") from None
    return tuple(name for _, name in sorted(found))


def read_item(spool: Path, name: str) -> Item:
    """Read one request, taking nothing on trust: no link, no pipe, nothing too large, no other request's name.

    Raises: FormatError, if it isn't what a courier delivers; StateError, if there is no such item.
    """
    _named(name)
    with contextlib.ExitStack() as opened:
        folder = _open_item(spool, name)
        opened.callback(os.close, folder)
        with os.scandir(folder) as entries:
            strange = any(entry.name not in {"stage", "request", "weights"} for entry in entries)
        if strange:
            raise FormatError("a request in the inbox holds a file that no courier writes; it was not read")
        stage = _read(folder, "stage", limit_bytes=16)
        request = _read(folder, "request", limit_bytes=REQUEST_LIMIT_BYTES)
        weights = _read(folder, "weights", limit_bytes=LARGEST_WEIGHTS_BYTES)
    known = {known.encode(): known for known in STAGES}
    if stage not in known or request is None:
        raise FormatError("a request in the inbox has no stage that is known, or no content; it was not answered")
    item = Item(stage=known[stage], request=request, weights=weights)
    if id_of(item.stage, item.request, item.weights) != name:
        raise FormatError("a request in the inbox lies under another request's name; it was not answered")
    return item


def publish(spool: Path, name: str, pending: Path) -> None:
    """Move a finished file into the outbox under `name`. What lies there already is never replaced.

    pending: a regular file on the spool's file system, fully written; it is gone afterwards. Repeat it after a kill.
    Raises: IntegrityError, if other bytes were published under this name; StateError, if the move fails.
    """
    _named(name)
    target = spool / "outbox" / name
    try:
        source = os.open(pending, _READABLE)
        try:
            os.fsync(source)
        finally:
            os.close(source)
        try:
            os.link(pending, target, follow_symlinks=False)  # unlike rename, it fails where something lies
        except FileExistsError:
            if _whole(pending) != _whole(target):
                raise IntegrityError(
                    "another reply to this request was published before; the new one stays unpublished"
                ) from None
        _sync(target.parent)
        pending.unlink()
    except OSError as error:
        raise StateError(f"a reply can't be moved into the outbox ({error.strerror}); nothing was sent") from None


def finish(spool: Path, name: str) -> None:
    """Remove an answered request from the inbox. Nothing happens if it is gone already."""
    _named(name)
    gone = spool / "inbox" / f"{_DONE}{name}-{secrets.token_hex(4)}"
    try:
        (spool / "inbox" / name).rename(gone)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StateError(f"a request can't be removed from the inbox ({error.strerror}); it stays there") from None
    _remove(gone)


def courier_report(spool: Path) -> CourierReport | None:
    """What the courier said last about itself; None where it said nothing that can be understood."""
    try:
        inbox = os.open(spool / "inbox", _SEARCHABLE)
    except OSError:
        return None
    try:
        said = json.loads(_read(inbox, _REPORT, limit_bytes=4096) or b"")
        if not isinstance(said, dict) or said.pop("version", None) != 1:
            return None
        report = CourierReport(**said)
    except (ReticentError, ValueError, TypeError, RecursionError):
        return None
    finally:
        os.close(inbox)
    texts = isinstance(report.wall, str) and isinstance(report.state, str)
    numbers = type(report.pid) is int and (report.node_id is None or type(report.node_id) is int)
    return report if texts and numbers else None


def sweep_keeper(spool: Path) -> None:
    """Remove what a killed keeper left half removed."""
    _sweep(spool / "inbox", _DONE)


def _known(stage: str) -> None:
    if stage not in STAGES:
        raise SettingError(f"a request's stage is one of {', '.join(STAGES)}; nothing was delivered")


def _named(name: str) -> None:
    if not _ID.fullmatch(name):
        raise SettingError("a request's id is 32 hex digits; nothing was read or written")


def _room(inbox: Path, *, asked_bytes: int) -> None:
    """Refuse one more request where enough of them wait."""
    waiting, held_bytes = 0, asked_bytes
    try:
        with os.scandir(inbox) as entries:
            for item in (entry for entry in entries if _waits(entry)):
                waiting += 1
                held_bytes += _held_bytes(Path(item.path))
    except OSError as error:
        raise StateError(f"the spool's inbox can't be listed ({error.strerror}); nothing was delivered") from None
    if waiting >= MOST_WAITING or held_bytes > MOST_WAITING_BYTES:
        raise StateError(
            f"the spool is full: at most {MOST_WAITING} requests and {MOST_WAITING_BYTES} bytes may wait; "
            "nothing was delivered"
        )


def _held_bytes(item: Path) -> int:
    total = 0
    for part in ("stage", "request", "weights"):
        with contextlib.suppress(OSError):  # the keeper may finish it meanwhile
            total += (item / part).lstat().st_size
    return total


def _waits(entry: os.DirEntry[str]) -> bool:
    try:
        return _ID.fullmatch(entry.name) is not None and entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _age(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_mtime_ns
    except OSError:
        return 0


def _open_item(spool: Path, name: str) -> int:
    try:
        inbox = os.open(spool / "inbox", _SEARCHABLE)
        try:
            return os.open(name, _SEARCHABLE, dir_fd=inbox)
        finally:
            os.close(inbox)
    except FileNotFoundError:
        raise StateError("there is no such request in the inbox") from None
    except OSError:
        raise FormatError("a request in the inbox isn't a folder; it was not read") from None


def _read(folder: int, name: str, *, limit_bytes: int) -> bytes | None:
    """A regular file's content, or None. A link, a pipe, a device or anything too large is refused unread."""
    try:
        handle = os.open(name, _READABLE, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError:
        raise FormatError("something in the spool is a link or can't be opened; it was not read") from None
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or status.st_size > limit_bytes:
        os.close(handle)
        raise FormatError(f"the spool holds something else than a file of {limit_bytes} bytes at most; it was not read")
    with os.fdopen(handle, "rb") as file:
        content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise FormatError(f"a file in the spool grew beyond {limit_bytes} bytes while it was read; it was not used")
    return content


def _whole(path: Path) -> bytes | None:
    folder = os.open(path.parent, _SEARCHABLE)
    try:
        return _read(folder, path.name, limit_bytes=LARGEST_REPLY_BYTES)
    finally:
        os.close(folder)


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, _CREATED, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, _SEARCHABLE)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(inbox: Path, prefix: str) -> None:
    with contextlib.suppress(OSError), os.scandir(inbox) as entries:
        for entry in [entry for entry in entries if entry.name.startswith(prefix)]:
            _remove(Path(entry.path))


def _remove(path: Path) -> None:
    """Remove a folder, or whatever a hostile courier put in its place; what resists keeps a name that nobody reads."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
