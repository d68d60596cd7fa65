"""S3 as the tests have it: moto's server, buckets of their own, and a proxy that gets in the way."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from tests.aws import Moto

REGION = "eu-west-1"
_LEFT_OUT = {"connection", "date", "server", "transfer-encoding", "content-length"}


@dataclass(frozen=True)
class Call:
    """A request: its method, its path with the query, and its headers, names in lower case."""

    method: str
    path: str
    headers: dict[str, str]


Trouble = Callable[[Call], int | str | None]
"""What becomes of a request: None passes it on; a status or an error's code refuses it. `hang` and
`break` keep it from the store; `break after` has the store do it and loses the answer."""


@dataclass
class Proxy:
    """An endpoint in front of a store; `ahead` is how far the store's clock seems to be."""

    url: str
    trouble: Trouble = lambda _: None
    ahead: timedelta = timedelta(0)
    calls: list[Call] = field(default_factory=list)


def environment(url: str, home: Path) -> dict[str, str]:
    """The variables that send the SDK to that endpoint of S3; `home` is for the spool."""
    return {
        "AWS_ENDPOINT_URL_S3": url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": REGION,
        "XDG_CACHE_HOME": str(home),
    }


@cache
def client(moto: Moto) -> Any:
    """A client of the store itself, whatever the AWS chain points at; making one takes a while."""
    return moto.client("s3")


def new_bucket(moto: Moto) -> str:
    """The name of a bucket that nobody else uses."""
    name = f"lake-{uuid4().hex}"
    client(moto).create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    return name


def put_many(moto: Moto, bucket: str, keys: Iterable[str]) -> None:
    """An object of one byte under each key; the SDK would take several times as long."""
    connection = HTTPConnection(urlsplit(moto.url).netloc, timeout=30)
    for key in keys:
        connection.request("PUT", f"/{bucket}/{key}", b"x")
        assert connection.getresponse().read() == b""
    connection.close()


@contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    """A proxy in front of an endpoint; it stops at the end."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_call(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            running.calls.append(Call(self.command, self.path, headers))
            trouble = running.trouble(running.calls[-1])
            if trouble == "hang":
                ended.wait(60)
            if trouble == "break after":
                _forwarded(upstream, running.calls[-1], body)
            if trouble in ("hang", "break", "break after"):
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
            elif trouble is None:
                self._answer(*_forwarded(upstream, running.calls[-1], body))
            else:
                code = "InternalError" if isinstance(trouble, int) else trouble
                status = trouble if isinstance(trouble, int) else 403
                words = f"<Error><Code>{code}</Code><Message>No.</Message></Error>"
                self._answer(status, [("Content-Type", "application/xml")], words.encode())

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_call  # noqa: N815 - the base's names

        def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response_only(status)
            now = datetime.now(UTC) + running.ahead
            self.send_header("Date", format_datetime(now, usegmt=True))
            for name, value in headers:
                if name.lower() not in _LEFT_OUT:
                    self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(body)))
            else:
                self.send_header("Content-Length", dict(headers).get("Content-Length", "0"))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        running = Proxy(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield running
        finally:
            ended.set()
            server.shutdown()
            thread.join()


def _forwarded(upstream: str, call: Call, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    connection = HTTPConnection(urlsplit(upstream).netloc, timeout=30)
    try:
        passed = {n: v for n, v in call.headers.items() if n not in ("expect", "connection")}
        connection.request(call.method, call.path, body, passed)
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        connection.close()
