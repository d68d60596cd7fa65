"""The warehouse: a small DuckDB file of views over the lake, replaced by rename, never written to.

The table views are live: they read the commit records by name and show, for each date, the newest
run in effect when the transaction began, so that all tables of a query agree. Anyone who can read
the lake can build one.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Final
from uuid import uuid4

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from lake.commit import COMMITS
from lake.run import schema_path
from lake.storage import TEMPORARY, Folder, StorageError
from schemas import __version__
from schemas.table import Table
from schemas.tables import TABLES
from schemas.view import column_comment, views

STORAGE_VERSION: Final = "v1.0.0"
"""What every DuckDB from 1.0 on reads; a file that 2.0 writes as it comes, no 1.x opens."""


_VISIBLE_RUNS: Final = {
    "": "The run that shows for each date, by the commit records. Grain: one row a snapshot_date.",
    "snapshot_date": "The UTC date.",
    "run_id": "The newest run committed for the date.",
    "effective_at": "Since when it shows.",
}
_WAREHOUSE_INFO: Final = {
    "": "What this warehouse is. Grain: one row.",
    "lake": "The lake that the views read.",
    "imagelake_version": "The version that built the warehouse.",
    "published_at": "When it was built.",
    "fingerprint": "A digest of its definitions: it is built again only where they change.",
}


def publish(lake: Folder, path: Path) -> bool:
    """Builds the warehouse of live views at `path`, beside it and renamed over it.

    Doing it twice is the same as doing it once: a warehouse that is as it should be is left alone.
    Returns whether it was built. Raises StorageError where the file cannot be written.
    """
    lake.make()
    write_schema_files(lake)
    statements = definitions(lake)
    fingerprint = hashlib.sha256("\n".join([*statements, repr(views())]).encode()).hexdigest()
    if path.exists() and _fingerprint_of(path) == fingerprint:
        return False
    staged = path.with_name(f"{path.name}{TEMPORARY}{uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        info = [_info(lake, fingerprint), *_comments("warehouse_info", _WAREHOUSE_INFO)]
        _build(staged, [*statements, *info])
        staged.replace(path)
    except (OSError, duckdb.IOException) as error:
        raise StorageError(
            f"--warehouse {str(path)!r}: cannot be written: {_line(error)}"
        ) from error
    finally:
        staged.unlink(missing_ok=True)
    return True


def require_replaceable(path: Path) -> None:
    """Raises StorageError where the file at `path` is something else than a warehouse."""
    if path.exists():
        _fingerprint_of(path)


def make_place(path: Path) -> None:
    """Makes the warehouse's folder. Raises StorageError where nothing can be written in it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise StorageError(
            f"--warehouse {str(path)!r}: cannot be written: {error.strerror}; give another"
        ) from error


def connect(path: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection to the warehouse whose times are UTC.

    Raises StorageError where there is no warehouse, or the file is none.
    """
    if not path.is_file():
        raise StorageError(
            f"--warehouse {str(path)!r}: there is none; take a snapshot with `imagelake run`, or "
            "build one for an existing lake with `imagelake publish`"
        )
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        raise StorageError(f"--warehouse {str(path)!r}: {error}") from error
    connection.execute("set timezone = 'UTC'")
    return connection


def current_captures(path: Path) -> dict[tuple[str, str], date]:
    """By account and region, the date of the capture that the current_* views show."""
    with connect(path) as connection:
        rows = connection.execute("select account_id, region, snapshot_date from current_targets")
        return {(account_id, region): day for account_id, region, day in rows.fetchall()}


def write_schema_files(lake: Folder) -> None:
    """Gives each table its file without rows, with today's columns, where it has none yet."""
    for table in TABLES.values():
        path = schema_path(table.name)
        present = lake.path(path)
        if present.exists() and _is_alike(pq.read_schema(present), table.arrow_schema):
            continue
        staged = lake.stage(path)
        pq.write_table(table.arrow_schema.empty_table(), staged)
        lake.publish(staged, path)


def definitions(lake: Folder) -> list[str]:
    """The SQL statements that make the warehouse: views first, each with its comments."""
    statements = [_visible_runs(lake), *_comments("visible_runs", _VISIBLE_RUNS)]
    for table in TABLES.values():
        statements += _table_view(lake, table)
    for view in views():
        statements.append(f"create view {view.name} as {view.sql}")
    return statements


def view_columns() -> dict[str, list[tuple[str, str]]]:
    """By view, its columns' names and SQL types, whatever lake there is."""
    with duckdb.connect() as connection:
        for table in TABLES.values():
            columns = ", ".join(f"{c.name} {c.sql_type}" for c in table.documented_columns)
            connection.execute(f"create table {table.name} ({columns})")
        for view in views():
            connection.execute(f"create view {view.name} as {view.sql}")
        return {
            view.name: [
                (name, sql_type)
                for name, sql_type, *_ in connection.execute(f"describe {view.name}").fetchall()
            ]
            for view in views()
        }


def _build(path: Path, statements: list[str]) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            f"attach {_text(str(path))} as warehouse (storage_version '{STORAGE_VERSION}')"
        )
        connection.execute("use warehouse")
        connection.begin()  # one write to the disk for some hundred statements
        for statement in statements:
            connection.execute(statement)
        for view in views():
            columns = connection.execute(f"describe {view.name}").fetchall()
            comments = {name: column_comment(view, name) for name, *_ in columns}
            for statement in _comments(view.name, {"": view.comment, **comments}):
                connection.execute(statement)
        connection.commit()
        connection.execute("use memory")
        connection.execute("detach warehouse")


