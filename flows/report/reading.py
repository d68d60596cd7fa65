"""What a report says of a warehouse, read in one transaction, so that all its numbers agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import duckdb

from flows.answers import asked_again
from flows.asking import cancellable
from flows.parameters import ParameterError
from flows.report.content import Row

_ENDING: Final = ".sql"
_MORE: Final = "-- more: "
_LIMIT: Final = "\nlimit "
_TOTAL: Final = "total_rows"
"""Says how many there are where a query cuts its rows in another way than by its limit."""


@dataclass(frozen=True)
class Answer:
    """A query's rows, how many there are in all, and what to ask for all of them."""

    rows: list[Row]
    total: int
    more: str

    @property
    def row(self) -> Row:
        """The only row."""
        return self.rows[0]


Answers = Mapping[str, Answer]


def read_answers(warehouse: duckdb.DuckDBPyConnection) -> Answers:
    """Every query's answer, by its name.

    Asked again where clean-up took a file from under a query. Raises ParameterError where the
    warehouse has not all the views.
    """
    try:
        return asked_again(lambda: _read(warehouse))
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise ParameterError(
            f"the warehouse lacks what the report reads ({str(error).partition(chr(10))[0]}); build "
            "it again with `imagelake publish`"
        ) from error


def queries() -> dict[str, str]:
    """The report's queries, by name."""
    return {
        entry.name.removesuffix(_ENDING): entry.read_text("utf-8")
        for entry in files("flows.report").joinpath("queries").iterdir()
        if entry.name.endswith(_ENDING)
    }


def _read(warehouse: duckdb.DuckDBPyConnection) -> Answers:
    warehouse.begin()
    try:
        return {name: _answer(warehouse, query) for name, query in sorted(queries().items())}
    finally:
        warehouse.rollback()


def _answer(warehouse: duckdb.DuckDBPyConnection, query: str) -> Answer:
    """The rows up to the query's limit, and how many there are without it.

    They are counted here: a window for it (`count(*) over ()`) makes DuckDB 1.5.5 end in an internal
    error once in some hundred times on a busy machine, and every view's files have an arm without rows.
    """
    more = [line.removeprefix(_MORE) for line in query.splitlines() if line.startswith(_MORE)]
    whole, is_limited, most = query.rstrip().rpartition(_LIMIT)
    cancellable(warehouse, warehouse.execute, whole if is_limited else query)
    names = [column[0] for column in warehouse.description or []]
    found = cancellable(warehouse, warehouse.fetchall)
    shown = found[: int(most)] if is_limited else found
    rows: list[Row] = [dict(zip(names, row, strict=True)) for row in shown]
    total = int(rows[0][_TOTAL]) if rows and _TOTAL in names else len(found)
    return Answer(rows, total, more[0] if more else "")
