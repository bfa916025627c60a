"""What a copy of the state folder taken between charge and training can do, who notices, and who can't."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from reticent.aggregate.directory import Device, add_device
from reticent.aggregate.journal import ReplyStore
from reticent.aggregate.receipts import ReceiptIndex
from reticent.audit.reconcile import reconcile
from reticent.keeper.state import opened
from reticent.records.layout import ServerFolder
from reticent.records.messages import Abstain, JoinReply, ReleaseReply
from reticent.records.signed import Signed
from tests.keeper.test_daemon import Bench
from tests.world import Organisation, P, enrolled, plan, reply_header

WEIGHTS = np.zeros(P, dtype="<f4").tobytes()


@dataclass
class Twins:
    """One round, trained twice: on the device, and on a copy of it that was taken after the join.

    receipt: the newest that the server holds. first, second: the two replies.
    """

    device: Path
    copy: Path
    server: ServerFolder
    organisation: Organisation
    signed: Signed
    receipt: Signed
    first: bytes
    second: bytes


@pytest.fixture
def twins(tmp_path: Path) -> Twins:
    organisation = Organisation()
    device, copy = enrolled(tmp_path / "device", organisation), tmp_path / "copy"
    signed = organisation.signed(plan())
    server = ServerFolder(tmp_path / "server")
    server.root.mkdir()
    with ReceiptIndex(server.receipts, organisation.receipts) as index:
        with opened(device) as state:
            joined = reply_header(Bench(state, organisation).join(signed))
            assert isinstance(joined, JoinReply)
            receipt = index.counter_sign(joined)
            add_device(
                server.devices,
                Device(device=state.device, device_key=state.payment.key.public.hex, node_id=1),
            )
        shutil.copytree(device, copy)
        with opened(device) as state:
            first = Bench(state, organisation).train(signed, receipt)
        with opened(copy) as state:
            again = Bench(state, organisation)
            # The server shows its newest receipt, as it always does; the copy holds that head, so nothing looks wrong.
            assert reply_header(again.join(signed, last=index.last(state.device))) == joined
            assert index.counter_sign(joined) == receipt
            second = again.train(signed, receipt)
    return Twins(device, copy, server, organisation, signed, receipt, first, second)


def test_the_limit_a_copy_taken_after_the_join_and_trained_again_gives_a_second_release_under_one_charge(
    twins: Twins,
) -> None:
    """Known and said so (docs/threat-model.md): nothing on the device survives the restoring of all of it."""
    assert isinstance(reply_header(twins.first), ReleaseReply)
    assert isinstance(reply_header(twins.second), ReleaseReply)
    assert twins.first != twins.second
    for place in (twins.device, twins.copy):
        with opened(place) as state:
            kinds = [entry.kind for entry in state.payment.ledger.entries]
            assert kinds == ["genesis", "consent", "charge", "receipt", "release"]


def test_the_server_keeps_the_first_release_and_names_the_second_an_equivocation(twins: Twins) -> None:
    store = ReplyStore(twins.server.run(twins.signed.id) / "replies")
    device = reply_header(twins.first).device
    assert store.keep(twins.first, round_number=0, device=device)
    assert not store.keep(twins.second, round_number=0, device=device)
    kept = {path.suffix: path.read_bytes() for path in (twins.server.run(twins.signed.id) / "replies").iterdir()}
    assert kept == {".reply": twins.first, ".equivocation": twins.second}


@pytest.mark.parametrize("shown", ["the device's ledger", "the copy's ledger", "both"])
def test_an_audit_finds_both_signed_releases_whichever_ledger_it_is_shown(twins: Twins, shown: str) -> None:
    run = twins.server.run(twins.signed.id)
    store = ReplyStore(run / "replies")
    (run / "plan.json").write_bytes(twins.signed.to_bytes())
    device = reply_header(twins.first).device
    for data in (twins.first, twins.second):
        store.keep(data, round_number=0, device=device)
    ledgers = {"the device's ledger": [twins.device], "the copy's ledger": [twins.copy]}
    found = reconcile(twins.server.root, ledgers.get(shown, [twins.device, twins.copy])).findings
    kinds = {one.kind for one in found if one.subject == device}
    assert "equivocation" in kinds
    assert ("other-payload" in kinds) == (shown == "the copy's ledger")
    assert ("forked" in kinds) == (shown == "both")


def test_a_copy_taken_before_the_join_is_refused_by_the_server_s_newest_receipt(twins: Twins, tmp_path: Path) -> None:
    organisation = twins.organisation
    old = enrolled(tmp_path / "fresh", organisation)
    older = tmp_path / "older"
    shutil.copytree(old, older)
    with opened(old) as state:
        joined = reply_header(Bench(state, organisation).join(twins.signed))
        assert isinstance(joined, JoinReply)
    with opened(older) as state:
        refused = Bench(state, organisation).join(twins.signed, last=organisation.receipt(joined))
        assert isinstance(reply_header(refused), Abstain)
