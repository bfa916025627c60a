"""An HTTPS server on loopback that answers every call by a script."""

import contextlib
import datetime
import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reticent.server.certificates import issue

Script = Callable[[http.server.BaseHTTPRequestHandler], None]


@dataclass
class Server:
    """One HTTPS server on loopback; `script` answers every call."""

    port: int
    ca_certificate: str
    script: Script = field(default=lambda handler: handler.send_error(404))
    calls: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    encodings: list[str] = field(default_factory=list)


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Server]:
    made = issue(["127.0.0.1"], now=datetime.datetime.now(datetime.UTC))
    (folder / "server.pem").write_bytes(made.certificate)
    (folder / "server.key").write_bytes(made.key)
    server = Server(0, made.ca_certificate.decode())

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            server.bodies.append(self.rfile.read(int(self.headers.get("content-length", 0))))
            server.calls.append(self.path)
            server.encodings.append(self.headers["accept-encoding"])
            with contextlib.suppress(OSError):
                server.script(self)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    listener.socket = context.wrap_socket(listener.socket, server_side=True)
    listener.handle_error = lambda *_: None  # type: ignore[method-assign]
    server.port = listener.server_address[1]
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


def body(content: bytes, *, status: int = 200, **headers: str) -> Script:
    def script(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("connection", "close")  # said, so that no next call is sent into a connection that closes
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        if "content_length" not in headers:
            handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return script
