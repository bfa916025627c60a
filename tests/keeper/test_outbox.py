"""The outbox takes a sealed release, a join reply or an abstention; whatever else comes, nothing is written anywhere."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from reticent import spool
from reticent.egress import SealedRelease, SimulatedRelease, Update, seal, simulate
from reticent.errors import ForgeryError, ReticentError
from reticent.keeper.daemon import Keeper
from reticent.keeper.outbox import Outbox
from reticent.keeper.state import DeviceState, opened
from reticent.privacy.noise import SeededNoise, SystemNoise
from reticent.records.canonical import digest
from reticent.records.entries import Receipted, Released
from reticent.records.messages import Abstain, JoinReply, ReleaseReply, decode_reply, encode_reply
from tests.world import LARGEST, NOW, Organisation, P, enrolled, join_request, plan, reply_header

NAME = "0" * 32
WEIGHTS = np.zeros(P, dtype=np.float32)


class Device:
    """A device that has charged one round and holds its receipt; `put` is the outbox's."""

    def __init__(self, state: DeviceState, organisation: Organisation) -> None:
        self.state = state
        self.payment = state.payment
        self.signed = organisation.signed(plan())
        keeper = Keeper(state, walls={}, now=lambda: NOW)
        name = spool.deliver(
            state.folder.spool,
            stage="join",
            request=join_request(self.signed, WEIGHTS.tobytes()).to_bytes(),
            weights=None,
        )
        keeper.answer_waiting()
        self.joined = reply_header((state.folder.spool / "outbox" / name).read_bytes())
        assert isinstance(self.joined, JoinReply)
        self.payment.ledger.append(Receipted(receipt=organisation.receipt(self.joined)))
        self.outbox = Outbox(
            spool_folder=state.folder.spool,
            pending=state.folder.pending,
            ledger=self.payment.ledger,
            key=self.payment.key,
        )

    def update(self) -> Update:
        return Update(
            plan=plan(),
            plan_id=self.signed.id,
            round=0,
            weights_hash=self.joined.weights_hash,
            delta=np.zeros(P, dtype=np.float32),
        )

    def sealed(self) -> SealedRelease:
        return seal(self.update(), payment=self.payment, noise=SystemNoise())

    def everything(self) -> dict[str, bytes]:
        """Every file of the device but the log, by its place."""
        root = self.state.folder.root
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    organisation = Organisation()
    with opened(enrolled(tmp_path / "device", organisation)) as state:
        yield Device(state, organisation)


def reply_of(device: Device) -> tuple[ReleaseReply, bytes]:
    """A release reply of the right form that the door did not make."""
    payload = bytes(4 * P)
    header = ReleaseReply(
        device=device.state.device,
        plan_id=device.signed.id,
        round=0,
        weights_hash=device.joined.weights_hash,
        index=device.payment.ledger.head.index + 1,
        parameters=P,
        payload_hash=digest(payload),
    )
    return header, payload


def filled(device: Device, *, seal_of: SealedRelease | None) -> SealedRelease:
    """A SealedRelease made behind the constructor's back, holding zeros instead of noise."""
    forged: SealedRelease = object.__new__(SealedRelease)
    object.__setattr__(forged, "_data", encode_reply(*reply_of(device), device.payment.key))
    object.__setattr__(forged, "_seal", b"" if seal_of is None else seal_of._seal)
    return forged


class LooserJoin(JoinReply):
    """A subclass might carry what it likes."""


class LooserAbstain(Abstain):
    """A subclass might carry what it likes."""


FOREIGN: dict[str, Callable[[Device], object]] = {
    "a simulated release": lambda device: simulate(device.update(), noise=SeededNoise(1)),
    "a simulated release of raw values": lambda device: SimulatedRelease(values=np.ones(P, dtype=np.int32)),
    "an update": lambda device: device.update(),
    "bytes": lambda device: encode_reply(*reply_of(device), device.payment.key),
    "a bytearray": lambda device: bytearray(b"x"),
    "text": lambda device: "x",
    "nothing": lambda device: None,
    "the header of a release": lambda device: reply_of(device)[0],
    "a header with its payload": lambda device: reply_of(device),
    "a release without a seal": lambda device: filled(device, seal_of=None),
    "a release under the seal of another": lambda device: filled(device, seal_of=device.sealed()),
    "an empty release": lambda device: object.__new__(SealedRelease),
    "a subclass of a join": lambda device: LooserJoin(**dict(device.joined)),
    "a subclass of an abstention": lambda device: LooserAbstain(
        device=device.state.device, plan_id=device.signed.id, round=0
    ),
    "what only looks like a join": lambda device: SimpleNamespace(**dict(device.joined)),
    "the class itself": lambda device: JoinReply,
}


