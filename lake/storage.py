"""Where a lake's files are, behind one small interface: a folder on a disk.

A file is either whole under its name or not there: it is built under a name that no glob of the
lake matches, made durable, then renamed. A created file is never replaced.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final
from uuid import uuid4

from schemas.tables import TABLES

TEMPORARY: Final = ".tmp-"
"""What the name of an unfinished file has after its own: `part-00000.parquet.tmp-1a2b3c4d`."""
_COLUMNS: Final = {column.name for table in TABLES.values() for column in table.documented_columns}


class StorageError(Exception):
    """The lake cannot be used as asked; the message says why and what to do."""


@dataclass(frozen=True)
class StoredFile:
    """A file of the lake: its path within it and its size."""

    path: str
    size_bytes: int


@dataclass(frozen=True)
class Folder:
    """A lake in a folder; paths are relative to it, with `/` between their parts."""

    root: Path

    @property
    def uri(self) -> str:
        """The lake's absolute location."""
        return str(self.root)

    def make(self) -> None:
        """Makes the lake's folder. Raises StorageError where nothing can be written in it."""
        try:
            self._make_folder(self.root)
            with TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise StorageError(
                f"--lake {self.uri!r}: cannot be written: {error.strerror}; change its permissions "
                "or give another"
            ) from error

    def path(self, path: str) -> Path:
        """The file's place on the disk."""
        return self.root / path

    def stage(self, path: str) -> Path:
        """Where to build the file that `publish` will show under `path`."""
        target = self.path(path)
        self._make_folder(target.parent)
        return target.with_name(f"{target.name}{TEMPORARY}{uuid4().hex[:8]}")

    def publish(self, staged: Path, path: str) -> StoredFile:
        """Makes the staged file durable and shows it under `path`, replacing what is there."""
        _sync(staged)
        size_bytes = staged.stat().st_size
        staged.replace(self.path(path))
        _sync(self.path(path).parent)
        return StoredFile(path, size_bytes)

    def create(self, path: str, content: bytes) -> None:
        """Creates the file, whole and durable. Raises FileExistsError where there is one."""
        staged = self.stage(path)
        try:
            staged.write_bytes(content)
            _sync(staged)
            os.link(staged, self.path(path))
            _sync(self.path(path).parent)
        finally:
            staged.unlink(missing_ok=True)

    @contextmanager
    def exclusively(self, folder: str) -> Iterator[None]:
        """Waits until no other process is in such a block for the folder, then keeps them out."""
        self._make_folder(self.path(folder))
        descriptor = os.open(self.path(folder) / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def read(self, path: str) -> bytes:
        """The file's content. Raises FileNotFoundError."""
        return self.path(path).read_bytes()

    def files(self, folder: str) -> Iterator[StoredFile]:
        """The finished files below a folder of the lake, by path; none where it is not there."""
        for path in sorted(self.path(folder).rglob("*")):
            if TEMPORARY not in path.name and path.is_file():
                yield StoredFile(path.relative_to(self.root).as_posix(), path.stat().st_size)

    def glob(self, pattern: str) -> str:
        """The pattern within the lake as DuckDB takes it: the root's own characters escaped."""
        escaped = "".join(f"[{c}]" if c in "*?[" else c for c in self.root.as_posix())
        return f"{escaped}/{pattern}"

    def _make_folder(self, folder: Path) -> None:
        """Makes the folder and its parents durable, each in the one above it."""
        missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for made in missing:
            _sync(made.parent)


def open_lake(uri: str) -> Folder:
    """The lake at a path or URI; it need not exist yet.

    Raises StorageError where the place can be no lake.
    """
    if "://" in uri or not uri.strip():
        raise StorageError(f"--lake {uri!r}: only folders are lakes; give a path")
    root = Path(uri).absolute()
    _require_readable_name(uri, root)
    existing = next(path for path in (root, *root.parents) if path.exists())
    if not existing.is_dir():
        raise StorageError(f"--lake {uri!r}: {existing} is a file; give a folder")
    return Folder(root)


def _require_readable_name(uri: str, root: Path) -> None:
    """Refuses the few locations that DuckDB would misread, silently or not at all."""
    if "\\" in root.as_posix():
        raise StorageError(
            f"--lake {uri!r}: no glob of DuckDB finds a folder with a backslash; give another"
        )
    for part in root.parts:
        key, equals, _ = part.partition("=")
        if equals and key.lower() in _COLUMNS:
            raise StorageError(
                f"--lake {uri!r}: DuckDB would take the folder {part!r} for the column {key}; give "
                "another"
            )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
