"""The loop: what is applied, what isn't, and that a stop anywhere changes nothing."""

import itertools
import json
import threading
from dataclasses import replace

import numpy as np
import pytest
from flwr.app import Error

from reticent.aggregate.attempt import Waiting
from reticent.aggregate.checkpoint import read_checkpoint
from reticent.aggregate.optimiser import Momentum
from reticent.errors import IntegrityError, RoundAborted, SettingError
from reticent.privacy.events import Mode
from reticent.records.canonical import digest
from reticent.records.messages import decode_reply
from reticent.records.plan import Release
from tests.aggregate.attacks import forged, header_of, one_value
from tests.aggregate.scripted import PARAMETERS, QUICK, ScriptedDevice, World, a_plan, expected, reply, request_of


def silent(device, genuine, message):
    return None


def honest(count):
    return [ScriptedDevice(100 + number) for number in range(count)]


def test_three_clean_rounds_give_exactly_the_integer_arithmetic(tmp_path):
    world = World(tmp_path, honest(4))
    weights = world.run()
    np.testing.assert_array_equal(weights, expected(world, [world.devices] * 3))
    assert weights.dtype == np.float32
    lines = world.lines()
    assert [(line["round"], line["status"]) for line in lines] == [
        (-1, "start"),
        (0, "applied"),
        (1, "applied"),
        (2, "applied"),
    ]
    for before, line in itertools.pairwise(lines):
        assert (line["asked"], line["joined"], line["released"], line["abstained"]) == (4, 4, 4, 0)
        assert (line["dropped"], line["incidents"], line["reason"]) == ({}, {}, None)
        assert line["weights_hash"] == before["new_weights_hash"]
        assert line["plan_id"] == world.signed.id
    assert lines[-1]["new_weights_hash"] == digest(weights.astype("<f4").tobytes())
    assert lines[-1]["metrics"] == {"top1": pytest.approx(float(np.abs(weights).sum())), "perplexity": None}
    assert [number for number, _ in world.published] == [0, 1, 2, 3]
    np.testing.assert_array_equal(world.published[-1][1], weights)


def test_the_stored_replies_are_the_exact_bytes_and_sum_up_to_the_weights(tmp_path):
    world = World(tmp_path, honest(3))
    world.run()
    stored = sorted((world.run_folder / "replies").iterdir())
    assert [path.name for path in stored] == sorted(f"{n}-{one.id}.reply" for n in range(3) for one in world.devices)
    for path in stored:
        header, payload = decode_reply(path.read_bytes(), limit_bytes=10_000, device_key=None)
        device = next(one for one in world.devices if one.id == header.device)
        assert payload == device.values(header.round).tobytes()


def test_each_join_brings_the_receipt_of_the_last_one(tmp_path):
    world = World(tmp_path, honest(3))
    world.run()
    first, *later = world.devices[0].last_receipts
    assert first is None
    assert [json.loads(receipt.body)["round"] for receipt in later] == [0, 1]
    assert [json.loads(receipt.body)["index"] for receipt in later] == [10, 13]


def test_messages_expire_with_their_stage_and_are_pulled_one_by_one(tmp_path):
    world = World(tmp_path, honest(3), pace=replace(QUICK, join_s=11, train_s=13))
    world.run()
    assert {(m.metadata.message_type, m.metadata.ttl) for m in world.grid.sent} == {("query.join", 11), ("train", 13)}
    assert {len(identifiers) for identifiers in world.grid.pulls} == {1}


def test_only_enrolled_nodes_are_asked(tmp_path):
    world = World(tmp_path, honest(3))
    world.grid.devices[7] = ScriptedDevice(7)
    world.grid.listed.add(7)
    world.run()
    assert world.grid.devices[7].asked == []


