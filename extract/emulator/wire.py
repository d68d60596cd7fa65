"""HTTP/1.1 on a socket, no more than AWS clients need: keep-alive and one send an answer."""

import contextlib
import socket
import struct
from collections.abc import Iterator, Mapping
from typing import BinaryIO, NamedTuple

REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found"} | {
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
LINE_MOST = 65_536
BODY_MOST = 1 << 30


class Request(NamedTuple):
    """One request; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    """One answer; `breakage` is `reset` or `truncate` where the connection shall break."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    breakage: str = ""


def requests_of(connection: socket.socket, stream: BinaryIO) -> Iterator[Request]:
    """Yield the requests of a connection until its peer ends it or asks for its end."""
    while line := stream.readline(LINE_MOST):
        if not line.strip():
            continue
        method, path, protocol = line.decode("latin-1").split()
        headers = _headers(stream)
        if headers.get("expect", "").lower() == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        yield Request(method, path, headers, _body(stream, headers))
        wish = headers.get("connection", "").lower()
        if wish == "close" or (protocol == "HTTP/1.0" and wish != "keep-alive"):
            return


def send_answer(connection: socket.socket, answer: Answer) -> bool:
    """Send the answer in one piece; return whether the connection can go on."""
    if answer.breakage == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False
    reason = REASONS.get(answer.status, "Unknown")
    head = [f"HTTP/1.1 {answer.status} {reason}", f"Content-Type: {answer.content_type}"]
    head += [f"{name}: {value}" for name, value in answer.headers]
    head.append(f"Content-Length: {len(answer.body)}\r\n\r\n")
    body = answer.body[: len(answer.body) // 2] if answer.breakage else answer.body
    connection.sendall("\r\n".join(head).encode("latin-1") + body)
    return not answer.breakage


def close_hard(connection: socket.socket, stream: BinaryIO) -> None:
    """Close both holders of the socket, so that its linger option takes effect at once."""
    with contextlib.suppress(OSError):
        stream.close()
    connection.close()


def _headers(stream: BinaryIO) -> dict[str, str]:
    headers = {}
    while (line := stream.readline(LINE_MOST)) not in (b"\r\n", b"\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers


def _body(stream: BinaryIO, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return b"".join(_chunks(stream))
    length = int(headers.get("content-length") or 0)
    if not 0 <= length <= BODY_MOST:
        raise ValueError(f"content-length {length}: expected 0 to {BODY_MOST}")
    return stream.read(length) if length else b""


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while size := int(stream.readline(LINE_MOST).split(b";")[0], 16):
        yield stream.read(size)
        stream.readline(LINE_MOST)
    stream.readline(LINE_MOST)
