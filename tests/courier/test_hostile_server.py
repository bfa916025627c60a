"""A server that answers as no SuperLink does: the courier takes nothing larger, slower or other than it asked for."""

import contextlib
import datetime
import gzip
import hashlib
import http.server
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import ArrayRecord, ConfigRecord, RecordDict
from flwr.proto.fleet_pb2 import ActivateNodeResponse, PullMessagesResponse, PushMessagesResponse
from flwr.proto.message_pb2 import Message as MessageProto
from flwr.proto.message_pb2 import Metadata, ObjectTree, PullObjectResponse, PushObjectResponse
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.courier.bounded import SMALL_BYTES
from reticent.courier.connection import (
    Cause,
    Fleet,
    Incoming,
    Trouble,
    announced,
    record_bytes,
    record_names,
    refusal,
    reply,
)
from reticent.server.certificates import issue
from tests.courier.hostile import Script, Server, body


def cause_of(call: Callable[[], Any]) -> Cause:
    with pytest.raises(Trouble) as caught:
        call()
    return caught.value.cause


def test_a_redirect_is_not_followed(server: Server, fleet: Fleet) -> None:
    server.script = body(b"", status=307, location=f"https://127.0.0.1:{server.port}/elsewhere")
    assert cause_of(fleet.activate) is Cause.REJECTED
    assert server.calls == ["/v1/fleet/activate-node"]


