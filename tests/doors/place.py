"""A small organisation and one device on disk, whole and valid: each row of the table spoils one thing of it."""

import contextlib
import datetime
import fcntl
import json
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reticent.keeper import enrolment
from reticent.keeper.state import opened
from reticent.model.checkpoint_file import SavedWeights, write_weights
from reticent.model.public import initial
from reticent.recordings.source import OFFICE
from reticent.records.enrolment import Ticket, read_enrolment, read_ticket, sign_ticket
from reticent.records.entries import Charge
from reticent.records.keys import Domain, SigningKey
from reticent.records.layout import DeviceFolder
from reticent.records.ledger import Ledger
from reticent.records.plan import sign_plan
from reticent.records.policy import PolicyOffer, sign_policy
from reticent.records.signed import Signed, sign
from reticent.server import plans, policies
from reticent.server.certificates import issue
from reticent.server.creation import create
from reticent.server.settings import ServerPaths
from reticent.train.folder import RunFolder
from reticent.train.settings import Settings
from tests.keeper.test_full_disk import fill
from tests.keeper.test_retention import session
from tests.recordings.imported.made import MOUSE_ACTIONS, write_mouse_table
from tests.train.samples import values
from tests.world import MODEL

Change = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Place:
    """`srv`: a server with a signed policy and a plan that was never run. `device`: enrolled there. The rest are single files."""

    root: Path

    @property
    def server(self) -> ServerPaths:
        return ServerPaths(self.root / "srv")

    @property
    def device(self) -> DeviceFolder:
        return DeviceFolder(self.root / "device")

    @property
    def request(self) -> Path:
        """Of a second device, not enrolled yet."""
        return self.root / "other" / "enrolment-request.json"

    @property
    def ticket(self) -> Path:
        return self.root / "ticket.json"

    @property
    def checkpoint(self) -> Path:
        return self.root / "model.safetensors"

    @property
    def recording(self) -> Path:
        return self.root / "pilot.recording"

    @property
    def experiment(self) -> Path:
        """The folder of a run of `reticent train` that was interrupted at once."""
        return self.root / "experiment"

    @property
    def table(self) -> Path:
        """Somebody else's, to be imported."""
        return self.root / "mice" / "actions.parquet"

    @property
    def operator(self) -> SigningKey:
        return SigningKey.load(self.server.operator_key)

    @property
    def disk(self) -> Path:
        """Where `full_disk` and `read_only` mount theirs, with a server and a device on it."""
        return self.root / "disk"

    @property
    def run(self) -> Path:
        (folder,) = self.server.runs.iterdir()
        return folder

    def signed_with(self, path: Path, domain: Domain, **changes: Any) -> None:
        """The signed record in `path` with other fields, signed again by the operator."""
        body = json.loads(Signed.from_bytes(path.read_bytes()).body)
        path.write_bytes(sign(domain, body | changes, self.operator).to_bytes())


def make(root: Path) -> Place:
    """Everything valid."""
    place = Place(root)
    paths = place.server
    create(paths.root, address="127.0.0.1:0", now=datetime.datetime.now(datetime.UTC))
    offer, _ = policies.publish(paths, paths.policy_draft, council=None)
    plan = plans.complete(plans.read_draft(paths.plan_draft), now=int(datetime.datetime.now(datetime.UTC).timestamp()))
    signed = sign_plan(plan, place.operator)
    paths.run(signed.id).mkdir()
    (paths.run(signed.id) / "plan.json").write_bytes(signed.to_bytes())
    enrolment.create(place.device.root, sessions=(session(3),))
    enrolment.create(place.request.parent)
    request = read_enrolment(Signed.from_bytes((place.device.root / "enrolment-request.json").read_bytes()))
    ticket = sign_ticket(
        Ticket(
            device=request.device,
            address="127.0.0.1:9443",
            ca_certificate=paths.ca_certificate.read_text("ascii"),
            policy=offer,
        ),
        place.operator,
    )
    place.ticket.write_bytes(ticket.to_bytes())
    with opened(place.device.root) as state:
        enrolment.accept_ticket(state, read_ticket(ticket, device=state.device))
        _charge(state.payment.ledger, signed.id, offer.hash, plan.events())
    write_weights(
        place.checkpoint,
        SavedWeights(model=MODEL, trainable="heads", plan_id=signed.id, round=1, weights=initial(MODEL, "heads")),
    )
    shutil.copyfile(OFFICE, place.recording)
    RunFolder(place.experiment).begin(Settings.of(values()))
    write_mouse_table(place.table.parent, {("user7", "session_1"): MOUSE_ACTIONS})
    stricter = sign_policy(policies.current(paths)[1].model_copy(update={"max_rounds": 9}), place.operator)
    (root / "stricter.json").write_bytes(PolicyOffer(policy=stricter, council=None).to_bytes())
    place.disk.mkdir()
    for lock in (paths.serve_lock, paths.enrol_lock):  # taken by whoever looks, and never removed
        lock.touch()
    return place


def certificate(*, days_ago: int) -> bytes:
    """One for 30 days, issued so long ago."""
    now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days_ago)
    return issue(("127.0.0.1",), now=now, valid_days=30).certificate


@contextlib.contextmanager
def listening(address: str) -> Iterator[None]:
    """Somebody else at this port."""
    host, _, port = address.rpartition(":")
    with socket.create_server((host, int(port))):
        yield


@contextlib.contextmanager
def served(place: Place) -> Iterator[None]:
    """As if `server serve` ran."""
    with place.server.serve_lock.open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def mounted(place: Place, size: str) -> Iterator[Path]:
    """A small file system of its own, with a copy of server and device."""
    if _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place.disk)).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    try:
        shutil.copytree(place.server.root, place.disk / "srv")
        shutil.copytree(place.device.root, place.disk / "device")
        yield place.disk
    finally:
        subprocess.run(["umount", "-l", str(place.disk)], check=True)


@contextlib.contextmanager
def full_disk(place: Place) -> Iterator[None]:
    """Nothing more fits on it."""
    with mounted(place, "2m") as disk:
        fill(disk)
        yield


@contextlib.contextmanager
def read_only(place: Place) -> Iterator[None]:
    """Root can't write there either."""
    with mounted(place, "2m") as disk:
        assert _mount("-o", "remount,ro", str(disk)).returncode == 0
        yield


def _mount(*words: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["mount", *words], capture_output=True, check=False)


def _charge(ledger: Ledger, plan_id: str, policy_hash: str, events: Any) -> None:
    ledger.append(
        Charge(plan_id=plan_id, round=0, weights_hash="0" * 64, policy_hash=policy_hash, events=events, walls={})
    )


def contents(root: Path) -> dict[str, bytes | None]:
    """Every name below `root`, and every byte."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(root.rglob("*"))}
