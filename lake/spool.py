"""Where, on this machine's disk, the files of a lake on S3 are built and its pages land."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path, PurePosixPath
from shutil import rmtree
from tempfile import TemporaryDirectory
from uuid import uuid4

from lake.storage import TEMPORARY, Leftover


@dataclass(frozen=True)
class Spool:
    """A lake's own folder of the spool."""

    root: Path

    @classmethod
    def of(cls, uri: str, given: Path | None) -> Spool:
        """The lake's, below the given folder or the user's cache."""
        cache_home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        spool = given or Path(cache_home) / "imagelake"
        return cls(spool.absolute() / sha256(uri.encode()).hexdigest()[:16])

    def stage(self, path: str) -> Path:
        """A file to build, for the object of that path."""
        folder = self.root / "staged"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{PurePosixPath(path).name}{TEMPORARY}{uuid4().hex}"

    def working(self, folder: str) -> Path:
        """Where the pages of that folder of the lake land."""
        return self.root / folder

    @contextmanager
    def fetching(self) -> Iterator[Path]:
        """A folder for copies, for the time of the block."""
        fetched = self.root / "fetched"
        fetched.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=fetched) as directory:
            yield Path(directory)

    def leftovers(self) -> Iterator[Leftover]:
        """What killed processes left here: unfinished files, pages that landed, copies."""
        for path in (self.root / "staged").glob(f"*{TEMPORARY}*"):
            with suppress(FileNotFoundError):
                status = path.stat()
                remove = partial(path.unlink, missing_ok=True)
                yield Leftover(str(path), status.st_size, status.st_mtime, remove)
        for folder in (*self.root.glob("_raw/*/*"), *self.root.glob("fetched/*")):
            files = []
            with suppress(FileNotFoundError):  # its run is done with it
                files = [file.stat() for file in folder.iterdir()]
            newest = max((status.st_mtime for status in files), default=0.0)
            size = sum(status.st_size for status in files)
            yield Leftover(str(folder), size, newest, partial(rmtree, folder, ignore_errors=True))
