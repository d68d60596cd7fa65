"""Where a lake's files are, behind one small interface: a folder on a disk, or a bucket of S3.

A file is either whole under its name or not there: it is built under a name that no glob of the
lake matches, made durable, then shown. A created file is never replaced.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

TEMPORARY: Final = ".tmp-"
"""What the name of an unfinished file has after its own: `part-00000.parquet.tmp-1a2b3c4d`."""
LOCKS: Final = "_locks"
"""The lake's folder of locks."""

_TEMPORARY: Final = re.compile(re.escape(TEMPORARY) + "[0-9a-f]+$")


def is_temporary(path: str) -> bool:
    """Whether the path is an unfinished file's."""
    return _TEMPORARY.search(path) is not None


def glob_escaped(path: str) -> str:
    """The path as a pattern that matches nothing else."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)


class DamagedError(FileNotFoundError):
    """What a file of the lake held is gone, though something is there under its name."""


class StorageError(Exception):
    """The lake cannot be used as asked; the message says why and what to do."""


class UnknownOutcomeError(OSError):
    """A file may have been created or not: the answer never came."""


@dataclass(frozen=True)
class StoredFile:
    """A file of the lake: its path within it, its size, and when it was written (epoch seconds)."""

    path: str
    size_bytes: int
    modified_at: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Leftover(StoredFile):
    """An unfinished file or upload, or an empty folder, which no reader sees.

    `remove` takes it away.
    """

    remove: Callable[[], object] = field(default=lambda: None, compare=False)
    file_count: int = 1


@dataclass(frozen=True)
class LakeSettings:
    """How a lake is written. `spool` is where an s3:// lake's files are built and its pages land."""

    visibility_seconds: float | None = None
    spool: Path | None = None
    s3_sse: str | None = None
    s3_kms_key: str | None = None
    s3_bucket_owner: str | None = None


class Lake(Protocol):
    """A lake; paths are relative to it, with `/` between their parts."""

    @property
    def uri(self) -> str:
        """The lake's absolute location."""

    @property
    def visibility_delay(self) -> timedelta:
        """From naming a commit record to its taking effect."""

    def exists(self) -> bool:
        """Whether there is something to read."""

    def make(self) -> None:
        """Makes the lake. Raises StorageError where nothing can be written in it."""

    def require_clock(self) -> None:
        """Raises StorageError where this machine's clock is off by more than commits bear."""

    def stage(self, path: str) -> Path:
        """Where to build, on this machine's disk, the file that `publish` will show under `path`."""

    def publish(self, staged: Path, path: str) -> StoredFile:
        """Makes the staged file durable and shows it under `path`, replacing what is there."""

    def copy(self, path: str, to: str) -> None:
        """Shows a copy of a file of the lake, byte for byte and durable. Raises FileNotFoundError."""

    def unstage(self, folder: str) -> None:
        """Removes what was staged, and never published, below the folders whose paths begin so."""

    def create(self, path: Callable[[], str], content: bytes) -> None:
        """Creates a file, whole and durable, under the name that `path` gives at the last moment.

        Raises FileExistsError where there is one, UnknownOutcomeError where it cannot be told.
        """

    def exclusively(self, name: str) -> AbstractContextManager[Callable[[], None]]:
        """Waits until nobody else is in a block of that name, then keeps others out.

        What the block gets raises StorageError where others may no longer be kept out.
        """

    def move(self, path: str, to: str) -> None:
        """Gives a file that no reader looks for another path, replacing what is there."""

    def read(self, path: str) -> bytes:
        """The file's content. Raises FileNotFoundError."""

    def open(self, path: str) -> AbstractContextManager[pa.NativeFile]:
        """The file, to be read at any offset. Raises FileNotFoundError."""

    def files(self, folder: str) -> Iterator[StoredFile]:
        """The finished files below a folder of the lake, by path; none where it is not there."""

    def leftovers(self) -> Iterator[Leftover]:
        """What killed processes left unfinished."""

    def remove(self, paths: Iterable[str]) -> None:
        """Removes the files, durably; one that is not there is none to remove."""

    def glob(self, pattern: str) -> str:
        """The pattern within the lake as DuckDB takes it: the lake's own characters escaped."""

    def working(self, folder: str) -> Path:
        """Where, on this machine's disk, pages of that folder land."""

    def keep(self, folder: str) -> None:
        """Has what landed in the working folder in the lake."""

    def forget(self, folder: str) -> None:
        """Gives up the working folder where it is only a copy of what the lake keeps."""

    def fetched(self, folder: str) -> AbstractContextManager[Path]:
        """The lake's files of that folder on this machine's disk, for the time of the block."""
