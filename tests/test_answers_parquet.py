"""Query results in Parquet keep every value and its type, or are refused."""

import io
import os
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.answers import write_answer
from flows.formats import Format
from flows.parameters import ParameterError
from tests.answered import NASTY, QUERY, connection, parquet

__all__ = ["connection"]  # a fixture is used by its name


def test_parquet_keeps_every_value_and_its_type(connection: duckdb.DuckDBPyConnection) -> None:
    """A column name that comes twice gets a number, as in JSON."""
    query = (
        f"{QUERY}, 2::hugeint as nothing, {{'a': [date '2025-11-20']}} as nested, 1::double as d"
    )
    found = parquet(connection, query, nasty=NASTY)
    assert found.to_pylist() == [
        {
            "tags": [("Team", "web"), ("é", None)],
            "nothing": None,
            "at": datetime(2025, 11, 20, 12, 0, 0, 500000, UTC),
            "sharp": datetime(2025, 11, 20, 12, tzinfo=UTC),
            "day": date(2025, 11, 20),
            "price": Decimal("1.50"),
            "list": [1, None],
            "markup": "[red]x[/red]",
            "nasty": NASTY,
            "empty": "",
            "nothing_1": Decimal(2),
            "nested": {"a": [date(2025, 11, 20)]},
            "d": 1.0,
        }
    ]
    assert [str(found.schema.field(name).type) for name in ("at", "price", "nothing_1")] == [
        *("timestamp[us, tz=UTC]", "decimal128(9, 2)", "decimal128(38, 0)")
    ]
    connection.register("kept", found)
    connection.execute("create table asked as " + query, {"nasty": NASTY})
    for way in ("asked except select * from kept", "kept except select * from asked"):
        assert connection.execute(f"select * from {way}").fetchall() == []  # noqa: S608 - our own names


def test_parquet_without_rows_has_the_columns(connection: duckdb.DuckDBPyConnection) -> None:
    found = parquet(connection, "select 1::bigint as a, 'x' as b where false")
    assert (found.num_rows, found.schema) == (0, pa.schema([("a", pa.int64()), ("b", pa.string())]))


def test_parquet_of_many_rows_has_them_all_in_order(connection: duckdb.DuckDBPyConnection) -> None:
    """In row groups of a size that readers like."""
    out = io.TextIOWrapper(io.BytesIO())
    query = "select range as n from range(120_000)"
    assert write_answer(connection, query, Format.PARQUET, out) == 120_000
    file = pq.ParquetFile(out.buffer)
    assert file.read().column("n").to_pylist() == list(range(120_000))
    groups = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    assert len(groups) == 3
    assert min(groups) > 10_000


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("interval 1 month", "INTERVAL"),
        ("[interval 1 month]", "INTERVAL"),
        ("'12:00:00+02'::timetz", "TIME WITH TIME ZONE"),
        ("{'b': map {'k': '101'::bit}}", "BIT"),
        ("union_value(k := 1)", "UNION(k INTEGER)"),
        ("1::uhugeint", "UHUGEINT"),
    ],
)
def test_parquet_refuses_what_it_would_alter(
    connection: duckdb.DuckDBPyConnection, value: str, named: str
) -> None:
    with pytest.raises(ParameterError) as refused:
        parquet(connection, f"select {value} as odd")
    assert str(refused.value) == (
        f"column 'odd' has the type {named}, which Parquet cannot hold as it is; cast it to VARCHAR: "
        '"odd"::varchar'
    )
    assert parquet(connection, f"select ({value})::varchar as odd").num_rows == 1


def test_parquet_refuses_a_number_that_it_would_alter(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    with pytest.raises(pa.ArrowInvalid, match="does not fit in precision"):
        parquet(connection, "select 170141183460469231731687303715884105727::hugeint as a")


def test_parquet_of_a_query_that_fails_midway_is_no_file(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """What was written by then has no end, so that no reader takes it for an answer."""
    out = io.TextIOWrapper(io.BytesIO())
    query = "select if(range = 1_500_000, error('midway'), range) as a from range(2_000_000)"
    connection.execute("set threads = 1")
    with pytest.raises(duckdb.Error, match="midway"):
        write_answer(connection, query, Format.PARQUET, out)
    written = out.buffer.getvalue()
    assert written[:4] == b"PAR1"
    with pytest.raises(pa.ArrowInvalid):
        pq.read_table(io.BytesIO(written))


@pytest.mark.slow
def test_parquet_is_written_as_the_rows_come() -> None:
    """400 MB of rows in a process whose memory grows by no more than a few batches."""
    grown = subprocess.run(
        [sys.executable, "-c", MEASURE],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    ).stdout
    assert int(grown) < 150


MEASURE = """
import io, os, resource, sys
import duckdb
from flows.answers import write_answer
from flows.formats import Format
connection = duckdb.connect()
connection.execute("set threads = 2")
connection.execute("set enable_progress_bar = false")  # which `python -c` has
def ask(rows):
    with open(os.devnull, "w") as out:
        query = f"select range, repeat(md5(range::varchar), 3) as a from range({rows})"
        assert write_answer(connection, query, Format.PARQUET, out) == rows
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = ask(100_000)
print(ask(4_000_000) - before)
"""
