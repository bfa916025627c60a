"""Against a real upstream over real TLS: what goes through, and that nothing else does."""

import contextlib
import socket
import ssl
import threading

import httpx
import pytest

from reticent.server import gateway
from tests.server.door import opened, running, upload

LARGE = 2 * gateway.SMALL_BYTES


@pytest.mark.parametrize("call", sorted(gateway.CALLS))
def test_the_nine_calls_go_through_both_ways(door, call):
    answer = door.client.post(f"/v1/fleet/{call}", content=b"abc", headers={"content-type": "application/x-protobuf"})
    assert (answer.status_code, answer.content) == (200, b"cba")
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert [(method, path, body) for method, path, _, body in door.upstream.seen] == [
        ("POST", f"/v1/fleet/{call}".encode(), b"abc")
    ]


def test_an_upstream_error_comes_back_as_it_is(door):
    assert door.client.post("/v1/fleet/get-run", content=b"teapot").status_code == 418


@pytest.mark.parametrize(
    "path",
    [
        "/v1/fleet/get-fab",
        "/v1/fleet/register-node",
        "/v1/fleet/unregister-node",
        "/v1/control/start-run",
        "/v1/control/register-node",
        "/v1/runtime/acquire-task",
        "/health",
        "/docs",
        "/openapi.json",
        "/",
        "/v1/fleet/",
        "/v1/fleet/get-run/",
        "//v1/fleet/get-run",
        "/v1//fleet/get-run",
        "/V1/fleet/get-run",
        "/v1/fleet/GET-RUN",
        "/v1/fleet/./get-run",
        "/v1/fleet/../fleet/get-run",
        "/v1/fleet/../control/start-run",
        "/v1/fleet/get-run/../../control/start-run",
        "/v1/fleet/%67et-run",
        "/v1/fleet/get%2Drun",
        "/v1/fleet%2Fget-run",
        "/v1/fleet/..%2Fcontrol%2Fstart-run",
        "/v1/fleet/%2e%2e/control/start-run",
        "/v1/fleet/get-run%00",
        "/v1/fleet/get-run%0d%0aX:%20y",
        "/v1/fleet/get-run;x=1",
        "/v1/fleet/get-run?x=1",
        "/v1/fleet/get-run?../../control/start-run",
        "https://127.0.0.1/v1/fleet/get-run",
        "http://127.0.0.1/v1/control/start-run",
    ],
)
def test_every_other_path_is_404_and_reaches_nothing(door, path):
    request = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    assert door.raw(request.encode()).startswith(b"HTTP/1.1 404")
    assert door.upstream.seen == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"])
def test_every_other_method_is_refused(door, method):
    request = f"{method} /v1/fleet/get-run HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    assert door.raw(request.encode())[:12] in (b"HTTP/1.1 405", b"HTTP/1.1 400")
    assert door.upstream.seen == []


def test_only_flowers_own_fleet_headers_go_on(door):
    headers = {
        "flwr-public-key": "k",
        "flwr-signature": "s",
        "flwr-timestamp": "t",
        "flwr-task-token": "steal",
        "flwr-superexec-signature": "steal",
        "authorization": "steal",
        "cookie": "steal",
        "x-forwarded-for": "steal",
        "upgrade": "h2c",
        "te": "trailers",
        "connection": "flwr-signature, upgrade",
    }
    for _ in range(2):  # the second time, the upstream's cookie of the first has come back
        door.client.post("/v1/fleet/get-run", content=b"x", headers=headers)
    reached = door.upstream.seen[-1][2]
    names = {name.decode() for name, _ in reached}
    assert names >= {"flwr-public-key", "flwr-signature", "flwr-timestamp"}
    assert names <= {
        *(name.decode() for name in gateway.REQUEST_HEADERS),
        *("host", "content-length", "accept-encoding", "connection", "user-agent"),
    }
    assert b"steal" not in b"".join(value for _, value in reached)


def test_the_answer_carries_no_cookie_nor_internal_header(door):
    answer = door.client.post("/v1/fleet/get-run", content=b"x")
    assert set(answer.headers) == {"content-type", "content-length"}