def _visible_runs(lake: Folder) -> str:
    """Which run shows for each date, by the names of the commit records alone.

    `now()` is the transaction's start, so all queries of a transaction agree; `epoch_ms(now())`
    does not depend on the session's time zone.
    """
    return f"""create view visible_runs as
select
    try_cast(split_part(name, '_', 1) as date) as snapshot_date,
    split_part(name, '_', 3) as run_id,
    make_timestamptz(try_cast(split_part(name, '_', 2) as bigint) * 1000) as effective_at
from (
    select parse_filename(file, true) as name
    from glob({_text(lake.glob(f"{COMMITS}/*.json"))})
)
where
    regexp_full_match(name, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}_[0-9]{{1,15}}_[^_]+')
    and try_cast(split_part(name, '_', 1) as date) is not null
    and try_cast(split_part(name, '_', 2) as bigint) <= epoch_ms(now())
qualify row_number() over (
    partition by split_part(name, '_', 1)
    order by try_cast(split_part(name, '_', 2) as bigint) desc, name desc
) = 1"""  # noqa: S608 - the lake's location is quoted by _text


def _table_view(lake: Folder, table: Table) -> list[str]:
    """The view of a table and its comments.

    The runs come first in an inner join on both path columns: only so a filter on the date reaches
    the listing of the files (duckdb issue 18411). The union with the file that has no rows keeps
    DuckDB 1.5 from fetching rows by `file_index`, which a join that prunes files shifts (issue
    26044): without it a wide `qualify row_number() … = 1` gave wrong rows. It costs 3 to 8 ms.
    """
    names = [column.name for column in table.documented_columns]
    comments = {column.name: column.doc for column in table.documented_columns}
    comment = f"{table.grain[0].upper()}{table.grain[1:]}. Key: {', '.join(table.key)}."
    return [
        f"""create view {table.name} as
select {", ".join(names)}
from visible_runs
join (
    select * from {_scan(lake, f"{table.name}/*/*/*.parquet")}
    union all by name
    select * from {_scan(lake, schema_path(table.name))}
) using (snapshot_date, run_id)""",  # noqa: S608 - names are the schema's, locations are quoted
        *_comments(table.name, {"": comment, **comments}),
    ]


def _scan(lake: Folder, pattern: str) -> str:
    """The files as a relation whose path columns have their types, whatever folders there are."""
    return (
        f"read_parquet({_text(lake.glob(pattern))}, hive_partitioning = true, "
        "hive_types = {'snapshot_date': DATE, 'run_id': VARCHAR})"
    )


def _comments(view: str, comments: dict[str, str]) -> list[str]:
    """Comments by column; the view's own under the empty name."""
    on_columns = [
        f"comment on column {view}.{column} is {_text(comment)}"
        for column, comment in comments.items()
        if column
    ]
    return [f"comment on view {view} is {_text(comments[''])}", *on_columns]


def _info(lake: Folder, fingerprint: str) -> str:
    now = datetime.now(UTC).isoformat()
    return f"""create view warehouse_info as
select
    {_text(lake.uri)} as lake,
    {_text(__version__)} as imagelake_version,
    timestamptz '{now}' as published_at,
    {_text(fingerprint)} as fingerprint"""


def _fingerprint_of(path: Path) -> str:
    """The fingerprint of the warehouse there.

    A copy is read where another process has the file open to write. Raises StorageError where the
    file is something else, so that it is never replaced.
    """
    try:
        try:
            return _read_fingerprint(path)
        except duckdb.IOException:
            with TemporaryDirectory() as folder:
                copy = Path(folder) / "copy.duckdb"
                copyfile(path, copy)
                return _read_fingerprint(copy)
    except (duckdb.Error, OSError) as error:
        raise StorageError(
            f"--warehouse {str(path)!r}: the file is no warehouse of imagelake; remove it or give "
            "another"
        ) from error


def _read_fingerprint(path: Path) -> str:
    with duckdb.connect(str(path), read_only=True) as connection:
        row = connection.execute("select fingerprint from warehouse_info").fetchone()
    return str(row[0]) if row else ""


def _is_alike(present: pa.Schema, declared: pa.Schema) -> bool:
    """True where types and words are the same; a map's entries are renamed by Parquet."""
    return bool(
        present.equals(declared)
        and present.metadata == declared.metadata
        and all(present.field(f.name).metadata == f.metadata for f in declared)
    )


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _text(value: str) -> str:
    """An SQL string literal."""
    escaped = value.replace("'", "''")
    return f"'{escaped}'"
