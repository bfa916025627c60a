"""The only door from the network to the SuperLink: nine fleet calls, nothing else.

The SuperLink serves its fleet, control and runtime interfaces on one port, and its control interface asks for no
credentials. So the SuperLink listens on loopback, and devices reach this process, which forwards exactly
`POST /v1/fleet/{call}` for the calls in `CALLS`. It terminates TLS, keeps no state and can read no key but its own.
"""

import asyncio
import contextlib
import ipaddress
import logging
import resource
import ssl
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Final

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from reticent.errors import ReticentError
from reticent.model.catalogue import largest
from reticent.records.messages import HEADER_LIMIT_BYTES, VALUE_BYTES
from reticent.server.certificates import listener, trust
from reticent.server.settings import open_folder

SMALL_BYTES: Final = 64 * 1024  # of a body may be read before a slot is taken: what is idle takes none

# An announcement spells each object that its reply is made of, in 68 bytes; a genuine one has three objects and 427 bytes.
ANNOUNCEMENT_LIMIT_BYTES: Final = 1024
# The largest object of a genuine reply: a release of the largest model that a plan may name, and what Flower wraps it in.
OBJECT_LIMIT_BYTES: Final = VALUE_BYTES * largest() + 2 * HEADER_LIMIT_BYTES

# What a locked device needs, and how large its body may be. Not `get-fab` (it would hand out code), not `register-node` nor
# `unregister-node`. No reply can be larger than the objects that one announcement has room for: about 10 MB.
CALLS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "activate-node": SMALL_BYTES,
        "deactivate-node": SMALL_BYTES,
        "send-node-heartbeat": SMALL_BYTES,
        "pull-messages": SMALL_BYTES,
        "push-messages": ANNOUNCEMENT_LIMIT_BYTES,
        "get-run": SMALL_BYTES,
        "pull-object": SMALL_BYTES,
        "push-object": OBJECT_LIMIT_BYTES,
        "confirm-message-received": SMALL_BYTES,
    }
)
_PATHS: Final = {f"/v1/fleet/{call}".encode(): call for call in CALLS}
_DRAINED_BYTES: Final = 2 * OBJECT_LIMIT_BYTES

# The request and response headers that Flower uses; everything else (hop-by-hop headers, cookies, credentials of other
# interfaces such as flwr-task-token, forwarding headers) stays behind.
REQUEST_HEADERS: Final = (
    b"content-type",
    b"accept",
    b"flwr-public-key",
    b"flwr-signature",
    b"flwr-timestamp",
    b"flwr-package-name",
    b"flwr-package-version",
    b"flwr-component-name",
)
RESPONSE_HEADERS: Final = (b"content-type", b"flwr-version-incompatibility-message")

UPSTREAM_TIMEOUT_S: Final = 25.0  # below the 30 s after which a device gives up
BODY_TIMEOUT_S: Final = 25.0
SIMULTANEOUS: Final = 64  # slots; a request that holds one may hold a body and an answer in memory
FROM_ONE_PEER: Final = 16  # slots; so one address never closes the door for the others
CONNECTIONS: Final = 4096  # half of them at most from one address

_log = logging.getLogger("reticent.gateway")


def create_app(
    *,
    upstream: str,
    verify: ssl.SSLContext,
    upstream_timeout_s: float = UPSTREAM_TIMEOUT_S,
    body_timeout_s: float = BODY_TIMEOUT_S,
    simultaneous: int = SIMULTANEOUS,
    from_one_peer: int = FROM_ONE_PEER,
) -> Starlette:
    """The gateway as an ASGI application.

    upstream: `https://127.0.0.1:port` of the SuperLink; `verify` trusts its certificate and nothing else.
    Answers of its own: 400 doubled header, 404 not one of the nine calls, 405 not POST, 408 body too slow, 413 body too
    large, 502 no SuperLink, 503 too busy (devices try again), 504 SuperLink too slow.
    """
    held: Counter[str] = Counter()  # slots by peer; without the peers that hold none

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[Mapping[str, httpx.AsyncHTTPTransport]]:
        # The transport, not a client: a client would keep one device's cookies and send them with another's requests.
        limits = httpx.Limits(max_connections=simultaneous, max_keepalive_connections=simultaneous)
        async with httpx.AsyncHTTPTransport(verify=verify, trust_env=False, limits=limits) as transport:
            yield {"transport": transport}

    def give_back(peer: str) -> None:
        held[peer] -= 1
        if not held[peer]:
            del held[peer]

    async def forward(request: Request) -> Response:
        call = _PATHS.get(request.scope["raw_path"])
        if call is None or request.scope["query_string"]:
            return Response(status_code=404)
        sent = _chosen(request.headers.raw, REQUEST_HEADERS)
        if sent is None:
            return Response(status_code=400)
        peer = origin(request.client.host if request.client else "")
        with contextlib.ExitStack() as slot:

            def take() -> bool:
                if held.total() >= simultaneous or held[peer] >= from_one_peer:
                    return False
                held[peer] += 1
                slot.callback(give_back, peer)
                return True

            try:
                async with asyncio.timeout(body_timeout_s):
                    body = await _read(request, take, limit_bytes=CALLS[call])
            except TimeoutError:
                return Response(status_code=408, headers={"connection": "close"})
            except ClientDisconnect:
                return Response(status_code=400)
            if body is Refusal.BUSY:
                return Response(status_code=503, headers={"retry-after": "1"})
            if body is Refusal.TOO_LARGE:
                return Response(status_code=413, headers={"connection": "close"})
            onward = httpx.Request(
                "POST",
                f"{upstream}/v1/fleet/{call}",
                content=body,
                headers=[*sent, (b"accept-encoding", b"identity")],
            )
            try:
                async with asyncio.timeout(upstream_timeout_s):
                    reply = await request.state.transport.handle_async_request(onward)
                    content = await reply.aread()
            except TimeoutError:
                _log.warning("%s: the SuperLink did not answer within %.0f s", call, upstream_timeout_s)
                return Response(status_code=504)
            except httpx.HTTPError as error:
                _log.warning("%s: the SuperLink can't be reached (%s)", call, type(error).__name__)
                return Response(status_code=502)
        response = Response(content=content, status_code=reply.status_code)
        response.raw_headers.extend(_chosen(reply.headers.raw, RESPONSE_HEADERS) or [])
        return response

    app = Starlette(routes=[Route("/v1/fleet/{call}", forward, methods=["POST"])], lifespan=lifespan)
    app.router.redirect_slashes = False
    return app