@pytest.mark.parametrize(
    "headers",
    [
        "content-length: 5\r\ncontent-length: 6",
        "content-length: +5",
        "content-length: 5, 5, 6",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: xchunked",
        "flwr-public-key: a\r\nflwr-public-key: b\r\ncontent-length: 5",
        "bad header: x\r\ncontent-length: 5",
        "content-length : 5",
    ],
)
def test_ambiguous_framing_or_headers_are_refused(door, headers):
    request = f"POST /v1/fleet/get-run HTTP/1.1\r\nhost: x\r\n{headers}\r\nconnection: close\r\n\r\nhello"
    assert door.raw(request.encode())[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 501")
    assert door.upstream.seen == []


def test_a_request_hidden_behind_two_framings_reaches_nothing(door):
    hidden = b"POST /v1/control/start-run HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
    request = (
        b"POST /v1/fleet/get-run HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\ntransfer-encoding: chunked\r\n\r\n"
        b"0\r\n\r\n" % len(b"0\r\n\r\n" + hidden)
    ) + hidden
    door.raw(request + b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert {path for _, path, _, _ in door.upstream.seen} <= {b"/v1/fleet/get-run"}


def test_a_slow_upstream_is_504(tmp_path):
    with opened(tmp_path, upstream_timeout_s=0.3) as door:
        assert door.client.post("/v1/fleet/get-run", content=b"slow").status_code == 504
        assert door.client.post("/v1/fleet/get-run", content=b"fast").status_code == 200


def test_a_body_that_does_not_come_is_408(tmp_path):
    with opened(tmp_path, body_timeout_s=0.3) as door:
        answer = door.raw(b"POST /v1/fleet/get-run HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhel")
        assert answer.startswith(b"HTTP/1.1 408")
        assert door.upstream.seen == []


def test_a_dead_upstream_is_502_and_so_is_one_with_another_certificate(tmp_path):
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    with opened(tmp_path / "ours") as ours, opened(tmp_path / "theirs") as theirs:
        tls = {"certificate": tmp_path / "ours" / "crt", "key": tmp_path / "ours" / "key"}
        with socket.create_server(("127.0.0.1", 0)) as reserved:
            dead = reserved.getsockname()[1]
        for port in (dead, theirs.port):
            app = gateway.create_app(upstream=f"https://127.0.0.1:{port}", verify=ours.trust)
            with running(gateway.configuration(app, host="127.0.0.1", port=0, **tls)) as door:
                url = f"https://127.0.0.1:{door}/v1/fleet/get-run"
                assert httpx.post(url, verify=ours.trust, trust_env=False).status_code == 502


def test_more_requests_at_once_than_allowed_are_503(tmp_path):
    with opened(tmp_path, simultaneous=2) as door:
        answers = []

        def ask():
            answers.append(door.client.post("/v1/fleet/get-run", content=b"slow").status_code)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        while len(door.upstream.seen) < 2:
            threads[0].join(0.01)
        assert door.client.post("/v1/fleet/get-run", content=b"one too many").status_code == 503
        door.upstream.release.set()
        for thread in threads:
            thread.join()
        assert answers == [200, 200]
        assert door.client.post("/v1/fleet/get-run", content=b"again").status_code == 200


def test_requests_whose_body_does_not_come_take_no_slot(tmp_path):
    with opened(tmp_path, simultaneous=2) as door, contextlib.ExitStack() as idle:
        for _ in range(2):
            tls = idle.enter_context(door.connected())
            tls.sendall(upload(100).replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n"))
            assert tls.recv(100).startswith(b"HTTP/1.1 100")  # the gateway waits for the body now
        assert door.client.post("/v1/fleet/get-run", content=b"x").status_code == 200


def test_one_address_holds_its_own_share_of_the_slots_and_gets_503_beyond_it(tmp_path):
    elsewhere = "127.0.0.2"
    with opened(tmp_path, simultaneous=4, from_one_peer=2) as door, contextlib.ExitStack() as held:
        for _ in range(8):  # large bodies that never end; as soon as one is refused, the share is taken
            tls = held.enter_context(door.connected(source=elsewhere))
            tls.sendall(upload(LARGE, bytes(LARGE - 1)))
        transport = httpx.HTTPTransport(verify=door.trust, local_address=elsewhere)
        with httpx.Client(transport=transport, base_url=door.client.base_url, timeout=20) as neighbour:
            assert any(neighbour.post("/v1/fleet/get-run", content=b"x").status_code == 503 for _ in range(2000))
            assert door.client.post("/v1/fleet/get-run", content=b"x").status_code == 200
            assert door.client.post("/v1/fleet/push-object", content=bytes(LARGE)).status_code == 200
            held.close()
            assert any(neighbour.post("/v1/fleet/get-run", content=b"x").status_code == 200 for _ in range(2000))


def test_one_address_can_not_take_all_connections(tmp_path):
    with opened(tmp_path, connections=8) as door, contextlib.ExitStack() as idle:
        for _ in range(4):  # half of them; answered once, so that they are known to be there
            tls = idle.enter_context(door.connected(source="127.0.0.2"))
            tls.sendall(upload(1, b"x"))
            assert tls.recv(100).startswith(b"HTTP/1.1 200")
        for _ in range(4):  # these are hung up on
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                tls = idle.enter_context(door.connected(source="127.0.0.2"))
                assert tls.recv(1) == b""
        assert door.client.post("/v1/fleet/get-run", content=b"x").status_code == 200


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
def test_a_peer_is_an_ipv4_address_or_the_network_of_an_ipv6_address(one, other, same):
    assert (gateway.origin(one) == gateway.origin(other)) is same


def test_a_client_with_older_tls_is_refused(door):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", door.port)) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain)
