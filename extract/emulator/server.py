"""The endpoint: one loopback port on which the services and the control calls are answered."""

import contextlib
import json
import os
import signal
import socket
import socketserver
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from typing import Any

from extract.emulator.control import PREFIX, answer_control
from extract.emulator.identity import (
    Sessions,
    answer_list_regions,
    answer_sts,
    caller_of,
    sts_error,
)
from extract.emulator.imagebuilder import answer_list
from extract.emulator.settings import Settings
from extract.emulator.wire import Answer, Request, close_hard, requests_of, send_answer
from extract.emulator.world import ApiError, World

HOST = "127.0.0.1"
OPERATIONS = {
    "/ListImageBuildVersions": "ListImageBuildVersions",
    "/ListImages": "ListImages",
    "/listRegions": "ListRegions",
    "/list-regions": "ListRegions",
    "/": "STS",
}


class Endpoint(socketserver.ThreadingTCPServer):
    """A server that carries its world."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, settings: Settings) -> None:
        self.world = World(settings)
        self.sessions = Sessions()
        super().__init__((HOST, settings.port), Connection)

    @property
    def url(self) -> str:
        """The address that clients take as their endpoint URL."""
        return f"http://{HOST}:{self.server_address[1]}"

    def answer(self, request: Request) -> Answer:
        """Return the answer to any request."""
        if request.path.startswith(PREFIX):
            return answer_control(self.world, request)
        operation = OPERATIONS.get(request.path.partition("?")[0], "")
        started = time.monotonic()
        entry: dict[str, Any] = {
            "account": None, "region": None, "operation": operation, "access_key_id": None,
            "token": None, "max_results": None, "page": None, "items": None,
        }  # fmt: skip
        try:
            answer = self._answer(operation, request, entry)
        except ApiError as error:
            entry["error"] = error.name
            answer = sts_error(error) if operation == "STS" else error_answer(error)
        self.world.record(entry | {"status": answer.status}, started)
        return answer

    def _answer(self, operation: str, request: Request, entry: dict[str, Any]) -> Answer:
        caller = caller_of(self.world, self.sessions, request.headers)
        entry |= caller._asdict()
        if not operation or request.method != "POST":
            raise ApiError(404, "UnknownOperationException", f"{request.method} {request.path}")
        if operation == "STS":
            return answer_sts(self.world, self.sessions, caller, request)
        if operation == "ListRegions":
            return answer_list_regions(self.world, caller, request.body)
        return answer_list(self.world, caller, operation, request.body, entry)


class Connection(socketserver.BaseRequestHandler):
    """One client's connection, kept alive over many requests."""

    server: Endpoint

    def handle(self) -> None:
        """Answer requests until either side ends the connection."""
        connection: socket.socket = self.request
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = connection.makefile("rb")
        # A client that goes away, or speaks no HTTP, ends its own connection and nothing else.
        with contextlib.suppress(OSError, ValueError):
            for request in requests_of(connection, stream):
                if not send_answer(connection, _with_request_id(self._answer(request))):
                    break
        close_hard(connection, stream)

    def _answer(self, request: Request) -> Answer:
        try:
            return self.server.answer(request)
        except Exception:
            # The emulator's own mistake must look like one, not like a scripted fault.
            sys.stderr.write(traceback.format_exc())
            return error_answer(ApiError(500, "EmulatorError", traceback.format_exc(limit=-1)))


def error_answer(error: ApiError) -> Answer:
    """Return an error in AWS's rest-json form."""
    headers = (("x-amzn-ErrorType", f"{error.name}:"), *error.headers)
    return Answer(error.status, json.dumps({"message": error.message}).encode(), headers=headers)


def run(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT, SIGTERM or, with `watch_stdin`, the end of stdin.

    `announce` gets the URL once the port is open. Raises OSError where the port is taken.
    """
    stop = threading.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
    if settings.watch_stdin:
        threading.Thread(target=_wait_for_stdin, args=(stop,), daemon=True).start()
    with Endpoint(settings) as endpoint:
        serving = threading.Thread(target=endpoint.serve_forever, args=(0.1,), daemon=True)
        serving.start()
        announce(endpoint.url)
        stop.wait()
        endpoint.shutdown()


def _wait_for_stdin(stop: threading.Event) -> None:
    # The raw descriptor: a buffered read in a daemon thread upsets the interpreter's exit.
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    stop.set()


def _with_request_id(answer: Answer) -> Answer:
    if any(name == "x-amzn-RequestId" for name, _ in answer.headers):
        return answer
    return answer._replace(headers=(*answer.headers, ("x-amzn-RequestId", str(uuid.uuid4()))))
