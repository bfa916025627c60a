"""What a ledger may say, and in which order; without any file."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.errors import FormatError, LedgerError, NewerFormatError, SettingError, SignatureError
from reticent.privacy.events import Unit
from reticent.records.canonical import canonical, digest
from reticent.records.entries import Genesis, Receipted, Released
from reticent.records.keys import Domain
from reticent.records.ledger import Ledger, read_ledger
from reticent.records.receipt import Receipt, sign_receipt
from reticent.records.signed import sign
from tests.records.samples import (
    DEVICE,
    OFFER,
    OTHER,
    PAYLOAD,
    PLAN,
    RECEIPTS,
    WEIGHTS,
    as_entry,
    charge,
    consent,
    forged,
    live,
    memory,
    offer,
    plan,
    policy,
    receipt,
    released,
)

GOOD = forged(*(as_entry(entry.body) for entry in live(Ledger.in_memory(DEVICE), 2).entries[1:]))
LINES = GOOD.splitlines(keepends=True)


def relinked(lines):
    """The lines with index and previous made to fit again, as somebody without the key could do it."""
    made, previous = [], "0" * 64
    for index, line in enumerate(lines):
        made.append(canonical({**json.loads(line), "index": index, "previous": previous}) + b"\n")
        previous = digest(made[-1][:-1])
    return b"".join(made)


def test_an_ordinary_ledger_verifies_without_the_private_key():
    entries = read_ledger(GOOD)
    assert [entry.kind for entry in entries] == ["genesis", "consent"] + ["charge", "receipt", "release"] * 2
    assert [entry.index for entry in entries] == list(range(8))
    assert entries[-1].hash == digest(LINES[-1][:-1])


def test_a_ledger_in_memory_makes_the_very_bytes_that_this_test_makes():
    ledger = live(Ledger.in_memory(DEVICE), 2)
    assert [entry.hash for entry in ledger.entries] == [digest(line[:-1]) for line in LINES]


def test_charge_receipt_and_release_are_found_by_plan_and_round():
    ledger = live(Ledger.in_memory(DEVICE), 2)
    assert ledger.charge(PLAN.id, 1) == charge(1)
    assert ledger.release(PLAN.id, 1).payload_hash == digest(PAYLOAD)
    assert ledger.receipt(PLAN.id, 1).index == 5
    assert ledger.head.index == 7
    for lookup in (ledger.charge, ledger.receipt, ledger.release):
        assert lookup(PLAN.id, 2) is None
        assert lookup("0" * 64, 1) is None
    assert ledger.charged_events() == plan().events() * 2


def test_charged_events_count_rounds_that_were_aborted_too():
    ledger = memory(consent(), charge(0), charge(1))
    assert sum(event.unit is Unit.EMPLOYEE for event in ledger.charged_events()) == 2


TAMPERED = {
    "empty": b"",
    "one newline": b"\n",
    "empty line between": LINES[0] + b"\n" + b"".join(LINES[1:]),
    "empty line at the end": GOOD + b"\n",
    "last newline missing": GOOD[:-1],
    "carriage returns": GOOD.replace(b"\n", b"\r\n"),
    "not json": b"ledger\n",
    "first line cut": b"".join(LINES[1:]),
    "middle line cut": b"".join(LINES[:3] + LINES[4:]),
    "middle line cut and relinked": relinked(LINES[:3] + LINES[4:]),
    "two lines swapped": b"".join([*LINES[:3], LINES[4], LINES[3], *LINES[5:]]),
    "two lines swapped and relinked": relinked([*LINES[:2], LINES[5], *LINES[3:5], LINES[2], *LINES[6:]]),
    "a line twice": b"".join([*LINES[:3], LINES[2], *LINES[3:]]),
    "a line twice and relinked": relinked([*LINES[:3], LINES[2], *LINES[3:]]),
    "round changed": GOOD.replace(b'"round":1', b'"round":9'),
    "noise multiplier changed": GOOD.replace(b'"noise_multiplier":5,', b'"noise_multiplier":50,'),
    "noise multiplier changed and relinked": relinked(
        [line.replace(b'"noise_multiplier":5,', b'"noise_multiplier":50,') for line in LINES]
    ),
    "one space": GOOD.replace(b'"index":3', b'"index": 3'),
    "signature of another entry": LINES[0]
    + canonical({**json.loads(LINES[1]), "signature": json.loads(LINES[2])["signature"]})
    + b"\n",
    "signature in capitals": LINES[0].replace(
        json.loads(LINES[0])["signature"].encode(), json.loads(LINES[0])["signature"].upper().encode()
    ),
    "two genesis entries": forged(as_entry(Genesis(device=DEVICE.public.device_id, device_key=DEVICE.public.hex))),
    "huge line": b'"' + b"a" * 20_000 + b'"\n',
    "unknown kind": forged(("refund", {})),
    "kind and body differ": forged(("release", consent().to_value())),
    "extra field": forged(as_entry(consent()), extra=1),
    "index gap": forged(as_entry(consent()), index=2),
    "index is true": forged(as_entry(consent()), index=True),
    "previous is zero": forged(as_entry(consent()), previous="0" * 64),
    "version is 0": forged(as_entry(consent()), version=0),
    "version is true": forged(as_entry(consent()), version=True),
    "version is text": forged(as_entry(consent()), version="1"),
    "body is a list": forged(("consent", [])),
}


@pytest.mark.parametrize("data", TAMPERED.values(), ids=TAMPERED)
def test_a_ledger_that_was_touched_fails_closed_and_says_where(data):
    with pytest.raises(LedgerError, match=r"entry \d+ of the ledger|the ledger is empty"):
        read_ledger(data)


def test_an_entry_that_another_key_signed_fails_closed():
    foreign = forged(as_entry(consent()), device=OTHER).splitlines(keepends=True)[1]
    value = {**json.loads(foreign), "previous": digest(LINES[0][:-1])}
    value.pop("signature")
    line = canonical({**value, "signature": OTHER.sign(Domain.LEDGER, canonical(value))})
    with pytest.raises(LedgerError, match=r"entry 1 .*signature does not verify"):
        read_ledger(LINES[0] + line + b"\n")


def test_a_genesis_entry_names_the_device_of_its_own_key():
    foreign = {"device": OTHER.public.device_id, "device_key": DEVICE.public.hex}
    with pytest.raises(LedgerError, match=r"entry 0 .*device is not its key's"):
        read_ledger(forged(body=foreign))


def test_an_entry_of_a_newer_version_is_named_and_not_guessed_at():
    with pytest.raises(NewerFormatError, match="version 2"):
        read_ledger(forged(as_entry(consent()), version=2))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_single_changed_byte_passes(data):
    position = data.draw(st.integers(0, len(GOOD) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != GOOD[position]))
    with pytest.raises((LedgerError, NewerFormatError)):
        read_ledger(GOOD[:position] + bytes([value]) + GOOD[position + 1 :])


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_no_ledger(data):
    with pytest.raises((LedgerError, NewerFormatError)):
        read_ledger(data)


def test_a_ledger_cut_at_a_line_verifies_by_itself_which_is_why_there_are_receipts():
    for length in range(1, len(LINES) + 1):
        assert len(read_ledger(b"".join(LINES[:length]))) == length


# The rules: each is asked when a device appends and when anybody reads.


def refused(ledger, body, match):
    """`body` may not come next: not by appending, and not in a ledger that somebody signed anyway."""
    before = ledger.entries
    with pytest.raises((LedgerError, SignatureError, FormatError), match=match):
        ledger.append(body)
    assert ledger.entries == before
    with pytest.raises(LedgerError, match=match):
        read_ledger(forged(*(as_entry(entry.body) for entry in before[1:]), as_entry(body)))


def test_nothing_is_charged_before_a_consent():
    refused(memory(), charge(), "policy that was accepted last")


def test_a_charge_names_the_policy_that_was_accepted_last():
    newer = offer(policy(max_rounds=10))
    refused(memory(consent()), charge(policy_hash=newer.hash), "policy that was accepted last")
    refused(memory(consent(), consent(newer)), charge(), "policy that was accepted last")
    memory(consent(), consent(newer)).append(charge(policy_hash=newer.hash))


@pytest.mark.parametrize("changes", [{}, {"weights_hash": "0" * 64}, {"walls": {}}])
def test_a_round_of_a_plan_is_charged_once(changes):
    refused(memory(consent(), charge()), charge(**changes), "charged already")
    memory(consent(), charge()).append(charge(1))


def test_a_release_needs_a_charge():
    ledger = memory(consent(), charge(0))
    ledger.append(Receipted(receipt=receipt(ledger)))
    refused(ledger, released(ledger, 1), "has no charge")


def test_a_release_needs_a_receipt():
    ledger = memory(consent(), charge())
    refused(ledger, released(ledger), "no receipt for its charge")


def test_a_receipt_for_an_earlier_head_does_not_do():
    ledger = memory(consent(), charge(0))
    ledger.append(Receipted(receipt=receipt(ledger)))
    ledger.append(charge(1))
    refused(ledger, released(ledger, 1), "no receipt for its charge")


def test_a_receipt_for_a_later_head_does():
    ledger = memory(consent(), charge(0), charge(1))
    ledger.append(Receipted(receipt=receipt(ledger, 1)))
    ledger.append(released(ledger, 0))
    assert ledger.release(PLAN.id, 0)


def test_a_round_is_released_once():
    ledger = live(memory(), 1)
    refused(ledger, released(ledger), "released already")
    other = Released(plan_id=PLAN.id, round=0, payload_hash="0" * 64, bytes=1)
    refused(ledger, other, "released already")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"device": OTHER.public.device_id}, "is for device"),
        ({"head": "0" * 64}, "forked or restored"),
        ({"index": 1}, "forked or restored"),
        ({"index": 3}, "truncated or restored"),
        ({"index": 10**9}, "truncated or restored"),
        ({"index": 0}, "before any consent"),
        ({"plan_id": "0" * 64}, "not charged by then"),
        ({"round": 1}, "not charged by then"),
        ({"weights_hash": "0" * 64}, "not charged by then"),
    ],
)
def test_a_receipt_fits_this_chain_or_is_refused(changes, match):
    ledger = memory(consent(), charge())
    refused(ledger, Receipted(receipt=receipt(ledger, **changes)), match)
    with pytest.raises(LedgerError, match=match):
        ledger.check_receipt(receipt(ledger, **changes))


def test_a_receipt_must_be_for_a_head_at_or_after_the_charge():
    ledger = memory(consent(), charge(0))
    early = receipt(ledger, 1)  # names the second round, but shows the head before it
    ledger.append(charge(1))
    refused(ledger, Receipted(receipt=early), "not charged by then")


def test_a_receipt_by_any_other_key_is_refused():
    ledger = memory(consent(), charge())
    refused(ledger, Receipted(receipt=receipt(ledger, by=OTHER)), "signed by key")


def test_a_receipt_before_any_consent_is_refused():
    ledger = memory()
    refused(ledger, Receipted(receipt=receipt(ledger)), "before any consent")


def test_the_same_receipt_is_noted_once():
    ledger = memory(consent(), charge())
    body = Receipted(receipt=receipt(ledger))
    ledger.append(body)
    refused(ledger, body, "in the ledger already")


def test_a_receipt_is_judged_by_the_key_that_was_in_force_at_its_head():
    ledger = memory(consent(), charge(0))
    old_key, new_key_for_old_head = receipt(ledger), receipt(ledger, by=OTHER)
    newer = offer(policy(receipt_key=OTHER.public.hex))
    ledger.append(consent(newer, receipt_key=OTHER))
    refused(ledger, Receipted(receipt=new_key_for_old_head), "signed by key")
    ledger.append(Receipted(receipt=old_key))
    ledger.append(charge(1, policy_hash=newer.hash))
    refused(ledger, Receipted(receipt=receipt(ledger, 1)), "signed by key")
    ledger.append(Receipted(receipt=receipt(ledger, 1, by=OTHER)))


def test_a_ledger_restored_from_an_older_copy_is_seen_by_the_servers_last_receipt():
    ledger = live(memory(), 1)
    ledger.append(charge(1))
    last = receipt(ledger, 1)
    restored = live(memory(), 1)
    with pytest.raises(LedgerError, match="truncated or restored"):
        restored.check_receipt(last)
    restored.append(charge(1, walls={"network": "none"}))
    with pytest.raises(LedgerError, match="forked or restored"):
        restored.check_receipt(last)


def test_a_receipt_with_a_newer_body_is_named():
    ledger = memory(consent(), charge())
    value = {**json.loads(receipt(ledger).body), "version": 2}
    with pytest.raises(NewerFormatError):
        ledger.append(Receipted(receipt=sign(Domain.RECEIPT, value, RECEIPTS)))


def test_events_of_a_charge_are_the_employees_then_the_examples():
    employee, example = plan().events()
    for events in ((example, employee), (employee, employee), (employee,)):
        with pytest.raises(SettingError, match="charge entry"):
            charge(events=events)


def test_a_body_that_is_not_its_kinds_is_refused_when_read():
    body = charge().to_value()
    for change in ({"round": True}, {"round": 1.5}, {"round": -1}, {"walls": {"network": 1}}, {"extra": 0}):
        with pytest.raises(LedgerError, match="entry 2"):
            read_ledger(forged(as_entry(consent()), ("charge", {**body, **change})))


def test_another_device_key_can_not_append():
    chain = memory()._chain
    with pytest.raises(LedgerError, match="another device key"):
        chain.make(consent(), OTHER)


def test_sign_receipt_round_trips():
    made = Receipt(
        device=DEVICE.public.device_id,
        index=2,
        head="0" * 64,
        plan_id=PLAN.id,
        round=0,
        weights_hash=digest(WEIGHTS),
    )
    assert Receipt.from_bytes(sign_receipt(made, RECEIPTS).body) == made
    assert OFFER.hash == charge().policy_hash
