"""The analysis views: one `.sql` file each, whose header says what it answers and its grain.

The header is comment lines: the purpose, then `grain:`, `asks:` (a question in words), `example:`
(the query that answers it) and a `column NAME:` line for each column that no table documents. Views
may build on each other; the order follows from the names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from graphlib import TopologicalSorter

from schemas.sqlfile import SqlFile, sql_files
from schemas.tables import TABLES

_PARAMETER = re.compile(r"\s*(\w+) \((.+)\)\s*")


@dataclass(frozen=True)
class View:
    """A view: its name, purpose, grain, a question and its query, the columns' comments, its SQL.

    A table macro is a view with parameters: their names, and what each takes.
    """

    name: str
    purpose: str
    grain: str
    asks: str
    example: str
    columns: dict[str, str]
    sql: str
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def comment(self) -> str:
        """What the warehouse says of the view."""
        return f"{self.purpose} Grain: {self.grain}."


@cache
def views() -> tuple[View, ...]:
    """Every analysis view, each after the views that it reads."""
    files = sql_files("views", ("grain", "example"), optional=("asks",))
    by_name = {file.name: _view(file) for file in files}
    reads = {
        name: sorted(by_name.keys() & _words(view.sql) - {name})
        for name, view in sorted(by_name.items())
    }
    return tuple(by_name[name] for name in TopologicalSorter(reads).static_order())


@cache
def macros() -> tuple[View, ...]:
    """Every table macro, by name: its `parameters:` line has `name (what it takes)`, by semicolons."""
    files = sql_files("macros", ("parameters", "grain", "example"), optional=("asks",))
    return tuple(_view(file) for file in files)


def view_named(name: str) -> View:
    """The view of that name. Raises KeyError where there is none."""
    return {view.name: view for view in views()}[name]


def column_comment(view: View, column: str) -> str:
    """The column's meaning: the view's own words, else those of the table that it comes from.

    Raises KeyError where neither says anything.
    """
    comment = view.columns.get(column) or _documented_behind(view.sql).get(column)
    if comment is None:
        raise KeyError(
            f"{view.name}.sql: no `-- column {column}:` line, and no table has the column"
        )
    return comment


def _view(file: SqlFile) -> View:
    given = file.fields.get("parameters", "").split(";")
    matches = [match for one in given if (match := _PARAMETER.fullmatch(one))]
    parameters = {match[1]: match[2] for match in matches}
    return View(
        file.name,
        file.purpose,
        file.fields["grain"],
        file.fields.get("asks", ""),
        file.fields["example"],
        file.columns,
        file.sql,
        parameters,
    )


@cache
def _documented_behind(sql: str) -> dict[str, str]:
    """By column, what the tables say that the query reads, directly first, then through others."""
    words = _words(sql)
    comments: dict[str, str] = {}
    for table in TABLES.values():
        if table.name in words:
            comments = {column.name: column.doc for column in table.documented_columns} | comments
    for other in views():
        if other.name in words and other.sql != sql:
            comments = _documented_behind(other.sql) | comments
    return comments


def _words(sql: str) -> set[str]:
    return set(re.findall(r"\w+", sql))
