"""A gateway over real TLS before an upstream that remembers what reached it."""

import asyncio
import contextlib
import datetime
import socket
import ssl
import threading
from dataclasses import dataclass, field

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from reticent.server import gateway
from reticent.server.certificates import issue, trust


@dataclass
class Upstream:
    """A stand-in for the SuperLink that remembers what reached it. It answers every path."""

    seen: list = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    async def answer(self, request):
        body = await request.body()
        self.seen.append((request.method, request.scope["raw_path"], request.headers.raw, body))
        while body == b"slow" and not self.release.is_set():
            await asyncio.sleep(0.01)
        headers = {"content-type": "application/x-protobuf", "set-cookie": "no", "x-internal": "no"}
        return Response(body[::-1], status_code=418 if body == b"teapot" else 200, headers=headers)


@contextlib.contextmanager
def running(config):
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        thread.join(0.01)
    assert server.started
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


@dataclass
class Door:
    port: int
    upstream: Upstream
    trust: ssl.SSLContext
    client: httpx.Client

    def connected(self, *, source="127.0.0.1"):
        plain = socket.create_connection(("127.0.0.1", self.port), source_address=(source, 0))
        tls = self.trust.wrap_socket(plain, server_hostname="127.0.0.1")
        tls.settimeout(10)
        return tls

    def raw(self, request):
        """The first line of the answer to these exact bytes, and what follows."""
        with (
            socket.create_connection(("127.0.0.1", self.port)) as plain,
            self.trust.wrap_socket(plain, server_hostname="127.0.0.1") as tls,
        ):
            tls.sendall(request)
            answer = b""
            with contextlib.suppress(TimeoutError):
                tls.settimeout(5)
                while chunk := tls.recv(65536):
                    answer += chunk
            return answer


@contextlib.contextmanager
def opened(folder, connections=gateway.CONNECTIONS, **limits):
    upstream = Upstream()
    issued = issue(["127.0.0.1"], now=datetime.datetime.now(datetime.UTC))
    for name, data in (("ca", issued.ca_certificate), ("crt", issued.certificate), ("key", issued.key)):
        (folder / name).write_bytes(data)
    believed = trust(folder / "ca")
    behind = Starlette(routes=[Route("/{path:path}", upstream.answer, methods=["GET", "POST", "PUT", "DELETE"])])
    tls = {"certificate": folder / "crt", "key": folder / "key"}
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(running(gateway.configuration(behind, host="127.0.0.1", port=0, **tls)))
        app = gateway.create_app(upstream=f"https://127.0.0.1:{port}", verify=believed, **limits)
        front = gateway.configuration(app, host="127.0.0.1", port=0, connections=connections, **tls)
        port = stack.enter_context(running(front))
        stack.callback(upstream.release.set)
        client = httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=believed, trust_env=False, timeout=20)
        yield Door(port, upstream, believed, stack.enter_context(client))


def upload(size, body=b""):
    return b"POST /v1/fleet/push-object HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size + body
