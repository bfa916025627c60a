"""The wire to the SuperLink: the only file that uses flwr's private names.

tests/contracts/test_flwr_private_names.py pins flwr's version and everything used here, and fails first when it moves.
flwr's own connection isn't used, but the client below it: that one follows redirects, takes proxies from the
environment, reads answers of any size, retries for ever, and ends the process from a helper thread. Here each call is
made once, bounded in size and time, and fails as one `Trouble`. Of what was received two kinds of object are decoded,
by hand.
"""

import hashlib
import json
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeVar

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flwr.app import ConfigRecord, Error, Message, RecordDict
from flwr.app.message.message import make_message, remove_content_from_message
from flwr.common.constant import HEARTBEAT_DEFAULT_INTERVAL, ErrorCode
from flwr.common.serde import message_to_proto
from flwr.common.serde_utils import metadata_from_proto
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PullMessagesResponse,
    PushMessagesRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import (
    ConfirmMessageReceivedRequest,
    ObjectTree,
    PullObjectRequest,
    PushObjectRequest,
)
from flwr.proto.node_pb2 import Node
from flwr.proto.recorddict_pb2 import ConfigRecord as ConfigRecordProto
from flwr.supercore.constant import HEAD_BODY_DIVIDER, HEAD_VALUE_DIVIDER
from flwr.supercore.error import ApiErrorCode
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    no_object_id_recompute,
)
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from reticent.courier.bounded import SMALL_BYTES, BoundedTransport, Excess, bound

HEARTBEAT_S: Final = float(HEARTBEAT_DEFAULT_INTERVAL)
"""The SuperLink takes a node for gone after two of these."""

_SLACK_BYTES: Final = 4096  # what protobuf and Flower's object head add
_OBJECT_ID: Final = re.compile(r"[0-9a-f]{64}")
_MOST_RECORDS: Final = 2

_Answer = TypeVar("_Answer")


class Cause(StrEnum):
    """Why a call failed, as far as anything depends on it."""

    AWAY = "the SuperLink can't be reached"
    UNTRUSTED = "the gateway shows a certificate of another authority"
    UNKNOWN = "the SuperLink doesn't know this node; is the clock right?"
    REFUSED = "the SuperLink refuses this key"
    OVER = "the run is over"
    MALFORMED = "the SuperLink's answer isn't what it should be"
    REJECTED = "the SuperLink rejects the call"


