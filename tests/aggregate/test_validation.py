"""Every malformed reply is dropped with its reason, and the round goes on with the rest."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.aggregate.validation import (
    JOIN_LIMIT_BYTES,
    Abstained,
    Contribution,
    Dropped,
    Question,
    Reason,
    check_join,
    check_release,
)
from reticent.records.messages import JoinReply, TrainRequest
from reticent.records.plan import sign_plan
from reticent.records.receipt import Receipt, sign_receipt
from tests.aggregate.attacks import (
    BOUND,
    CONTENT,
    JOIN,
    LONGEST,
    TRAIN,
    as_long_as,
    forged,
    header_of,
    one_value,
    payload,
)
from tests.aggregate.scripted import PARAMETERS, ScriptedDevice, World, a_plan, expected


@pytest.fixture(autouse=True)
def a_fast_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)  # 25 of them a round are most of a test's time


def run_with(tmp_path, **scripts):
    devices = [ScriptedDevice(1, **scripts), *(ScriptedDevice(node) for node in (2, 3, 4))]
    world = World(tmp_path, devices, plan=a_plan(rounds=1))
    weights = world.run()
    np.testing.assert_array_equal(weights, expected(world, [world.devices[1:]]))
    return world.lines()[-1]


@pytest.mark.parametrize("name", list(CONTENT | JOIN))
def test_a_malformed_join_is_dropped_and_the_round_goes_on(tmp_path, name):
    script, reason = (CONTENT | JOIN)[name]
    line = run_with(tmp_path, join=script)
    assert (line["status"], line["asked"], line["joined"], line["released"]) == ("applied", 4, 3, 3)
    assert line["dropped"] == {reason: 1}


@pytest.mark.parametrize("name", list(CONTENT | TRAIN))
def test_a_malformed_release_is_dropped_and_the_round_goes_on(tmp_path, name):
    script, reason = (CONTENT | TRAIN)[name]
    line = run_with(tmp_path, train=script)
    assert (line["status"], line["asked"], line["joined"], line["released"]) == ("applied", 4, 4, 3)
    assert line["dropped"] == {reason: 1}


@pytest.mark.parametrize("value", [BOUND, -BOUND])
def test_the_largest_genuine_value_is_taken(tmp_path, value):
    world = World(tmp_path, [ScriptedDevice(node) for node in (1, 2, 3)])
    for one in world.devices:
        one.values = lambda number: np.frombuffer(one_value(value), dtype=np.int32)
    world.run()
    assert [line["released"] for line in world.lines()[1:]] == [3, 3, 3]


def test_the_longest_genuine_release_is_taken(tmp_path):
    world = World(tmp_path, [ScriptedDevice(node) for node in (1, 2, 3)], plan=a_plan(rounds=1))
    for one in world.devices:
        one.values = lambda number: np.frombuffer(as_long_as(LONGEST * (1 - 1e-4)), dtype=np.int32)
    world.run()
    assert world.lines()[-1]["released"] == 3


def a_question():
    device = ScriptedDevice(1)
    plan = sign_plan(a_plan(), device.key)
    receipt = sign_receipt(
        Receipt(device=device.id, index=10, head="cd" * 32, plan_id=plan.id, round=0, weights_hash="ab" * 32),
        device.key,
    )
    request = TrainRequest(plan=plan, round=0, weights_hash="ab" * 32, receipt=receipt)
    question = Question(
        device=device.id, device_key=device.key.public, plan_id=plan.id, round=0, weights_hash="ab" * 32
    )
    return device, request, question


DEVICE, REQUEST, QUESTION = a_question()
RELEASE, JOINING = DEVICE.releases(REQUEST), DEVICE.joins(REQUEST)


def released(data):
    return check_release(data, QUESTION, parameters=PARAMETERS, bound=BOUND, longest=LONGEST, paid_at=10)


def test_a_genuine_release_gives_its_values_and_tells_none_in_its_repr():
    contribution = released(RELEASE)
    assert isinstance(contribution, Contribution)
    np.testing.assert_array_equal(contribution.values, DEVICE.values(0))
    assert contribution.values.dtype == np.int32
    assert repr(contribution) == f"<Contribution of {PARAMETERS} values>"


def test_a_join_and_an_abstention_are_told_apart():
    assert isinstance(check_join(JOINING, QUESTION), JoinReply)
    assert check_join(DEVICE.abstains(REQUEST), QUESTION) == Abstained(DEVICE.id)
    assert released(DEVICE.abstains(REQUEST)) == Abstained(DEVICE.id)


def test_a_release_without_a_receipt_is_dropped():
    got = check_release(RELEASE, QUESTION, parameters=PARAMETERS, bound=BOUND, longest=LONGEST, paid_at=None)
    assert got == Dropped(DEVICE.id, Reason.UNPAID)


def test_the_size_is_looked_at_before_anything_is_parsed(monkeypatch):
    def never(*args, **options):
        raise AssertionError("parsed")

    monkeypatch.setattr("reticent.aggregate.validation.decode_reply", never)
    most = JOIN_LIMIT_BYTES + 4 * PARAMETERS
    assert released(bytes(most + 1)) == Dropped(DEVICE.id, Reason.TOO_LARGE)
    assert check_join(bytes(JOIN_LIMIT_BYTES + 1), QUESTION) == Dropped(DEVICE.id, Reason.TOO_LARGE)


@settings(deadline=None)
@given(st.binary(max_size=2000))
def test_arbitrary_bytes_never_raise(data):
    assert isinstance(released(data), Dropped)
    assert isinstance(check_join(data, QUESTION), Dropped)


@settings(deadline=None)
@given(st.sampled_from([RELEASE, JOINING]), st.integers(0, 2000), st.integers(0, 2000), st.binary(max_size=8))
def test_a_reply_with_any_stretch_replaced_never_raises_and_never_counts(genuine, start, length, new):
    data = genuine[:start] + new + genuine[start + length :]
    for answer in (released(data), check_join(data, QUESTION)):
        assert isinstance(answer, Dropped) or data in (RELEASE, JOINING)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None)
@given(field=st.sampled_from(sorted(header_of(RELEASE))), value=JSON)
def test_a_header_with_any_field_replaced_and_well_signed_never_raises_and_never_counts(field, value):
    reply = forged(header_of(RELEASE) | {field: value}, payload(RELEASE), DEVICE.key)
    read = header_of(reply)  # as it is read: 12.0 is written as 12
    if reply == RELEASE or (field == "index" and type(read["index"]) is int and 10 < read["index"] < 2**53):
        assert isinstance(released(reply), Contribution)
    else:
        assert isinstance(released(reply), Dropped)
