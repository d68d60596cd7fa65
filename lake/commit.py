"""The commit: one record, created exclusively, shows all tables of a run at one instant.

Data files are invisible until a record names their run; a record takes effect a moment after it was
published, so that whoever sees it sees it in every query of a transaction. Nothing is overwritten:
the newest effective record of a date shows.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from lake.run import Run
from lake.storage import Lake, StorageError, UnknownOutcomeError
from lake.writer import DataFile, Manifest
from schemas.table import SCHEMA_VERSION

COMMITS: Final = "_commits"
COMMIT_LOCK: Final = "commit"
ANY_RUN: Final = "*"
"""Of `commit`: whatever run of the date is the newest."""
ORPHAN_AGE: Final = timedelta(hours=24)
"""Files that no record names are removed past this age."""
PUBLISHED_TRIES: Final = 5
"""A record whose publishing ended in nobody knows what is stamped and published anew so often."""

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

    @property
    def effective_at(self) -> datetime:
        """The instant from which it holds."""
        return datetime.fromtimestamp(self.effective_at_ms / 1000, UTC)


def commit(
    lake: Lake,
    run: Run,
    manifest: Manifest,
    facts: dict[str, Any],
    after: str | None = ANY_RUN,
    orphan_age: timedelta = ORPHAN_AGE,
) -> Commit:
    """Shows the run to every reader from `effective_at_ms` on; returns once it is visible.

    `facts` go into the record; `after` is the run of the date that this one was written to follow,
    None where there was none. Raises CommitError where another was committed since, where the files
    are not as the manifest says, or where the run is so old that clean-up may have taken them.
    """
    if datetime.now(UTC) - run.started_at > orphan_age / 2:
        raise CommitError(f"run {run.run_id} began over {orphan_age / 2} ago: take a new snapshot")
    _verify(lake, manifest)
    lake.require_clock()
    with lake.exclusively(COMMIT_LOCK) as require_held:
        newest = newest_commit(lake, run.snapshot_date)
        if after not in (ANY_RUN, newest.run_id if newest else None):
            raise CommitError(
                f"run {newest.run_id if newest else None} of {run.snapshot_date} was committed "
                "meanwhile; run again: the pages that were read are kept"
            )
        content = _content(run, manifest, facts)
        record = publish_record(lake, run.snapshot_date, run.run_id, content, require_held)
    await_effect(record)
    return record


def publish_record(
    lake: Lake,
    snapshot_date: date,
    run_id: str,
    content: dict[str, Any],
    require_held: Callable[[], None] = lambda: None,
) -> Commit:
    """Creates a record that takes effect after every one of its date, whatever the clock says.

    `require_held` raises where the lock of commits may be another's by now.
    """
    named: list[Commit] = []

    def name() -> str:
        require_held()
        of_date = [c.effective_at_ms for c in commits(lake) if c.snapshot_date == snapshot_date]
        soonest = int((time.time() + lake.visibility_delay.total_seconds()) * 1000)
        named.append(Commit(snapshot_date, max([soonest, *(m + 1 for m in of_date)]), run_id))
        return named[-1].path

    encoded = json.dumps(content, indent=1).encode()
    unknown = 0
    while True:
        try:
            lake.create(name, encoded)
        except FileExistsError:
            continue
        except UnknownOutcomeError as error:
            unknown += 1
            if unknown >= PUBLISHED_TRIES:
                raise CommitError(
                    f"run {run_id}: whether its record was published cannot be told: {error}; see "
                    "`imagelake status`, and run again"
                ) from error
            continue
        return named[-1]


def await_effect(record: Commit) -> None:
    """Returns once the record has taken effect."""
    time.sleep(max(0.0, record.effective_at_ms / 1000 - time.time()))


def rollback(lake: Lake, snapshot_date: date, run_id: str) -> Commit:
    """Shows an older run of the date again, by one more record; returns once it is visible.

    A run that shows already is left as it is. Raises CommitError where the run was never committed
    for the date, or where its files are not as its record says.
    """
    with lake.exclusively(COMMIT_LOCK) as require_held:
        of_date = runs_of(lake, snapshot_date)
        record = next((c for c in of_date if c.run_id == run_id), None)
        if record is None:
            known = ", ".join(dict.fromkeys(c.run_id for c in of_date)) or "none"
            raise CommitError(
                f"{snapshot_date}: {run_id!r} is no run of the date; its runs: {known}"
            )
        if record != of_date[0]:
            content = read_record(lake, record)
            _verify(lake, manifest_of(content))
            record = publish_record(lake, snapshot_date, run_id, content, require_held)
    await_effect(record)
    return record


def commits(lake: Lake) -> Iterator[Commit]:
    """Every record of the lake, by date and by the time from which it holds."""
    for file in lake.files(COMMITS):
        if match := _RECORD.fullmatch(file.path.removeprefix(f"{COMMITS}/")):
            with suppress(ValueError):  # a foreign name: no day of the calendar
                yield Commit(date.fromisoformat(match[1]), int(match[2]), match[3])


def runs_of(lake: Lake, snapshot_date: date) -> list[Commit]:
    """The date's records, the one that shows (or will in a moment) first."""
    return newest_first(c for c in commits(lake) if c.snapshot_date == snapshot_date)


def newest_first(records: Iterator[Commit]) -> list[Commit]:
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


def newest_content(lake: Lake) -> dict[str, Any] | None:
    """The content of the record published last; None in an empty lake."""
    newest = max(commits(lake), key=lambda c: c.effective_at_ms, default=None)
    return read_record(lake, newest) if newest else None


def read_record(lake: Lake, record: Commit) -> dict[str, Any]:
    """A record's content. Raises StorageError where the file is none, or a newer version's."""
    try:
        content: dict[str, Any] = json.loads(lake.read(record.path))
    except ValueError as error:
        raise StorageError(f"{lake.uri}/{record.path} is no commit record: {error}") from error
    if (version := content.get("schema_version", 1)) > SCHEMA_VERSION:
        raise StorageError(
            f"--lake {lake.uri!r}: a newer imagelake wrote it (schema version {version}; this one "
            f"knows {SCHEMA_VERSION}): upgrade imagelake"
        )
    return content


def manifest_of(content: dict[str, Any]) -> Manifest:
    """The data files that a record names; one of schema version 1 has no digests."""
    return {
        table: tuple(DataFile(**{"sha256": "", **file}) for file in entry["files"])
        for table, entry in content["tables"].items()
    }


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


def _verify(lake: Lake, manifest: Manifest) -> None:
    """That every file of the manifest is there with its size, and no other beside it."""
    for files in manifest.values():
        expected = {file.path: file.size_bytes for file in files}
        folder = files[0].path.rpartition("/")[0]
        found = {file.path: file.size_bytes for file in lake.files(folder)}
        if found != expected:
            raise CommitError(f"{folder}: expected the files {expected}, found {found}")
