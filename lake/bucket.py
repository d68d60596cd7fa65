"""A lake in S3: single uploads, conditional creation, a lock that needs no shared disk.

boto3 is used for what pyarrow's own file system cannot do: it drops `If-None-Match` and overwrites
(apache/arrow issue 44281), and a file of its that an exception closes is published, cut short (40502).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from functools import cache, cached_property, partial
from pathlib import Path, PurePosixPath
from shutil import rmtree
from typing import Any, Final

import pyarrow as pa
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004 - the SDK names its own so

from lake.lease import Lease, LeaseError
from lake.run import FOLDERS
from lake.s3 import Store, status_of
from lake.spool import Spool
from lake.storage import (
    LOCKS,
    LakeSettings,
    Leftover,
    StorageError,
    StoredFile,
    UnknownOutcomeError,
)

VISIBILITY_DELAY: Final = timedelta(seconds=5)
"""From naming a commit record to its taking effect: one PUT (0.3 s at the most) and clock skew."""
SINGLE_UPLOAD_BYTES: Final = 5 << 30  # S3's limit; a larger file goes up in parts, shown at once

_URI: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([\w./=-]*))?", re.ASCII)


@dataclass(frozen=True)
class Bucket:
    """A lake in a bucket, below a prefix."""

    name: str
    prefix: str
    settings: LakeSettings

    @property
    def uri(self) -> str:
        """The `s3://` URI, without a slash at its end."""
        return f"s3://{self.name}/{self.prefix}".rstrip("/")

    @property
    def visibility_delay(self) -> timedelta:
        """Five seconds unless the settings say otherwise."""
        seconds = self.settings.visibility_seconds
        return VISIBILITY_DELAY if seconds is None else timedelta(seconds=seconds)

    def exists(self) -> bool:
        """Whether anything is below the prefix."""
        return next(self.files(""), None) is not None

    def make(self) -> None:
        """Tries to write in it: a bucket is made by its owner. Raises StorageError."""
        self._spool.make()
        with self.store.told("cannot be written", "s3:PutObject"):
            self._put(f"{LOCKS}/probe", b"")
            try:
                self._put(f"{LOCKS}/probe", b"", IfNoneMatch="*")
            except ClientError as error:
                if status_of(error) == 412:
                    return
                raise
        raise StorageError(
            f"--lake {self.uri!r}: the store takes no conditional writes (If-None-Match), which keep "
            "two commits apart; use one that does, such as AWS"
        )

    def require_clock(self) -> None:
        """Compares this machine's clock with the store's, which tells whole seconds."""
        before = time.time()
        with self.store.told("cannot be read", "s3:ListBucket"):
            answer = self.client.list_objects_v2(
                Bucket=self.name, Prefix=self._key(""), MaxKeys=1, **self.store.owner
            )
        here = (before + time.time()) / 2
        if (date := answer["ResponseMetadata"]["HTTPHeaders"].get("date")) is None:
            return
        skew = here - (parsedate_to_datetime(date).timestamp() + 0.5)
        allowed = self.visibility_delay.total_seconds() / 2
        if abs(skew) > allowed + 0.5:
            raise StorageError(
                f"--lake {self.uri!r}: this machine's clock is {skew:+.1f} s off the store's, and "
                f"commits bear {allowed:.1f} s: set the clock, or raise --visibility-seconds"
            )

    def stage(self, path: str) -> Path:
        """A file of the spool."""
        return self._spool.stage(path)

    def unstage(self, folder: str) -> None:
        """Removes files of the spool."""
        self._spool.unstage(folder)

    def publish(self, staged: Path, path: str) -> StoredFile:
        """Uploads the file, which shows when it is whole, and removes it from the spool."""
        size_bytes = staged.stat().st_size
        with self.store.told("cannot be written", "s3:PutObject"):
            self.client.upload_file(
                str(staged),
                self.name,
                self._key(path),
                ExtraArgs=self.store.written,
                Config=TransferConfig(multipart_threshold=SINGLE_UPLOAD_BYTES),
            )
        staged.unlink()
        return StoredFile(path, size_bytes)

    def create(self, path: Callable[[], str], content: bytes) -> None:
        """One conditional PUT, which is not repeated: its name holds for a limited time."""
        name = path()
        with self.store.told("cannot be written", "s3:PutObject"):
            try:
                self._put(name, content, self.store.hurried, IfNoneMatch="*")
            except ClientError as error:
                if status_of(error) in (409, 412):
                    raise FileExistsError(f"{self.uri}/{name}") from error
                if status_of(error) >= 500:
                    raise UnknownOutcomeError(str(error)) from error
                raise
            except (HTTPClientError, ConnectionError) as error:  # no answer, or not a whole one
                raise UnknownOutcomeError(str(error)) from error

    @contextmanager
    def exclusively(self, name: str) -> Iterator[Callable[[], None]]:
        """By a lease, which ends by itself a minute after the process that held it."""
        lease = Lease(self.store, self._key(f"{LOCKS}/{name}"))
        try:
            with (
                self.store.told("cannot be written", "s3:PutObject"),
                lease.held() as require_held,
            ):
                yield require_held
        except LeaseError as error:
            raise StorageError(f"--lake {self.uri!r}: {error}") from error

    def copy(self, path: str, to: str) -> None:
        """S3 makes it."""
        with self.store.told("cannot be written", "s3:PutObject", path):
            self.store.copy(self._key(path), self._key(to))

    def move(self, path: str, to: str) -> None:
        """A copy, then the removal."""
        self.copy(path, to)
        self.remove([path])

    def read(self, path: str) -> bytes:
        """The object's content. Raises FileNotFoundError."""
        with self.store.told("cannot be read", "s3:GetObject", path):
            got = self.client.get_object(Bucket=self.name, Key=self._key(path), **self.store.owner)
            content: bytes = got["Body"].read()
            return content

    @contextmanager
    def open(self, path: str) -> Iterator[pa.NativeFile]:
        """A copy in the spool, for the time of the block. Raises FileNotFoundError."""
        copy = self.stage(path)
        try:
            self._download(path, copy)
            with pa.OSFile(str(copy)) as file:
                yield file
        finally:
            copy.unlink(missing_ok=True)

    def files(self, folder: str) -> Iterator[StoredFile]:
        """The objects below the folder, by key."""
        prefix = self._key(f"{folder}/" if folder else "")
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix, **self.store.owner
        )
        with self.store.told("cannot be listed", "s3:ListBucket"):
            for page in pages:
                for found in page.get("Contents", ()):
                    path = found["Key"].removeprefix(self._key(""))
                    yield StoredFile(path, found["Size"], found["LastModified"].timestamp())

    def leftovers(self) -> Iterator[Leftover]:
        """Uploads in parts that were never completed, and what this machine's spool still has."""
        pages = self.client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self.name, Prefix=self._key(""), **self.store.owner
        )
        with self.store.told("cannot be listed", "s3:ListBucketMultipartUploads"):
            for page in pages:
                for upload in page.get("Uploads", ()):
                    path = upload["Key"].removeprefix(self._key(""))
                    if path.partition("/")[0] not in FOLDERS:
                        continue  # another tool's
                    name = {"Key": upload["Key"], "UploadId": upload["UploadId"]}
                    abort = self.client.abort_multipart_upload
                    yield Leftover(
                        f"s3://{self.name}/{upload['Key']} (an upload in parts)",
                        0,
                        upload["Initiated"].timestamp(),
                        partial(abort, Bucket=self.name, **name, **self.store.owner),
                    )
        yield from self._spool.leftovers()

    def remove(self, paths: Iterable[str]) -> None:
        """A thousand at a time, in the order given."""
        with self.store.told("cannot be removed", "s3:DeleteObject"):
            self.store.remove([self._key(path) for path in paths])

    def glob(self, pattern: str) -> str:
        """The pattern below the URI, whose characters mean nothing to a glob."""
        return f"{self.uri}/{pattern}"

    def working(self, folder: str) -> Path:
        """A folder of the spool."""
        return self._spool.working(folder)

    def keep(self, folder: str) -> None:
        """Uploads each finished file of pages that is not there yet."""
        there = {file.path: file.size_bytes for file in self.files(folder)}
        for landed in sorted(self.working(folder).glob("pages-*.arrows")):
            path = f"{folder}/{landed.name}"
            if there.get(path) != landed.stat().st_size:
                copy = self.stage(path)
                os.link(landed, copy)
                self.publish(copy, path)

    def forget(self, folder: str) -> None:
        """Removes the working folder: the lake has its pages."""
        rmtree(self.working(folder), ignore_errors=True)

    @contextmanager
    def fetched(self, folder: str) -> Iterator[Path]:
        """A copy, for the time of the block."""
        with self._spool.fetching() as directory:
            for file in self.files(folder):
                self._download(file.path, directory / PurePosixPath(file.path).name)
            yield directory

    @property
    def client(self) -> Any:
        """An S3 client of the standard AWS chain; its credentials are those of its first use."""
        return self.store.client

    @cached_property
    def store(self) -> Store:
        """The bucket as it is called."""
        hurry_seconds = max(0.25, self.visibility_delay.total_seconds() / 4)
        return Store(self.name, self.uri, self.settings, hurry_seconds)

    @cached_property
    def _spool(self) -> Spool:
        return Spool.of(self.uri, self.settings.spool)

    def _key(self, path: str) -> str:
        return f"{self.prefix}/{path}" if self.prefix else path

    def _put(self, path: str, body: Any, client: Any = None, **condition: str) -> None:
        named = {"Bucket": self.name, "Key": self._key(path), **self.store.written}
        (client or self.client).put_object(Body=body, **named, **condition)

    def _download(self, path: str, to: Path) -> None:
        with self.store.told("cannot be read", "s3:GetObject", path):
            self.client.download_file(
                self.name, self._key(path), str(to), ExtraArgs=self.store.owner or None
            )


@cache
def open_bucket(uri: str, settings: LakeSettings) -> Bucket:
    """The lake of an s3:// URI, the same one each time: making a client takes a tenth of a second.

    Raises StorageError where the URI can be none.
    """
    match = _URI.fullmatch(uri)
    if match is None or "//" in uri.removeprefix("s3://"):
        raise StorageError(
            f"--lake {uri!r}: expected s3://BUCKET/PREFIX, the prefix of letters, digits and ./=_-"
        )
    return Bucket(match[1], (match[2] or "").strip("/"), settings)
