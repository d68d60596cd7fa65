"""Opening a warehouse to ask it: read-only, in UTC, with what its lake on S3 needs.

A module of its own, so that `imagelake sql` answers at once: what builds a warehouse imports pyarrow.
"""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Final

import duckdb

from lake.interruption import heeded_after
from lake.remote import let_read
from lake.replaced import warn_of_replaced
from lake.sql import text
from lake.storage import StorageError, glob_escaped

DEFAULT_WAREHOUSE: Final = Path("data/imagelake.duckdb")
WAREHOUSE_VARIABLE: Final = "IMAGELAKE_WAREHOUSE"

LIVE: Final = "live"
PINNED: Final = "pinned"
MATERIALIZED: Final = "materialized"
"""The kinds of warehouse: views that show each new snapshot, those of one state, and tables."""


def connect(path: str | Path | None = None) -> duckdb.DuckDBPyConnection:
    """A read-only connection to the warehouse; its times, and those of its cursors, are UTC.

    Without a path it is the warehouse that `imagelake sql` asks: IMAGELAKE_WAREHOUSE, else
    data/imagelake.duckdb. The views are live, so that one connection sees each new snapshot. Only
    where the file was replaced since, as a newer imagelake does, DuckDB goes on with the old one in
    a process that still has it open: a warning says so.

    Raises StorageError where there is no warehouse, or the file is none.
    """
    path = Path(path or os.environ.get(WAREHOUSE_VARIABLE) or DEFAULT_WAREHOUSE).expanduser()
    if not path.is_file():
        raise StorageError(
            f"--warehouse {str(path)!r}: there is none; take a snapshot with `imagelake run`, or "
            "build one for an existing lake with `imagelake publish`"
        )
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        raise StorageError(f"--warehouse {str(path)!r}: {error}") from error
    connection.execute("set global timezone = 'UTC'")
    if _kind_of(connection) != MATERIALIZED:  # one of tables is read where no lake is
        let_read(connection, lake_of(connection))
    warn_of_replaced(connection, path)
    return connection


def confine(connection: duckdb.DuckDBPyConnection) -> None:
    """Keeps the connection to the lake's own files, for good: nothing else is read, written or loaded.

    What it needs of the lake it must have by now, and every setting that it is to have. DuckDB lets
    it write among the lake's files as it may read them: that only questions are asked of it is
    another's to see to.
    """
    lake = lake_of(connection)
    allowed = {lake, glob_escaped(lake)} - {""}  # a glob is held against it as it is spelled
    listed = ", ".join(text(f"{folder}/") for folder in sorted(allowed))
    for setting in (
        f"allowed_directories = [{listed}]",
        "enable_external_access = false",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "allow_community_extensions = false",
        "lock_configuration = true",
    ):
        connection.execute(f"set global {setting}")


def lake_of(connection: duckdb.DuckDBPyConnection) -> str:
    """The location of the lake that a warehouse's views read."""
    return _info(connection, "lake")


def current_captures(path: Path) -> dict[tuple[str, str], date]:
    """By account and region, the date of the capture that the current_* views show."""
    with heeded_after(), connect(path) as connection:
        rows = connection.execute("select account_id, region, snapshot_date from current_targets")
        return {(account_id, region): day for account_id, region, day in rows.fetchall()}


def _kind_of(connection: duckdb.DuckDBPyConnection) -> str:
    return _info(connection, "fingerprint").partition(" ")[0]


def _info(connection: duckdb.DuckDBPyConnection, column: str) -> str:
    try:
        row = connection.execute(f"select {column} from warehouse_info").fetchone()  # noqa: S608 - ours
    except duckdb.CatalogException:
        return ""  # somebody else's database
    return str(row[0]) if row else ""
