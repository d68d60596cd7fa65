"""A run's identity and the paths of its files."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import date, datetime
from typing import Self


@dataclass(frozen=True)
class Run:
    """One run: what its files are filed under. `run_id` sorts by the time it began (UTC)."""

    run_id: str
    snapshot_date: date
    started_at: datetime

    @classmethod
    def begin(cls, now: datetime, snapshot_date: date | None = None) -> Self:
        """A new run, filed under today (UTC) unless a date is given."""
        run_id = f"{now:%Y%m%dT%H%M%S%fZ}-{secrets.token_hex(4)}"
        return cls(run_id, snapshot_date or now.date(), now)

    @property
    def raw_folder(self) -> str:
        """Where the run's raw pages are."""
        return f"_raw/{_partition(self.snapshot_date.isoformat(), self.run_id)}"

    @staticmethod
    def raw_name(run_id: str) -> str:
        """The name of a run's folder of raw pages."""
        return f"run_id={run_id}"


def data_folder(table: str, snapshot_date: date, run_id: str) -> str:
    """Where a run's files of a table are."""
    return f"{table}/{_partition(snapshot_date.isoformat(), run_id)}"


def part_path(folder: str, number: int) -> str:
    """A data file's path; parts are numbered from 0."""
    return f"{folder}/part-{number:05}.parquet"


def schema_path(table: str) -> str:
    """The table's file without rows, which gives the views their columns: never removed."""
    return part_path(f"{table}/{_partition('1970-01-01', 'schema')}", 0)


def _partition(snapshot_date: str, run_id: str) -> str:
    return f"snapshot_date={snapshot_date}/run_id={run_id}"
