"""A connection, an answer of every type of value, and how it is read again."""

import io
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.answers import write_answer
from flows.formats import Format

NASTY = "\x1b[31mred\x07 \u202egnp.exe"
QUERY = """
select
    map {'Team': 'web', 'é': null} as tags,
    null as nothing,
    timestamptz '2025-11-20 12:00:00.5+00' as at,
    timestamptz '2025-11-20 12:00:00+00' as sharp,
    date '2025-11-20' as day,
    1.50::decimal(9, 2) as price,
    [1, null] as list,
    '[red]x[/red]' as markup,
    $nasty as nasty,
    '' as empty
"""


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection


def answer(connection: duckdb.DuckDBPyConnection, form: Format, query: str, **given: Any) -> str:
    out = io.StringIO()
    write_answer(connection, query, form, out, given or None)
    return out.getvalue()


def parquet(connection: duckdb.DuckDBPyConnection, query: str, **given: Any) -> pa.Table:
    out = io.TextIOWrapper(io.BytesIO())
    write_answer(connection, query, Format.PARQUET, out, given or None)
    return pq.read_table(out.buffer)


def table(text: str) -> list[list[str]]:
    """The table's lines without its rules, cut at two spaces or more."""
    lines = [line for line in text.splitlines() if line.strip() and "─" not in line]
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]
