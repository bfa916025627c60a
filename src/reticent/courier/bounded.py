"""How much a server may answer: every answer has a size and a time that it may not pass, whatever it claims."""

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import httpx

SMALL_BYTES: Final = 256 * 1024
_SLOWEST_BYTES_PER_S: Final = 100_000
_PATIENCE_S: Final = 30.0

_limit_bytes: ContextVar[int] = ContextVar("limit_bytes", default=SMALL_BYTES)


class Excess(Exception):
    """An answer that is larger, slower or otherwise encoded than was asked for."""


class _BoundedStream(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, limit_bytes: int, deadline: float) -> None:
        self._stream, self._left, self._deadline = stream, limit_bytes, deadline

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            self._left -= len(chunk)
            if self._left < 0 or time.monotonic() > self._deadline:
                raise Excess
            yield chunk

    def close(self) -> None:
        self._stream.close()


class BoundedTransport(httpx.BaseTransport):
    """HTTP/1.1 over TLS without compression, proxies or retries, with a bound on every answer."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._inner = httpx.HTTPTransport(verify=context, trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        limit_bytes = _limit_bytes.get()
        request.headers["accept-encoding"] = "identity"
        answer = self._inner.handle_request(request)
        if answer.headers.get("content-encoding", "identity") != "identity":
            answer.close()
            raise Excess
        if not isinstance(answer.stream, httpx.SyncByteStream):
            raise Excess
        deadline = time.monotonic() + _PATIENCE_S + limit_bytes / _SLOWEST_BYTES_PER_S
        stream = _BoundedStream(answer.stream, limit_bytes, deadline)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=stream, extensions=answer.extensions)

    def close(self) -> None:
        self._inner.close()


@contextmanager
def bound(*, limit_bytes: int) -> Iterator[None]:
    """Allow answers of `limit_bytes` to the calls that this thread makes inside."""
    token = _limit_bytes.set(limit_bytes)
    try:
        yield
    finally:
        _limit_bytes.reset(token)
