"""The one file that uses flwr's private names, and everything it relies on there. When flwr moves, this fails first.

How to move to another release: read the changes of each name below, run tests/courier, then change the pin.
"""

import ast
import importlib.metadata
import inspect
import warnings
from pathlib import Path

import pytest

with warnings.catch_warnings():  # flwr's command line, which its package imports, lags behind click
    warnings.simplefilter("ignore", DeprecationWarning)
    import flwr.app.message.message as message_module
    from flwr.app import ConfigRecord, Error, Message, RecordDict
    from flwr.common import constant
    from flwr.common.serde import message_to_proto
    from flwr.common.serde_utils import metadata_from_proto
    from flwr.proto import fleet_pb2, heartbeat_pb2, message_pb2, node_pb2, recorddict_pb2
    from flwr.supercore import constant as core
    from flwr.supercore.error import ApiErrorCode
    from flwr.supercore.inflatable import inflatable_object
    from flwr.supercore.object_store.sql_object_store import SqlObjectStore
    from flwr.supercore.protobuf.client import ProtobufClient
    from flwr.supercore.task_identity import TaskIdentity
    from flwr.superlink.servicer.fleet import fleet_handlers
    from flwr.supernode.fleet_http_client import FleetHttpClient
    from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

    from reticent.courier import connection

from reticent.model import catalogue
from reticent.records.messages import HEADER_LIMIT_BYTES, VALUE_BYTES
from reticent.server import gateway

SOURCE = Path(__file__).resolve().parents[2] / "src" / "reticent"
CONNECTION = SOURCE / "courier" / "connection.py"

PUBLIC = {"flwr.app", "flwr.serverapp", "flwr.clientapp", "flwr.serverapp.strategy", "flwr.simulation"}
"""What Flower documents for apps; everything else of it is private."""

USED = {
    "flwr.app.message.message",
    "flwr.common.constant",
    "flwr.common.serde",
    "flwr.common.serde_utils",
    "flwr.proto.fleet_pb2",
    "flwr.proto.heartbeat_pb2",
    "flwr.proto.message_pb2",
    "flwr.proto.node_pb2",
    "flwr.proto.recorddict_pb2",
    "flwr.supercore.constant",
    "flwr.supercore.error",
    "flwr.supercore.inflatable.inflatable_object",
    "flwr.supernode.fleet_http_client",
    "flwr.supernode.node_auth_http_interceptor",
}


def imported(path: Path) -> set[str]:
    """The flwr modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return {name for name in found if name == "flwr" or name.startswith("flwr.")}


def parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_the_version_is_the_pinned_one() -> None:
    assert importlib.metadata.version("flwr") == "1.41.0"


def test_one_file_uses_private_names_and_exactly_those_that_are_pinned_here() -> None:
    assert imported(CONNECTION) - PUBLIC == USED


def test_no_other_file_uses_private_names() -> None:
    """But one: Messages that are made outside Flower's own processes take their sender from TaskIdentity."""
    others = {
        str(path.relative_to(SOURCE)): imported(path) - PUBLIC
        for path in SOURCE.rglob("*.py")
        if path != CONNECTION and imported(path) - PUBLIC
    }
    assert others == {"sim/grid.py": {"flwr.supercore.task_identity"}}
    assert {"run_id", "task_id", "node_id"} <= set(dir(type(TaskIdentity)))


def test_nobody_imports_flwr_by_a_name_put_together_at_run_time() -> None:
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("__import__", "importlib.import_module"):
                assert "flwr" not in ast.unparse(node), path


