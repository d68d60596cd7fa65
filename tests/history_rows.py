"""What the views of history show, in a form that compares; and what finds the same in plain Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import duckdb
import pytest

from lake.folder import Folder
from lake.records import newest_commit
from tests.rows import Row, dicts, filled
from tests.small_runs import shown_runs
from tests.test_writer import Rows
from tests.told_history import Told

HISTORY = {
    "target_captures": Told.captures,
    "capture_differences": Told.differences,
    "build_changes": Told.changes,
    "build_state_changes": Told.state_changes,
    "build_history": Told.spans,
    "disappeared_builds": Told.disappeared,
}
"""The views of history, and what finds their rows in plain Python."""
ORDER = ("account_id", "region", "arn", "snapshot_date", "valid_from", "column_name")
"""What rows of these views and macros are told apart by."""
ZONES = ("UTC", "America/New_York", "Pacific/Kiritimati")
FAR: Final = timedelta(days=100)
"""Days so far apart are compared whole, not by what differed in between."""


def in_order(found: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows without what is NULL, in an order."""
    return sorted(map(filled, found), key=lambda row: [str(row.get(name, "")) for name in ORDER])


def asked(connection: duckdb.DuckDBPyConnection, relation: str) -> list[dict[str, Any]]:
    """All rows of a view, or of a macro's call, in an order."""
    return in_order(dicts(connection, f"select * from {relation}"))  # noqa: S608 - our own names


def alike(found: Sequence[Row]) -> list[str]:
    """The rows without what is NULL, as texts that compare."""
    return sorted(
        repr({name: filled(row)[name] for name in sorted(filled(row))}) for row in in_utc(found)
    )


def in_utc(found: Sequence[Row]) -> Iterator[Row]:
    """The rows, their instants as UTC's."""
    for row in found:
        yield {
            name: value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
            for name, value in row.items()
        }


def told_of(folder: Folder, runs: dict[date, Rows]) -> Told:
    """What the runs tell, which show in the lake."""
    found = {day: newest_commit(folder, day) for day in runs}
    return Told(runs, {day: record.run_id for day, record in found.items() if record})


@pytest.fixture(scope="module")
def small_told(small_lake: Folder) -> Told:
    return told_of(small_lake, dict(shown_runs()))
