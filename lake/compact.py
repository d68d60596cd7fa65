"""A date's tables written anew in few files, its rows as they are."""

from __future__ import annotations

from datetime import UTC, datetime

from lake.carry import raw_runs_fact, row_groups, shown_run
from lake.commit import commit
from lake.records import Commit
from lake.run import Run
from lake.storage import Lake
from lake.writer import WORTH_A_FILE, Manifest, SnapshotWriter

_OWN_FACTS = {"run_id", "snapshot_date", "schema_version", "tables"}
"""What every commit says anew of itself."""


def is_scattered(manifest: Manifest) -> bool:
    """True where some table is in at least twice the files that its rows are worth."""
    return any(
        len(files) >= 2 * max(1, -(-sum(file.row_count for file in files) // WORTH_A_FILE))
        for files in manifest.values()
    )


def compact(lake: Lake, record: Commit) -> Commit:
    """Commits the record's run anew, its rows in few files with today's columns.

    Raises CommitError where another run of the date is committed meanwhile.
    """
    shown = shown_run(lake, record)
    run = Run.begin(datetime.now(UTC), record.snapshot_date)
    with SnapshotWriter(lake, run) as writer:
        for table, paths in shown.files.items():
            for rows in row_groups(lake, table, paths):
                writer.append({table: rows})
        manifest = writer.publish()
    facts = {name: value for name, value in shown.content.items() if name not in _OWN_FACTS}
    raw_runs = {key: row["raw_runs"] for key, row in shown.targets.items()}
    facts |= raw_runs_fact(shown.content.get("raw_run", record.run_id), raw_runs)
    facts["compacted_from"] = record.run_id
    return commit(lake, run, manifest, facts, record.run_id)
