"""An organisation with three devices that took part in two rounds, as files: what an auditor gets copies of."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from reticent.aggregate.directory import Device, add_device
from reticent.aggregate.receipts import ReceiptIndex
from reticent.records.canonical import digest
from reticent.records.entries import Receipted
from reticent.records.keys import SigningKey
from reticent.records.layout import DeviceFolder, ServerFolder
from reticent.records.ledger import Ledger
from reticent.records.messages import JoinReply
from reticent.records.signed import Signed
from tests.records.samples import (
    DEVICE,
    OFFER,
    PLAN,
    RECEIPTS,
    WEIGHTS,
    charge,
    consent,
    key,
    release_reply,
    released,
)

KEYS = (DEVICE, key(11), key(12))


@dataclass(frozen=True)
class World:
    """`server` and one state folder a device; the functions do what the real parts do, with the real formats."""

    root: Path

    @property
    def server(self) -> ServerFolder:
        return ServerFolder(self.root / "server")

    def device(self, number: int) -> DeviceFolder:
        return DeviceFolder(self.root / f"device{number}")

    def places(self) -> list[Path]:
        return [self.device(number).root for number in range(len(KEYS))]

    def replies(self) -> Path:
        return self.server.run(PLAN.id) / "replies"

    def reply(self, number: int, round: int) -> Path:  # noqa: A002
        return self.replies() / f"{round}-{KEYS[number].public.device_id}.reply"

    def ledger(self, number: int) -> Ledger:
        return Ledger.open(self.device(number).ledger, KEYS[number])

    def counter_sign(self, ledger: Ledger, device: SigningKey, round: int) -> Signed:  # noqa: A002
        head = JoinReply(
            device=device.public.device_id,
            plan_id=PLAN.id,
            round=round,
            weights_hash=digest(WEIGHTS),
            index=ledger.head.index,
            head=ledger.head.hash,
        )
        with ReceiptIndex(self.server.receipts, RECEIPTS) as index:
            return index.counter_sign(head)

    def play(self, number: int, round: int, *, send: bool = True) -> None:  # noqa: A002
        """One round of one device, both sides."""
        with self.ledger(number) as ledger:
            ledger.append(charge(round))
            ledger.append(Receipted(receipt=self.counter_sign(ledger, KEYS[number], round)))
            entry = ledger.append(released(ledger, round, device=KEYS[number]))
        if send:
            self.reply(number, round).write_bytes(release_reply(entry.index, round, device=KEYS[number]))


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.server.root.mkdir()
    made.replies().mkdir(parents=True)
    made.server.policy.write_bytes(OFFER.to_bytes() + b"\n")
    (made.server.run(PLAN.id) / "plan.json").write_bytes(PLAN.to_bytes())
    for number, device in enumerate(KEYS):
        folder = made.device(number)
        folder.keeper.mkdir(parents=True)
        folder.policy.write_bytes(OFFER.to_bytes())
        with Ledger.create(folder.ledger, device) as ledger:
            ledger.append(consent())
        add_device(
            made.server.devices,
            Device(device=device.public.device_id, device_key=device.public.hex, node_id=number + 1),
        )
    for round in range(2):  # noqa: A001
        for number in range(len(KEYS)):
            made.play(number, round)
    return made