@pytest.mark.parametrize(
    ("call", "asked", "answered"),
    [
        ("ActivateNode", fleet_pb2.ActivateNodeRequest, fleet_pb2.ActivateNodeResponse),
        ("DeactivateNode", fleet_pb2.DeactivateNodeRequest, fleet_pb2.DeactivateNodeResponse),
        ("SendNodeHeartbeat", heartbeat_pb2.SendNodeHeartbeatRequest, heartbeat_pb2.SendNodeHeartbeatResponse),
        ("PullMessages", fleet_pb2.PullMessagesRequest, fleet_pb2.PullMessagesResponse),
        ("PushMessages", fleet_pb2.PushMessagesRequest, fleet_pb2.PushMessagesResponse),
        ("PullObject", message_pb2.PullObjectRequest, message_pb2.PullObjectResponse),
        ("PushObject", message_pb2.PushObjectRequest, message_pb2.PushObjectResponse),
        (
            "ConfirmMessageReceived",
            message_pb2.ConfirmMessageReceivedRequest,
            message_pb2.ConfirmMessageReceivedResponse,
        ),
    ],
)
def test_a_call_of_the_fleet_client(call: str, asked: type, answered: type) -> None:
    method = getattr(FleetHttpClient, call)
    assert parameters(method) == ["self", "request"]
    annotations = inspect.get_annotations(method)
    assert (annotations["request"], annotations["return"]) == (asked, answered)


def fields(kind: type) -> set[str]:
    return set(kind.DESCRIPTOR.fields_by_name)  # type: ignore[attr-defined]


def test_the_fields_of_what_is_sent_and_received() -> None:
    assert fields(fleet_pb2.ActivateNodeRequest) == {"public_key", "heartbeat_interval"}
    assert fields(fleet_pb2.ActivateNodeResponse) == {"node_id"}
    assert fields(fleet_pb2.DeactivateNodeRequest) == {"node_id"}
    assert fields(heartbeat_pb2.SendNodeHeartbeatRequest) == {"node", "heartbeat_interval"}
    assert fields(heartbeat_pb2.SendNodeHeartbeatResponse) == {"success"}
    assert {"messages_list", "message_object_trees"} <= fields(fleet_pb2.PullMessagesResponse)
    assert {"node", "messages_list", "message_object_trees", "clientapp_runtime_list"} == fields(
        fleet_pb2.PushMessagesRequest
    )
    assert {"objects_to_push", "session_id"} <= fields(fleet_pb2.PushMessagesResponse)
    assert fields(message_pb2.ObjectTree) == {"object_id", "children"}
    assert fields(message_pb2.PullObjectRequest) == {"node", "run_id", "object_id"}
    assert fields(message_pb2.PullObjectResponse) == {"object_found", "object_available", "object_content"}
    assert fields(message_pb2.PushObjectRequest) == {"node", "run_id", "object_id", "object_content", "session_id"}
    assert fields(message_pb2.PushObjectResponse) == {"stored"}
    assert fields(message_pb2.ConfirmMessageReceivedRequest) == {"node", "run_id", "message_object_id"}
    assert {"run_id", "message_id", "src_node_id", "dst_node_id", "created_at", "ttl", "message_type"} <= fields(
        message_pb2.Metadata
    )
    value = recorddict_pb2.ConfigRecordValue.DESCRIPTOR.oneofs_by_name["value"]
    assert "bytes" in {field.name for field in value.fields}


def test_the_client_below_sends_through_the_http_client_that_is_put_there() -> None:
    assert parameters(ProtobufClient.__init__) == [
        "self",
        "base_url",
        "interceptors",
        "verify",
        "timeout",
        "retry_invoker",
    ]
    source = inspect.getsource(ProtobufClient)
    assert source.count("self._client = ") == 1
    assert "return self._client.send(current_context.request)" in source
    assert "http_response.raise_for_status()" in source
    assert issubclass(FleetHttpClient, ProtobufClient)
    assert "__init__" not in vars(FleetHttpClient)


def test_the_node_authenticates_by_its_key() -> None:
    assert parameters(NodeAuthHttpInterceptor.__init__) == ["self", "private_key", "public_key"]


