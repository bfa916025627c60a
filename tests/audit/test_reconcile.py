"""Every lie that the two sides can tell about each other, found and named."""

import json
import shutil

import pytest

from reticent.audit.reconcile import DISAGREE, reconcile
from reticent.errors import NewerFormatError, StateError
from reticent.records.canonical import canonical, digest
from reticent.records.entries import Charge, Receipted, Released
from reticent.records.keys import Domain
from reticent.records.ledger import Ledger
from reticent.records.plan import sign_plan
from reticent.records.receipt import Receipt, sign_receipt
from reticent.records.signed import Signed, sign
from tests.audit.conftest import KEYS, World
from tests.records.samples import (
    OTHER,
    PAYLOAD,
    PLAN,
    RECEIPTS,
    WEIGHTS,
    charge,
    consent,
    plan,
    release_reply,
    released,
)

ANNA, BEN, EVE = (key.public.device_id for key in KEYS)


def run(world: World, places=None):
    return reconcile(world.server.root, world.places() if places is None else places)


def found(world: World, places=None):
    return {(one.subject, one.kind) for one in run(world, places).findings}


def rewrite(world: World, number: int, bodies):
    """Replace a device's ledger by another that its own key signed."""
    path = world.device(number).ledger
    path.unlink()
    with Ledger.create(path, KEYS[number]) as ledger:
        for body in bodies:
            ledger.append(body(ledger) if callable(body) else body)
    return path


def bodies(world: World, number: int):
    with world.ledger(number) as ledger:
        return [entry.body for entry in ledger.entries[1:]]


def test_two_honest_sides_agree(world):
    result = run(world)
    assert result.holds
    assert result.notes == ()
    assert [one.device for one in result.accounts] == sorted([ANNA, BEN, EVE])
    for one in result.accounts:
        assert (one.charged, one.released, one.receipted, one.counter_signed, one.received) == (2, 2, 2, 2, 2)
        assert (one.ledger, one.entries, one.lost) == (True, 8, 0)


