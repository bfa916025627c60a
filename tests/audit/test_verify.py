import dataclasses
import json
import re

import pytest

from reticent.audit.verify import read_offer, verify
from reticent.errors import FormatError, NewerFormatError, StateError
from reticent.privacy.events import Mode, Unit
from reticent.privacy.guarantees import guarantees
from reticent.records.entries import Receipted
from reticent.records.ledger import Ledger
from reticent.records.policy import read_policy
from tests.records.samples import (
    DEVICE,
    OFFER,
    OPERATOR,
    OTHER,
    PLAN,
    RECEIPTS,
    as_entry,
    charge,
    consent,
    forged,
    offer,
    plan,
    policy,
    receipt,
)


@pytest.fixture
def path(world):
    return world.device(0).ledger


def write(path, *bodies, terms=OFFER):
    """A ledger that was signed by its device and asked nobody."""
    path.write_bytes(forged(*(as_entry(body) for body in (consent(terms), *bodies))))
    return path


def kinds(found):
    return [finding.kind for finding in found.findings]


def test_an_ordinary_ledger_holds_and_its_figures_are_told(path):
    found = verify(path, policies=[OFFER])
    assert found.holds
    assert (found.device, found.entries, found.consents) == (DEVICE.public.device_id, 8, 1)
    assert (found.charged, found.receipted, found.released, found.witnessed) == (2, 2, 2, 6)
    assert [(one.policy, one.charges) for one in found.policies] == [(OFFER.hash, 2)]
    assert found.notes == ()
    assert found.delta == policy().delta
    assert found.events == plan().events() * 2
    assert found.walls == (("filesystem: landlock, network: namespace", 2),)


def test_a_state_folder_brings_its_own_policy_and_a_bare_ledger_none(world, path):
    assert [one.policy for one in verify(world.device(0).root).policies] == [OFFER.hash]
    bare = verify(path)
    assert bare.policies == ()
    assert bare.holds


def test_more_rounds_cost_more(world):
    before = verify(world.device(0).root)
    world.play(0, 2)
    after = verify(world.device(0).root)
    spent = {(one.unit, one.adversary, one.adjacency, one.windows): one.epsilon for one in before.guarantees()}
    assert {unit for unit, *_ in spent} == {Unit.EMPLOYEE, Unit.EXAMPLE}
    assert {windows for *_, windows in spent} == {None, 1, 9}
    for one in after.guarantees():
        assert one.epsilon > spent[one.unit, one.adversary, one.adjacency, one.windows] > 0


def test_a_recipient_s_figure_is_for_the_policy_s_smallest_cohort_and_says_so(world, path):
    cohort = read_policy(OFFER.policy, OFFER.operator).min_cohort
    assert cohort > 1

    def recipient(found):
        return next(one for one in found.guarantees() if one.adversary == "recipient")

    known, bare = verify(path, policies=[OFFER]), verify(path)
    assert (known.honest_devices, bare.honest_devices) == (cohort, 1)
    assert known.assumption.startswith(f"{cohort} honest devices a round, the smallest min_cohort")
    assert bare.assumption.startswith("1 honest device a round, this one: no policy")
    alone = guarantees(bare.events, delta=bare.delta, honest_devices=1)
    assert recipient(bare).epsilon == next(one.epsilon for one in alone if one.adversary == "solo")
    assert recipient(known).epsilon < recipient(bare).epsilon
    assert f"at least {cohort} devices" in recipient(known).note


def test_nothing_is_changed_and_no_key_and_no_lock_is_needed(world, path):
    world.device(0).root.joinpath("keeper").chmod(0o500)
    before = path.read_bytes()
    with Ledger.open(path, DEVICE):
        assert verify(world.device(0).root).holds
    path.chmod(0o400)
    assert verify(path).holds
    assert path.read_bytes() == before


def test_a_torn_tail_is_told_and_is_no_fault(path):
    path.write_bytes(path.read_bytes() + b'{"body"')
    found = verify(path)
    assert found.holds
    assert found.torn_bytes == 7


def test_a_tail_that_is_longer_than_any_entry_is_not_torn(path):
    path.write_bytes(path.read_bytes() + b"x" * 20_000)
    assert kinds(verify(path)) == ["broken"]


@pytest.mark.parametrize("line", [0, 1, 3, 7])
def test_a_changed_entry_is_found_by_its_number(path, line):
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line] = lines[line].replace(b'"previous":"', b'"previous":"f', 1)
    path.write_bytes(b"".join(lines))
    found = verify(path, policies=[OFFER])
    assert kinds(found)[0] == "broken"
    assert f"entry {line} of the ledger" in found.findings[0].sentence
    assert found.entries == line
    assert found.device == (DEVICE.public.device_id if line else str(path))


