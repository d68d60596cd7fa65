"""Whether every file that shows is as its commit record says, to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256

import pyarrow as pa
import pyarrow.parquet as pq

from lake.changes import changes_shown
from lake.records import manifest_of, newest_content, read_record, shown_commits
from lake.storage import Lake
from lake.writer import DataFile, Manifest

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Verification:
    """How many files were read, and what is wrong with which."""

    file_count: int
    damaged: dict[str, str]


def verify(lake: Lake, say: Callable[[str], object] = lambda _: None) -> Verification:
    """Reads every file of the runs that show, and finds those that are missing or were changed.

    Raises StorageError where a commit record itself cannot be read.
    """
    file_count = 0
    damaged: dict[str, str] = {}
    for what, manifest in _manifests(lake):
        say(f"reading the files of {what}")
        for files in manifest.values():
            file_count += len(files)
            damaged |= {
                file.path: wrong for file in files if (wrong := _wrong(lake, file)) is not None
            }
    say("reading what changed between captures")
    for path in changes_shown(lake):
        file_count += 1
        if wrong := _trouble(lake, path, _unreadable):
            damaged[path] = f"{wrong}; remove what is left of it and run `imagelake maintain`"
    return Verification(file_count, damaged)


def _manifests(lake: Lake) -> Iterator[tuple[str, Manifest]]:
    """What shows: each date's files, then those of the current rows."""
    shown = shown_commits(lake)
    for day, record in shown.items():
        yield str(day), manifest_of(read_record(lake, record))
    if newest := newest_content(lake):
        yield "the current rows", manifest_of(newest, "current")


def _wrong(lake: Lake, file: DataFile) -> str | None:
    """In what the file is not as its record says."""

    def differs(content: pa.NativeFile) -> str | None:
        if content.size() != file.size_bytes:
            return f"it has {content.size():,} bytes and was written with {file.size_bytes:,}"
        if not file.sha256:
            return _unreadable(content)
        digest = sha256()
        while block := content.read(_BLOCK_BYTES):
            digest.update(block)
        return None if digest.hexdigest() == file.sha256 else "its content was changed"

    return _trouble(lake, file.path, differs)


def _trouble(lake: Lake, path: str, look: Callable[[pa.NativeFile], str | None]) -> str | None:
    """What `look` finds wrong with the file's content; or why it cannot be read."""
    try:
        with lake.open(path) as content:
            return look(content)
    except FileNotFoundError:
        return "it is missing"
    except OSError as error:
        return f"it cannot be read: {error}"


def _unreadable(content: pa.NativeFile) -> str | None:
    """For a file that no digest is known of, as what changed: whether it can be read."""
    try:
        file = pq.ParquetFile(content)
        for group in range(file.num_row_groups):
            file.read_row_group(group)
    except (OSError, pa.ArrowException) as error:
        return f"it cannot be read: {error}"
    return None
