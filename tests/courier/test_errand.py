"""One errand against a server that answers as no SuperLink does: bounded in what it takes, constant in what it says."""

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

with warnings.catch_warnings():  # flwr's command line, which its package imports, lags behind click
    warnings.simplefilter("ignore", DeprecationWarning)
    from flwr.app import ConfigRecord, Error, RecordDict
    from flwr.proto.fleet_pb2 import PullMessagesResponse
    from flwr.proto.message_pb2 import ConfirmMessageReceivedResponse, Metadata, ObjectTree, PullObjectResponse
    from flwr.proto.message_pb2 import Message as MessageProto

from reticent import spool
from reticent.courier import errand
from reticent.courier.connection import Cause, Fleet, Incoming, Outgoing, Trouble, announced, refusal
from reticent.courier.errand import Errand, Step, start
from tests.courier.hostile import Server, body

LIMIT = 1000


def incoming(records: dict[str, ConfigRecord], *, kind: str = "train") -> tuple[Incoming, dict[str, bytes]]:
    """A message as a SuperLink announces it, and the objects that it holds."""
    content = RecordDict(dict(records))
    objects = {item.object_id: item.deflate() for item in (content, *records.values())}
    tree = ObjectTree(
        object_id="f" * 64,
        children=[
            ObjectTree(
                object_id=content.object_id,
                children=[ObjectTree(object_id=record.object_id) for record in records.values()],
            )
        ],
    )
    metadata = Metadata(run_id=5, message_id="f" * 64, message_type=kind, created_at=1.0, ttl=1e10)
    found = announced(
        PullMessagesResponse(messages_list=[MessageProto(metadata=metadata)], message_object_trees=[tree])
    )
    assert found is not None
    return found, objects


def asked(*, weights: bytes = bytes(100), request: bytes = b"{}") -> tuple[Incoming, dict[str, bytes]]:
    return incoming({"request": ConfigRecord({"request": request}), "weights": ConfigRecord({"weights": weights})})


def holds(server: Server, objects: dict[str, bytes]) -> None:
    """Have the server hand out these objects, in the order in which they are asked for."""

    def script(handler: object) -> None:
        path = handler.path  # type: ignore[attr-defined]
        if path.endswith("confirm-message-received"):
            return body(ConfirmMessageReceivedResponse().SerializeToString())(handler)  # type: ignore[arg-type]
        asked_for = server.bodies[-1]
        found = next((content for name, content in objects.items() if name.encode() in asked_for), None)
        answer = PullObjectResponse(object_found=found is not None, object_available=True, object_content=found or b"")
        return body(answer.SerializeToString())(handler)  # type: ignore[arg-type]

    server.script = script


