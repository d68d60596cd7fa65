"""Rows of the views for BI tools, as they are found and as they are expected of the small history."""

from datetime import UTC, datetime
from typing import Any, Final

import duckdb

from schemas.view import declared_columns
from tests.rows import dicts, filled
from tests.small_history import HOME, LONE, OTHER

NEWEST: Final = {HOME: 4, OTHER: 4, LONE: 0}
"""By target the date (0 to 4) of its newest whole capture."""


def utc(instant: datetime | None) -> datetime | None:
    """As a TIMESTAMP without a zone."""
    return instant and instant.astimezone(UTC).replace(tzinfo=None)


def found(history: duckdb.DuckDBPyConnection, view: str) -> list[dict[str, Any]]:
    """The view's rows, of each what is not NULL, but for the run, whose id no two histories share."""
    return ordered(dicts(history, f"from {view}"))


def ordered(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = [filled({name: row[name] for name in row if name != "run_id"}) for row in told]
    return sorted(rows, key=repr)


def expected(view: str, told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of what is told of each row the view's columns, in its order."""
    names = list(declared_columns()[view])
    return ordered([{name: row.get(name) for name in names} for row in told])