@pytest.mark.parametrize("stage", ["join", "train"])
def test_too_few_answers_abort_the_round_and_nothing_is_applied(tmp_path, stage):
    quiet = [ScriptedDevice(node, **{stage: silent}) for node in (1, 2)]
    world = World(tmp_path, [*honest(2), *quiet], pace=replace(QUICK, join_s=0.2, train_s=0.2))
    with pytest.raises(RoundAborted, match=r"2 of 4 devices .* the plan needs 3; nothing was applied"):
        world.run()
    start, line = world.lines()
    assert (line["status"], line["new_weights_hash"], line["metrics"]) == ("aborted", None, None)
    assert line["dropped"] == {"silent": 2}
    assert line["weights_hash"] == start["new_weights_hash"]
    checkpoint = read_checkpoint(
        world.run_folder / "checkpoint", plan_id=world.signed.id, parameters=PARAMETERS, optimiser=Momentum()
    )
    assert checkpoint.round == -1
    np.testing.assert_array_equal(checkpoint.state.weights, world.initial)
    receipts = (world.root / "receipts.jsonl").read_bytes().splitlines()
    if stage == "join":
        assert {kind for one in world.devices for kind, _ in one.asked} == {"query.join"}
        assert len(receipts) == 2  # who joined is charged, and its head is counter-signed all the same


def test_abstentions_count_as_such_and_abort_below_the_smallest_cohort(tmp_path):
    no = [ScriptedDevice(1, join=lambda d, g, m: d.abstains(request_of(m)))]
    late_no = [ScriptedDevice(2, train=lambda d, g, m: d.abstains(request_of(m)))]
    world = World(tmp_path, [*honest(2), *no, *late_no])
    with pytest.raises(RoundAborted):
        world.run()
    line = world.lines()[-1]
    assert (line["joined"], line["released"], line["abstained"], line["dropped"]) == (3, 2, 2, {})


def test_a_round_waits_no_longer_than_it_must_where_too_few_can_answer(tmp_path):
    dead = [ScriptedDevice(1, join=lambda d, g, m: Error(5, "node unavailable"))]
    world = World(tmp_path, [*honest(1), *dead, ScriptedDevice(2, join=silent)], pace=replace(QUICK, join_s=3600))
    with pytest.raises(RoundAborted):
        world.run()  # would take an hour


@pytest.mark.parametrize("stage", ["join", "train"])
def test_a_device_that_falls_silent_costs_the_time_of_grace_only(tmp_path, stage):
    world = World(
        tmp_path,
        [*honest(3), ScriptedDevice(1, **{stage: silent})],
        pace=replace(QUICK, join_s=3600, train_s=3600),
    )
    weights = world.run()
    np.testing.assert_array_equal(weights, expected(world, [world.devices[:3]] * 3))
    assert [line["dropped"] for line in world.lines()[1:]] == [{"silent": 1}] * 3


@pytest.mark.parametrize("stage", ["join", "train"])
def test_a_dead_node_s_error_reply_drops_it(tmp_path, stage):
    dead = ScriptedDevice(1, **{stage: lambda d, g, m: Error(5, "node unavailable")})
    world = World(tmp_path, [*honest(3), dead], pace=replace(QUICK, grace_s=3600))
    world.run()
    assert [line["dropped"] for line in world.lines()[1:]] == [{"node_error": 1}] * 3


def test_a_node_that_stalls_its_upload_holds_nobody_up(tmp_path, monkeypatch):
    monkeypatch.setattr("reticent.aggregate.mailbox.STALLED_S", 0.02)
    world = World(tmp_path, honest(5), plan=a_plan(rounds=1))
    release = threading.Event()
    world.grid.hanging = {100: release, 101: release}
    try:
        weights = world.run()
    finally:
        release.set()
    np.testing.assert_array_equal(weights, expected(world, [world.devices[2:]]))
    assert world.lines()[-1]["dropped"] == {"silent": 2}


def test_a_superlink_that_ended_the_run_ends_it_at_once_and_drops_nobody(tmp_path):
    class Over(Exception):
        pass

    world = World(tmp_path, honest(3), pace=replace(QUICK, grace_s=3600, attempts=3, retry_s=3600))

    def over(*args):
        raise Over

    push = world.grid.push_messages

    def last_push(messages):
        world.grid.pull_messages = world.grid.get_node_ids = over
        return push(messages)

    world.grid.push_messages = last_push
    with pytest.raises(Over):
        world.run()
    assert [line["status"] for line in world.lines()] == ["start"]


def test_a_message_that_the_superlink_does_not_take_drops_its_node(tmp_path):
    world = World(tmp_path, honest(4))
    world.grid.refuses = {100}
    world.run()
    assert [line["dropped"] for line in world.lines()[1:]] == [{"undelivered": 1}] * 3


