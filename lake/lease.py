"""A lock for machines that share no file system: one object of S3, held for a limited time.

Its holder renews it while it works. Whoever finds that it was not renewed for `LEASE_SECONDS`, by
the clock of the store itself, takes it over; conditional writes let only one do so.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from lake.s3 import Store, status_of

LEASE_SECONDS: Final = 60.0
"""A holder that was killed keeps the others waiting so long."""
WAIT_SECONDS: Final = 900.0
"""Whoever waits longer gives up."""
_POLL_SECONDS: Final = 0.5
_TAKEN: Final = {409, 412}


class LeaseError(Exception):
    """The lease was not to be had, or was lost."""


@dataclass
class Lease:
    """A lease: the object of a bucket under a key."""

    store: Store
    key: str
    lease_seconds: float = LEASE_SECONDS
    _nonce: str = field(default_factory=lambda: uuid4().hex)
    _etag: str = ""
    _renewed_at: float = 0.0
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def held(self) -> Iterator[Callable[[], None]]:
        """Holds the lease for the block; what it yields raises LeaseError where it may be lost.

        Raises LeaseError where it is not to be had in time.
        """
        self._acquire()
        keeper = threading.Thread(target=self._keep_renewing, daemon=True)
        keeper.start()
        try:
            yield self._require_held
        finally:
            self._ended.set()
            keeper.join()
            self._release()

    def _require_held(self) -> None:
        """A process that was suspended may wake up when another holds the lease."""
        if time.time() - self._renewed_at > self.lease_seconds / 2:
            raise LeaseError(f"s3://{self.store.bucket}/{self.key} was lost to a pause; run again")

    def _acquire(self) -> None:
        until = time.monotonic() + WAIT_SECONDS
        while not (self._put(IfNoneMatch="*") or self._take_over()):
            if time.monotonic() > until:
                raise LeaseError(f"s3://{self.store.bucket}/{self.key} is held by another process")
            time.sleep(_POLL_SECONDS)

    def _take_over(self) -> bool:
        """Takes a lease whose holder stopped renewing it; both times are the store's own."""
        found = self._found()
        if found is None:
            return False  # released meanwhile
        now = parsedate_to_datetime(found["ResponseMetadata"]["HTTPHeaders"]["date"])
        is_dead = (now - found["LastModified"]).total_seconds() > self.lease_seconds
        return is_dead and self._put(IfMatch=found["ETag"])

    def _keep_renewing(self) -> None:
        """Once in a quarter of its length, and soon again where that failed or took long."""
        while True:
            due_at = self._renewed_at + self.lease_seconds / 4
            left = max(_POLL_SECONDS, due_at - time.time())
            if self._ended.wait(min(left, self.lease_seconds / 4)):  # the clock may be set back
                return
            try:
                if not self._put(IfMatch=self._etag):
                    return  # lost: nothing is renewed that belongs to another
            except (ClientError, BotoCoreError):
                continue  # the next try may do it

    def _release(self) -> None:
        """Removes it where it is still ours; else it runs out by itself."""
        try:
            self.store.client.delete_object(
                Bucket=self.store.bucket, Key=self.key, IfMatch=self._etag, **self.store.owner
            )
        except (ClientError, BotoCoreError):
            return

    def _put(self, **condition: str) -> bool:
        asked_at = time.time()  # the wall clock goes on while the process is suspended
        holder = {"host": socket.gethostname(), "at": asked_at, "nonce": self._nonce}
        try:
            answer = self.store.client.put_object(
                Bucket=self.store.bucket,
                Key=self.key,
                Body=json.dumps(holder).encode(),
                **condition,
                **self.store.written,
            )
        except ClientError as error:
            if status_of(error) in _TAKEN:
                return self._is_ours()
            if status_of(error) == 404 and "IfMatch" in condition:
                return False
            raise
        self._etag, self._renewed_at = answer["ETag"], asked_at
        return True

    def _is_ours(self) -> bool:
        """Whether what stands in the way is what this very lease wrote; it is held then, since then.

        A write whose answer was lost is repeated, by the SDK or later, and finds itself.
        """
        found = self._found()
        if found is None:
            return False
        try:
            holder = json.loads(found["Content"])
            if holder["nonce"] != self._nonce:
                return False
            self._etag, self._renewed_at = found["ETag"], float(holder["at"])
        except (ValueError, TypeError, KeyError):
            return False  # whoever wrote that
        return True

    def _found(self) -> dict[str, Any] | None:
        """The store's answer with the object and, as `Content`, what is in it; None where none is."""
        try:
            answer: dict[str, Any] = self.store.client.get_object(
                Bucket=self.store.bucket, Key=self.key, **self.store.owner
            )
        except ClientError as error:
            if status_of(error) == 404:
                return None
            raise
        return {**answer, "Content": answer["Body"].read()}