class Trouble(Exception):
    """A call that failed; it never leaves the courier and never holds what was received."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.value)
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message as announced, before anything of its content is fetched.

    content, records: ids of the objects that hold its records; empty where its shape isn't one that a request has.
    """

    kind: str
    run_id: int
    message_id: str
    expires_at: float
    content: str
    records: frozenset[str]
    shell: Message = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A reply, ready to be sent; sending it again after a failure is the same reply."""

    run_id: int
    message: Message = field(repr=False)
    tree: ObjectTree = field(repr=False)
    objects: dict[str, bytes] = field(repr=False)


class Fleet:
    """The calls that a locked node makes; get-fab, get-run and register-node aren't there. Safe for two threads."""

    def __init__(
        self, *, address: str, ca_certificate: str, key: ec.EllipticCurvePrivateKey, timeout_s: float = 30.0
    ) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=ca_certificate)
        self._public_key = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self._client = FleetHttpClient(
            f"https://{address}", interceptors=[NodeAuthHttpInterceptor(key, key.public_key())], verify=context
        )
        self._client._client.close()
        self._client._client = httpx.Client(
            transport=BoundedTransport(context), timeout=timeout_s, follow_redirects=False, trust_env=False
        )
        self._node = Node()

    def close(self) -> None:
        """Close the connections; calls made meanwhile fail."""
        self._client.close()

    def activate(self) -> int:
        """Go online and return the node's id. REFUSED: the key is unknown, revoked, or online already."""
        asked = ActivateNodeRequest(public_key=self._public_key, heartbeat_interval=HEARTBEAT_S)
        self._node = Node(node_id=_call(self._client.ActivateNode, asked).node_id)
        return int(self._node.node_id)

    def deactivate(self, node_id: int) -> None:
        """Go offline, so that the key can be activated again at once."""
        _call(self._client.DeactivateNode, DeactivateNodeRequest(node_id=node_id))

    def heartbeat(self) -> None:
        """Stay online, or come back online after a silence."""
        asked = SendNodeHeartbeatRequest(node=self._node, heartbeat_interval=HEARTBEAT_S)
        if not _call(self._client.SendNodeHeartbeat, asked).success:
            raise Trouble(Cause.UNKNOWN)

    def receive(self) -> Incoming | None:
        """Take the next message, or None. The SuperLink hands out each one once."""
        answer = _call(self._client.PullMessages, PullMessagesRequest(node=self._node))
        return announced(answer)

    def fetch(self, incoming: Incoming, object_id: str, *, limit_bytes: int) -> bytes | None:
        """One object of a message, checked against its id; None while the sender hasn't stored it yet."""
        asked = PullObjectRequest(node=self._node, run_id=incoming.run_id, object_id=object_id)
        answer = _call(self._client.PullObject, asked, limit_bytes=limit_bytes + _SLACK_BYTES)
        if not answer.object_found:
            raise Trouble(Cause.OVER)
        if not answer.object_available:
            return None
        if hashlib.sha256(answer.object_content).hexdigest() != object_id:
            raise Trouble(Cause.MALFORMED)
        return bytes(answer.object_content)

    def confirm(self, incoming: Incoming) -> None:
        """Tell the SuperLink that it may forget the message's objects."""
        asked = ConfirmMessageReceivedRequest(
            node=self._node, run_id=incoming.run_id, message_object_id=incoming.message_id
        )
        _call(self._client.ConfirmMessageReceived, asked)

    def send(self, outgoing: Outgoing) -> None:
        """Push a reply: its description first, then the objects that the SuperLink lacks."""
        asked = PushMessagesRequest(
            node=self._node,
            messages_list=[message_to_proto(remove_content_from_message(outgoing.message))],
            message_object_trees=[outgoing.tree],
            clientapp_runtime_list=[0.0],
        )
        answer = _call(self._client.PushMessages, asked)
        for object_id in answer.objects_to_push:
            if object_id not in outgoing.objects:
                raise Trouble(Cause.MALFORMED)
            stored = _call(
                self._client.PushObject,
                PushObjectRequest(
                    node=self._node,
                    run_id=outgoing.run_id,
                    object_id=object_id,
                    object_content=outgoing.objects[object_id],
                    session_id=answer.session_id,
                ),
            ).stored
            if not stored:
                raise Trouble(Cause.AWAY)  # the push session ran out; a new one starts with the next attempt


def announced(answer: PullMessagesResponse) -> Incoming | None:
    """The one message that the SuperLink hands out, or None. MALFORMED, if it is none that Flower allows."""
    if not answer.messages_list:
        return None
    if len(answer.messages_list) != 1 or len(answer.message_object_trees) != 1:
        raise Trouble(Cause.MALFORMED)
    try:
        shell = make_message(metadata=metadata_from_proto(answer.messages_list[0].metadata), content=RecordDict())
    except (ValueError, TypeError):
        raise Trouble(Cause.MALFORMED) from None
    metadata = shell.metadata
    content, records = _shape(answer.message_object_trees[0])
    return Incoming(
        kind=metadata.message_type,
        run_id=metadata.run_id,
        message_id=metadata.message_id,
        expires_at=metadata.created_at + metadata.ttl,
        content=content,
        records=records,
        shell=shell,
    )


def reply(incoming: Incoming, content: bytes) -> Outgoing:
    """The keeper's bytes as they are, as the one value of the one record of a reply."""
    return _outgoing(Message(RecordDict({"reply": ConfigRecord({"reply": content})}), reply_to=incoming.shell))


