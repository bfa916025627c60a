"""How much goes through: each call's body has its limit, and so has the sum of one reply's parts."""

import contextlib
import socket
import warnings

import numpy as np
import pytest

from reticent.server import gateway

with warnings.catch_warnings():  # flwr's command line, which its package imports, lags behind click
    warnings.simplefilter("ignore", DeprecationWarning)
    from flwr.app import Array, ArrayRecord, RecordDict
    from flwr.proto.fleet_pb2 import PushMessagesRequest
    from flwr.proto.message_pb2 import ObjectTree, PushObjectRequest
    from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree

MIB = 1024 * 1024


@pytest.mark.parametrize("call", sorted(gateway.CALLS))
def test_a_body_passes_up_to_the_limit_of_its_call_and_one_byte_more_is_413(door, call):
    limit = gateway.CALLS[call]
    assert door.client.post(f"/v1/fleet/{call}", content=bytes(limit)).content == bytes(limit)
    assert door.client.post(f"/v1/fleet/{call}", content=bytes(limit + 1)).status_code == 413
    assert len(door.upstream.seen) == 1


def test_too_much_in_chunks_without_a_length_is_413(door):
    pieces = gateway.OBJECT_LIMIT_BYTES // 1024 + 1
    assert door.client.post("/v1/fleet/push-object", content=(bytes(1024) for _ in range(pieces))).status_code == 413
    assert door.upstream.seen == []


def test_no_announcement_has_room_for_a_reply_that_would_fill_the_server_s_memory():
    one = ObjectTree(object_id="0" * 64)
    inside = ObjectTree(children=[one]).ByteSize()  # what one object more costs, wherever it stands in the tree
    assert gateway.ANNOUNCEMENT_LIMIT_BYTES // inside * gateway.OBJECT_LIMIT_BYTES < 11 * MIB


def test_a_reply_of_many_of_flower_s_own_chunks_is_stopped_at_its_announcement_and_at_every_chunk(door):
    """An enrolled device may send what it likes; the ServerApp would fetch all of it before it can look at the size."""
    arrays = {str(number): Array(np.full(6 * MIB, number, np.uint8)) for number in range(8)}
    content = RecordDict({"reply": ArrayRecord(arrays)})
    objects = get_all_nested_objects(content)
    announcement = PushMessagesRequest(message_object_trees=[get_object_tree(content)])
    chunks = [item.deflate() for item in objects.values() if type(item).__name__ == "ArrayChunk"]
    assert len(chunks) == 16
    assert post(door, "push-messages", announcement) == 413
    assert {post(door, "push-object", PushObjectRequest(object_content=chunk)) for chunk in chunks} == {413}
    assert door.upstream.seen == []


def post(door, call, request):
    return door.client.post(f"/v1/fleet/{call}", content=request.SerializeToString()).status_code


def test_an_endless_body_is_read_no_further_than_a_little_beyond_the_limit(door):
    sent = 0
    with (
        socket.create_connection(("127.0.0.1", door.port)) as plain,
        door.trust.wrap_socket(plain, server_hostname="127.0.0.1") as tls,
    ):
        tls.settimeout(1)
        tls.sendall(b"POST /v1/fleet/push-object HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        with contextlib.suppress(OSError):
            while sent < 64 * MIB:
                tls.sendall(b"100000\r\n" + bytes(MIB) + b"\r\n")
                sent += MIB
    assert gateway.OBJECT_LIMIT_BYTES < sent < 32 * MIB  # the limit, what is dropped politely, and the sockets' buffers
    assert door.upstream.seen == []