def _chosen(headers: list[tuple[bytes, bytes]], names: tuple[bytes, ...]) -> list[tuple[bytes, bytes]] | None:
    """Those headers that go on; None if one of them came twice (which of the two counts is nobody's guess)."""
    chosen = [(name.lower(), value) for name, value in headers if name.lower() in names]
    return chosen if len({name for name, _ in chosen}) == len(chosen) else None


class Refusal(Enum):
    """Why a body was not kept."""

    BUSY = 503
    TOO_LARGE = 413


async def _read(request: Request, take: Callable[[], bool], *, limit_bytes: int) -> bytes | Refusal:
    """The whole body, or why it isn't kept; its own size counts, whatever its Content-Length says.

    take: takes the request's slot, if it may have one. It is asked once: when the body is complete, or when what has come
    is no longer small. So memory is bounded by the slots and by SMALL_BYTES a connection, and waiting for a body that does
    not come holds no slot, or one of the few of its peer.
    What is too large is read and dropped for a while, so that an honest sender is still there to see the answer.
    """
    body, size, taken = bytearray(), 0, False
    refusal: Refusal | None = None
    async for chunk in request.stream():
        size += len(chunk)
        if refusal is None and size > limit_bytes:
            refusal = Refusal.TOO_LARGE
        elif refusal is None and size > SMALL_BYTES and not taken:
            taken = take()
            refusal = None if taken else Refusal.BUSY
        if refusal is None:
            body += chunk
        else:
            body.clear()
        if size > _DRAINED_BYTES:
            break
    if refusal is None and not taken and not take():
        refusal = Refusal.BUSY
    return refusal or bytes(body)


def origin(host: str) -> str:
    """Who counts as one peer: an IPv4 address, or the 64 bits of an IPv6 address that its owner does not choose."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, 64), strict=False))


class _Protocol(H11Protocol):
    """Hangs up on a peer that still sends a body after it was answered, or that has half of all connections already.

    uvicorn closes the first politely, which lets the peer send for 30 s more into memory that nothing bounds. And it waits
    for ever for the first request of a connection: only a cap for each peer keeps idle ones from filling the house.
    """

    peer = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.peer = origin(self.client[0] if self.client else "")
        most = (self.limit_concurrency or CONNECTIONS) // 2
        if sum(getattr(one, "peer", None) == self.peer for one in self.connections) > most:
            transport.abort()

    def on_response_complete(self) -> None:
        if self.cycle.more_body:
            self.transport.abort()
        super().on_response_complete()


def configuration(
    app: Starlette, *, host: str, port: int, certificate: Path, key: Path, connections: int = CONNECTIONS
) -> uvicorn.Config:
    """uvicorn's settings: h11 (a strict parser), no access log, no trust in forwarding headers."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=_Protocol,
        ws="none",
        lifespan="on",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        limit_concurrency=connections,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=16 * 1024,
        log_level="warning",
        ssl_context_factory=lambda _config, _default: listener(certificate, key),
    )


def main(root: Path) -> None:
    """Serve until SIGTERM."""
    paths, settings = open_folder(root)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a device holds a connection or two
    app = create_app(upstream=f"https://127.0.0.1:{settings.superlink_port}", verify=trust(paths.ca_certificate))
    uvicorn.Server(
        configuration(
            app,
            host=settings.listen,
            port=settings.port,
            certificate=paths.certificate,
            key=paths.certificate_key,
        )
    ).run()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (ReticentError, OSError) as error:
        sys.exit(str(error))
