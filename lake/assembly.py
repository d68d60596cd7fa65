"""How a warehouse is put together: stand-ins for all views, then in their place the views themselves.

DuckDB plans a view when it is made, with all that it reads: each would list the lake's files anew, and
plan the views below it. Over stand-ins the whole takes a third of the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from schemas.tables import TABLES
from schemas.view import BI, View, declared_columns, macros, views

RUNS: Final = "visible_runs"
"""The view of the run that shows for each date, which no file of `schemas` declares."""
_RUNS_TYPES: Final = {"snapshot_date": "DATE", "run_id": "VARCHAR", "effective_at": "TIMESTAMPTZ"}

Columns = Mapping[str, Mapping[str, str]]
"""By view, its columns and their SQL types."""


def assembled(sources: Mapping[str, str], declared: Columns | None = None) -> list[str]:
    """The statements that make the warehouse's tables, views and macros, without their comments.

    `sources` has, by name, the SQL of what reads files: of every table and of `visible_runs`, and of
    the views and macros whose own SQL does not tell. They replace the stand-ins from the last to the
    first, so that each is planned over stand-ins. A view without `declared` columns is its own.
    """
    known = declared_columns() if declared is None else declared
    sql = {view.name: view.sql for view in views()} | dict(sources)
    names = [RUNS, *TABLES, *(view.name for view in views())]
    return [
        *_stand_ins(known),
        *(create_macro(macro, sql.get(macro.name, macro.sql)) for macro in macros()),
        *(
            f"create or replace view {name} as {sql[name]}"
            for name in reversed(names)
            if name in sql
        ),
    ]


def create_macro(macro: View, sql: str) -> str:
    """The statement that makes a table macro of a query."""
    return f"create macro {macro.name}({', '.join(macro.parameters)}) as table\n{sql}"


def _stand_ins(known: Columns) -> Iterator[str]:
    """The schema for BI tools, and views with the columns of the tables and views, and no rows."""
    yield f"create schema {BI}"
    tables = {
        table.name: {column.name: column.sql_type for column in table.documented_columns}
        for table in TABLES.values()
    }
    for name, columns in {RUNS: _RUNS_TYPES, **tables}.items():
        yield _stand_in(name, columns)
    for view in views():
        if view.name in known:
            yield _stand_in(view.name, known[view.name])
        else:
            yield f"create view {view.name} as {view.sql}"


def _stand_in(name: str, columns: Mapping[str, str]) -> str:
    nulls = ", ".join(f"null::{sql_type} as {column}" for column, sql_type in columns.items())
    return f"create view {name} as select {nulls} where false"
