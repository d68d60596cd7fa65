"""The file of a warehouse: its views or tables, what each of them is, and what it was built from."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb

from lake.definitions import base_comments, comments_on
from lake.interruption import heeded_after
from lake.remote import let_read
from lake.sql import text
from lake.storage import Lake
from schemas import __version__
from schemas.view import column_comment, macros, views

STORAGE_VERSION: Final = "v1.0.0"
"""What every DuckDB from 1.0 on reads; a file that 2.0 writes as it comes, no 1.x opens."""
INFO: Final = "warehouse_info"

_WAREHOUSE_INFO: Final = {
    "": "What this warehouse is. Grain: one row.",
    "lake": "The lake that it shows.",
    "imagelake_version": "The version that built the warehouse.",
    "published_at": "When it was built.",
    "fingerprint": "Whether it is live, pinned or materialized, and a digest of what it was built "
    "from: it is built again only where that changes.",
}


def attach(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Makes the file, as the database that is used from now on."""
    connection.execute(
        f"attach {text(str(path))} as warehouse (storage_version '{STORAGE_VERSION}')"
    )
    connection.execute("use warehouse")


def detach(connection: duckdb.DuckDBPyConnection) -> None:
    """Completes the file."""
    connection.execute("use memory")
    connection.execute("detach warehouse")


def build_views(lake: Lake, path: Path, statements: Collection[str], fingerprint: str) -> None:
    """Makes a warehouse of views, in one thread: there is nothing that several could share."""
    with heeded_after(), duckdb.connect(config={"threads": 1}) as connection:
        let_read(connection, lake.uri)
        attach(connection, path)
        connection.begin()  # one write to the disk for some hundred statements
        for statement in statements:
            connection.execute(statement)
        describe(connection, lake, fingerprint)
        for macro in macros():
            comment = text(macro.comment)
            connection.execute(f"comment on macro table {macro.name} is {comment}")
        connection.commit()
        detach(connection)


def describe(connection: duckdb.DuckDBPyConnection, lake: Lake, fingerprint: str) -> None:
    """Says of the warehouse what it is, and of each relation and column what it holds."""
    connection.execute("pragma disable_optimizer")  # a comment takes half the time: 0.06 ms
    connection.execute(_info(lake, fingerprint))
    relations = _relations(connection)
    comments = base_comments() | {INFO: _WAREHOUSE_INFO}
    for view in views():
        if view.name in relations:
            _, columns = relations[view.name]
            on_columns = {column: column_comment(view, column) for column in columns}
            comments[view.name] = {"": view.comment, **on_columns}
    for name, (kind, _) in relations.items():
        connection.execute(";\n".join(comments_on(name, comments[name], kind)))
    connection.execute("pragma enable_optimizer")


def _relations(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, list[str]]]:
    """By name, whether it is a view or a table, and its columns.

    The catalog tells them: to describe a view would be to plan it again.
    """
    tables = {name for (name,) in connection.execute(_TABLES).fetchall()}
    return {
        name: ("table" if name in tables else "view", columns)
        for name, columns in connection.execute(_COLUMNS).fetchall()
    }


def _info(lake: Lake, fingerprint: str) -> str:
    now = datetime.now(UTC).isoformat()
    return f"""create view {INFO} as
select
    {text(lake.uri)} as lake,
    {text(__version__)} as imagelake_version,
    timestamptz '{now}' as published_at,
    {text(fingerprint)} as fingerprint"""


_COLUMNS: Final = """
select if(schema_name = 'main', '', schema_name || '.') || table_name as name,
    list(column_name order by column_index)
from duckdb_columns()
where database_name = current_database()
group by name
"""
_TABLES: Final = """
select if(schema_name = 'main', '', schema_name || '.') || table_name
from duckdb_tables()
where database_name = current_database()
"""