def refusal(incoming: Incoming) -> Outgoing:
    """What every message that isn't a request is answered with: an error without a word."""
    return _outgoing(Message(Error(ErrorCode.UNKNOWN, ""), reply_to=incoming.shell))


def record_names(content: bytes, *, records: frozenset[str]) -> dict[str, str]:
    """Record name → object id, out of a RecordDict object. MALFORMED, if it names others than were announced."""
    try:
        names = json.loads(_body(content, kind="RecordDict"))
    except (ValueError, RecursionError):
        raise Trouble(Cause.MALFORMED) from None
    if not isinstance(names, dict) or not all(isinstance(value, str) for value in names.values()):
        raise Trouble(Cause.MALFORMED)
    if frozenset(names.values()) != records or len(names) != len(records):
        raise Trouble(Cause.MALFORMED)
    return names


def record_bytes(content: bytes, *, name: str) -> bytes:
    """The one value, bytes under `name`, of a ConfigRecord object. MALFORMED for another kind, key, type or number."""
    try:
        record = ConfigRecordProto.FromString(_body(content, kind="ConfigRecord"))
    except DecodeError:
        raise Trouble(Cause.MALFORMED) from None
    if len(record.items) != 1 or record.items[0].key != name or record.items[0].value.WhichOneof("value") != "bytes":
        raise Trouble(Cause.MALFORMED)
    return bytes(record.items[0].value.bytes)


def _outgoing(message: Message) -> Outgoing:
    with no_object_id_recompute():
        message.metadata.__dict__["_message_id"] = message.object_id
        tree = get_object_tree(message)
        objects = {name: item.deflate() for name, item in get_all_nested_objects(message).items()}
    return Outgoing(message.metadata.run_id, message, tree, objects)


def _shape(tree: ObjectTree) -> tuple[str, frozenset[str]]:
    """The ids of a request's RecordDict and its records: message → RecordDict → one or two records, no more."""
    odd: tuple[str, frozenset[str]] = ("", frozenset())
    if len(tree.children) != 1:
        return odd
    content = tree.children[0]
    records = frozenset(record.object_id for record in content.children[: _MOST_RECORDS + 1])
    if not 1 <= len(content.children) <= _MOST_RECORDS or any(len(record.children) for record in content.children):
        return odd
    if not all(_OBJECT_ID.fullmatch(name) for name in (content.object_id, *records)):
        return odd
    return content.object_id, records


def _body(content: bytes, *, kind: str) -> bytes:
    """What follows the head of a Flower object: "<kind> <children> <length>" and a zero byte."""
    head, divider, body = content.partition(HEAD_BODY_DIVIDER)
    parts = head.split(HEAD_VALUE_DIVIDER.encode())
    if not divider or len(parts) != 3 or parts[0] != kind.encode() or parts[2] != str(len(body)).encode():
        raise Trouble(Cause.MALFORMED)
    return body


def _call(method: Callable[[Any], _Answer], asked: object, *, limit_bytes: int = SMALL_BYTES) -> _Answer:
    try:
        with bound(limit_bytes=limit_bytes):
            return method(asked)
    except httpx.HTTPStatusError as error:
        raise Trouble(_cause_of(error.response)) from None
    except httpx.TransportError as error:
        raise Trouble(Cause.UNTRUSTED if "certificate" in str(error).lower() else Cause.AWAY) from None
    except (Excess, ValueError, httpx.HTTPError, httpx.InvalidURL):
        raise Trouble(Cause.MALFORMED) from None


def _cause_of(answer: httpx.Response) -> Cause:
    if answer.status_code >= 500:
        return Cause.AWAY
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        return Cause.UNKNOWN
    if answer.status_code == httpx.codes.FORBIDDEN:
        return Cause.OVER
    try:
        said = json.loads(answer.content)
    except (ValueError, RecursionError):
        return Cause.REJECTED
    refused = isinstance(said, dict) and said.get("code") == ApiErrorCode.FLEET_NODE_ACTIVATION_FAILED
    return Cause.REFUSED if refused else Cause.REJECTED
