"""The commit: one record, created exclusively, shows all tables of a run at one instant.

Data files are invisible until a record names their run; a record takes effect a moment after it was
published, so that whoever sees it sees it in every query of a transaction. Nothing is overwritten:
the newest effective record of a date shows.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from lake.run import Run
from lake.storage import Folder, StorageError
from lake.writer import Manifest
from schemas.table import SCHEMA_VERSION

COMMITS: Final = "_commits"
ANY_RUN: Final = "*"
"""Of `commit`: whatever run of the date is the newest."""
VISIBILITY_DELAY: Final = timedelta(milliseconds=500)
"""From publishing to taking effect: above the time to publish (1.5 ms with fsync) and clock skew."""
ORPHAN_AGE: Final = timedelta(hours=24)
"""Files that no record names are removed past this age."""

_RECORD: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})_([0-9]{1,15})_([^_]+)\.json")


class CommitError(Exception):
    """The run was not committed; its files stay unseen and the lake is as it was."""


@dataclass(frozen=True)
class Commit:
    """A commit record by its name: which run shows for a date, and since when."""

    snapshot_date: date
    effective_at_ms: int
    run_id: str

    @property
    def path(self) -> str:
        """The record's file, whose name alone is read by the views."""
        name = f"{self.snapshot_date.isoformat()}_{self.effective_at_ms}_{self.run_id}.json"
        return f"{COMMITS}/{name}"


def commit(
    lake: Folder, run: Run, manifest: Manifest, facts: dict[str, Any], after: str | None = ANY_RUN
) -> Commit:
    """Shows the run to every reader from `effective_at_ms` on; returns once it is visible.

    `facts` go into the record for people to read; `after` is the run of the date that this one was
    written to follow, None where there was none. Raises CommitError where another was committed
    since, where the files are not as the manifest says, or where the run is so old that clean-up
    may have taken them.
    """
    if datetime.now(UTC) - run.started_at > ORPHAN_AGE / 2:
        raise CommitError(f"run {run.run_id} began over {ORPHAN_AGE / 2} ago: take a new snapshot")
    _verify(lake, manifest)
    with lake.exclusively(COMMITS):
        newest = newest_commit(lake, run.snapshot_date)
        if after not in (ANY_RUN, newest.run_id if newest else None):
            raise CommitError(
                f"run {newest.run_id if newest else None} of {run.snapshot_date} was committed "
                "meanwhile; run again: the pages that were read are kept"
            )
        content = _content(run, manifest, facts)
        record = publish_record(lake, run.snapshot_date, run.run_id, content)
    time.sleep(max(0.0, record.effective_at_ms / 1000 - time.time()))
    return record


def publish_record(
    lake: Folder, snapshot_date: date, run_id: str, content: dict[str, Any]
) -> Commit:
    """Creates a record that takes effect after every one of its date, whatever the clock says."""
    while True:
        of_date = [c.effective_at_ms for c in commits(lake) if c.snapshot_date == snapshot_date]
        soonest = int((time.time() + VISIBILITY_DELAY.total_seconds()) * 1000)
        record = Commit(snapshot_date, max([soonest, *(ms + 1 for ms in of_date)]), run_id)
        content["effective_at_ms"] = record.effective_at_ms
        try:
            lake.create(record.path, json.dumps(content, indent=1).encode())
        except FileExistsError:
            continue
        return record


def commits(lake: Folder) -> Iterator[Commit]:
    """Every record of the lake, by date and by the time from which it holds."""
    for file in lake.files(COMMITS):
        if match := _RECORD.fullmatch(file.path.removeprefix(f"{COMMITS}/")):
            with suppress(ValueError):  # a foreign name: no day of the calendar
                yield Commit(date.fromisoformat(match[1]), int(match[2]), match[3])


def newest_commit(lake: Folder, snapshot_date: date) -> Commit | None:
    """The date's newest record, be it in effect already or in a moment; None where it has none."""
    of_date = (c for c in commits(lake) if c.snapshot_date == snapshot_date)
    return max(of_date, key=lambda c: (c.effective_at_ms, c.run_id), default=None)


def newest_content(lake: Folder) -> dict[str, Any] | None:
    """The content of the record published last; None in an empty lake."""
    newest = max(commits(lake), key=lambda c: c.effective_at_ms, default=None)
    return read_record(lake, newest) if newest else None


def read_record(lake: Folder, record: Commit) -> dict[str, Any]:
    """A record's content. Raises StorageError where the file is none."""
    try:
        content: dict[str, Any] = json.loads(lake.read(record.path))
    except ValueError as error:
        raise StorageError(f"{lake.uri}/{record.path} is no commit record: {error}") from error
    return content


def _content(run: Run, manifest: Manifest, facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "snapshot_date": run.snapshot_date.isoformat(),
        "schema_version": SCHEMA_VERSION,
        **facts,
        "tables": {
            table: {
                "row_count": sum(file.row_count for file in files),
                "files": [asdict(file) for file in files],
            }
            for table, files in manifest.items()
        },
    }


def _verify(lake: Folder, manifest: Manifest) -> None:
    """That every file of the manifest is there with its size, and no other beside it."""
    for files in manifest.values():
        expected = {file.path: file.size_bytes for file in files}
        folder = files[0].path.rpartition("/")[0]
        found = {file.path: file.size_bytes for file in lake.files(folder)}
        if found != expected:
            raise CommitError(f"{folder}: expected the files {expected}, found {found}")