def test_the_constants() -> None:
    assert (core.HEAD_BODY_DIVIDER, core.HEAD_VALUE_DIVIDER) == (b"\x00", " ")
    assert constant.HEARTBEAT_DEFAULT_INTERVAL == 30
    assert constant.HEARTBEAT_PATIENCE == 2
    assert constant.ErrorCode.UNKNOWN == 0
    assert ApiErrorCode.FLEET_NODE_ACTIVATION_FAILED == 2004


def test_the_functions_that_build_a_reply() -> None:
    assert parameters(message_module.make_message) == ["metadata", "content", "error"]
    assert parameters(message_module.remove_content_from_message) == ["message"]
    assert parameters(message_to_proto) == ["message"]
    assert parameters(metadata_from_proto) == ["metadata_proto"]
    assert parameters(inflatable_object.get_object_tree) == ["obj"]
    assert parameters(inflatable_object.get_all_nested_objects) == ["obj"]
    assert parameters(inflatable_object.no_object_id_recompute) == []


def test_a_reply_has_three_objects_and_an_error_has_one() -> None:
    asked = message_module.make_message(
        metadata=metadata_from_proto(message_pb2.Metadata(message_type="train", created_at=1.0, ttl=1e10)),
        content=RecordDict(),
    )
    reply = Message(RecordDict({"reply": ConfigRecord({"reply": b"x"})}), reply_to=asked)
    assert [type(item).__name__ for item in inflatable_object.get_all_nested_objects(reply).values()] == [
        "ConfigRecord",
        "RecordDict",
        "Message",
    ]
    error = Message(Error(0, ""), reply_to=asked)
    assert len(inflatable_object.get_all_nested_objects(error)) == 1
    assert "_message_id" in error.metadata.__dict__


def test_a_genuine_reply_of_the_largest_model_fits_the_gateway_s_limits_with_little_to_spare() -> None:
    """The gateway bounds a reply by the length of its announcement and the size of an object."""
    ends = {"src_node_id": 2**64 - 1, "dst_node_id": 2**64 - 2, "run_id": 2**64 - 3}
    metadata = message_pb2.Metadata(message_id="0" * 64, message_type="train", created_at=1.0, ttl=1e10, **ends)
    shell = message_module.make_message(metadata=metadata_from_proto(metadata), content=RecordDict())
    asked = connection.Incoming("train", ends["run_id"], "0" * 64, 1e10, "", frozenset(), shell)
    largest = max(catalogue.parameters(name, choice) for name in catalogue.names() for choice in catalogue.TRAINABLE)
    sent = connection.reply(asked, bytes(HEADER_LIMIT_BYTES + 1 + VALUE_BYTES * largest))
    node = node_pb2.Node(node_id=ends["dst_node_id"])
    announcement = fleet_pb2.PushMessagesRequest(
        node=node,
        messages_list=[message_to_proto(message_module.remove_content_from_message(sent.message))],
        message_object_trees=[sent.tree],
        clientapp_runtime_list=[0.0],
    )
    assert 0.3 < announcement.ByteSize() / gateway.ANNOUNCEMENT_LIMIT_BYTES < 0.7
    sizes = [
        message_pb2.PushObjectRequest(
            node=node, run_id=ends["run_id"], object_id=name, object_content=content, session_id="0" * 64
        ).ByteSize()
        for name, content in sent.objects.items()
    ]
    assert 0.9 < max(sizes) / gateway.OBJECT_LIMIT_BYTES < 1


def test_the_superlink_knows_a_reply_s_objects_by_the_ids_in_its_announcement_and_by_nothing_else() -> None:
    """What the bound on a reply rests on: every object is spelled out, by 64 characters, in the one announcement."""
    source = inspect.getsource(SqlObjectStore.preregister)
    assert "is_valid_sha256_hash(tree_node.object_id)" in source
    assert "existing_child_ids != set(child_ids)" in source
    assert "request.messages_list[0]" in inspect.getsource(fleet_handlers.push_messages)
    assert "request.message_object_trees[0]" in inspect.getsource(fleet_handlers.push_messages)