@pytest.mark.parametrize("content", [b"", b"\n", b"{}", b"x" * 100_000, b"x" * 100_000 + b"\n"])
def test_what_is_no_ledger_does_not_hold(tmp_path, content):
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(content)
    assert kinds(verify(path)) == ["broken"]


def test_a_newer_ledger_and_a_missing_one_are_wrong_input(tmp_path, path):
    path.write_bytes(forged(as_entry(consent()), version=2))
    with pytest.raises(NewerFormatError):
        verify(path)
    with pytest.raises(StateError):
        verify(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(StateError, match="holds no ledger"):
        verify(tmp_path / "empty")


def test_a_folder_with_a_copied_ledger_will_do(tmp_path, path):
    folder = tmp_path / "copy"
    folder.mkdir()
    (folder / "ledger.jsonl").write_bytes(path.read_bytes())
    assert verify(folder).entries == 8


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"release__clip_norm": 0.6}, "release.clip_norm 0.6; policy .* allows 0.5 at most"),
        ({"release__noise_multiplier": 4.0}, "release.noise_multiplier 4; policy .* allows 5 at least"),
        ({"training__sampling_rate": 0.1}, "training.sampling_rate 0.1; policy .* allows exactly 0.05"),
        ({"training__steps": 11}, "training.steps 11; policy .* allows exactly 10"),
        ({"training__clip_norm": 2.0}, "training.clip_norm 2; policy .* allows 1 at most"),
        ({"training__noise_multiplier": 0.5}, "training.noise_multiplier 0.5; policy .* allows 1 at least"),
        ({"release__mode": Mode.SECURE}, "release.mode secure"),
    ],
)
def test_a_charge_beyond_the_accepted_terms_is_found(path, change, said):
    found = verify(write(path, charge(events=plan(**change).events())), policies=[OFFER])
    assert "terms" in kinds(found)
    assert any(re.search(f"entry 2 charged {said}", one.sentence) for one in found.findings)


def test_a_policy_that_was_never_accepted_is_found(path):
    other = offer(policy(max_rounds=10))
    found = verify(path, policies=[other])
    assert kinds(found) == ["policy"]
    assert "never accepted" in found.findings[0].sentence


def test_a_policy_whose_signature_does_not_verify_is_found(path):
    signed = dataclasses.replace(OFFER.policy, signature="0" * 128)
    found = verify(path, policies=[dataclasses.replace(OFFER, policy=signed)])
    assert kinds(found) == ["policy"]
    assert found.policies == ()


def test_a_consent_that_names_other_keys_than_its_policy_is_found(path):
    body = consent().model_copy(update={"operator_key": OTHER.public.hex})
    path.write_bytes(forged(as_entry(body)))
    assert "names other keys" in verify(path, policies=[OFFER]).findings[0].sentence
    path.write_bytes(forged(as_entry(consent(receipt_key=OTHER))))
    assert "names other keys" in verify(path, policies=[OFFER]).findings[0].sentence


def test_the_charge_that_passed_the_budget_is_found_by_its_number(path):
    terms = offer(policy(epsilon_employee=4.0, epsilon_example=100.0))
    charges = [charge(number, policy_hash=terms.hash) for number in range(40)]
    found = verify(write(path, *charges, terms=terms), policies=[terms])
    assert kinds(found) == ["budget"]
    number = int(found.findings[0].sentence.split(" is charge number ")[1].split()[0])
    assert verify(write(path, *charges[: number - 1], terms=terms), policies=[terms]).holds
    assert not verify(write(path, *charges[:number], terms=terms), policies=[terms]).holds


def test_charges_under_an_earlier_policy_count_in_the_budget_of_the_later(path):
    earlier, later = offer(policy(epsilon_example=100.0)), offer(policy(epsilon_employee=2.0, epsilon_example=100.0))
    entries = [as_entry(consent(earlier))]
    entries += [as_entry(charge(number, policy_hash=earlier.hash)) for number in range(20)]
    entries += [as_entry(consent(later)), as_entry(charge(20, policy_hash=later.hash))]
    path.write_bytes(forged(*entries))
    assert verify(path, policies=[earlier]).holds
    assert kinds(verify(path, policies=[later])) == ["budget"]


