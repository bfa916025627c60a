"""What can break, broken for real: the server killed, the courier killed, a key unknown, two couriers at once."""

import contextlib
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reticent.courier.connection import Fleet
from reticent.courier.node import Node
from reticent.courier.settings import read_node_key
from tests.courier.device import Device
from tests.courier.organisation import Organisation, wait_until

Enrolled = tuple[Device, int]


def request(content: bytes) -> dict[str, object]:
    return {"request": {"request": content}}


@contextlib.contextmanager
def node_of(device: Device, say: Callable[..., None], *, revoked_after_s: float) -> Iterator[Node]:
    fleet = Fleet(
        address=f"127.0.0.1:{device.port}", ca_certificate=device.ca_certificate, key=read_node_key(device.folder)
    )
    with contextlib.closing(fleet):
        yield Node(fleet, device.folder.spool, wall="none", say=say, revoked_after_s=revoked_after_s)


def test_a_killed_server_that_comes_back_finds_the_courier_by_itself(
    organisation: Organisation, enrolled: Enrolled
) -> None:
    device, node_id = enrolled
    assert device.courier is not None
    pid = device.courier.popen.pid
    with device.keeper(lambda *_: b"before"):
        assert organisation.ask(node_id, "query.join", request(b"before")).records == {"reply": b"before"}
    organisation.kill_superlink()
    device.await_state("away")
    organisation.start_superlink()
    started = time.monotonic()
    device.await_state("connected")
    print(f"reconnected after {time.monotonic() - started:.1f} s")
    with device.keeper(lambda *_: b"after"):
        assert organisation.ask(node_id, "query.join", request(b"after")).records == {"reply": b"after"}
    again = organisation.ask(node_id, "query.join", request(b"before"))
    assert again.records == {"reply": b"before"}  # a restarted server asks the same, and no keeper runs
    assert device.courier.popen.poll() is None
    assert device.courier.popen.pid == pid


def test_a_request_under_way_survives_the_server_s_death(organisation: Organisation, enrolled: Enrolled) -> None:
    device, node_id = enrolled
    path = organisation.push(node_id, "query.join", request(b"under way"))
    wait_until(lambda: list((device.folder.spool / "inbox").glob("[0-9a-f]*")), what="it is delivered")
    organisation.kill_superlink()
    device.await_state("away")
    with device.keeper(lambda *_: b"meanwhile"):
        wait_until(lambda: not list((device.folder.spool / "inbox").glob("[0-9a-f]*")), what="it is answered")
    organisation.start_superlink()
    assert organisation.await_answer(path).records == {"reply": b"meanwhile"}


