"""The warehouse that holds its rows: for tools that reach its file and not the lake.

The current rows, all that ever changed and the views for BI tools are tables; the other views are
views over them, and so are those that go by the clock, so that ages go on. What needs the builds of
every date is left out. The tables for BI tools have their keys, which such tools read.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

import duckdb

from lake.assembly import RUNS
from lake.building import attach, describe, detach
from lake.interruption import heeded_after
from lake.remote import let_read
from lake.sql import text
from lake.storage import TEMPORARY, Lake, StorageError
from schemas.captures import CAPTURE_DIFFERENCES
from schemas.tables import TABLES
from schemas.view import BI, View, macros, views

SPILL: Final = ".spill"
"""How the folder's name ends that DuckDB puts beside the file what memory cannot hold."""

HELD: Final = (
    *(RUNS, "snapshots", "snapshot_targets"),
    *("current_targets", "current_builds", "current_amis", "current_containers"),
    *("current_region_failures", "target_captures", "build_changes", "last_known_builds"),
)
"""What is read from the lake into tables; all else is made of them."""
LEFT_OUT: Final = (
    *(name for name in TABLES if name not in HELD),
    "image_tags",
    *(macro.name for macro in macros()),
)
"""What needs the rows of every date, which only the lake has."""

_DIFFERENCES: Final = """
select
    b.snapshot_date,
    b.run_id,
    b.previous_date,
    c.previous_run_id,
    c.capture_key,
    b.* exclude (snapshot_date, run_id, previous_date)
from build_changes as b
join target_captures as c
    on
        c.account_id = b.account_id
        and c.region = b.region
        and c.snapshot_date = b.snapshot_date
        and c.coverage = 'whole'
where b.previous_date is not null"""


def build_materialized(
    lake: Lake, path: Path, statements: Collection[str], fingerprint: str
) -> None:
    """Makes the warehouse of tables; `statements` make live views of the lake.

    All is read in one transaction, so that the tables agree. Raises StorageError where the lake cannot
    be read.
    """
    with duckdb.connect() as connection:
        connection.execute(f"set temp_directory = {text(f'{path}{SPILL}')}")
        connection.execute("set preserve_insertion_order = false")  # half the memory
        let_read(connection, lake.uri)
        connection.execute("attach ':memory:' as live")
        connection.execute("use live")
        with heeded_after():
            for statement in statements:
                connection.execute(statement)
            attach(connection, path)
            connection.begin()
        try:
            _read(connection)
        except duckdb.Error as error:
            if _is_of_the_warehouse(error):
                raise
            words = str(error).partition("\n")[0]
            raise StorageError(f"--lake {lake.uri!r}: cannot be read: {words}") from error
        _make(connection)
        with heeded_after():
            describe(connection, lake, fingerprint)
            connection.commit()
            detach(connection)


def _read(connection: duckdb.DuckDBPyConnection) -> None:
    for name in HELD:
        with heeded_after():  # one by one: each may take its time
            connection.execute(f"create table {name} as from live.{name}")


def _make(connection: duckdb.DuckDBPyConnection) -> None:
    """Makes all else of the tables: those for BI tools as tables, but where they go by the clock."""
    connection.execute(f"create schema {BI}")
    for view in views():
        if view.name not in (*HELD, *LEFT_OUT):
            sql = _DIFFERENCES if view.name == CAPTURE_DIFFERENCES.name else view.sql
            with heeded_after():
                if _is_table(view):
                    connection.execute(f"create table {view.name} as {sql}")
                    _add_key(connection, view)
                else:
                    connection.execute(f"create view {view.name} as {sql}")


def _add_key(connection: duckdb.DuckDBPyConnection, view: View) -> None:
    """Declares the key, unless a lake that other programs write to breaks it: its rows show still."""
    (column,) = view.key
    is_held = f"select count(*) = count(distinct {column}) from {view.name}"  # noqa: S608 - the view's own
    if connection.execute(is_held).fetchall() == [(True,)]:
        connection.execute(f"alter table {view.name} add primary key ({column})")


def _is_table(view: View) -> bool:
    return view.name.startswith(f"{BI}.") and not view.clock


def _is_of_the_warehouse(error: duckdb.Error) -> bool:
    """True where its own file, or what is put beside it, could not be written: a full disk, mostly."""
    return TEMPORARY in str(error)
