"""The only door from the network to the SuperLink: nine fleet calls, nothing else.

The SuperLink serves its fleet, control and runtime interfaces on one port, and its control interface asks for no
credentials. So the SuperLink listens on loopback, and devices reach this process, which forwards exactly
`POST /v1/fleet/{call}` for the calls in `CALLS`. It terminates TLS, keeps no state and can read no key but its own.
"""

import asyncio
import contextlib
import logging
import resource
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from reticent.errors import ReticentError
from reticent.server.certificates import listener, trust
from reticent.server.settings import open_folder

# What a locked device needs. Not `get-fab` (it would hand out code), not `register-node` nor `unregister-node`.
CALLS: Final = frozenset(
    {
        "activate-node",
        "deactivate-node",
        "send-node-heartbeat",
        "pull-messages",
        "push-messages",
        "get-run",
        "pull-object",
        "push-object",
        "confirm-message-received",
    }
)
_PATHS: Final = {f"/v1/fleet/{call}".encode(): call for call in CALLS}

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

BODY_LIMIT_BYTES: Final = 8 * 1024 * 1024  # arrays travel in chunks of 5 MiB
UPSTREAM_TIMEOUT_S: Final = 25.0  # below the 30 s after which a device gives up
BODY_TIMEOUT_S: Final = 25.0
SIMULTANEOUS: Final = 64  # requests being read or forwarded; each may hold a body and a reply of 8 MiB in memory
CONNECTIONS: Final = 4096

_log = logging.getLogger("reticent.gateway")


def create_app(
    *,
    upstream: str,
    verify: ssl.SSLContext,
    upstream_timeout_s: float = UPSTREAM_TIMEOUT_S,
    body_timeout_s: float = BODY_TIMEOUT_S,
    simultaneous: int = SIMULTANEOUS,
) -> Starlette:
    """The gateway as an ASGI application.

    upstream: `https://127.0.0.1:port` of the SuperLink; `verify` trusts its certificate and nothing else.
    Answers of its own: 400 doubled header, 404 not one of the nine calls, 405 not POST, 408 body too slow, 413 body too
    large, 502 no SuperLink, 503 too busy (devices try again), 504 SuperLink too slow.
    """
    free = asyncio.Semaphore(simultaneous)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[Mapping[str, httpx.AsyncHTTPTransport]]:
        # The transport, not a client: a client would keep one device's cookies and send them with another's requests.
        limits = httpx.Limits(max_connections=simultaneous, max_keepalive_connections=simultaneous)
        async with httpx.AsyncHTTPTransport(verify=verify, trust_env=False, limits=limits) as transport:
            yield {"transport": transport}

    async def forward(request: Request) -> Response:
        call = _PATHS.get(request.scope["raw_path"])
        if call is None or request.scope["query_string"]:
            return Response(status_code=404)
        sent = _chosen(request.headers.raw, REQUEST_HEADERS)
        if sent is None:
            return Response(status_code=400)
        busy = free.locked()
        async with contextlib.AsyncExitStack() as slot:
            if not busy:
                await slot.enter_async_context(free)
            try:
                async with asyncio.timeout(body_timeout_s):
                    body = await _read(request, keep=not busy)
            except TimeoutError:
                return Response(status_code=408, headers={"connection": "close"})
            except ClientDisconnect:
                return Response(status_code=400)
            if busy:
                return Response(status_code=503, headers={"retry-after": "1"})
            if body is None:
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


async def _read(request: Request, *, keep: bool) -> bytes | None:
    """The whole body; None if it isn't kept or is larger than the limit, whatever its Content-Length says.

    Up to twice the limit is read and dropped, so that an honest sender is still there to see the answer.
    """
    body, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        keep = keep and size <= BODY_LIMIT_BYTES
        if keep:
            body += chunk
        else:
            body.clear()
        if size > 2 * BODY_LIMIT_BYTES:
            break
    return bytes(body) if keep else None


class _Protocol(H11Protocol):
    """Hangs up on a peer that still sends a body after it was answered.

    uvicorn closes such a connection politely, which lets the peer send for 30 s more into memory that nothing bounds.
    """

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
