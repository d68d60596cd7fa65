"""An endpoint on loopback that gives every request the same answer, with TLS where it is to."""

import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

EVIL = "\x1b]0;owned\x07\x1b[31m\u202e"
"""Text that sets a terminal's title, colours what follows and turns it around."""
EVIL_SHOWN = r"\x1b]0;owned\x07\x1b[31m\u202e"
DENIED = {"x-amzn-ErrorType": "AccessDeniedException"}


def is_harmless(text: str) -> bool:
    """Whether a terminal would show the text and obey none of it."""
    return not set(text) & set("\x1b\x07\u202e")


@contextmanager
def answering(
    body: object,
    status: int = 200,
    headers: Mapping[str, str] = {},
    tls: ssl.SSLContext | None = None,
) -> Iterator[str]:
    """The endpoint's address."""
    content = json.dumps(body).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """A client that does not trust it ends the connection."""

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
