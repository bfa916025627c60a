"""What an organisation's folder holds as evidence: its directory, the heads it counter-signed, the replies it received."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reticent.aggregate.directory import read_directory
from reticent.audit.finding import Finding
from reticent.audit.lines import read_lines
from reticent.errors import FormatError, IntegrityError, NewerFormatError, ReticentError, StateError
from reticent.records.entries import LARGEST_REPLY_BYTES
from reticent.records.files import read_regular
from reticent.records.keys import PublicKey
from reticent.records.layout import ServerFolder
from reticent.records.messages import ReleaseReply, decode_reply
from reticent.records.plan import Plan, read_plan
from reticent.records.receipt import Receipt, read_receipt
from reticent.records.signed import LIMIT_BYTES, Signed

_RECEIPT_LIMIT_BYTES = 4096
_REPLY_NAME = re.compile(r"(0|[1-9][0-9]{0,15})-([0-9a-f]{32})\.(reply|equivocation)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A release reply as it was received. size_bytes: of the whole file."""

    path: Path
    size_bytes: int
    header: ReleaseReply


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSide:
    """Everything by device, as far as it holds; `findings` says what doesn't.

    devices: the directory, id → key. receipts: in the index's order. plans: by plan id. operators: who signed them.
    """

    devices: Mapping[str, PublicKey]
    receipts: Mapping[str, tuple[tuple[Receipt, Signed], ...]]
    replies: Mapping[str, tuple[Reply, ...]]
    plans: Mapping[str, tuple[Plan, str]]
    findings: tuple[Finding, ...]


def read_server_side(root: Path) -> ServerSide:
    """Read a server's folder, or a copy of its devices.jsonl, receipts.jsonl and runs/. Changes nothing.

    Raises: StateError, where there is no such folder or directory of devices; NewerFormatError.
    """
    folder = ServerFolder(root)
    if not folder.devices.is_file():
        raise StateError(f"{root} holds no devices.jsonl; give an organisation's server folder or a copy of it")
    findings: list[Finding] = []
    devices: dict[str, PublicKey] = {}
    try:
        devices = {one.device: PublicKey(one.device_key) for one in read_directory(folder.devices)}
    except NewerFormatError:
        raise
    except (FormatError, IntegrityError) as error:
        findings.append(Finding(subject="server", kind="directory", sentence=str(error)))
    receipts: dict[str, list[tuple[Receipt, Signed]]] = {}
    for receipt, signed in _receipts(folder, findings):
        receipts.setdefault(receipt.device, []).append((receipt, signed))
    plans: dict[str, tuple[Plan, str]] = {}
    replies: dict[str, list[Reply]] = {}
    for run in _folders(root / "runs"):
        plan = _plan(run, findings)
        if plan is not None:
            plans[run.name] = plan
        for reply in _replies(run, devices, findings):
            replies.setdefault(reply.header.device, []).append(reply)
    return ServerSide(
        devices=devices,
        receipts={device: tuple(found) for device, found in receipts.items()},
        replies={device: tuple(found) for device, found in replies.items()},
        plans=plans,
        findings=tuple(findings),
    )


def _folders(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.is_dir()) if place.is_dir() else []


def _receipts(folder: ServerFolder, findings: list[Finding]) -> Iterator[tuple[Receipt, Signed]]:
    if not folder.receipts.exists():
        return
    try:
        for number, line in enumerate(
            read_lines(folder.receipts, what="receipt index", limit_bytes=_RECEIPT_LIMIT_BYTES), start=1
        ):
            if not line.endswith(b"\n"):
                continue  # an append that never returned
            try:
                signed = Signed.from_bytes(line[:-1], limit_bytes=_RECEIPT_LIMIT_BYTES)
                yield read_receipt(signed, PublicKey(signed.key)), signed
            except NewerFormatError:
                raise
            except (FormatError, IntegrityError) as error:
                findings.append(
                    Finding(subject="server", kind="receipt", sentence=f"line {number} of its receipts: {error}")
                )
    except IntegrityError as error:
        findings.append(Finding(subject="server", kind="receipt", sentence=str(error)))


def _plan(run: Path, findings: list[Finding]) -> tuple[Plan, str] | None:
    try:
        data = read_regular(run / "plan.json", what="plan", limit_bytes=LIMIT_BYTES)
        signed = Signed.from_bytes(data.removesuffix(b"\n"))
        if signed.id != run.name:
            raise FormatError("it is not the plan that its folder is named after")
        return read_plan(signed, PublicKey(signed.key)), signed.key
    except NewerFormatError:
        raise
    except ReticentError as error:
        findings.append(Finding(subject="server", kind="plan", sentence=f"the plan in runs/{run.name}: {error}"))
        return None


def _replies(run: Path, devices: Mapping[str, PublicKey], findings: list[Finding]) -> Iterator[Reply]:
    folder = run / "replies"
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name.startswith("."):
            continue  # a file that was being written
        where = f"runs/{run.name[:16]}/replies/{path.name}"
        try:
            named = _REPLY_NAME.fullmatch(path.name)
            if named is None:
                raise FormatError("no reply has such a name")
            reply = _reply(path, devices.get(named[2]))
            header = reply.header
            if (header.plan_id, str(header.round), header.device) != (run.name, named[1], named[2]):
                raise FormatError("it is the reply to another question than its name says")
            if named[3] == "equivocation":
                said = f"it signed two different answers to round {named[1]} of plan {run.name[:16]} ({where})"
                findings.append(Finding(subject=named[2], kind="equivocation", sentence=said))
            else:
                yield reply
        except NewerFormatError:
            raise
        except ReticentError as error:
            findings.append(Finding(subject="server", kind="reply", sentence=f"{where}: {error}"))


def _reply(path: Path, key: PublicKey | None) -> Reply:
    """Read a reply. An unknown device's, by the key that it brings: it is found as unknown, by its id."""
    data = read_regular(path, what="reply", limit_bytes=LARGEST_REPLY_BYTES)
    header, _ = decode_reply(data, limit_bytes=LARGEST_REPLY_BYTES, device_key=key)
    if not isinstance(header, ReleaseReply):
        raise FormatError("it is not a release")
    return Reply(path=path, size_bytes=len(data), header=header)