def test_a_batch_that_the_superlink_refuses_aborts_the_round(tmp_path):
    world = World(tmp_path, honest(3))
    world.grid.push_messages = lambda messages: []
    with pytest.raises(RoundAborted):
        world.run()
    assert world.lines()[-1]["dropped"] == {"undelivered": 3}


def test_an_exact_duplicate_counts_once(tmp_path):
    world = World(tmp_path, [*honest(2), ScriptedDevice(1, train=lambda d, g, m: [g, g])])
    np.testing.assert_array_equal(world.run(), expected(world, [world.devices] * 3))


def test_replies_to_other_questions_are_ignored(tmp_path):
    world = World(tmp_path, honest(3))
    pull, seen = world.grid.pull_messages, set()

    def strangers_first(identifiers):
        new = set(identifiers) - seen
        seen.update(new)
        others = [message for message in world.grid.sent if message.metadata.message_id not in identifiers]
        strangers = [reply(Error(5, "node unavailable"), message) for message in others]
        return strangers if new else [*strangers, *pull(identifiers)]

    world.grid.pull_messages = strangers_first
    np.testing.assert_array_equal(world.run(), expected(world, [world.devices] * 3))
    assert [line["dropped"] for line in world.lines()[1:]] == [{}] * 3


def test_the_sum_is_wider_than_a_value(tmp_path):
    release = Release(mode=Mode.LOCAL, clip_norm=1.0, noise_multiplier=1.0, grid=2.0**-27)
    world = World(tmp_path, honest(3), plan=a_plan(rounds=1, release=release))
    for one in world.devices:
        one.values = lambda number: np.frombuffer(one_value(world.bound), dtype=np.int32)
    mean = np.frombuffer(one_value(world.bound), dtype=np.int32) * 2.0**-27  # three of them need 33 bits
    np.testing.assert_array_equal(world.run(), (world.initial + mean).astype(np.float32))


def test_a_release_of_an_earlier_round_is_dropped(tmp_path):
    kept = []

    def replays(device, genuine, message):
        kept.append(genuine)
        return kept[0]

    world = World(tmp_path, [*honest(3), ScriptedDevice(1, train=replays)])
    weights = world.run()
    np.testing.assert_array_equal(weights, expected(world, [world.devices, world.devices[:3], world.devices[:3]]))
    assert [line["dropped"] for line in world.lines()[1:]] == [{}, {"wrong_round": 1}, {"wrong_round": 1}]


@pytest.mark.parametrize("stage", ["join", "train"])
def test_another_device_s_reply_is_dropped(tmp_path, stage):
    seen = {}

    def watched(device, genuine, message):
        seen[message.metadata.message_type, request_of(message).round] = genuine
        return genuine

    def copies(device, genuine, message):
        return seen[message.metadata.message_type, request_of(message).round]

    devices = [ScriptedDevice(1, **{stage: watched}), ScriptedDevice(2, **{stage: copies}), *honest(2)]
    world = World(tmp_path, devices)
    weights = world.run()
    np.testing.assert_array_equal(weights, expected(world, [[devices[0], *devices[2:]]] * 3))
    assert [line["dropped"] for line in world.lines()[1:]] == [{"wrong_signature": 1}] * 3


def once_dead():
    """A device whose node dies in its first training, and answers from then on."""
    moods = iter([None, *["genuine"] * 99])
    return ScriptedDevice(1, train=lambda d, g, m: g if next(moods) else Error(0, ""))


def test_a_release_that_was_given_counts_in_the_next_attempt_though_its_device_is_gone(tmp_path):
    world = World(tmp_path, [*honest(3), once_dead()], plan=a_plan(rounds=1, min_cohort=4))
    with pytest.raises(RoundAborted):
        world.run()
    world.grid.listed = {1, 101}  # two of those who answered have left
    np.testing.assert_array_equal(world.run(), expected(world, [world.devices]))
    _, aborted, resumed, line = world.lines()
    assert (aborted["released"], aborted["stored"], aborted["status"]) == (3, 0, "aborted")
    assert (resumed["status"], resumed["round"], resumed["reason"]) == ("resumed", 0, "it had ended before")
    assert (line["asked"], line["joined"], line["released"], line["stored"]) == (4, 4, 4, 3)


