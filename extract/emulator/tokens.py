"""Page tokens: a position bound to its request and signed; refused when foreign or too old.

The text of a token is a pure function of seed, request and position, so that the same fleet
gives the same bytes; when a token was handed out is remembered beside it.
"""

import base64
import hmac
import json
import time
from collections import OrderedDict
from hashlib import blake2b
from typing import NamedTuple

REMEMBERED_MOST = 200_000
_MAC_BYTES = 12


class InvalidTokenError(Exception):
    """The token is garbled, belongs to another request, or has expired."""


class Position(NamedTuple):
    """Where a page starts: `kind` builds or answers, image and slot, the pages before it.

    `last_image` and `last_slot` are the last item of the page before, -1 where it had none.
    """

    kind: str
    image: int
    slot: int
    page: int
    last_image: int = -1
    last_slot: int = -1


class Tokens:
    """Mints and reads page tokens that stay good for `seconds` of real time."""

    def __init__(self, seed: int, seconds: float) -> None:
        self._key = blake2b(f"token/{seed}".encode()).digest()
        self._seconds = seconds
        self._minted: OrderedDict[str, float] = OrderedDict()

    def mint(self, position: Position, request: str) -> str:
        """Return the token of a position of `request` (any text that identifies the request)."""
        payload = json.dumps(position, separators=(",", ":")).encode()
        token = base64.urlsafe_b64encode(self._mac(payload, request) + payload).decode()
        token = token.rstrip("=")
        self._minted[token] = time.monotonic()
        self._minted.move_to_end(token)
        if len(self._minted) > REMEMBERED_MOST:
            self._minted.popitem(last=False)
        return token

    def read(self, token: str, request: str) -> Position:
        """Return the position of `token`; raise InvalidTokenError where it is not good."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
        except ValueError as error:
            raise InvalidTokenError("garbled") from error
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(payload, request)):
            raise InvalidTokenError("foreign")
        now = time.monotonic()
        if now - self._minted.setdefault(token, now) > self._seconds:
            raise InvalidTokenError("expired")
        return Position(*json.loads(payload))

    def _mac(self, payload: bytes, request: str) -> bytes:
        return hmac.digest(self._key, payload + b"|" + request.encode(), "sha256")[:_MAC_BYTES]
