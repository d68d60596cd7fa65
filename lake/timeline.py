"""Which complete captures show, by target and date, and what each is compared with.

They are part of the current rows' state, so that they hold at the same instants as the records do
and are read as one file; the view `target_captures` says what they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, Final, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from lake.interruption import heeded_after
from lake.parquet import read_whole
from lake.storage import Lake
from lake.writer import Manifest
from schemas.captures import TARGET_CAPTURES
from schemas.view import view_named

_ORDER: Final = [
    ("account_id", "ascending"),
    ("region", "ascending"),
    ("snapshot_date", "ascending"),
]


class Pair(NamedTuple):
    """Two runs that hold consecutive whole captures of some target: the later, then the earlier."""

    snapshot_date: date
    run_id: str
    previous_date: date
    previous_run_id: str

    @property
    def dates(self) -> tuple[date, date]:
        """The later run's, then the earlier one's."""
        return self.snapshot_date, self.previous_date


def read_timeline(lake: Lake, manifest: Manifest) -> pa.Table | None:
    """The captures of a state's files; None where the state has none. Raises FileNotFoundError."""
    files = manifest.get(TARGET_CAPTURES.name)
    if files is None:
        return None
    return pa.concat_tables(read_whole(lake, file.path) for file in files)


def timeline_of(captures: Iterable[dict[str, Any]]) -> pa.Table:
    """The captures, given as rows of snapshot_targets with their snapshot_date and run_id, in order."""
    schema = TARGET_CAPTURES.whole_schema
    return _in_order(pa.Table.from_pylist(list(captures), schema=schema))


def with_captures(
    timeline: pa.Table, captures: Iterable[dict[str, Any]], dates: Iterable[date]
) -> pa.Table:
    """The timeline with the given captures instead of all those of the dates."""
    unwanted = pc.is_in(timeline["snapshot_date"], pa.array(list(dates), pa.date32()))
    own = pa.Table.from_pylist(list(captures), schema=timeline.schema)
    return _in_order(pa.concat_tables([timeline.filter(pc.invert(unwanted)), own]))


def pairs_of(timeline: pa.Table) -> set[Pair]:
    """What must be compared, so that the changes of every capture are known."""
    columns = timeline.select(Pair._fields)
    distinct = columns.filter(pc.is_valid(columns["previous_run_id"])).group_by(Pair._fields)
    return {Pair(**row) for row in distinct.aggregate([]).to_pylist()}


def _in_order(captures: pa.Table) -> pa.Table:
    """By the view's own SQL."""
    with heeded_after(), duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("snapshot_targets", captures)
        found = connection.sql(view_named(TARGET_CAPTURES.name).sql).to_arrow_table()
    return found.select(captures.column_names).cast(captures.schema).sort_by(_ORDER)