def test_a_killed_courier_is_back_at_once_and_answers_from_the_outbox(
    organisation: Organisation, enrolled: Enrolled
) -> None:
    device, node_id = enrolled
    assert device.courier is not None
    with device.keeper(lambda *_: b"kept"):
        assert organisation.ask(node_id, "query.join", request(b"kept")).records == {"reply": b"kept"}
    device.courier.end(number=signal.SIGKILL)
    started = time.monotonic()
    device.connect()
    assert time.monotonic() - started < 45  # the SuperLink alone would refuse the key for a minute
    assert organisation.ask(node_id, "query.join", request(b"kept")).records == {"reply": b"kept"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_courier_told_to_stop_says_goodbye_and_ends_at_once(
    number: signal.Signals, organisation: Organisation, enrolled: Enrolled
) -> None:
    device, _ = enrolled
    assert device.courier is not None
    device.courier.popen.send_signal(number)
    started = time.monotonic()
    assert device.courier.wait() == 0
    assert time.monotonic() - started < 10
    assert device.log.splitlines()[-1].split("courier: ")[1].startswith("stopped seconds=")
    device.connect()


def test_a_courier_stops_while_no_server_answers(organisation: Organisation, stranger: Device) -> None:
    organisation.kill_superlink()
    try:
        stranger.start()
        stranger.await_state("away")
        assert stranger.courier is not None
        stranger.courier.popen.terminate()
        assert stranger.courier.wait() == 0
    finally:
        organisation.start_superlink()


def test_a_second_courier_on_the_same_state_is_refused(enrolled: Enrolled) -> None:
    device, _ = enrolled
    first = device.courier
    try:
        assert device.start().wait() == 2
        assert "another courier runs on this state folder" in device.log
    finally:
        device.courier = first
    device.await_state("connected")


def test_a_key_that_stays_refused_is_revoked(stranger: Device) -> None:
    said: list[str] = []
    started = time.monotonic()
    with node_of(stranger, lambda fact, **_: said.append(fact), revoked_after_s=1.5) as node:
        assert node.run() is False
    assert time.monotonic() - started >= 1.5
    assert said == ["refused"]


def test_a_revoked_courier_ends_with_its_own_code_and_one_sentence(stranger: Device, tmp_path: Path) -> None:
    script = tmp_path / "impatient.py"
    script.write_text(
        "import sys\nfrom reticent.courier import __main__ as courier, node\n"
        "node.Node.__init__.__kwdefaults__['revoked_after_s'] = 1.0\n"
        "sys.exit(courier.main(sys.argv[1:]))\n"
    )
    started = stranger.start_script(script)
    assert started.wait() == 3
    assert re.search(r"no longer accepts this device's key; nothing more is sent", stranger.log)
    assert "Traceback" not in stranger.log


def test_an_unregistered_key_is_refused_until_it_is_registered(organisation: Organisation, stranger: Device) -> None:
    stranger.start()
    stranger.await_state("refused")
    node_id = organisation.register(stranger.key)
    stranger.await_state("connected")
    with stranger.keeper(lambda *_: b"here"):
        assert organisation.ask(node_id, "query.join", request(b"?")).records == {"reply": b"here"}


@pytest.mark.parametrize("days", [-1, 1], ids=["behind", "ahead"])
def test_a_clock_that_is_a_day_off_is_named_as_the_cause_and_once_it_is_right_the_device_connects(
    days: int, organisation: Organisation, stranger: Device, tmp_path: Path
) -> None:
    """On either machine: what counts is the difference. The SuperLink answers such a node with 401."""
    organisation.register(stranger.key)
    script = tmp_path / "another_day.py"
    script.write_text(
        "import datetime, sys\nimport flwr.supernode.node_auth_http_interceptor as auth\n"
        f"right = auth.now\nauth.now = lambda: right() + datetime.timedelta(days={days})\n"
        "from reticent.courier import __main__ as courier\n"
        "sys.exit(courier.main(sys.argv[1:]))\n"
    )
    started = stranger.start_script(script)
    stranger.await_state("away")
    assert "is the clock right?" in stranger.log
    started.popen.terminate()
    assert started.wait() == 0
    assert "Traceback" not in stranger.log
    stranger.start()
    stranger.await_state("connected")


def test_a_courier_without_a_wall_says_so(stranger: Device) -> None:
    stranger.start("--wall", "none")
    stranger.await_state("refused")
    assert stranger.report is not None
    assert stranger.report.wall == "none"
    assert "wall=none" in stranger.log


def test_a_reply_whose_run_is_over_is_dropped_quietly(organisation: Organisation, enrolled: Enrolled) -> None:
    device, node_id = enrolled
    path = organisation.push(node_id, "query.join", request(b"too late"))
    wait_until(lambda: list((device.folder.spool / "inbox").glob("[0-9a-f]*")), what="it is delivered")
    organisation.restart_run()
    with device.keeper(lambda *_: b"late"):
        wait_until(lambda: "a message was dropped" in device.log, what="the reply is dropped")
    assert not path.exists()
    with device.keeper(lambda *_: b"in time"):
        assert organisation.ask(node_id, "query.join", request(b"new run")).records == {"reply": b"in time"}
    assert "Traceback" not in device.log


def test_an_unregistered_node_while_it_runs_ends_its_session(organisation: Organisation, stranger: Device) -> None:
    node_id = organisation.register(stranger.key)
    said: list[str] = []
    outcome: list[bool] = []
    with node_of(stranger, lambda fact, **_: said.append(fact), revoked_after_s=1.0) as node:
        thread = threading.Thread(target=lambda: outcome.append(node.run()))
        thread.start()
        try:
            wait_until(lambda: "connected" in said, what="it is connected")
            organisation.flwr("supernode", "unregister", node_id, "local")
            thread.join(60)
        finally:
            node.stop()
            thread.join()
    assert outcome == [False]
    assert said[:3] == ["connected", "the session ended", "refused"]
