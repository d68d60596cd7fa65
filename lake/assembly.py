"""How a warehouse is put together: all views over stand-ins, then in their place those that read files.

DuckDB plans a view when it is made, with all that it reads: each would list the lake's files anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import duckdb

from schemas.tables import TABLES
from schemas.view import BI, View, macros, views

RUNS: Final = "visible_runs"
"""The view of the run that shows for each date, which no file of `schemas` declares."""
_RUNS_TYPES: Final = {"snapshot_date": "DATE", "run_id": "VARCHAR", "effective_at": "TIMESTAMPTZ"}


def assembled(sources: Mapping[str, str]) -> list[str]:
    """The statements that make the warehouse's tables, views and macros, without their comments.

    `sources` has, by name, the SQL of what reads files: of every table and of `visible_runs`, and of
    the views and macros whose own SQL does not tell. They are replaced from the last to the first, so
    that each is planned over stand-ins.
    """
    made = [*_stand_ins(), *(f"create view {view.name} as {view.sql}" for view in views())]
    made += [create_macro(macro, sources.get(macro.name, macro.sql)) for macro in macros()]
    names = [RUNS, *TABLES, *(view.name for view in views())]
    return made + [
        f"create or replace view {name} as {sources[name]}"
        for name in reversed(names)
        if name in sources
    ]


def create_macro(macro: View, sql: str) -> str:
    """The statement that makes a table macro of a query."""
    return f"create macro {macro.name}({', '.join(macro.parameters)}) as table\n{sql}"


def view_columns() -> dict[str, list[tuple[str, str]]]:
    """By view and table macro, its columns' names and SQL types, whatever lake there is."""
    with duckdb.connect() as connection:
        for statement in assembled({}):
            connection.execute(statement)
        calls = {view.name: view.name for view in views()} | {
            macro.name: f"(from {macro.name}({', '.join('null' for _ in macro.parameters)}))"
            for macro in macros()
        }
        return {
            name: [
                (column, sql_type)
                for column, sql_type, *_ in connection.execute(f"describe {call}").fetchall()
            ]
            for name, call in calls.items()
        }


def _stand_ins() -> Iterator[str]:
    """The schema for BI tools, and views with the columns of the tables and no rows."""
    yield f"create schema {BI}"
    types = {
        table.name: {column.name: column.sql_type for column in table.documented_columns}
        for table in TABLES.values()
    }
    for name, columns in {RUNS: _RUNS_TYPES, **types}.items():
        nulls = ", ".join(f"null::{sql_type} as {column}" for column, sql_type in columns.items())
        yield f"create view {name} as select {nulls} where false"
