"""docs/formats.md and the vectors beside it say what the code does, and suffice without the code."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reticent.records.canonical import canonical, digest, parse_canonical
from reticent.records.enrolment import read_enrolment, read_ticket
from reticent.records.keys import Domain, PublicKey
from reticent.records.ledger import read_ledger
from reticent.records.messages import JoinRequest, TrainRequest, decode_reply, encode_reply
from reticent.records.plan import read_plan, sign_plan
from reticent.records.policy import PolicyOffer, check_acceptance, read_policy
from reticent.records.receipt import read_receipt
from reticent.records.signed import Signed
from reticent.spool import request_id
from tests.records.samples import COUNCIL, DEVICE, OPERATOR, RECEIPTS, as_entry, charge, consent, forged
from tests.records.vectors import build

DOCS = Path(__file__).parents[2] / "docs"
VECTORS = json.loads((DOCS / "formats-vectors.json").read_text("utf-8"))
SPECIFICATION = (DOCS / "formats.md").read_text("utf-8")
LEDGER = "".join(line + "\n" for line in VECTORS["ledger"]["lines"]).encode()


def test_the_vectors_are_what_the_fixed_keys_make():
    made = build()
    assert list(made) == list(VECTORS)
    for name in set(made) - {
        "recording",
        "closed_recording",
    }:  # are packed, and read back instead: test_kept_vectors.py
        assert made[name] == VECTORS[name], name


def test_canonical_bytes_come_out_as_printed():
    for vector in VECTORS["canonical"]:
        data = vector["bytes"].encode()
        assert canonical(vector["value"]) == data
        assert canonical(parse_canonical(data, limit_bytes=10**6)) == data


def test_signatures_verify_and_are_made_again_byte_for_byte():
    vector = VECTORS["signature"]
    message = vector["message"].encode()
    assert DEVICE.sign(Domain(vector["domain"]), message) == vector["signature"]
    PublicKey(VECTORS["keys"]["device"]["public"]).verify(Domain.REPLY, message, vector["signature"])


def test_the_plan_verifies_and_re_encodes():
    data = VECTORS["plan"]["file"].encode()
    signed = Signed.from_bytes(data)
    assert signed.to_bytes() == data
    assert signed.id == VECTORS["plan"]["id"]
    assert sign_plan(read_plan(signed, OPERATOR.public), OPERATOR) == signed


@pytest.mark.parametrize("name", ["policy", "policy_with_council"])
def test_the_policy_files_verify_and_re_encode(name):
    data = VECTORS[name]["file"].encode()
    offer = PolicyOffer.from_bytes(data)
    assert offer.to_bytes() == data
    assert offer.hash == VECTORS[name]["hash"]
    assert read_policy(offer.policy, OPERATOR.public).to_bytes() == offer.policy.body
    assert check_acceptance(offer, accepted=None, fresh_yes=True).council_key in (None, COUNCIL.public.hex)


def test_the_receipt_verifies_and_re_encodes():
    data = VECTORS["receipt"].encode()
    assert Signed.from_bytes(data).to_bytes() == data
    assert read_receipt(Signed.from_bytes(data), RECEIPTS.public).head == VECTORS["ledger"]["hashes"][2]


def test_the_ledger_verifies_with_the_printed_hashes():
    entries = read_ledger(LEDGER)
    assert [entry.hash for entry in entries] == VECTORS["ledger"]["hashes"]
    assert forged(*(as_entry(entry.body) for entry in entries[1:])) == LEDGER


@pytest.mark.parametrize(("name", "kind"), [("join_request", JoinRequest), ("train_request", TrainRequest)])
def test_the_requests_re_encode(name, kind):
    data = VECTORS[name].encode()
    assert kind.from_bytes(data).to_bytes() == data


@pytest.mark.parametrize("name", ["join_reply", "release_reply", "abstain_reply"])
def test_the_replies_verify_and_re_encode(name):
    data = VECTORS[name]["header"].encode() + b"\n" + bytes.fromhex(VECTORS[name]["payload_hex"])
    header, payload = decode_reply(data, limit_bytes=len(data), device_key=DEVICE.public)
    assert encode_reply(header, payload, DEVICE) == data


def test_enrolment_request_and_ticket_verify_and_re_encode():
    for name in ("enrolment_request", "ticket"):
        data = VECTORS[name].encode()
        assert Signed.from_bytes(data).to_bytes() == data
    assert read_enrolment(Signed.from_bytes(VECTORS["enrolment_request"].encode())).device_key == DEVICE.public.hex
    read_ticket(Signed.from_bytes(VECTORS["ticket"].encode()), device=DEVICE.public.device_id)


def test_request_ids_come_out_as_printed():
    for stage, printed in VECTORS["request_ids"].items():
        made = request_id(stage=stage, plan_id=VECTORS["plan"]["id"], round=0, weights_hash=VECTORS["weights"]["hash"])
        assert made == printed


def test_every_vector_is_spoken_of_in_the_specification():
    for name in VECTORS:
        assert f"`{name}`" in SPECIFICATION


# The checker printed in docs/formats.md, run as an auditor would: without this package.


@pytest.fixture(scope="module")
def checker(tmp_path_factory):
    code = re.search(r"```python\n(# check_ledger\.py.*?)```", SPECIFICATION, re.DOTALL)[1]
    assert "reticent." not in re.sub(r"b\"reticent/[^\"]*\"|f\"reticent/[^\"]*\"", "", code)
    assert not re.search(r"^\s*(import|from)\s+reticent", code, re.MULTILINE)
    path = tmp_path_factory.mktemp("checker") / "check_ledger.py"
    path.write_text(code)
    return path


def verdict(checker, tmp_path, data):
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-I", str(checker), str(ledger)], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_the_printed_checker_accepts_the_printed_ledger(checker, tmp_path):
    code, said = verdict(checker, tmp_path, LEDGER)
    assert (code, said.strip()) == (0, "5 entries hold; charged 1, released 1")


LINES = LEDGER.splitlines(keepends=True)
BODIES = [as_entry(entry.body) for entry in read_ledger(LEDGER)[1:]]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        LEDGER[:-1],
        b"".join(LINES[1:]),
        b"".join([*LINES[:2], *LINES[3:]]),
        b"".join([*LINES[:2], LINES[3], LINES[2], LINES[4]]),
        LEDGER.replace(b'"round":0', b'"round":1'),
        LEDGER.replace(b'"noise_multiplier":5,', b'"noise_multiplier":50,'),
        LEDGER.replace(b'{"body":', b'{"body":{},"body":', 1),
        forged(BODIES[1]),
        forged(*BODIES[:2], BODIES[1]),
        forged(*BODIES[:2], BODIES[3]),
        forged(*BODIES, BODIES[3]),
        forged(as_entry(consent(receipt_key=DEVICE)), *BODIES[1:]),
        forged(*BODIES[:1], as_entry(charge(7)), BODIES[2]),
    ],
)
def test_the_printed_checker_refuses_what_this_package_refuses(checker, tmp_path, data):
    from reticent.errors import LedgerError

    with pytest.raises(LedgerError):
        read_ledger(data)
    code, said = verdict(checker, tmp_path, data)
    assert code == 1, said


def test_the_digest_of_the_weights_is_plain_sha256():
    assert digest(bytes.fromhex(VECTORS["weights"]["bytes_hex"])) == VECTORS["weights"]["hash"]