STRICT, LOOSE = (
    offer(policy(epsilon_employee=8.0)),
    offer(policy(epsilon_employee=1e5, epsilon_example=1e6, min_noise_multiplier=0.01)),
)


def under_both(path):
    """One charge under the strict policy, five of hardly any noise under a loose one, then the strict one again."""
    reckless = plan(release__noise_multiplier=0.05).events()
    entries = [as_entry(consent(STRICT)), as_entry(charge(0, policy_hash=STRICT.hash)), as_entry(consent(LOOSE))]
    entries += [as_entry(charge(number, policy_hash=LOOSE.hash, events=reckless)) for number in range(1, 6)]
    path.write_bytes(forged(*entries, as_entry(consent(STRICT))))
    return path


def test_the_total_of_all_charges_is_compared_with_the_limits_whatever_policy_they_were_made_under(path):
    found = verify(under_both(path), policies=[STRICT])
    assert "budget" in kinds(found)
    sentence = found.findings[0].sentence
    assert "all 6 charges together exceed the employee limit of epsilon 8 (at delta 1e-06) in policy" in sentence
    assert "5 of them are under other policies" in sentence
    assert "0 charges are under this policy, so other limits may have been in force" in sentence


def test_a_charge_that_this_policy_had_to_refuse_is_told_apart(path):
    reckless = plan(release__noise_multiplier=0.05).events()
    entries = [as_entry(consent(LOOSE)), as_entry(charge(0, policy_hash=LOOSE.hash, events=reckless))]
    path.write_bytes(forged(*entries, as_entry(consent(STRICT)), as_entry(charge(1, policy_hash=STRICT.hash))))
    (finding,) = [one for one in verify(path, policies=[STRICT]).findings if "employee" in one.sentence]
    assert "1 charges are under this policy, and the device had to refuse them" in finding.sentence


def test_charges_under_other_policies_are_counted_and_said_not_to_be_compared(path):
    note = "5 of 6 charges are under other policies and were NOT compared with their terms"
    assert verify(under_both(path), policies=[STRICT]).notes == (note,)
    assert verify(path, policies=[LOOSE]).notes == (note.replace("5 of", "1 of"),)


def test_charges_under_each_given_policy_are_compared_with_its_terms(path):
    reckless = plan(release__noise_multiplier=0.001).events()
    entries = [as_entry(consent(STRICT)), as_entry(charge(0, policy_hash=STRICT.hash)), as_entry(consent(LOOSE))]
    path.write_bytes(forged(*entries, as_entry(charge(1, policy_hash=LOOSE.hash, events=reckless))))
    found = verify(path, policies=[STRICT, LOOSE, LOOSE])
    assert found.notes == ()
    assert [(one.policy, one.charges) for one in found.policies] == [(STRICT.hash, 1), (LOOSE.hash, 1)]
    assert any(
        f"entry 4 charged release.noise_multiplier 0.001; policy {LOOSE.hash[:16]}" in str(one)
        for one in found.findings
    )
    assert "terms" not in kinds(verify(path, policies=[STRICT]))


def test_a_policy_that_was_never_accepted_still_has_its_limits_compared_with_the_total(path):
    under_both(path)
    assert {"policy", "budget"} <= set(kinds(verify(path, policies=[offer(policy(max_rounds=10))])))


def test_a_ledger_without_charges_claims_nothing(path):
    found = verify(write(path), policies=[OFFER])
    assert found.holds
    assert found.guarantees() == ()


def test_a_policy_file_may_end_in_a_newline_and_nothing_else(tmp_path):
    path = tmp_path / "policy.json"
    path.write_bytes(OFFER.to_bytes() + b"\n")
    assert read_offer(path) == OFFER
    for content in (b"", OFFER.to_bytes() + b"\n\n", OFFER.to_bytes()[:-1], b" " + OFFER.to_bytes(), b"x" * 10**6):
        path.write_bytes(content)
        with pytest.raises(FormatError):
            read_offer(path)


def test_everything_goes_into_json(world):
    found = verify(world.device(0).root).to_json()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["holds"] is True


def test_a_receipt_that_covers_nothing_yet_is_told(path):
    ledger = Ledger.in_memory(DEVICE)
    for body in (consent(), charge(0)):
        ledger.append(body)
    ledger.append(Receipted(receipt=receipt(ledger)))
    ledger.append(charge(1))
    found = verify(write(path, *(entry.body for entry in ledger.entries[2:])))
    assert (found.entries, found.witnessed) == (5, 3)
    assert OPERATOR.public != RECEIPTS.public
    assert PLAN.id
