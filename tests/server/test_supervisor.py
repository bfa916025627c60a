"""The three processes, for real: what is reachable from where, and what survives what."""

import os
import re
import signal
import socket
import subprocess
import sys

import httpx
import psutil
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.proto.fleet_pb2 import ActivateNodeRequest
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore.interceptors import SuperExecAuthHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from reticent.errors import StateError
from reticent.server import flower
from reticent.server.certificates import trust
from reticent.server.status import look


def pem(key):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def activate(served, key, *, address=None):
    """What a device does first, through the gateway."""
    client = FleetHttpClient.from_server_address(
        address or served.settings["address"],
        insecure=False,
        root_certificates=served.paths.ca_certificate.read_bytes(),
        interceptors=[NodeAuthHttpInterceptor(key, key.public_key())],
    )
    try:
        request = ActivateNodeRequest(public_key=public_key_to_bytes(key.public_key()), heartbeat_interval=30)
        return client.ActivateNode(request).node_id
    finally:
        client.close()


def post(served, path, *, port=None):
    verify = trust(served.paths.ca_certificate)
    port = port or served.settings["address"].rsplit(":", 1)[1]
    headers = {"content-type": "application/x-protobuf"}
    with httpx.Client(verify=verify, trust_env=False) as client:
        return client.post(f"https://127.0.0.1:{port}{path}", content=b"", headers=headers).status_code


def acquire(served, *, secret):
    """What a SuperExec does to get a ServerApp task, straight at the SuperLink's port."""
    interceptors = []
    if secret is not None:
        methods = frozenset({"/flwr.proto.Runtime/AcquireTask"})
        interceptors.append(SuperExecAuthHttpInterceptor(master_secret=secret, protected_methods=methods))
    client = RuntimeHttpClient.from_server_address(
        f"127.0.0.1:{served.settings['superlink_port']}",
        insecure=False,
        root_certificates=served.paths.ca_certificate.read_bytes(),
        interceptors=interceptors,
    )
    try:
        return client.AcquireTask(AcquireTaskRequest(supported_task_types=["flwr-serverapp"]))
    finally:
        client.close()


@pytest.fixture(scope="module")
def registered(served):
    key = ec.generate_private_key(ec.SECP384R1())
    return key, flower.register(served.paths, flower.node_public_key(pem(key)))


def test_a_registered_device_connects_through_the_gateway(served, registered):
    key, node_id = registered
    assert activate(served, key) == node_id
    assert flower.Node(node_id=node_id, status="online") in flower.nodes(served.paths)


def test_an_unregistered_key_is_refused(served):
    with pytest.raises(httpx.HTTPStatusError) as refusal:
        activate(served, ec.generate_private_key(ec.SECP384R1()))
    assert refusal.value.response.status_code == 412


def test_a_node_key_is_registered_once(served, registered):
    key, _ = registered
    with pytest.raises(StateError, match="registered already"):
        flower.register(served.paths, flower.node_public_key(pem(key)))


def test_a_device_without_the_authority_does_not_believe_the_gateway(served):
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        httpx.post(f"https://{served.settings['address']}/v1/fleet/get-run", trust_env=False)


@pytest.mark.parametrize("path", ["/v1/control/list-nodes", "/v1/runtime/acquire-task", "/v1/fleet/get-fab", "/health"])
def test_what_the_superlink_serves_beside_the_nine_calls_is_not_behind_the_gateway(served, path):
    assert post(served, path) == 404
    assert post(served, path, port=served.settings["superlink_port"]) != 404  # it is there, on loopback


def test_the_superlink_listens_on_loopback_only(served):
    connections = psutil.Process(served.pids()["superlink"]).net_connections(kind="inet")
    assert {one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN} == {"127.0.0.1"}


def test_a_peer_without_the_secret_cannot_take_a_serverapp_task(served):
    for wrong in (None, bytes(32)):
        with pytest.raises(httpx.HTTPStatusError) as refusal:
            acquire(served, secret=wrong)
        assert refusal.value.response.status_code in (401, 403)
    assert not acquire(served, secret=served.paths.superexec_secret.read_bytes()).token  # believed; nothing to do


