"""Against a real SuperLink: two kinds of message get the keeper's exact bytes, and nothing else gets a word."""

import os
import threading
from pathlib import Path

import psutil
import pytest

from reticent import spool
from reticent.records.canonical import digest
from tests.courier.device import Device
from tests.courier.organisation import COMMANDS, Answer, Organisation, Process, free_port, node_key, wait_until
from tests.test_spool import WEIGHTS, join, train

Enrolled = tuple[Device, int]

CONSTANT = (0, "")
"""Code and reason of the one error that is ever sent."""


def request(content: bytes) -> dict[str, object]:
    return {"request": {"request": content}}


def train_request(content: bytes, weights: bytes) -> dict[str, object]:
    return {"request": {"request": content}, "weights": {"weights": weights}}


def nothing_delivered(device: Device) -> bool:
    return spool.arrivals(device.folder.spool) == ()


def test_join_and_train_reach_the_keeper_and_its_bytes_come_back_untouched(
    organisation: Organisation, enrolled: Enrolled
) -> None:
    device, node_id = enrolled
    replies = {"join": os.urandom(700), "train": os.urandom(700_000)}
    with device.keeper(lambda _, item: replies[item.stage]) as seen:
        joined = organisation.ask(node_id, "query.join", request(join(1)))
        trained = organisation.ask(node_id, "train", train_request(train(0), WEIGHTS))
    assert (joined.type, joined.error, joined.records) == ("query.join", None, {"reply": replies["join"]})
    assert (trained.type, trained.error, trained.records) == ("train", None, {"reply": replies["train"]})
    assert seen == [spool.Item("join", join(1), None), spool.Item("train", train(0), WEIGHTS)]


def test_the_spool_s_name_is_the_one_that_the_keeper_computes(organisation: Organisation, enrolled: Enrolled) -> None:
    device, node_id = enrolled
    with device.keeper(lambda name, _: name.encode()):
        answer = organisation.ask(node_id, "query.join", request(join(2)))
    plan_id = spool.JoinRequest.from_bytes(join(2), limit_bytes=65536).plan.id
    expected = spool.request_id(stage="join", plan_id=plan_id, round=2, weights_hash=digest(WEIGHTS))
    assert answer.records == {"reply": expected.encode()}


def test_weights_of_megabytes_arrive_whole(organisation: Organisation, enrolled: Enrolled) -> None:
    device, node_id = enrolled
    weights = os.urandom(6_000_000)
    with device.keeper(lambda _, item: digest(item.weights or b"").encode()):
        answer = organisation.ask(node_id, "train", train_request(b"not a train request", weights))
    assert answer.records == {"reply": digest(weights).encode()}


def test_a_slow_keeper_holds_up_no_other_request(organisation: Organisation, enrolled: Enrolled) -> None:
    device, node_id = enrolled
    slow = organisation.push(node_id, "query.join", request(b"slow"))
    slow_name = spool.id_of("join", b"slow", None)
    wait_until(lambda: slow_name in spool.arrivals(device.folder.spool), what="the slow one is delivered")
    released = threading.Event()
    with device.keeper(
        lambda _, item: b"late" if item.request == b"slow" else b"quick",
        first=lambda item: item.request != b"slow" or released.is_set(),
    ):
        quick = [organisation.push(node_id, "query.join", request(b"quick %d" % number)) for number in range(3)]
        answers = [organisation.await_answer(path) for path in quick]
        assert not slow.exists()
        released.set()
        assert organisation.await_answer(slow).records == {"reply": b"late"}
    assert [answer.records for answer in answers] == 3 * [{"reply": b"quick"}]


STRANGE = [
    ("query", request(b"x")),
    ("query.joined", request(b"x")),
    ("train.share", request(b"x")),
    ("evaluate", request(b"x")),
    ("query.join", {"request": {"request": bytes(65_537)}}),
    ("query.join", {"request": {"request": "text"}}),
    ("query.join", {"request": {"request": [1, 2]}}),
    ("query.join", {"request": {"request": b"x", "more": 1}}),
    ("query.join", {"request": {"other": b"x"}}),
    ("query.join", {"other": {"request": b"x"}}),
    ("query.join", {"request": {}}),
    ("query.join", {"request": {"request": b"x"}, "weights": {"weights": b"w"}}),
    ("query.join", {}),
    ("query.join", {"request": "npy"}),
    ("query.join", {"request": "metric"}),
    ("train", request(b"x")),
    ("train", {"request": {"request": b"x"}, "weights": "npy"}),
    ("train", {"request": {"request": b"x"}, "weights": {"weights": b"w"}, "more": {"more": b"m"}}),
]