def test_copies_of_bare_ledgers_and_a_server_without_keys_are_enough(world, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for number in range(3):
        shutil.copy(world.device(number).ledger, copy / f"{number}.jsonl")
    assert not (world.server.root / "keys").exists()
    assert run(world, [copy / f"{number}.jsonl" for number in range(3)]).holds


def test_a_release_that_never_arrived_is_told_and_is_no_fault(world):
    world.play(1, 2, send=False)
    result = run(world)
    assert result.holds
    assert result.notes == (f"{BEN}: 1 of its releases are not at the server: sent and lost, or not sent yet",)


def test_an_aborted_round_is_no_fault(world):
    with world.ledger(1) as ledger:
        ledger.append(charge(2))
    assert run(world).holds


def test_a_ledger_restored_from_an_older_copy_is_found(world):
    path = world.device(1).ledger
    old = path.read_bytes()
    world.play(1, 2)
    path.write_bytes(old)
    assert found(world) == {(DISAGREE, "beyond-ledger"), (BEN, "uncharged"), (BEN, "unrecorded")}
    assert f"the ledger of device {BEN} ends at entry 7, and the server counter-signed entry 8" in str(
        [str(one) for one in run(world).findings]
    )


@pytest.mark.parametrize("claim", [{"index": 99}, {"head": "0" * 64}, {"round": 9}, {"index": 7, "head": "0" * 64}])
def test_a_receipt_that_the_server_made_up_accuses_no_device(world, claim):
    line = sign_receipt(_receipt(world, **claim), RECEIPTS).to_bytes() + b"\n"
    world.server.receipts.write_bytes(world.server.receipts.read_bytes() + line)
    findings = run(world).findings
    assert {one.subject for one in findings} == {DISAGREE}
    assert all(f"device {ANNA}" in one.sentence for one in findings)
    if "round" not in claim:
        assert all("or the server signed a head that the device never showed" in one.sentence for one in findings)


def test_a_receipt_without_a_ledger_is_told_as_what_the_server_holds(world):
    for reply in world.replies().glob(f"*-{EVE}.reply"):
        reply.unlink()
    result = run(world, world.places()[:2])
    assert result.findings == ()
    assert result.notes == (
        f"{EVE}: NOT checked: the server holds 2 heads and 0 replies of it, and no ledger of it was given",
    )


def test_a_ledger_restored_and_used_again_is_found_as_another_past(world):
    path = world.device(1).ledger
    old = path.read_bytes()
    world.play(1, 2)
    path.write_bytes(old)
    with world.ledger(1) as ledger:
        ledger.append(charge(3))
    assert (DISAGREE, "other-head") in found(world)


def test_every_shortening_below_the_newest_counter_signed_head_is_found(world):
    path = world.device(2).ledger
    lines = path.read_bytes().splitlines(keepends=True)
    for length in range(1, 6):
        path.write_bytes(b"".join(lines[:length]))
        assert (DISAGREE, "beyond-ledger") in found(world)
    path.write_bytes(b"".join(lines[:7]))  # hides the last release, but the server holds the reply
    assert (EVE, "unrecorded") in found(world)


def test_a_second_ledger_of_one_device_is_a_fork_or_an_older_copy(world, tmp_path):
    copy = tmp_path / "older.jsonl"
    lines = world.device(0).ledger.read_bytes().splitlines(keepends=True)
    copy.write_bytes(b"".join(lines[:4]))
    result = run(world, [copy, *world.places()])
    assert result.holds
    assert result.notes == (f"{ANNA}: two copies of its ledger were given; the longer one was compared",)
    copy.unlink()
    with Ledger.create(copy, KEYS[0]) as ledger:
        ledger.append(consent().model_copy(update={"policy_hash": "0" * 64}))
    assert found(world, [copy, *world.places()]) == {(ANNA, "forked")}


def test_an_edited_ledger_is_found_and_the_others_are_still_compared(world):
    path = world.device(0).ledger
    path.write_bytes(path.read_bytes().replace(b'"round":1', b'"round":7'))
    world.reply(1, 0).unlink()
    result = run(world)
    assert (ANNA, "broken") in {(one.subject, one.kind) for one in result.findings}
    assert any(BEN in note for note in result.notes)


def test_some_of_the_ledgers_are_judged_by_themselves_and_the_others_named_as_not_checked(world):
    result = run(world, world.places()[:2])
    assert result.holds
    assert result.not_checked == (EVE,)
    assert run(world).not_checked == ()
    world.reply(0, 1).write_bytes(world.reply(0, 0).read_bytes())
    assert not run(world, world.places()[:1]).holds
    account = next(one for one in run(world, world.places()[:2]).accounts if one.device == EVE)
    assert (account.ledger, account.counter_signed, account.received) == (False, 2, 2)


def test_a_device_that_never_took_part_may_keep_its_ledger(world):
    from reticent.aggregate.directory import Device, add_device

    add_device(world.server.devices, Device(device=OTHER.public.device_id, device_key=OTHER.public.hex, node_id=9))
    result = run(world)
    assert result.holds
    assert f"{OTHER.public.device_id}: is enrolled, never took part" in result.notes[0]


def test_an_unknown_device_is_named(world):
    lines = world.server.devices.read_bytes().splitlines(keepends=True)
    world.server.devices.write_bytes(b"".join(lines[:2]))
    assert found(world) == {(EVE, "unknown")}
    assert (EVE, "unknown") in found(world, world.places()[:2])


def test_a_receipt_that_the_server_lost_or_hid_is_named(world):
    lines = world.server.receipts.read_bytes().splitlines(keepends=True)
    world.server.receipts.write_bytes(b"".join(lines[1:]))
    assert found(world) == {("server", "lost-receipt")}
    world.server.receipts.unlink()
    assert {kind for _, kind in found(world)} == {"lost-receipt"}


def test_a_torn_line_in_the_servers_index_was_never_handed_out(world):
    world.server.receipts.write_bytes(world.server.receipts.read_bytes() + b'{"body"')
    assert run(world).holds


def _receipt(world, **changes):
    with world.ledger(0) as ledger:
        head = ledger.entries[5]
    ordinary = {
        "device": ANNA,
        "index": 5,
        "head": head.hash,
        "plan_id": PLAN.id,
        "round": 1,
        "weights_hash": digest(WEIGHTS),
    }
    return Receipt(**{**ordinary, **changes})


@pytest.mark.parametrize(
    ("change", "by", "kind"),
    [
        ({"index": 99}, RECEIPTS, "beyond-ledger"),
        ({"head": "0" * 64}, RECEIPTS, "two-heads"),
        ({"index": 7, "head": "0" * 64}, RECEIPTS, "other-head"),
        ({"round": 9}, RECEIPTS, "receipt"),
        ({"weights_hash": "0" * 64}, RECEIPTS, "receipt"),
        ({}, OTHER, "receipt"),
    ],
)
def test_a_receipt_for_something_else_than_the_ledger_holds_is_found(world, change, by, kind):
    line = sign_receipt(_receipt(world, **change), by).to_bytes() + b"\n"
    world.server.receipts.write_bytes(world.server.receipts.read_bytes() + line)
    assert (DISAGREE, kind) in found(world)


def test_a_receipt_line_that_does_not_verify_is_found_by_its_number(world):
    good = world.server.receipts.read_bytes()
    for line in (
        b"{}\n",
        b"\n",
        b"x" * 9000 + b"\n",
        sign_receipt(_receipt(world), RECEIPTS).to_bytes().replace(b'"round":1', b'"round":2') + b"\n",
        sign(Domain.PLAN, _receipt(world).to_value(), RECEIPTS).to_bytes() + b"\n",
    ):
        world.server.receipts.write_bytes(good + line)
        assert ("server", "receipt") in found(world)
    world.server.receipts.write_bytes(
        good + sign(Domain.RECEIPT, {**_receipt(world).to_value(), "version": 2}, RECEIPTS).to_bytes() + b"\n"
    )
    with pytest.raises(NewerFormatError):
        run(world)


def test_a_reply_that_was_never_charged_or_recorded_is_found(world):
    path = world.reply(1, 5)
    path.write_bytes(release_reply(9, 5, device=KEYS[1]))
    assert found(world) == {(BEN, "uncharged"), (BEN, "unrecorded")}


def test_a_reply_with_another_payload_than_recorded_is_found(world):
    world.reply(1, 1).write_bytes(release_reply(7, 1, device=KEYS[1], payload=PAYLOAD[::-1]))
    assert found(world) == {(BEN, "other-payload")}


def test_a_reply_that_claims_another_place_in_the_ledger_is_found(world):
    world.reply(1, 1).write_bytes(release_reply(6, 1, device=KEYS[1]))
    assert found(world) == {(BEN, "forked")}


def test_a_reply_for_other_weights_than_charged_is_found(world):
    kept = [body for body in bodies(world, 1) if not isinstance(body, Receipted | Released)]
    changed = [
        body.model_copy(update={"weights_hash": "0" * 64}) if isinstance(body, Charge) else body for body in kept
    ]
    rewrite(world, 1, changed)
    assert (BEN, "uncharged") in found(world)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data + b"\x00",
        lambda data: data.replace(b'"round":1', b'"round":0'),
        lambda data: data.replace(b'"index":7', b'"index":8'),
        lambda data: data[:-16] + bytes(16),
        lambda data: b"",
        lambda data: data.split(b"\n", 1)[1],
        lambda data: release_reply(7, 1, device=OTHER),
        lambda data: release_reply(4, 0, device=KEYS[1]),
        lambda data: release_reply(7, 1, device=KEYS[2]),
        lambda data: canonical({"body": json.loads(data.split(b"\n")[0])["body"], "key": "", "signature": ""}) + b"\n",
    ],
)
def test_an_unsigned_altered_or_misplaced_reply_is_found_by_its_file(world, damage):
    path = world.reply(1, 1)
    path.write_bytes(damage(path.read_bytes()))
    result = run(world)
    assert [one.kind for one in result.findings] == ["reply"]
    assert path.name in result.findings[0].sentence


