"""Data checks on a run's files, before anything of them can be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from lake.interruption import heeded_after
from lake.sql import text
from lake.storage import glob_escaped
from schemas.check import ERROR, Check, checks
from schemas.table import TEXT
from schemas.tables import DATA_TABLES

MOST_NAMED: Final = 5
"""At most so many findings of a check are named one by one."""

COUNTS: Final = pa.schema([("account_id", TEXT), ("region", TEXT), ("builds", pa.int64())])
CAPTURES: Final = COUNTS.append(pa.field("snapshot_date", pa.date32()))


class CheckError(Exception):
    """The run's data cannot be right; nothing was committed, and the landing is kept."""


@dataclass(frozen=True)
class Context:
    """What a run's data is held against: rows of `COUNTS` and of `CAPTURES`, and `max_drop`.

    `max_drop` is the part of a target's builds, 0 to 1, that may be gone since its last complete
    capture; None where any may.
    """

    landed: Sequence[Mapping[str, Any]]
    earlier_captures: Sequence[Mapping[str, Any]] = ()
    max_drop: float | None = None


def require_right(
    files: Mapping[str, Sequence[Path]], context: Context, threads: int = 1
) -> list[str]:
    """The warnings of the checks, each a sentence.

    `files` are those of each table, on this machine's disk. `threads`: one takes a fifth less CPU than
    two, and 20 MB less at 1,000,000 builds. Raises CheckError where a check that stops a commit finds
    something; its message names the rows.
    """
    failures: list[str] = []
    warnings: list[str] = []
    with heeded_after(), duckdb.connect(config={"threads": threads}) as connection:
        # what is read once or twice is not worth keeping: a sixth of the CPU at 1,000,000 builds
        connection.execute("set enable_external_file_cache = false")
        _show(connection, files, context)
        for check in checks():
            if found := connection.execute(check.sql).fetchall():
                (failures if check.severity == ERROR else warnings).append(_sentence(check, found))
    if failures:
        raise CheckError("; ".join(failures))
    return warnings


def _show(
    connection: duckdb.DuckDBPyConnection, files: Mapping[str, Sequence[Path]], context: Context
) -> None:
    for table, paths in files.items():
        listed = ", ".join(text(glob_escaped(str(path))) for path in paths)
        connection.execute(f"create view {table} as select * from read_parquet([{listed}])")  # noqa: S608 - the schema's names, quoted paths
    given = {
        "landed": pa.Table.from_pylist(list(context.landed), schema=COUNTS),
        "earlier_captures": pa.Table.from_pylist(list(context.earlier_captures), schema=CAPTURES),
        "known_values": _known_values(),
        "settings": pa.table({"max_drop": pa.array([context.max_drop], pa.float64())}),
    }
    for name, rows in given.items():
        connection.register(name, rows)


def _known_values() -> pa.Table:
    """By table and column, every value that the API is known to send."""
    rows = [
        {"table_name": table.name, "column_name": column.name, "value": value}
        for table in DATA_TABLES
        for column in table.columns
        for value in column.values
    ]
    return pa.Table.from_pylist(rows)


def _sentence(check: Check, found: Sequence[tuple[Any, ...]]) -> str:
    named = [f"{account_id}/{region}: {what}" for account_id, region, what in found[:MOST_NAMED]]
    if len(found) > MOST_NAMED:
        named.append(f"and {len(found) - MOST_NAMED:,} more")
    return f"{check.name}: {check.purpose.rstrip('.')}: {', '.join(named)}"
