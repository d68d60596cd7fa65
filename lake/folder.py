"""A lake in a folder of a disk: files appear by rename or link, and locks end with their process."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryFile
from typing import Final
from uuid import uuid4

import pyarrow as pa

from lake.run import FOLDERS
from lake.storage import (
    LOCKS,
    TEMPORARY,
    LakeSettings,
    Leftover,
    StorageError,
    StoredFile,
    glob_escaped,
    is_temporary,
)

VISIBILITY_DELAY: Final = timedelta(milliseconds=500)
"""From naming a commit record to its taking effect.

It must exceed the time from the naming to the showing (one link: below 1 ms) and the skew between
the clocks of those who write the folder and those who read it.
"""

_PARTITION: Final = re.compile(
    r"[^/]+/snapshot_date=[^/]+(/run_id=[^/]+)?"
    r"|[^/]+/[^/]+/state=[^/]+(/snapshot_date=[^/]+(/run_id=[^/]+)?)?",
    re.ASCII,
)
"""The folders that a run makes: nothing but a run's or a state's files is ever in them."""


@dataclass(frozen=True)
class Folder:
    """A lake in a folder."""

    root: Path
    settings: LakeSettings = field(default_factory=LakeSettings)

    @property
    def uri(self) -> str:
        """The folder's absolute path."""
        return str(self.root)

    @property
    def visibility_delay(self) -> timedelta:
        """Half a second unless the settings say otherwise."""
        seconds = self.settings.visibility_seconds
        return VISIBILITY_DELAY if seconds is None else timedelta(seconds=seconds)

    def exists(self) -> bool:
        """Whether the folder is there."""
        return self.root.is_dir()

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

    def require_clock(self) -> None:
        """Writers and readers of a folder share its machine's clock, or a network's."""

    def path(self, path: str) -> Path:
        """The file's place on the disk."""
        return self.root / path

    def stage(self, path: str) -> Path:
        """A name beside the file's own that no glob of the lake matches."""
        target = self.path(path)
        self._make_folder(target.parent)
        return target.with_name(f"{target.name}{TEMPORARY}{uuid4().hex[:8]}")

    def publish(self, staged: Path, path: str) -> StoredFile:
        """Syncs the file, renames it and syncs its folder."""
        sync(staged)
        size_bytes = staged.stat().st_size
        self._make_folder(self.path(path).parent)  # it may have been staged elsewhere
        staged.replace(self.path(path))
        sync(self.path(path).parent)
        return StoredFile(path, size_bytes)

    def copy(self, path: str, to: str) -> None:
        """A copy of the bytes, which the kernel makes: a link would share what damages either."""
        staged = self.stage(to)
        try:
            copyfile(self.path(path), staged)
            self.publish(staged, to)
        finally:
            staged.unlink(missing_ok=True)

    def unstage(self, folder: str) -> None:
        """Removes unfinished files, and the folders that this leaves empty."""
        begun = self.path(folder)
        for found in sorted(begun.parent.glob(f"{begun.name}*")):
            for file in found.iterdir():
                if is_temporary(file.name):
                    file.unlink(missing_ok=True)
            self._drop_empty(found)

    def create(self, path: Callable[[], str], content: bytes) -> None:
        """Writes and syncs the content first; between naming and showing it is one link."""
        staged = self.stage(path())  # in the same folder: a link cannot cross file systems
        try:
            staged.write_bytes(content)
            sync(staged)
            target = self.path(path())
            os.link(staged, target)
            sync(target.parent)
        finally:
            staged.unlink(missing_ok=True)

    @contextmanager
    def exclusively(self, name: str) -> Iterator[Callable[[], None]]:
        """By flock, which ends with the process that holds it, however that ends."""
        self._make_folder(self.path(LOCKS))
        descriptor = os.open(self.path(LOCKS) / name, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield lambda: None
        finally:
            os.close(descriptor)

    def move(self, path: str, to: str) -> None:
        """One rename."""
        target = self.path(to)
        self._make_folder(target.parent)
        self.path(path).replace(target)
        sync(target.parent)
        self._drop_empty(self.path(path).parent)

    def read(self, path: str) -> bytes:
        """The file's content. Raises FileNotFoundError."""
        return self.path(path).read_bytes()

    def open(self, path: str) -> AbstractContextManager[pa.NativeFile]:
        """The file itself. Raises FileNotFoundError."""
        opened: AbstractContextManager[pa.NativeFile] = pa.OSFile(str(self.path(path)))
        return opened

    def files(self, folder: str) -> Iterator[StoredFile]:
        """The finished files below the folder, by path."""
        for name, status in self._walk(folder):
            if not is_temporary(name):
                yield StoredFile(name, status.st_size, status.st_mtime)

    def leftovers(self) -> Iterator[Leftover]:
        """Files under the names of unfinished ones, and folders that never got a file."""
        for name, status in self._walk(""):
            if is_temporary(name) and name.partition("/")[0] in FOLDERS:
                remove = partial(self.path(name).unlink, missing_ok=True)
                yield Leftover(name, status.st_size, status.st_mtime, remove)
        for own in sorted(FOLDERS):
            for folder, folders, files in os.walk(self.path(own)):
                path = Path(folder)
                name = path.relative_to(self.root).as_posix()
                if not folders and not files and _PARTITION.fullmatch(name):
                    with suppress(FileNotFoundError):  # removed meanwhile
                        modified_at = path.stat().st_mtime
                        remove = partial(self._drop_empty, path)
                        yield Leftover(f"{name}/", 0, modified_at, remove, file_count=0)

    def remove(self, paths: Iterable[str]) -> None:
        """Unlinks the files and the folders that this leaves empty, and syncs what is above."""
        touched: set[Path] = set()
        for path in paths:
            file = self.path(path)
            file.unlink(missing_ok=True)
            touched.add(file.parent)
        for folder in touched:
            self._drop_empty(folder)

    def glob(self, pattern: str) -> str:
        """The pattern with the root's own characters escaped."""
        return f"{glob_escaped(self.root.as_posix())}/{pattern}"

    def working(self, folder: str) -> Path:
        """The folder itself: pages land where they stay."""
        return self.path(folder)

    def keep(self, folder: str) -> None:
        """Makes the names of the files durable, and those of the folders above them."""
        path = self.path(folder)
        while path != self.root:
            sync(path)
            path = path.parent
        sync(self.root)

    def forget(self, folder: str) -> None:
        """It is no copy."""

    @contextmanager
    def fetched(self, folder: str) -> Iterator[Path]:
        """The folder itself."""
        yield self.path(folder)

    def _walk(self, folder: str) -> Iterator[tuple[str, os.stat_result]]:
        """The files below the folder, by path: thousands of names take some ms, so without Path."""
        try:
            with os.scandir(self.path(folder)) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(name)
                continue
            with suppress(FileNotFoundError):  # removed meanwhile
                yield name, entry.stat()

    def _drop_empty(self, folder: Path) -> None:
        """Removes the folder and those above it while they are empty; syncs the first that stays."""
        while folder != self.root:
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass  # another did it
            except OSError:
                break  # not empty
            folder = folder.parent
        sync(folder)

    def _make_folder(self, folder: Path) -> None:
        """Makes the folder and its parents durable, each in the one above it.

        A parent may be taken away for being empty just before it gets its first entry: once more.
        """
        missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
        for left in reversed(range(5)):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                break
            except FileNotFoundError:
                if not left:
                    raise
        for made in missing:
            sync(made.parent)


def sync(path: Path) -> None:
    """Makes a file's content, or a folder's entries, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