@pytest.mark.parametrize("what", FOREIGN)
def test_whatever_is_not_of_the_closed_union_is_refused_and_leaves_no_trace(what: str, device: Device) -> None:
    outgoing = FOREIGN[what](device)
    before = device.everything()
    with pytest.raises(ForgeryError, match="nothing was sent"):
        device.outbox.put(NAME, outgoing)  # type: ignore[arg-type]
    assert device.everything() == before


def test_a_release_that_another_device_s_door_sealed_is_refused_and_leaves_no_trace(
    tmp_path: Path, device: Device
) -> None:
    organisation = Organisation()
    with opened(enrolled(tmp_path / "other", organisation)) as state:
        foreign = Device(state, organisation).sealed()
        before = device.everything()
        with pytest.raises(ReticentError):
            device.outbox.put(NAME, foreign)
        assert device.everything() == before


def test_each_member_of_the_union_lies_in_the_outbox_as_it_travels(device: Device) -> None:
    abstention = Abstain(device=device.state.device, plan_id=device.signed.id, round=1)
    sealed = device.sealed()
    for name, outgoing in (("1" * 32, device.joined), ("2" * 32, abstention), ("3" * 32, sealed)):
        assert not device.outbox.published(name)
        device.outbox.put(name, outgoing)
        assert device.outbox.published(name)
    kept = {path.name: path.read_bytes() for path in (device.state.folder.spool / "outbox").iterdir()}
    assert [reply_header(kept[digit * 32]) for digit in "12"] == [device.joined, abstention]
    assert kept["3" * 32] == sealed.data()
    assert list(device.state.folder.pending.iterdir()) == []


def test_a_release_is_recorded_with_its_hash_and_size_before_it_can_be_seen(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed, seen = device.sealed(), []

    def look(folder: Path, name: str, path: Path) -> None:
        seen.append(device.payment.ledger.entries[-1].body)

    monkeypatch.setattr(spool, "publish", look)
    device.outbox.put(NAME, sealed)
    header, _ = decode_reply(sealed.data(), limit_bytes=LARGEST, device_key=device.payment.key.public)
    assert seen == [
        Released(plan_id=device.signed.id, round=0, payload_hash=header.payload_hash, bytes=len(sealed.data()))
    ]


def test_what_was_published_stays_and_a_second_reply_to_one_request_leaves_nothing_behind(device: Device) -> None:
    device.outbox.put(NAME, device.joined)
    first = (device.state.folder.spool / "outbox" / NAME).read_bytes()
    device.outbox.put(NAME, Abstain(device=device.state.device, plan_id=device.signed.id, round=0))
    assert (device.state.folder.spool / "outbox" / NAME).read_bytes() == first
    assert list(device.state.folder.pending.iterdir()) == []


def test_after_a_kill_what_the_ledger_names_is_published_and_every_other_pending_file_is_deleted(
    device: Device,
) -> None:
    sealed = device.sealed()
    header, _ = decode_reply(sealed.data(), limit_bytes=LARGEST, device_key=None)
    pending = device.state.folder.pending
    (pending / ("1" * 32)).write_bytes(sealed.data())
    (pending / ("2" * 32)).write_bytes(encode_reply(*reply_of(device), device.payment.key))
    (pending / ("3" * 32)).write_bytes(b"half a repl")
    (pending / ("4" * 32)).write_bytes(encode_reply(device.joined, b"", device.payment.key))
    device.payment.ledger.append(
        Released(plan_id=device.signed.id, round=0, payload_hash=header.payload_hash, bytes=len(sealed.data()))
    )
    device.outbox.recover()
    assert (device.state.folder.spool / "outbox" / ("1" * 32)).read_bytes() == sealed.data()
    assert not any(device.outbox.published(digit * 32) for digit in "234")
    assert list(pending.iterdir()) == []
