"""Commit records: which run shows for a date, read by their names; and what they say."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, Final

from lake.storage import Lake, StorageError, StoredFile
from lake.writer import DataFile, Manifest
from schemas.table import SCHEMA_VERSION

COMMITS: Final = "_commits"
"""Where a record is published."""
OLDER: Final = f"{COMMITS}/older"
"""Where `maintain` moves records that took effect long ago; for a time they are in both."""

FIRST_DATE: Final = date(2000, 1, 1)
"""The first that a record can be of: Image Builder began in 2019."""

_RECORD: Final = re.compile(
    rf"({COMMITS}|{OLDER})/"
    r"(2[0-9]{3}-[01][0-9]-[0-3][0-9])_([0-9]{1,15})_([0-9A-Za-z-]+?)(?:_([0-9A-Za-z-]+))?"
    r"(?<=Z-[0-9a-f]{8})\.json"
)
RECORDS_GLOB: Final = f"2{3 * '[0-9]'}-[01][0-9]-[0-3][0-9]_[0-9]*_*Z-{8 * '[0-9a-f]'}.json"
"""The names of records as a glob has them, which costs a query no planning.

A copy that some tool made of one (`… (1).json`) is none. By the first digit S3 lists no older record
where only the newest is looked for.
"""


@dataclass(frozen=True)
class Commit:
    """A commit record by its name: which run shows for a date, and since when.

    `state` names the files of the current rows as they are from then on; records of schema version
    1 name none. `folder` is where the record was found.
    """

    snapshot_date: date
    effective_at_ms: int
    run_id: str
    state: str = ""
    folder: str = field(default=COMMITS, compare=False)

    @property
    def path(self) -> str:
        """The record's file, whose name alone is read by the views."""
        parts = [self.snapshot_date.isoformat(), str(self.effective_at_ms), self.run_id]
        return f"{self.folder}/{'_'.join([*parts, self.state] if self.state else parts)}.json"

    def within(self, folder: str) -> Commit:
        """The same record in another folder."""
        return replace(self, folder=folder)

    @property
    def effective_at(self) -> datetime:
        """The instant from which it holds."""
        return datetime.fromtimestamp(self.effective_at_ms / 1000, UTC)


def commits(lake: Lake) -> Iterator[Commit]:
    """Every record of the lake, once. Of one that is in both folders it is the one that stays."""
    yield from {record: record for record, _ in record_files(lake)}.values()


def record_files(lake: Lake) -> Iterator[tuple[Commit, StoredFile]]:
    """Every record with its file, the older folder last: of one that is in both, each."""
    for file in lake.files(COMMITS):
        if match := _RECORD.fullmatch(file.path):
            with suppress(ValueError):  # a foreign name: no day of the calendar
                day = date.fromisoformat(match[2])
                yield Commit(day, int(match[3]), match[4], match[5] or "", match[1]), file


def runs_of(lake: Lake, snapshot_date: date) -> list[Commit]:
    """The date's records, the one that shows (or will in a moment) first."""
    return newest_first(c for c in commits(lake) if c.snapshot_date == snapshot_date)


def newest_first(records: Iterable[Commit]) -> list[Commit]:
    """The records in the order in which they hold, the newest first."""
    return sorted(records, key=lambda c: (c.effective_at_ms, c.run_id), reverse=True)


def newest_commit(lake: Lake, snapshot_date: date) -> Commit | None:
    """The date's newest record, be it in effect already or in a moment; None where it has none."""
    return next(iter(runs_of(lake, snapshot_date)), None)


def shown_commits(lake: Lake) -> dict[date, Commit]:
    """By date, the oldest first, its newest record."""
    newest: dict[date, Commit] = {}
    for record in newest_first(commits(lake)):
        newest.setdefault(record.snapshot_date, record)
    return dict(sorted(newest.items()))


def commits_in_effect(lake: Lake) -> dict[date, Commit]:
    """By date the record that a query sees now: one may be there that is to take effect in a moment."""
    now_ms = time.time() * 1000
    in_effect = (record for record in commits(lake) if record.effective_at_ms <= now_ms)
    return {record.snapshot_date: record for record in reversed(newest_first(in_effect))}


def newest_content(lake: Lake) -> dict[str, Any] | None:
    """The content of the record published last, of whatever date; None in an empty lake."""
    newest = next(iter(newest_first(commits(lake))), None)
    return read_record(lake, newest) if newest else None


def read_record(lake: Lake, record: Commit) -> dict[str, Any]:
    """A record's content. Raises StorageError where the file is none, or a newer version's."""
    try:
        content: dict[str, Any] = json.loads(read_encoded(lake, record))
    except ValueError as error:
        raise StorageError(f"{lake.uri}/{record.path} is no commit record: {error}") from error
    if (version := content.get("schema_version", 1)) > SCHEMA_VERSION:
        raise StorageError(
            f"--lake {lake.uri!r}: a newer imagelake wrote it (schema version {version}; this one "
            f"knows {SCHEMA_VERSION}): upgrade imagelake"
        )
    return content


def read_encoded(lake: Lake, record: Commit) -> bytes:
    """The record's file, though it was moved since it was found. Raises FileNotFoundError."""
    try:
        return lake.read(record.path)
    except FileNotFoundError:
        return lake.read(record.within(OLDER).path)


def manifest_of(content: dict[str, Any], part: str = "tables") -> Manifest:
    """The data files that a record names: the run's (`tables`) or the current rows' (`current`).

    A record of schema version 1 has no digests, and no current rows.
    """
    return {
        table: tuple(DataFile(**{"sha256": "", **file}) for file in entry["files"])
        for table, entry in content.get(part, {}).items()
    }


def entries(manifest: Manifest) -> dict[str, Any]:
    """The data files as a record names them."""
    return {
        table: {
            "row_count": sum(file.row_count for file in files),
            "files": [asdict(file) for file in files],
        }
        for table, files in manifest.items()
    }
