"""A real Prefect server on loopback, and a relay before it that can be cut."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any, Final, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

START_SECONDS = 120.0
"""A server takes 8 to 18 s to start; the rest is for a busy machine."""
Found = TypeVar("Found")


def binary(name: str) -> str:
    """A command of this environment."""
    return str(Path(sys.executable).with_name(name))


SERVER: Final = [binary("prefect"), "server", "start", "--host", "127.0.0.1"]


@contextmanager
def serving(home: Path) -> Iterator[str]:
    """The API's address while a server serves it on a free port; its data is in `home`."""
    port = free_port()
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*SERVER, "--port", str(port)],
            stdout=log,
            stderr=log,
            env={
                **os.environ,
                "PREFECT_HOME": str(home),
                "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            },
        )
        try:
            url = f"http://127.0.0.1:{port}/api"
            wait_for(lambda: is_healthy(url, server), START_SECONDS, home / "server.log")
            yield url
        finally:
            server.terminate()
            server.wait(30)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def is_healthy(url: str, server: subprocess.Popen[bytes]) -> bool:
    assert server.poll() is None, "the Prefect server ended at once"
    try:
        with urlopen(f"{url}/health", timeout=5):  # noqa: S310 - our own server's address
            return True
    except (URLError, ConnectionError):
        return False


def wait_for(find: Callable[[], Found | None], seconds: float, log: Path | None = None) -> Found:
    """The first true answer; where none comes in time, an error with the end of the log."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := find():
            return found
        time.sleep(0.2)
    said = log.read_text()[-4000:] if log else ""
    raise AssertionError(f"nothing came of {find} in {seconds} s\n{said}")


def post(url: str, body: object, method: str = "POST") -> Any:
    headers = {"Content-Type": "application/json"}
    return _answer(Request(url, json.dumps(body).encode(), headers, method=method))  # noqa: S310 - our own server's address


def get(url: str) -> Any:
    return _answer(Request(url))  # noqa: S310 - our own server's address


def _answer(request: Request) -> Any:
    """The answer; a busy server says 503 where its database is locked, and to ask again."""

    def answer() -> bytes | None:
        try:
            with urlopen(request, timeout=30) as answer:  # noqa: S310 - our own server's address
                return bytes(answer.read() or b"null")
        except HTTPError as error:
            if error.code != 503:
                raise
            return None

    return json.loads(wait_for(answer, START_SECONDS))


class Relay:
    """Hands on every connection to a server, and can be down, as that server could be."""

    def __init__(self, api: str) -> None:
        self.server_api = api
        self._server = int(api.rpartition(":")[2].removesuffix("/api"))
        self._port = free_port()
        self._open: set[socket.socket] = set()
        self.api = f"http://127.0.0.1:{self._port}/api"
        self.up()

    def up(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self._port))
        Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def down(self) -> None:
        """Nobody can connect, and every connection breaks."""
        for connection in (self._listener, *self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
                self._open |= {client, server}
                Thread(target=_pump, args=(client, server), daemon=True).start()
                Thread(target=_pump, args=(server, client), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