def test_a_device_is_asked_for_its_release_until_it_was_given_and_not_again(tmp_path):
    world = World(
        tmp_path,
        [*honest(3), once_dead()],
        plan=a_plan(rounds=1, min_cohort=4),
        pace=replace(QUICK, attempts=2),
    )
    np.testing.assert_array_equal(world.run(), expected(world, [world.devices]))
    once = [("query.join", 0), ("train", 0)]
    assert [one.asked for one in world.devices] == [once, once, once, once * 2]


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:-4], lambda data: data[:-1] + bytes([data[-1] ^ 1])]
)
def test_a_stored_release_that_was_damaged_is_asked_for_again_and_nobody_is_accused(tmp_path, damage):
    world = World(tmp_path, [*honest(3), once_dead()], plan=a_plan(rounds=1, min_cohort=4))
    with pytest.raises(RoundAborted):
        world.run()
    stored = world.run_folder / "replies" / f"0-{world.devices[0].id}.reply"
    genuine = stored.read_bytes()
    stored.write_bytes(damage(genuine))
    np.testing.assert_array_equal(world.run(), expected(world, [world.devices]))
    assert stored.read_bytes() == genuine
    assert (world.lines()[-1]["stored"], world.lines()[-1]["incidents"]) == (2, {})


def test_an_aborted_round_is_asked_again_with_the_same_question(tmp_path):
    moods = iter([None, *["genuine"] * 99])
    sleepy = ScriptedDevice(1, train=lambda d, g, m: g if next(moods) else Error(0, ""))
    world = World(tmp_path, [*honest(2), sleepy], pace=replace(QUICK, attempts=2))
    weights = world.run()
    np.testing.assert_array_equal(weights, expected(world, [world.devices] * 3))
    assert [(line["round"], line["status"]) for line in world.lines()] == [
        (-1, "start"),
        (0, "aborted"),
        (0, "applied"),
        (1, "applied"),
        (2, "applied"),
    ]
    assert len((tmp_path / "receipts.jsonl").read_bytes().splitlines()) == 9  # the same heads give the same receipts


@pytest.mark.parametrize(
    "changes",
    [{"index": 9}, {"index": 10, "head": "ab" * 32}, {"index": 10, "head": digest(b"0")}],
    ids=["restored", "forked", "rolled back to the last head"],
)
def test_a_device_with_another_past_is_refused_and_named(tmp_path, changes):
    def with_another_past(device, genuine, message):
        if request_of(message).round == 0:
            return genuine
        return forged(header_of(genuine) | changes, b"", device.key)

    world = World(tmp_path, [*honest(3), ScriptedDevice(1, join=with_another_past)])
    weights = world.run()
    np.testing.assert_array_equal(weights, expected(world, [world.devices, world.devices[:3], world.devices[:3]]))
    for line in world.lines()[2:]:
        assert (line["joined"], line["dropped"]) == (3, {"rolled_back": 1})
        assert line["incidents"] == {world.devices[3].id: "rolled_back"}
    assert world.devices[3].asked == [("query.join", 0), ("train", 0), ("query.join", 1), ("query.join", 2)]


def test_a_device_whose_answer_was_lost_goes_on_with_its_plan_after_another(tmp_path):
    """Plan A reached nobody in the end, plan B was run, A is started again: the entry that paid for A is a lower one."""
    lost = {"answer": True}

    def second_plan_later(device, genuine, message):
        request = request_of(message)
        if request.plan.id == second.signed.id:
            return device.joins(request, index=100 + request.round, head=digest(b"B%d" % request.round))
        return Error(0, "") if lost["answer"] and device is devices[3] else genuine

    def recorded(device, genuine, message):
        request = request_of(message)
        return device.releases(request, index=200) if request.plan.id == second.signed.id else genuine

    devices = [ScriptedDevice(number, join=second_plan_later, train=recorded) for number in range(100, 104)]
    first = World(tmp_path, devices, plan=a_plan(min_cohort=4))
    second = World(tmp_path, devices, plan=a_plan(rounds=1), receipt_key=first.receipt_key)
    with pytest.raises(RoundAborted):
        first.run()
    second.run()
    lost["answer"] = False
    weights = first.run()
    np.testing.assert_array_equal(weights, expected(first, [devices] * 3))
    assert [line["joined"] for line in first.lines()[1:] if line["status"] != "resumed"] == [3, 4, 4, 4]
    assert all(not line.get("incidents") for line in first.lines() + second.lines())
    assert json.loads(devices[3].last_receipts[-1].body)["index"] == 100