def advanced(one: Errand, fleet: Fleet, folder: Path) -> Errand:
    """The errand once it has nothing left to fetch."""
    while one.fetching:
        assert one.advance(fleet, folder, now=0.0) is Step.MOVED
    return one


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "spool"
    spool.create(place)
    return place


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a test can pass without sending 64 MiB."""
    monkeypatch.setitem(errand._LIMITS_BYTES, "train", {"request": LIMIT, "weights": LIMIT})
    monkeypatch.setattr("reticent.courier.connection._SLACK_BYTES", 200)


def said(outgoing: Outgoing | None) -> tuple[int, str]:
    assert outgoing is not None
    error: Error = outgoing.message.error
    return error.code, error.reason


def test_a_genuine_request_lies_whole_in_the_inbox(server: Server, fleet: Fleet, folder: Path) -> None:
    found, objects = asked(weights=b"w" * 100, request=b"{}")
    holds(server, objects)
    one = advanced(start(found, now=0.0, full=False), fleet, folder)
    assert one.outgoing is None
    assert one.name is not None
    item = spool.read_item(folder, one.name)
    assert (item.stage, item.request, item.weights) == ("train", b"{}", b"w" * 100)
    assert server.calls[-1] == "/v1/fleet/confirm-message-received"


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("record", ["request", "weights"])
def test_content_beyond_its_limit_gets_the_constant_error_and_is_never_delivered(
    record: str,
    server: Server,
    fleet: Fleet,
    folder: Path,
) -> None:
    fine, large = bytes(LIMIT), bytes(LIMIT + 1000)
    for content, delivered in ((fine, True), (large, False)):
        found, objects = asked(**{record: content})
        holds(server, objects)
        one = advanced(start(found, now=0.0, full=False), fleet, folder)
        assert (one.name is not None) is delivered
        assert len(spool.arrivals(folder)) == 1  # the first one's
    assert said(one.outgoing) == said(refusal(found)) == (0, "")
    assert one._objects == {}
    assert "/v1/fleet/confirm-message-received" not in server.calls[-2:]


@pytest.mark.usefixtures("small")
def test_gigabytes_of_weights_are_read_no_further_than_the_limit(
    server: Server,
    fleet: Fleet,
    folder: Path,
) -> None:
    found, objects = asked()
    written = 0

    def script(handler: object) -> None:
        nonlocal written
        name = next(name for name in objects if name.encode() in server.bodies[-1])
        if name != weights_id:
            answer = PullObjectResponse(object_found=True, object_available=True, object_content=objects[name])
            return body(answer.SerializeToString())(handler)  # type: ignore[arg-type]
        handler.send_response(200)  # type: ignore[attr-defined]
        handler.send_header("content-length", str(4 << 30))  # type: ignore[attr-defined]
        handler.end_headers()  # type: ignore[attr-defined]
        while written < 64 << 20:
            handler.wfile.write(bytes(1 << 20))  # type: ignore[attr-defined]
            written += 1 << 20
        return None

    weights_id = next(name for name, content in objects.items() if b"weights" in content and b"request" not in content)
    server.script = script
    one = advanced(start(found, now=0.0, full=False), fleet, folder)
    assert said(one.outgoing) == (0, "")
    assert spool.arrivals(folder) == ()
    assert written < 32 << 20  # what the sockets' buffers hold


MALFORMED: dict[str, Callable[[], tuple[Incoming, dict[str, bytes]]]] = {
    "no weights": lambda: incoming({"request": ConfigRecord({"request": b"{}"}), "spare": ConfigRecord({"x": b""})}),
    "text for a request": lambda: incoming(
        {"request": ConfigRecord({"request": "{}"}), "weights": ConfigRecord({"weights": b""})}
    ),
    "two values in a record": lambda: incoming(
        {"request": ConfigRecord({"request": b"{}", "more": b""}), "weights": ConfigRecord({"weights": b""})}
    ),
    "another name in a record": lambda: incoming(
        {"request": ConfigRecord({"weights": b"{}"}), "weights": ConfigRecord({"weights": b""})}
    ),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_content_of_another_form_gets_the_same_error_and_is_never_delivered(
    what: str,
    server: Server,
    fleet: Fleet,
    folder: Path,
) -> None:
    found, objects = MALFORMED[what]()
    holds(server, objects)
    one = advanced(start(found, now=0.0, full=False), fleet, folder)
    assert said(one.outgoing) == (0, "")
    assert spool.arrivals(folder) == ()


def test_an_object_that_is_not_what_its_id_says_gets_the_same_error(
    server: Server,
    fleet: Fleet,
    folder: Path,
) -> None:
    found, objects = asked()
    name = next(reversed(objects))
    assert hashlib.sha256(objects[name]).hexdigest() == name
    holds(server, objects | {name: objects[name] + b"x"})
    one = advanced(start(found, now=0.0, full=False), fleet, folder)
    assert said(one.outgoing) == (0, "")
    assert spool.arrivals(folder) == ()


@pytest.mark.parametrize("kind", ["evaluate", "query", "train.share", "system"])
def test_a_type_that_is_no_stage_is_refused_before_anything_is_fetched(
    kind: str,
    server: Server,
) -> None:
    found, _ = incoming({"request": ConfigRecord({"request": b"{}"})}, kind=kind)
    one = start(found, now=0.0, full=False)
    assert said(one.outgoing) == (0, "")
    assert not one.fetching
    assert server.calls == []


def test_a_full_courier_refuses_with_the_same_error() -> None:
    found, _ = asked()
    assert said(start(found, now=0.0, full=True).outgoing) == (0, "")


def test_a_server_that_is_away_is_no_refusal_and_the_errand_waits_longer_each_time(folder: Path) -> None:
    found, _ = asked()
    one = start(found, now=0.0, full=False)

    class Away:
        def fetch(self, *_: object, **__: object) -> bytes:
            raise Trouble(Cause.AWAY)

    with pytest.raises(Trouble):
        one.advance(Away(), folder, now=0.0)  # type: ignore[arg-type]
    assert one.outgoing is None
    one.postpone(now=0.0)
    assert one.advance(Away(), folder, now=0.0) is Step.WAITS  # type: ignore[arg-type]
