"""A run's identity and the paths of its files."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, Self

from schemas.table import SCHEMA_VERSION
from schemas.tables import TABLES

RAW: Final = "_raw"
CURRENT: Final = "_current"
CHANGES: Final = "_changes"
FOLDERS: Final = frozenset({*TABLES, CHANGES, "_commits", CURRENT, "_locks", RAW})
"""The lake's own folders: whatever else lies beside them is somebody else's."""
SCHEMA_RUN: Final = "schema"
"""The run_id that files without rows are filed under."""
SCHEMA_DATE: Final = "9999-12-31"
"""Their date. It comes last: DuckDB 2.0 estimates all files of a glob by the first, and would take a
table for empty, read it before what it is joined with, and so read every date for one."""

_BEGAN: Final = "%Y%m%dT%H%M%S%fZ"
_PART: Final = re.compile(r"/part-[0-9]{5}(?:\.v([0-9]+))?\.parquet$")


@dataclass(frozen=True)
class Run:
    """One run: what its files are filed under. `run_id` sorts by the time it began (UTC)."""

    run_id: str
    snapshot_date: date
    started_at: datetime

    @classmethod
    def begin(cls, now: datetime, snapshot_date: date | None = None) -> Self:
        """A new run, filed under today (UTC) unless a date is given."""
        run_id = f"{now:{_BEGAN}}-{secrets.token_hex(4)}"
        return cls(run_id, snapshot_date or now.date(), now)

    @property
    def raw_folder(self) -> str:
        """Where the run's raw pages are."""
        return raw_folder(self.snapshot_date, self.run_id)

    @staticmethod
    def raw_name(run_id: str) -> str:
        """The name of a run's folder of raw pages."""
        return f"run_id={run_id}"


def raw_folder(snapshot_date: date, run_id: str) -> str:
    """Where a run's raw pages are."""
    return f"{RAW}/{_partition(snapshot_date.isoformat(), run_id)}"


def began_at(run_id: str) -> datetime | None:
    """When a run began, by its id; None where the id is not one of imagelake's."""
    try:
        return datetime.strptime(run_id.partition("-")[0], _BEGAN).replace(tzinfo=UTC)
    except ValueError:
        return None


def data_folder(table: str, snapshot_date: date, run_id: str) -> str:
    """Where a run's files of a table are."""
    return f"{table}/{_partition(snapshot_date.isoformat(), run_id)}"


def part_path(folder: str, number: int, version: int = SCHEMA_VERSION) -> str:
    """A data file's path; parts are numbered from 0, the schema version is told from 2 on."""
    return f"{folder}/part-{number:05}{_suffix(version)}.parquet"


def parts_glob(version: int) -> str:
    """The pattern of the names of data files of a schema version.

    Today's takes in those of later ones (up to 9), which have its columns and more: a warehouse that
    is older than the lake still shows every row.
    """
    if version == SCHEMA_VERSION:
        return f"part-*.v[{version}-9]*.parquet"
    return f"part-[0-9][0-9][0-9][0-9][0-9]{_suffix(version)}.parquet"


def state_folder(table: str, state: str) -> str:
    """Where the current rows of a table are, as a state of them has it: the newest record names it."""
    return f"{CURRENT}/{table}/state={state}"


def state_run_folder(table: str, state: str, snapshot_date: date, run_id: str) -> str:
    """Where those of them are that a run captured: rows of a data table."""
    return f"{state_folder(table, state)}/{_partition(snapshot_date.isoformat(), run_id)}"


def state_schema_path(table: str) -> str:
    """The file without rows of the current rows of a data table: never removed."""
    return part_path(f"{state_folder(table, SCHEMA_RUN)}/{_partition(SCHEMA_DATE, SCHEMA_RUN)}", 0)


def changes_folder(snapshot_date: date, run_id: str) -> str:
    """Where the changes are that a run shows."""
    return f"{CHANGES}/{_partition(snapshot_date.isoformat(), run_id)}"


def changes_path(snapshot_date: date, run_id: str, previous_run_id: str) -> str:
    """The file of what differs between two runs."""
    suffix = _suffix(SCHEMA_VERSION)
    return f"{changes_folder(snapshot_date, run_id)}/since-{previous_run_id}{suffix}.parquet"


def changes_glob(version: int = SCHEMA_VERSION) -> str:
    """The pattern of the files of changes, as `parts_glob` has it."""
    return f"{CHANGES}/*/*/since-*.v[{version}-9]*.parquet"


def changes_schema_path() -> str:
    """The file of changes without rows: never removed."""
    suffix = _suffix(SCHEMA_VERSION)
    return f"{CHANGES}/{_partition(SCHEMA_DATE, SCHEMA_RUN)}/since-none{suffix}.parquet"


def version_of(path: str) -> int | None:
    """The schema version of a data file, by its name; None where it is none."""
    match = _PART.search(path)
    return int(match[1] or 1) if match else None


def schema_path(table: str, version: int = SCHEMA_VERSION) -> str:
    """The table's file without rows, which gives the views their columns: never removed."""
    return part_path(f"{table}/{_partition(SCHEMA_DATE, SCHEMA_RUN)}", 0, version)


def _suffix(version: int) -> str:
    return "" if version == 1 else f".v{version}"


def _partition(snapshot_date: str, run_id: str) -> str:
    return f"snapshot_date={snapshot_date}/run_id={run_id}"