def test_a_round_waits_for_the_smallest_cohort_to_connect(tmp_path):
    world = World(tmp_path, honest(3), pace=replace(QUICK, connect_s=60))
    world.grid.listed = {100}
    looks = iter(range(1000))
    ids = world.grid.get_node_ids

    def slowly():
        if next(looks) == 5:
            world.grid.listed = {100, 101, 102}
        return ids()

    world.grid.get_node_ids = slowly
    world.run()
    assert world.lines()[1]["asked"] == 3


def test_a_cohort_that_never_connects_aborts_the_run(tmp_path):
    world = World(tmp_path, honest(3), pace=replace(QUICK, connect_s=0.01, attempts=2))
    world.grid.listed = {100}
    with pytest.raises(RoundAborted, match="1 devices were connected, the plan needs 3"):
        world.run()
    assert [line["status"] for line in world.lines()] == ["start", "aborted", "aborted"]
    assert world.grid.sent == []


def test_an_expired_plan_asks_nobody(tmp_path):
    world = World(tmp_path, honest(3), now=2_000.0)
    with pytest.raises(RoundAborted, match="expired"):
        world.run()
    assert world.grid.sent == []


def test_a_plan_in_secure_mode_is_not_summed_in_the_open(tmp_path):
    release = Release(mode=Mode.SECURE, clip_norm=0.5, noise_multiplier=0.1, grid=2.0**-14)
    world = World(tmp_path, honest(3), plan=a_plan(release=release))
    with pytest.raises(SettingError, match="secure"):
        world.run()
    assert world.grid.sent == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_never_sent(tmp_path, value):
    world = World(tmp_path, honest(3))
    world.initial[3] = value
    with pytest.raises(SettingError, match="finite"):
        world.run()
    assert world.grid.sent == []


def test_a_finished_plan_asks_nobody_again(tmp_path):
    world = World(tmp_path, honest(3))
    weights = world.run()
    sent, lines = len(world.grid.sent), world.lines()
    np.testing.assert_array_equal(world.run(), weights)
    assert (len(world.grid.sent), world.lines()) == (sent, lines)


def test_a_journal_that_is_ahead_of_the_newest_checkpoint_stops_the_run(tmp_path):
    world = World(tmp_path, honest(3))
    world.run()
    newest = sorted((world.run_folder / "checkpoint").iterdir())[-1]
    newest.rename(tmp_path / "moved")
    sent = len(world.grid.sent)
    with pytest.raises(IntegrityError, match="round 2 was applied"):
        world.run()
    assert len(world.grid.sent) == sent


def test_whom_a_run_waits_for_is_told_once_for_each_change_and_not_at_all_where_nobody_is_missing(tmp_path):
    devices = honest(4)
    world = World(tmp_path, devices, plan=a_plan(rounds=1, min_cohort=4))
    asked = itertools.count()

    def nodes():
        return [one.node_id for one in devices[: min(4, 2 + next(asked) // 3)]]

    world.grid.get_node_ids = nodes
    world.run()
    *waits, end = world.told
    assert [(one.connected, one.needed, one.absent) for one in waits] == [
        (2, 4, (devices[2].id, devices[3].id)),
        (3, 4, (devices[3].id,)),
    ]
    assert end is None
    calm = World(tmp_path / "calm", honest(4))
    calm.run()
    assert calm.told == []


@pytest.mark.parametrize(
    ("absent", "ends"), [((), "nobody else is enrolled"), (tuple("abcdefg"), "away: a, b, c, d and 3 more")]
)
def test_the_sentence_on_whom_a_run_waits_for_stays_short(absent, ends):
    assert Waiting(needed=9, connected=2, absent=absent).sentence().endswith(f"; {ends}")