def test_something_else_among_the_replies_is_found(world):
    (world.replies() / "notes.txt").write_text("hello")
    (world.replies() / ".1-x.reply.new").write_text("half")
    (world.replies() / f"3-{BEN}.reply").symlink_to(world.reply(1, 1))
    (world.replies() / f"4-{BEN}.reply").mkdir()
    result = run(world)
    assert sorted(one.kind for one in result.findings) == ["reply"] * 3


def test_two_signed_answers_to_one_question_are_found(world):
    twin = world.reply(2, 1).with_suffix(".equivocation")
    twin.write_bytes(release_reply(7, 1, device=KEYS[2], payload=bytes(16)))
    assert found(world) == {(EVE, "equivocation")}


@pytest.mark.parametrize("damage", [b"", b"{}", PLAN.to_bytes()[:-1], sign_plan(plan(rounds=3), OTHER).to_bytes()])
def test_a_plan_that_is_not_its_folders_is_found(world, damage):
    (world.server.run(PLAN.id) / "plan.json").write_bytes(damage)
    assert found(world) == {("server", "plan")}


def test_a_charge_for_something_else_than_the_plan_asked_is_found(world):
    """The device's ledger says less noise was charged than the operator's plan asked: somebody's figures are wrong."""
    replaced = plan(release__noise_multiplier=50.0).events()

    def again(ledger):
        return Receipted(receipt=world.counter_sign(ledger, KEYS[1], 0))

    world.server.receipts.unlink()
    rewrite(
        world, 1, [consent(), charge(0, events=replaced), again, lambda ledger: released(ledger, 0, device=KEYS[1])]
    )
    assert (BEN, "other-plan") in found(world)


def test_a_plan_by_another_operator_than_accepted_is_found(world):
    foreign = sign_plan(plan(rounds=5), OTHER)
    folder = world.server.run(foreign.id)
    folder.mkdir()
    (folder / "plan.json").write_bytes(foreign.to_bytes())
    with world.ledger(0) as ledger:
        ledger.append(charge(0, signed_plan=foreign))
    result = run(world)
    assert [(one.subject, one.kind) for one in result.findings] == [(ANNA, "other-plan")]
    assert "not signed by the operator" in result.findings[0].sentence


def test_a_directory_that_does_not_hold_is_found_and_a_missing_one_is_wrong_input(world):
    world.server.devices.write_bytes(world.server.devices.read_bytes() * 2)
    assert ("server", "directory") in found(world)
    world.server.devices.unlink()
    with pytest.raises(StateError, match=r"devices\.jsonl"):
        run(world)


def test_nothing_is_changed_by_looking(world):
    before = {path: path.read_bytes() for path in world.root.rglob("*") if path.is_file()}
    run(world)
    assert {path: path.read_bytes() for path in world.root.rglob("*") if path.is_file()} == before


def test_the_result_goes_into_json(world):
    world.reply(1, 1).write_bytes(b"")
    result = run(world, world.places()[:2]).to_json()
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["holds"] is False
    assert Signed