@pytest.fixture(scope="module")
def answers_to_the_strange(organisation: Organisation, enrolled: Enrolled) -> list[Answer]:
    """All of them asked at once: one after the other takes a minute."""
    _, node_id = enrolled
    asked = [organisation.push(node_id, kind, records) for kind, records in STRANGE]
    return [organisation.await_answer(path) for path in asked]


@pytest.mark.parametrize("number", range(len(STRANGE)), ids=lambda number: f"{STRANGE[number][0]}-{number}")
def test_everything_else_is_answered_with_the_constant_error(
    number: int, answers_to_the_strange: list[Answer], enrolled: Enrolled
) -> None:
    device, _ = enrolled
    answer = answers_to_the_strange[number]
    assert (answer.error, answer.records) == (CONSTANT, {})
    assert nothing_delivered(device)


def test_a_full_spool_is_answered_with_the_constant_error(organisation: Organisation, enrolled: Enrolled) -> None:
    device, node_id = enrolled
    names = [
        spool.deliver(device.folder.spool, stage="join", request=b"%d" % number, weights=None) for number in range(64)
    ]
    try:
        assert organisation.ask(node_id, "query.join", request(b"one more")).error == CONSTANT
    finally:
        for name in names:
            spool.finish(device.folder.spool, name)


def test_the_same_question_is_answered_from_the_outbox(organisation: Organisation, enrolled: Enrolled) -> None:
    device, node_id = enrolled
    with device.keeper(lambda *_: b"once") as seen:
        first = organisation.ask(node_id, "query.join", request(b"again and again"))
    second = organisation.ask(node_id, "query.join", request(b"again and again"))  # no keeper runs
    assert first.records == second.records == {"reply": b"once"}
    assert len(seen) == 1


def test_a_hostile_app_bundle_is_neither_fetched_nor_run(organisation: Organisation, enrolled: Enrolled) -> None:
    device, node_id = enrolled
    with device.keeper(lambda *_: b"ok"):
        assert organisation.ask(node_id, "train", train_request(b"run your app", b"")).error is None
        assert organisation.ask(node_id, "evaluate", request(b"x")).error == CONSTANT
    assert organisation.superlink is not None
    assert "[Fleet.GetFab]" not in organisation.superlink.text
    assert "get-fab" not in organisation.superlink.text
    assert list(organisation.loot.iterdir()) == []
    assert not any("thief" in path.name for path in device.root.rglob("*"))


def test_what_was_sent_is_in_no_log(organisation: Organisation, enrolled: Enrolled) -> None:
    device, node_id = enrolled
    with device.keeper(lambda *_: b"SECRET ANSWER"):
        organisation.ask(node_id, "query.join", request(b"SECRET QUESTION"))
    organisation.ask(node_id, "query.join", {"SECRET NAME": {"request": b"x"}})
    assert "SECRET" not in device.log
    assert "Traceback" not in device.log


def test_the_courier_is_small_and_walled(stranger: Device) -> None:
    device = stranger
    process = psutil.Process(device.start().popen.pid)
    device.await_state("refused")
    assert process.memory_info().rss < 115e6  # 99 MB here, most of it Flower's; with torch 264
    maps = Path(f"/proc/{process.pid}/maps").read_text()
    assert "libtorch" not in maps
    status = Path(f"/proc/{process.pid}/status").read_text()
    assert "Seccomp:\t2" in status
    assert "NoNewPrivs:\t1" in status
    assert device.report is not None
    assert device.report.wall == "landlock+seccomp+audit"
    assert process.children() == []


def test_a_stock_node_would_have_run_the_bundle(organisation: Organisation, tmp_path: Path) -> None:
    """The control: the bundle is as hostile as the tests above take it to be."""
    key = node_key(tmp_path / "stock.key")
    node_id = organisation.register(key)
    stock = Process(
        *(COMMANDS / "flower-supernode", "--root-certificates", organisation.root / "ca.crt"),
        *("--superlink", f"127.0.0.1:{organisation.port}", "--auth-supernode-private-key", tmp_path / "stock.key"),
        *("--host", "127.0.0.1", "--port", free_port()),
        log=tmp_path / "stock.log",
        environment=organisation.environment,
    )
    try:
        wait_until(lambda: "SuperNode ID" in stock.text, what="the stock node is online")
        organisation.push(node_id, "train", train_request(b"run your app", b""))
        wait_until(lambda: (organisation.loot / "imported").exists(), what="the thief steals")
    finally:
        stock.end()
        for path in organisation.loot.iterdir():
            path.unlink()