def test_no_proxy_is_taken_from_the_environment(server: Server, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.script = body(ActivateNodeResponse(node_id=7).SerializeToString())
    fresh = Fleet(
        address=f"127.0.0.1:{server.port}",
        ca_certificate=server.ca_certificate,
        key=ec.generate_private_key(ec.SECP384R1()),
    )
    with contextlib.closing(fresh):
        assert fresh.activate() == 7


def test_compressed_answers_are_refused(server: Server, fleet: Fleet) -> None:
    answer = ActivateNodeResponse(node_id=7).SerializeToString()
    padding = b"\x7a" + b"\xff\xff\xff\x07" + bytes(2**24 - 1)  # an unknown field of 16 MB, which protobuf skips
    server.script = body(gzip.compress(answer + padding), content_encoding="gzip")
    assert cause_of(fleet.activate) is Cause.MALFORMED
    assert server.encodings == ["identity"]
    server.script = body(answer, content_encoding="identity")
    assert fleet.activate() == 7


def test_an_answer_without_end_is_cut_off(server: Server, fleet: Fleet) -> None:
    sent = 0

    def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        while sent < 1_000_000_000:
            handler.wfile.write(b"10000\r\n" + bytes(65536) + b"\r\n")
            sent += 65536

    server.script = endless
    assert cause_of(fleet.activate) is Cause.MALFORMED
    assert sent < SMALL_BYTES + 50_000_000  # what the sockets' buffers hold


@pytest.mark.parametrize(
    ("status", "content", "cause"),
    [
        (401, b"", Cause.UNKNOWN),
        (403, b"", Cause.OVER),
        (412, b'{"code":2004,"detail":"x"}', Cause.REFUSED),
        (412, b'{"code":2003,"detail":"x"}', Cause.REJECTED),
        (412, b"[" * 100_000, Cause.REJECTED),
        (404, b"\xff", Cause.REJECTED),
        (500, b"", Cause.AWAY),
        (502, b"", Cause.AWAY),
        (200, b"\xff\xff\xff", Cause.MALFORMED),
        (301, b"", Cause.REJECTED),
    ],
)
def test_every_status_is_one_trouble(status: int, content: bytes, cause: Cause, server: Server, fleet: Fleet) -> None:
    server.script = body(content, status=status)
    assert cause_of(fleet.activate) is cause


def test_a_closed_port_and_a_broken_answer_are_away(server: Server, fleet: Fleet) -> None:
    server.script = lambda handler: handler.wfile.write(b"not HTTP\r\n\r\n") and None
    assert cause_of(fleet.activate) is Cause.AWAY
    server.script = body(b"short", content_length="100")
    assert cause_of(fleet.activate) is Cause.AWAY


def test_another_authority_s_server_is_not_talked_to(server: Server) -> None:
    other = issue(["127.0.0.1"], now=datetime.datetime.now(datetime.UTC)).ca_certificate.decode()
    stranger = Fleet(
        address=f"127.0.0.1:{server.port}", ca_certificate=other, key=ec.generate_private_key(ec.SECP384R1())
    )
    with contextlib.closing(stranger):
        assert cause_of(stranger.activate) is Cause.UNTRUSTED
    assert server.calls == []


def handed_out(*, kind: str = "train", tree: ObjectTree | None = None, **changes: Any) -> PullMessagesResponse:
    values = {
        "run_id": 3,
        "message_id": "a" * 64,
        "src_node_id": 1,
        "dst_node_id": 7,
        "reply_to_message_id": "",
        "group_id": "",
        "created_at": 1.8e9,
        "ttl": 1e9,
        "message_type": kind,
    }
    message = MessageProto(metadata=Metadata(**(values | changes)))
    return PullMessagesResponse(messages_list=[message], message_object_trees=[tree or ObjectTree(object_id="a" * 64)])


def tree_of(*records: str, content: str = "c" * 64) -> ObjectTree:
    children = [ObjectTree(object_id=record) for record in records]
    return ObjectTree(object_id="a" * 64, children=[ObjectTree(object_id=content, children=children)])


def received(server: Server, fleet: Fleet, answer: PullMessagesResponse) -> Incoming | None:
    server.script = body(answer.SerializeToString())
    return fleet.receive()


@pytest.mark.parametrize(
    "tree",
    [
        tree_of(),
        tree_of("a" * 64, "b" * 64, "d" * 64),
        tree_of("not an id"),
        tree_of("A" * 64),
        tree_of("a" * 64, content="../../etc"),
        ObjectTree(object_id="a" * 64, children=[tree_of("a" * 64)]),
        ObjectTree(object_id="a" * 64, children=[ObjectTree(), ObjectTree()]),
    ],
)
def test_a_message_of_another_shape_has_no_content_to_fetch(tree: ObjectTree, server: Server, fleet: Fleet) -> None:
    incoming = received(server, fleet, handed_out(tree=tree))
    assert incoming is not None
    assert (incoming.content, incoming.records) == ("", frozenset())


@pytest.mark.parametrize(
    "answer",
    [
        handed_out(kind="join"),
        handed_out(kind="train.my-join"),
        handed_out(kind=""),
        PullMessagesResponse(messages_list=[MessageProto()]),
        PullMessagesResponse(messages_list=[MessageProto()] * 2, message_object_trees=[ObjectTree()] * 2),
    ],
)
def test_a_message_that_flower_forbids_is_malformed(answer: PullMessagesResponse, server: Server, fleet: Fleet) -> None:
    assert cause_of(lambda: received(server, fleet, answer)) is Cause.MALFORMED


def incoming_of(server: Server, fleet: Fleet) -> Incoming:
    incoming = received(server, fleet, handed_out(tree=tree_of("b" * 64)))
    assert incoming is not None
    return incoming


def test_an_object_is_what_its_name_says_or_refused(server: Server, fleet: Fleet) -> None:
    incoming = incoming_of(server, fleet)
    content = b"some content"
    name = hashlib.sha256(content).hexdigest()

    def answer(**values: Any) -> Script:
        return body(PullObjectResponse(**values).SerializeToString())

    server.script = answer(object_found=True, object_available=True, object_content=content)
    assert fleet.fetch(incoming, name, limit_bytes=100) == content
    assert cause_of(lambda: fleet.fetch(incoming, "0" * 64, limit_bytes=100)) is Cause.MALFORMED
    server.script = answer(object_found=True, object_available=False)
    assert fleet.fetch(incoming, name, limit_bytes=100) is None
    server.script = answer(object_found=False)
    assert cause_of(lambda: fleet.fetch(incoming, name, limit_bytes=100)) is Cause.OVER
    large = bytes(1_000_000)
    server.script = answer(object_found=True, object_available=True, object_content=large)
    name = hashlib.sha256(large).hexdigest()
    assert cause_of(lambda: fleet.fetch(incoming, name, limit_bytes=100)) is Cause.MALFORMED
    assert fleet.fetch(incoming, name, limit_bytes=1_000_000) == large


def test_a_server_that_asks_for_another_object_gets_none(server: Server, fleet: Fleet) -> None:
    incoming = incoming_of(server, fleet)
    server.calls.clear()
    server.script = body(PushMessagesResponse(objects_to_push=["f" * 64], session_id="s").SerializeToString())
    assert cause_of(lambda: fleet.send(reply(incoming, b"content"))) is Cause.MALFORMED
    assert server.calls == ["/v1/fleet/push-messages"]


def test_a_reply_holds_the_bytes_and_a_refusal_holds_nothing(server: Server, fleet: Fleet) -> None:
    incoming = incoming_of(server, fleet)
    answer = reply(incoming, b"\x00bytes\xff")
    assert sum(b"\x00bytes\xff" in content for content in answer.objects.values()) == 1
    assert answer.message.metadata.reply_to_message_id == "a" * 64
    refused = refusal(incoming)
    assert (refused.message.error.code, refused.message.error.reason) == (0, "")
    assert len(refused.objects) == 1
    pushed: list[bytes] = []

    def accept(handler: http.server.BaseHTTPRequestHandler) -> None:
        if handler.path.endswith("push-messages"):
            content = PushMessagesResponse(objects_to_push=list(answer.objects), session_id="s").SerializeToString()
        else:
            pushed.append(b"x")
            content = PushObjectResponse(stored=True).SerializeToString()
        body(content)(handler)

    server.script = accept
    fleet.send(answer)
    assert len(pushed) == 3


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_no_bytes_make_the_parsers_raise_anything_but_trouble(content: bytes) -> None:
    for head in (b"", b"RecordDict  %d\x00" % len(content), b"ConfigRecord  %d\x00" % len(content)):
        for parse in (
            lambda data: record_names(data, records=frozenset({"a" * 64})),
            lambda data: record_bytes(data, name="request"),
        ):
            with contextlib.suppress(Trouble):
                parse(head + content)


@given(
    kind=st.sampled_from(["train", "query.join", "evaluate", "system", "query"]),
    numbers=st.fixed_dictionaries(
        {name: st.integers(0, 2**64 - 1) for name in ("run_id", "src_node_id", "dst_node_id")}
        | {name: st.floats() for name in ("created_at", "ttl")}
    ),
    texts=st.fixed_dictionaries({name: st.text(max_size=80) for name in ("message_id", "group_id")}),
)
@settings(max_examples=300)
def test_every_message_that_flower_allows_can_be_refused(
    kind: str, numbers: dict[str, Any], texts: dict[str, str]
) -> None:
    incoming = announced(handed_out(kind=kind, **numbers, **texts))
    assert incoming is not None
    refused = refusal(incoming)
    assert refused.run_id == numbers["run_id"]
    silent = announced(handed_out(kind=kind, **numbers, **dict.fromkeys(texts, "")))
    assert silent is not None
    assert refused.message.error == refusal(silent).message.error  # none of the texts is in it


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_no_answer_makes_receiving_raise_anything_but_trouble(content: bytes) -> None:
    answer = PullMessagesResponse()
    with contextlib.suppress(DecodeError):
        answer.ParseFromString(content)
        with contextlib.suppress(Trouble):
            announced(answer)


def test_the_parsers_read_what_flower_writes() -> None:
    record = ConfigRecord({"request": b"\x00content"})
    content = RecordDict({"request": record})
    records = frozenset({record.object_id})
    assert record_names(content.deflate(), records=records) == {"request": record.object_id}
    assert record_bytes(record.deflate(), name="request") == b"\x00content"
    for other in (
        ConfigRecord({"request": "content"}),
        ConfigRecord({"request": [b"content"]}),
        ConfigRecord({"other": b"content"}),
        ConfigRecord({"request": b"content", "more": b""}),
        ArrayRecord(),
    ):
        assert cause_of(lambda other=other: record_bytes(other.deflate(), name="request")) is Cause.MALFORMED  # type: ignore[misc]
    nested = b"RecordDict  %d\x00" % 100_000 + b"[" * 100_000
    assert cause_of(lambda: record_names(nested, records=records)) is Cause.MALFORMED
