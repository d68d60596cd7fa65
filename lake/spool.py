"""Where, on this machine's disk, the files of a lake on S3 are built and its pages land.

It is the user's alone: others of the machine may be people who may not read the bucket.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from uuid import uuid4

from lake.storage import TEMPORARY, Leftover, StorageError


@dataclass(frozen=True)
class Spool:
    """A lake's own folder of the spool."""

    root: Path

    @classmethod
    def of(cls, uri: str, given: Path | None) -> Spool:
        """The lake's, below the given folder or the user's cache.

        Raises StorageError where none is given, and the user's home folder is not known.
        """
        spool = given or _cache_home() / "imagelake"
        return cls(spool.absolute() / sha256(uri.encode()).hexdigest()[:16])

    def make(self) -> None:
        """Makes the lake's folder, for this user alone. Raises StorageError where it is another's."""
        self.root.parent.mkdir(parents=True, exist_ok=True)
        self.root.mkdir(mode=0o700, exist_ok=True)
        found = (
            self.root.lstat()
        )  # its name can be told beforehand, in a folder that others may write
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise StorageError(
                f"--spool {str(self.root.parent)!r}: {self.root.name} in it is a link, or another "
                "user's: remove it, or give another folder"
            )
        if stat.S_IMODE(found.st_mode) != 0o700:
            self.root.chmod(0o700)

    def stage(self, path: str) -> Path:
        """A file to build, for the object of that path."""
        return self._folder("staged") / f"{_flat(path)}{TEMPORARY}{uuid4().hex}"

    def unstage(self, folder: str) -> None:
        """Removes the files built for objects below the folders whose paths begin so."""
        for path in (self.root / "staged").glob(f"{_flat(folder)}*{TEMPORARY}*"):
            path.unlink(missing_ok=True)

    def working(self, folder: str) -> Path:
        """Where the pages of that folder of the lake land."""
        return self.root / folder

    @contextmanager
    def fetching(self) -> Iterator[Path]:
        """A folder for copies, for the time of the block."""
        with TemporaryDirectory(dir=self._folder("fetched")) as directory:
            yield Path(directory)

    def leftovers(self) -> Iterator[Leftover]:
        """What killed processes left here: unfinished files, pages that landed, copies."""
        for path in (self.root / "staged").glob(f"*{TEMPORARY}*"):
            with suppress(FileNotFoundError):
                status = path.stat()
                remove = partial(path.unlink, missing_ok=True)
                yield Leftover(str(path), status.st_size, status.st_mtime, remove)
        for folder in (*self.root.glob("_raw/*/*"), *self.root.glob("fetched/*")):
            with suppress(FileNotFoundError):  # its run is done with it
                files = [file.stat() for file in folder.iterdir()]
                newest = max(status.st_mtime for status in (folder.stat(), *files))
                size = sum(status.st_size for status in files)
                remove = partial(rmtree, folder, ignore_errors=True)
                yield Leftover(str(folder), size, newest, remove)

    def _folder(self, name: str) -> Path:
        self.make()
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        return folder


def _cache_home() -> Path:
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given)
    try:
        return Path.home() / ".cache"
    except RuntimeError as error:  # a container's user without a name
        raise StorageError(
            "--spool: the home folder is not known, in which it would be: set HOME, or give a folder"
        ) from error


def _flat(path: str) -> str:
    """A path within the lake as one name."""
    return path.replace("/", ",")
