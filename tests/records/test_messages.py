"""Requests and replies, as hostile as they like."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.errors import FormatError, NewerFormatError, SettingError, SignatureError
from reticent.records.canonical import canonical, digest
from reticent.records.keys import Domain
from reticent.records.messages import (
    HEADER_LIMIT_BYTES,
    REQUEST_LIMIT_BYTES,
    Abstain,
    JoinReply,
    JoinRequest,
    ReleaseReply,
    TrainRequest,
    decode_reply,
    encode_reply,
)
from reticent.records.signed import sign
from tests.records.samples import DEVICE, OPERATOR, OTHER, PAYLOAD, PLAN, WEIGHTS, charge, consent, memory, receipt

LEDGER = memory(consent(), charge())
RECEIPT = receipt(LEDGER)
ABOUT = {"device": DEVICE.public.device_id, "plan_id": PLAN.id, "round": 0}
JOIN = JoinReply(**ABOUT, weights_hash=digest(WEIGHTS), index=LEDGER.head.index, head=LEDGER.head.hash)
RELEASE = ReleaseReply(**ABOUT, weights_hash=digest(WEIGHTS), index=4, parameters=4, payload_hash=digest(PAYLOAD))
ABSTAIN = Abstain(**ABOUT)
REPLIES = {"join": (JOIN, b""), "release": (RELEASE, PAYLOAD), "abstain": (ABSTAIN, b"")}
REQUESTS = {
    "join": JoinRequest(plan=PLAN, round=0, weights_hash=digest(WEIGHTS), last_receipt=RECEIPT),
    "first join": JoinRequest(plan=PLAN, round=0, weights_hash=digest(WEIGHTS), last_receipt=None),
    "train": TrainRequest(plan=PLAN, round=0, weights_hash=digest(WEIGHTS), receipt=RECEIPT),
}
REFUSALS = (FormatError, SignatureError)  # NewerFormatError is a FormatError
LIMIT = 1 << 20


def decode(data, *, key=DEVICE.public, limit=LIMIT):
    return decode_reply(data, limit_bytes=limit, device_key=key)


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_a_request_reads_back_as_itself(request_):
    assert type(request_).from_bytes(request_.to_bytes()) == request_


def test_a_first_join_has_no_receipt_and_says_so():
    assert REQUESTS["first join"].last_receipt is None
    assert b'"last_receipt":null' in REQUESTS["first join"].to_bytes()


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_a_request_cut_anywhere_is_refused(request_):
    data = request_.to_bytes()
    for length in range(len(data)):
        with pytest.raises(FormatError):
            type(request_).from_bytes(data[:length])


@pytest.mark.parametrize("kind", [JoinRequest, TrainRequest])
@given(data=st.binary(max_size=300))
def test_arbitrary_bytes_are_no_request(kind, data):
    with pytest.raises(FormatError):
        kind.from_bytes(data)


@pytest.mark.parametrize("kind", [JoinRequest, TrainRequest])
def test_a_request_is_measured_before_it_is_parsed(kind):
    with pytest.raises(FormatError, match=f"at most {REQUEST_LIMIT_BYTES}"):
        kind.from_bytes(b"[" * (REQUEST_LIMIT_BYTES + 1))


@pytest.mark.parametrize(
    "change",
    [
        {"round": True},
        {"round": -1},
        {"round": 0.5},
        {"round": 2**53},
        {"weights_hash": "0"},
        {"weights_hash": None},
        {"plan": None},
        {"plan": {}},
        {"plan": []},
        {"plan": {**PLAN.to_json(), "body": []}},
        {"plan": {**PLAN.to_json(), "signature": "0" * 127}},
        {"plan": {**PLAN.to_json(), "extra": 1}},
        {"extra": 1},
        {"version": True},
        {"version": 0},
    ],
)
@pytest.mark.parametrize("request_", [REQUESTS["first join"], REQUESTS["train"]])
def test_a_request_of_another_shape_is_refused(request_, change):
    try:
        data = canonical({**request_.to_value(), **change})
    except FormatError:
        data = json.dumps({**request_.to_value(), **change}, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(FormatError) as caught:
        type(request_).from_bytes(data)
    assert not isinstance(caught.value, NewerFormatError)


def test_one_request_is_not_the_other_and_a_train_request_needs_its_receipt():
    with pytest.raises(FormatError):
        JoinRequest.from_bytes(REQUESTS["train"].to_bytes())
    with pytest.raises(FormatError):
        TrainRequest.from_bytes(REQUESTS["join"].to_bytes())
    with pytest.raises(FormatError):
        TrainRequest.from_bytes(canonical({**REQUESTS["train"].to_value(), "receipt": None}))


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_a_newer_request_is_named(request_):
    with pytest.raises(NewerFormatError, match="version 2"):
        type(request_).from_bytes(canonical({**request_.to_value(), "version": 2}))


@pytest.mark.parametrize(("header", "payload"), REPLIES.values(), ids=REPLIES)
def test_a_reply_reads_back_as_itself_with_and_without_knowing_the_key(header, payload):
    data = encode_reply(header, payload, DEVICE)
    assert decode(data) == (header, payload)
    assert decode(data, key=None) == (header, payload)
    assert decode(data, limit=len(data)) == (header, payload)


@pytest.mark.parametrize(("header", "payload"), REPLIES.values(), ids=REPLIES)
def test_a_reply_cut_anywhere_or_longer_is_refused(header, payload):
    data = encode_reply(header, payload, DEVICE)
    for length in range(len(data)):
        with pytest.raises(REFUSALS):
            decode(data[:length])
    for more in (b"\x00", b"\n", b"\x00" * 4):
        with pytest.raises(REFUSALS):
            decode(data + more)


@pytest.mark.parametrize(("header", "payload"), REPLIES.values(), ids=REPLIES)
@settings(max_examples=60, deadline=None)
@given(draw=st.data())
def test_a_reply_with_any_byte_changed_is_refused(header, payload, draw):
    data = bytearray(encode_reply(header, payload, DEVICE))
    position = draw.draw(st.integers(0, len(data) - 1))
    data[position] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(REFUSALS):
        decode(bytes(data))
    with pytest.raises(REFUSALS):
        decode(bytes(data), key=None)


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_no_reply(data):
    for key in (DEVICE.public, None):
        with pytest.raises(REFUSALS):
            decode(data, key=key)


def test_a_reply_is_measured_before_it_is_parsed():
    data = encode_reply(RELEASE, PAYLOAD, DEVICE)
    with pytest.raises(FormatError, match="at most"):
        decode(data, limit=len(data) - 1)
    for endless in (b"[" * (HEADER_LIMIT_BYTES + 1) + b"\n", b"[" * LIMIT, b""):
        with pytest.raises(FormatError, match="does not end within"):
            decode(endless)


def test_a_reply_must_be_signed_by_the_device_that_it_names():
    with pytest.raises(SignatureError):
        decode(encode_reply(JOIN, b"", DEVICE), key=OTHER.public)
    foreign = sign(Domain.REPLY, JOIN.to_value(), OTHER).to_bytes() + b"\n"
    for key in (OTHER.public, None):
        with pytest.raises(SignatureError, match="names device"):
            decode(foreign, key=key)


def test_a_header_signed_for_something_else_is_no_reply():
    with pytest.raises(SignatureError):
        decode(sign(Domain.RECEIPT, JOIN.to_value(), DEVICE).to_bytes() + b"\n")


@pytest.mark.parametrize("header", [JOIN, RELEASE, ABSTAIN])
def test_a_newer_reply_is_named(header):
    with pytest.raises(NewerFormatError, match="version 2"):
        decode(sign(Domain.REPLY, {**header.to_value(), "version": 2}, DEVICE).to_bytes() + b"\n")


@pytest.mark.parametrize("kind", ["refuse", "", None, 1, [], {"a": 1}])
def test_an_unknown_kind_is_refused(kind):
    with pytest.raises(FormatError):
        decode(sign(Domain.REPLY, {**ABSTAIN.to_value(), "kind": kind}, DEVICE).to_bytes() + b"\n")


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        (JOIN, PAYLOAD),
        (ABSTAIN, b"\x00"),
        (RELEASE, b""),
        (RELEASE, PAYLOAD[:-1]),
        (RELEASE, PAYLOAD + b"\x00"),
        (RELEASE, PAYLOAD[::-1]),
    ],
)
def test_a_payload_that_is_not_the_headers_is_neither_written_nor_read(header, payload):
    with pytest.raises(SettingError):
        encode_reply(header, payload, DEVICE)
    with pytest.raises(FormatError):
        decode(sign(Domain.REPLY, header.to_value(), DEVICE).to_bytes() + b"\n" + payload)


def test_a_header_that_promises_a_huge_payload_is_refused_without_making_room_for_it():
    huge = {**RELEASE.to_value(), "parameters": 2**53 - 1}
    with pytest.raises(FormatError, match="parameters"):
        decode(sign(Domain.REPLY, huge, DEVICE).to_bytes() + b"\n")


def test_nobody_answers_in_another_devices_name():
    with pytest.raises(SettingError):
        encode_reply(ABSTAIN, b"", OTHER)


def test_an_abstention_depends_on_device_plan_and_round_and_on_nothing_else():
    data = encode_reply(ABSTAIN, b"", DEVICE)
    assert set(ABSTAIN.to_value()) == {"version", "kind", "device", "plan_id", "round"}
    # made again, from another object, after other signatures: the same bytes
    encode_reply(JOIN, b"", DEVICE)
    assert encode_reply(Abstain(round=0, plan_id=PLAN.id, device=DEVICE.public.device_id), b"", DEVICE) == data
    others = {
        encode_reply(ABSTAIN.model_copy(update={"round": 1}), b"", DEVICE),
        encode_reply(ABSTAIN.model_copy(update={"plan_id": "0" * 64}), b"", DEVICE),
        encode_reply(ABSTAIN.model_copy(update={"device": OPERATOR.public.device_id}), b"", OPERATOR),
    }
    assert len(others | {data}) == 4


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab\n", max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["version", "kind", "device", "round", "body"]), inner)
        ),
    )
)
def test_any_signed_json_is_refused_by_sentence(value):
    body = value if isinstance(value, dict) else {"kind": "join", "device": value}
    with pytest.raises(REFUSALS) as caught:
        decode(sign(Domain.REPLY, body, DEVICE).to_bytes() + b"\n")
    assert "\n" not in str(caught.value)
