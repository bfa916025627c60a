import dataclasses

import pytest

from reticent.errors import FormatError, SignatureError
from reticent.records.canonical import canonical, digest
from reticent.records.keys import Domain
from reticent.records.signed import Signed, sign
from tests.records.samples import DEVICE, OTHER

SIGNED = sign(Domain.PLAN, {"b": 1, "a": [1.5, "ü"]}, DEVICE)


def test_a_signed_value_travels_as_json_and_as_bytes():
    assert Signed.from_bytes(SIGNED.to_bytes()) == SIGNED
    assert Signed.from_json(SIGNED.to_json()) == SIGNED
    assert SIGNED.verify(Domain.PLAN, DEVICE.public) == {"a": [1.5, "ü"], "b": 1}
    assert SIGNED.id == digest(SIGNED.body) == digest(canonical({"a": [1.5, "ü"], "b": 1}))


@pytest.mark.parametrize(
    ("altered", "domain", "key"),
    [
        (SIGNED, Domain.POLICY, DEVICE),
        (SIGNED, Domain.PLAN, OTHER),
        (dataclasses.replace(SIGNED, key=OTHER.public.hex), Domain.PLAN, OTHER),
        (dataclasses.replace(SIGNED, key=OTHER.public.hex), Domain.PLAN, DEVICE),
        (dataclasses.replace(SIGNED, body=canonical({"b": 2})), Domain.PLAN, DEVICE),
        (dataclasses.replace(SIGNED, signature="0" * 128), Domain.PLAN, DEVICE),
        (dataclasses.replace(SIGNED, signature=""), Domain.PLAN, DEVICE),
    ],
)
def test_another_domain_key_body_or_signature_does_not_verify(altered, domain, key):
    with pytest.raises(SignatureError):
        altered.verify(domain, key.public)


def test_a_signed_body_that_is_not_canonical_is_still_refused():
    body = b'{"a": 1}'
    signed = Signed(body=body, key=DEVICE.public.hex, signature=DEVICE.sign(Domain.PLAN, body))
    with pytest.raises(FormatError):
        signed.verify(Domain.PLAN, DEVICE.public)


@pytest.mark.parametrize("body", [[], "text", None, 1])
def test_only_an_object_is_signed(body):
    with pytest.raises(FormatError):
        sign(Domain.PLAN, body, DEVICE)
    with pytest.raises(FormatError):
        Signed.from_json({**SIGNED.to_json(), "body": body})


@pytest.mark.parametrize(
    "change",
    [
        {"key": None},
        {"key": "ab"},
        {"key": SIGNED.key.upper()},
        {"signature": 1},
        {"signature": SIGNED.signature[:-1]},
        {"signature": SIGNED.signature.upper()},
        {"extra": 1},
    ],
)
def test_the_container_has_exactly_three_fields_of_exact_form(change):
    with pytest.raises(FormatError):
        Signed.from_json({**SIGNED.to_json(), **change})
    with pytest.raises(FormatError):
        Signed.from_json({"body": {}, "key": SIGNED.key})
