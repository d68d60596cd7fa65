"""Other AWS services over HTTP on loopback: moto's server, and endpoints that a test scripts."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3

Answer = Callable[[str, dict[str, str], bytes], tuple[int, bytes]]
"""From a request's path, its headers (names in lower case) and its body to status and body."""


@dataclass(frozen=True)
class Moto:
    """A running moto server; `recording` is the file of the requests that it got."""

    url: str
    recording: Path

    def client(self, service: str, region: str = "us-east-1") -> Any:
        """A client of its management account."""
        return boto3.Session().client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - no secret: moto takes any
        )

    def record(self) -> None:
        """Forgets the requests so far and records those that come."""
        for call in ("reset", "start"):
            url = f"{self.url}/moto-api/recorder/{call}-recording"
            urlopen(Request(url, method="POST"), timeout=10).close()  # noqa: S310 - our own server's address

    def requests(self) -> list[dict[str, str]]:
        """The recorded requests' headers, names in lower case, oldest first."""
        if not self.recording.exists():
            return []
        entries = map(json.loads, self.recording.read_text().splitlines())
        return [{n.lower(): v for n, v in entry["headers"].items()} for entry in entries]


@contextmanager
def moto_server(folder: Path, account_id: str) -> Iterator[Moto]:
    """A moto server whose callers are all of `account_id`; it stops at the end."""
    recording = folder / "recording"
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "MOTO_ACCOUNT_ID": account_id,
            "MOTO_RECORDER_FILEPATH": str(recording),
        },
    )
    with process:  # waits for its end
        assert process.stderr is not None
        try:
            announced = next(line for line in process.stderr if "Running on" in line)
            threading.Thread(target=process.stderr.read, daemon=True).start()  # its access log
            yield Moto(announced.split()[-1], recording)
        finally:
            process.terminate()


@contextmanager
def endpoint(answer: Answer) -> Iterator[str]:
    """The URL of an endpoint that answers as the function says."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            status, content = answer(self.path, headers, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def refusing(code: str) -> Answer:
    """Answers every request of a JSON or query service with this error."""

    def answer(path: str, headers: dict[str, str], _: bytes) -> tuple[int, bytes]:
        assert path
        if "json" in headers.get("content-type", ""):
            return 400, json.dumps({"__type": code, "Message": "No."}).encode()
        error = f"<Error><Code>{code}</Code><Message>No.</Message></Error>"
        return 403, f"<Response><Errors>{error}</Errors></Response>".encode()

    return answer


def answering(status: int, body: str) -> AbstractContextManager[str]:
    """An endpoint that gives every request the same answer; its URL."""
    return endpoint(lambda *_: (status, body.encode()))