def test_a_second_serve_is_refused(served):
    out, err = (second := served.command("serve", str(served.root))).communicate(timeout=60)
    assert (second.returncode, out) == (2, "")
    assert re.fullmatch(r"reticent: .* is served already; nothing was started\n", err)


def test_status_names_processes_and_their_logs(served):
    found = look(served.root)
    assert (found.serving, found.ready) == (True, True)
    assert {process.name: process.pid for process in found.processes} == served.pids()
    assert f"devices connect to {served.settings['address']}" in found.text()


def test_nothing_secret_is_printed_or_logged(served):
    written = "".join(served.lines).encode() + b"".join(log.read_bytes() for log in served.paths.logs.iterdir())
    secret = served.paths.superexec_secret.read_bytes()
    for hidden in (secret, secret.hex().encode(), b"PRIVATE KEY"):
        assert hidden not in written


def test_the_environment_of_every_process_is_clean(served):
    for pid in served.pids().values():
        inherited = psutil.Process(pid).environ()
        assert inherited["OMP_NUM_THREADS"] == "1"
        assert (inherited["FLWR_TELEMETRY_ENABLED"], inherited["FLWR_DISABLE_UPDATE_CHECK"]) == ("0", "1")
        assert not {name for name in inherited if "proxy" in name.lower() or name == "PYTEST_CURRENT_TEST"}


def test_whatever_dies_starts_again_and_registrations_stay(served, until):
    key = ec.generate_private_key(ec.SECP384R1())
    node_id = flower.register(served.paths, flower.node_public_key(pem(key)))
    before = served.pids()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)

    def renewed():
        pids = served.pids()
        return all(pids[name] not in (None, before[name]) for name in before)

    until(renewed)
    until(lambda: _answers(served))
    assert activate(served, key) == node_id
    assert {facts["restarts"] for facts in served.told()["processes"].values()} == {1}
    assert sum("starts again" in line for line in served.lines) == 3


def _answers(served):
    try:
        return post(served, "/v1/fleet/get-run") < 500
    except httpx.TransportError:
        return False


def test_ctrl_c_and_even_kill_9_end_every_process(own_server, gone, until):
    served = own_server.start()
    pids = served.pids().values()
    assert not any(gone(pid) for pid in pids)
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(timeout=60) == 0
    assert all(gone(pid) for pid in pids)
    assert not served.paths.serving.exists()
    served.end()
    if sys.platform != "linux":  # elsewhere the kernel doesn't end the children of a killed process
        return
    pids = served.start().pids().values()
    served.process.kill()
    until(lambda: all(gone(pid) for pid in pids), seconds=20)
    served.end()
    assert not look(served.root).serving


@pytest.mark.parametrize("taken", ["the gateway", "the SuperLink"])
def test_a_port_in_use_is_one_sentence_and_exit_2(own_server, taken):
    settings = own_server.settings
    port = int(settings["address"].rsplit(":", 1)[1]) if taken == "the gateway" else settings["superlink_port"]
    with socket.create_server(("127.0.0.1", port)):
        refused = own_server.command("serve", str(own_server.root))
        out, err = refused.communicate(timeout=60)
    assert (refused.returncode, out) == (2, "")
    assert err == f"reticent: port {port} on 127.0.0.1, which {taken} needs, is in use; nothing was started\n"


def test_a_process_that_cannot_start_is_one_sentence_and_leaves_nothing(own_server, gone):
    own_server.paths.database.mkdir()  # no database can be opened there
    refused = own_server.command("serve", str(own_server.root))
    out, err = refused.communicate(timeout=120)
    assert (refused.returncode, out) == (2, "")
    assert err.startswith("reticent: the superlink ended at once: ")
    assert err.count("\n") == 1
    commands = ((one.pid, one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"]))
    leftover = [pid for pid, words in commands if any(str(own_server.root) in word for word in words)]
    assert not [pid for pid in leftover if not gone(pid)]
    assert not own_server.paths.serving.exists()


def test_serve_wants_a_server_folder(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "reticent.cli", "server", "serve", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert (
        done.stderr
        == f"reticent: {tmp_path} is not a server folder; `reticent server init` makes one; nothing was changed\n"
    )
