"""The analysis views: one `.sql` file each, whose header says what it answers and its grain.

The header is comment lines: the purpose, then `grain:`, `asks:` (a question in words), `example:`
(the query that answers it), `clock:` (the columns that go by now()) and a `column NAME:` line for each
column that no table documents. Views may build on each other; the order follows from the names.

Those of `schemas/bi` are in the schema `bi`: flat and plainly typed, for tools that draw charts. They
name what they read with its schema, so that they can be read whatever the database is called. Their
`measure NAME = EXPRESSION:` lines say how their columns are summed up.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from functools import cache
from graphlib import TopologicalSorter
from importlib.resources import files
from typing import Final

from schemas.sqlfile import SqlFile, sql_files
from schemas.tables import TABLES

BI: Final = "bi"
"""The schema of the views for BI tools."""

COLUMNS: Final = "columns.json"
"""The file beside this module that `make readme` writes: what DuckDB finds the views' columns to be."""

_PARAMETER = re.compile(r"\s*(\w+) \((.+)\)\s*")
_NAME = re.compile(rf"(?:\bmain\.)?((?:\b{BI}\.)?\w+)")
_KEY = re.compile(r"\(([a-z_, ]+)\)")
_OF_UTC: Final = "_utc"
"""How the name of a column ends that is an instant of a table, as UTC without a zone."""


@dataclass(frozen=True)
class View:
    """A view: its name, purpose, grain, a question and its query, the columns' comments, its SQL.

    One of another schema than the default has it in its name. A table macro is a view with parameters:
    their names, and what each takes. `measures` has, by name, an SQL expression over the view's
    columns and its meaning; `clock` are the columns that go by the query's now().
    """

    name: str
    purpose: str
    grain: str
    asks: str
    example: str
    columns: dict[str, str]
    sql: str
    measures: dict[str, tuple[str, str]] = field(default_factory=dict)
    clock: tuple[str, ...] = ()
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that tell its rows apart: those in parentheses in its grain."""
        found = _KEY.search(self.grain)
        return tuple(found[1].split(", ")) if found else ()

    @property
    def comment(self) -> str:
        """What the warehouse says of the view."""
        told = f"{self.purpose} Grain: {self.grain}."
        measures = (f"{name} = {sql} ({words})" for name, (sql, words) in self.measures.items())
        return f"{told} Measures: {'; '.join(measures)}." if self.measures else told


@cache
def views() -> tuple[View, ...]:
    """Every analysis view, each after the views that it reads."""
    needed, optional = ("grain", "example"), ("asks", "clock")
    default = sql_files("views", needed, optional)
    for_bi = (replace(f, name=f"{BI}.{f.name}") for f in sql_files(BI, needed, optional))
    by_name = {file.name: _view(file) for file in (*default, *for_bi)}
    reads = {
        name: sorted(by_name.keys() & _words(view.sql) - {name})
        for name, view in sorted(by_name.items())
    }
    return tuple(by_name[name] for name in TopologicalSorter(reads).static_order())


@cache
def macros() -> tuple[View, ...]:
    """Every table macro, by name: its `parameters:` line has `name (what it takes)`, by semicolons."""
    declared = sql_files("macros", ("parameters", "grain", "example"), optional=("asks",))
    return tuple(_view(file) for file in declared)


@cache
def declared_columns() -> dict[str, dict[str, str]]:
    """By view and table macro, its columns and their SQL types: `columns.json`, which is generated."""
    found: dict[str, dict[str, str]] = json.loads(files("schemas").joinpath(COLUMNS).read_text())
    return found


def view_named(name: str) -> View:
    """The view of that name. Raises KeyError where there is none."""
    return {view.name: view for view in views()}[name]


def column_comment(view: View, column: str) -> str:
    """The column's meaning: the view's own words, else those of the table that it comes from.

    Raises KeyError where neither says anything.
    """
    behind = _documented_behind(view.sql)
    comment = view.columns.get(column) or behind.get(column)
    if comment is None and column.endswith(_OF_UTC):
        instant = behind.get(column.removesuffix(_OF_UTC), "").rstrip(".")
        comment = f"{instant} (UTC)." if instant else None
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
        file.measures,
        tuple(file.fields.get("clock", "").replace(",", " ").split()),
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
    """The words of the SQL; the name of a view for BI tools is one, and `main.` is none."""
    return set(_NAME.findall(sql))
