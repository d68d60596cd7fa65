"""The commit: one record, created exclusively, shows all tables of a run at one instant.

Data files are invisible until a record names their run; a record takes effect a moment after it was
published, so that whoever sees it sees it in every query of a transaction. Nothing is overwritten:
the newest effective record of a date shows.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from lake.changes import derive_changes, missing_pairs
from lake.current import derive_current
from lake.interruption import heed_late, held_off, take_late
from lake.records import (
    Commit,
    commits,
    entries,
    manifest_of,
    newest_commit,
    newest_first,
    read_record,
    runs_of,
)
from lake.run import Run
from lake.storage import Lake, StorageError, UnknownOutcomeError
from lake.timeline import Pair
from lake.waits import waits
from lake.writer import Manifest
from schemas.table import SCHEMA_VERSION

COMMIT_LOCK: Final = "commit"
ANY_RUN: Final = "*"
"""Of `commit`: whatever run of the date is the newest."""
ORPHAN_AGE: Final = timedelta(hours=24)
"""Files that no record names are removed past this age."""
MOST_AHEAD_SECONDS: Final = 600.0
"""A record that takes effect later than this is no record to wait for."""


class CommitError(Exception):
    """The run was not committed; its files stay unseen and the lake is as it was."""


def commit(
    lake: Lake,
    run: Run,
    manifest: Manifest,
    facts: dict[str, Any],
    after: str | None = ANY_RUN,
    orphan_age: timedelta = ORPHAN_AGE,
    *,
    awaits: bool = True,
) -> Commit:
    """Shows the run to every reader from `effective_at_ms` on; returns once it is visible.

    `facts` go into the record; `after` is the run of the date that this one was written to follow,
    None where there was none. Without `awaits` it returns once the record is there: `await_effect` is
    the caller's then. Raises CommitError where another was committed since, where the files
    are not as the manifest says, or where the run is so old that clean-up may have taken them.
    """
    if datetime.now(UTC) - run.started_at > orphan_age / 2:
        raise CommitError(f"run {run.run_id} began over {orphan_age / 2} ago: take a new snapshot")
    lake.require_clock()
    with held_off() as hold_off:
        with lake.exclusively(COMMIT_LOCK) as require_held:
            _verify(lake, manifest)
            newest = newest_commit(lake, run.snapshot_date)
            if after not in (ANY_RUN, newest.run_id if newest else None):
                raise CommitError(
                    f"run {newest.run_id if newest else None} of {run.snapshot_date} was committed "
                    "meanwhile: run again"
                )

            def at_the_last() -> None:
                hold_off()
                require_held()

            content = _content(run, manifest, facts)
            record = _show(lake, run.snapshot_date, run.run_id, content, at_the_last)
        if awaits:
            await_effect(record)
    return record


def _show(
    lake: Lake,
    snapshot_date: date,
    run_id: str,
    content: dict[str, Any],
    require_held: Callable[[], None],
    without: Collection[date] = (),
) -> Commit:
    """Writes the current rows and changes as they will be, unseen as yet, then publishes the record.

    They will be so once the dates `without` are gone.
    """
    manifest = manifest_of(content)
    current = derive_current(lake, snapshot_date, run_id, manifest, without)
    for pair in missing_pairs(lake, current.new_pairs):
        with suppress(OSError):  # a damaged run: history's readers are told so
            derive_pair(lake, pair, {snapshot_date: manifest})
    content = {**content, "current": entries(current.manifest)}
    return publish_record(lake, snapshot_date, run_id, content, require_held, current.state)


def derive_pair(lake: Lake, pair: Pair, known: Mapping[date, Manifest] | None = None) -> None:
    """Writes what differs between two runs that show, or will once those of `known` do.

    Raises OSError where the files of one cannot be read.
    """
    files = dict(known or {})
    for day in pair.dates:
        if day not in files:
            record = newest_commit(lake, day)
            if record is None:
                raise FileNotFoundError(f"{lake.uri}: {day} has no commit")
            files[day] = manifest_of(read_record(lake, record))
    derive_changes(lake, pair, files[pair.snapshot_date], files[pair.previous_date])


def forget(lake: Lake, dates: Collection[date], require_held: Callable[[], None]) -> None:
    """Shows the newest run once more, with a history that is without the dates.

    The lock of commits must be held. Returns once it has taken effect; nothing reads the dates as
    history then, and they may go.
    """
    take_late()  # of what this process did before
    newest = next(iter(newest_first(commits(lake))), None)
    if newest is not None:
        content = read_record(lake, newest)
        day, run_id = newest.snapshot_date, newest.run_id
        await_effect(_show(lake, day, run_id, content, require_held, dates))
        heed_late()


def publish_record(
    lake: Lake,
    snapshot_date: date,
    run_id: str,
    content: dict[str, Any],
    require_held: Callable[[], None] = lambda: None,
    state: str = "",
) -> Commit:
    """Creates a record that takes effect after every other, whatever the clock says.

    One whose publishing ended in nobody knows what is stamped and published anew, for a time.
    `require_held` raises where the lock of commits may be another's by now.
    """
    named: list[Commit] = []

    def name() -> str:
        newest = max(commits(lake), key=lambda c: c.effective_at_ms, default=None)
        now = time.time()
        soonest = int((now + lake.visibility_delay.total_seconds()) * 1000)
        if newest and newest.effective_at_ms > (now + MOST_AHEAD_SECONDS) * 1000:
            raise StorageError(
                f"{lake.uri}/{newest.path} takes effect at {newest.effective_at:%Y-%m-%d %H:%M} UTC, "
                "and every commit after it: set this machine's clock, or remove the record if it "
                "was made by one that was wrong"
            )
        after = newest.effective_at_ms + 1 if newest else 0
        named.append(Commit(snapshot_date, max(soonest, after), run_id, state))
        require_held()
        return named[-1].path

    encoded = json.dumps(content).encode()  # one line: Athena and Spark read it as a row
    between = waits()
    while True:
        try:
            lake.create(name, encoded)
        except FileExistsError:
            continue
        except UnknownOutcomeError as error:
            if next(between, None) is None:
                raise CommitError(
                    f"run {run_id}: whether its record was published cannot be told: {error}; see "
                    "`imagelake status`, and run again"
                ) from error
            continue
        return named[-1]


def await_effect(record: Commit) -> None:
    """Returns once the record has taken effect: it is there, and an interruption comes too late."""
    with held_off() as hold_off:
        hold_off()
        while (seconds := record.effective_at_ms / 1000 - time.time()) > 0:
            time.sleep(seconds)


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
            record = _show(lake, snapshot_date, run_id, content, require_held)
    await_effect(record)
    return record


def _content(run: Run, manifest: Manifest, facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "snapshot_date": run.snapshot_date.isoformat(),
        "schema_version": SCHEMA_VERSION,
        **facts,
        "tables": entries(manifest),
    }


def _verify(lake: Lake, manifest: Manifest) -> None:
    """That every file of the manifest is there with its size, and no other beside it."""
    for files in manifest.values():
        expected = {file.path: file.size_bytes for file in files}
        folder = files[0].path.rpartition("/")[0]
        found = {file.path: file.size_bytes for file in lake.files(folder)}
        if found != expected:
            raise CommitError(f"{folder}: expected the files {expected}, found {found}")
