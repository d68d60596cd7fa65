"""Query results reach people in a table and programs in CSV, JSON or Parquet, to the letter."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.answer_file import answer_file
from flows.answers import write_answer
from flows.formats import Format, format_of
from flows.parameters import ParameterError
from flows.terminal import printable

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


def test_a_table_shows_every_type_of_value(connection: duckdb.DuckDBPyConnection) -> None:
    """Markup is text, a control character its escape, NULL says so."""
    names, values, count = table(answer(connection, Format.TABLE, QUERY, nasty=NASTY))
    assert names == [
        *("tags", "nothing", "at", "sharp", "day"),
        *("price", "list", "markup", "nasty", "empty"),
    ]
    assert values == [
        '{"Team": "web", "é": null}',
        "NULL",
        "2025-11-20 12:00:00.500+00:00",
        "2025-11-20 12:00:00+00:00",
        "2025-11-20",
        "1.50",
        "[1, null]",
        "[red]x[/red]",
        "\\x1b[31mred\\x07 \\u202egnp.exe",
    ]
    assert count == ["(1 row)"]


def test_csv_keeps_every_value_to_the_letter(connection: duckdb.DuckDBPyConnection) -> None:
    text = answer(connection, Format.CSV, QUERY, nasty=NASTY)
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row == {
        "tags": '{"Team": "web", "é": null}',
        "nothing": "",
        "at": "2025-11-20 12:00:00.500000+00:00",
        "sharp": "2025-11-20 12:00:00+00:00",
        "day": "2025-11-20",
        "price": "1.50",
        "list": "[1, null]",
        "markup": "[red]x[/red]",
        "nasty": NASTY,
        "empty": "",
    }


def test_json_keeps_every_value_to_the_letter(connection: duckdb.DuckDBPyConnection) -> None:
    assert json.loads(answer(connection, Format.JSON, QUERY, nasty=NASTY)) == [
        {
            "tags": {"Team": "web", "é": None},
            "nothing": None,
            "at": "2025-11-20T12:00:00.500000+00:00",
            "sharp": "2025-11-20T12:00:00+00:00",
            "day": "2025-11-20",
            "price": 1.5,
            "list": [1, None],
            "markup": "[red]x[/red]",
            "nasty": NASTY,
            "empty": "",
        }
    ]


def test_json_is_valid_where_a_number_is_not_finite(connection: duckdb.DuckDBPyConnection) -> None:
    query = "select 'nan'::double as a, 'inf'::double as b, 1.5 as c"
    assert json.loads(answer(connection, Format.JSON, query)) == [{"a": None, "b": None, "c": 1.5}]


def test_json_keeps_both_of_two_columns_of_one_name(connection: duckdb.DuckDBPyConnection) -> None:
    assert json.loads(answer(connection, Format.JSON, "select 1 as a, 2 as a, 3 as b")) == [
        {"a": 1, "a_1": 2, "b": 3}
    ]


@pytest.mark.parametrize(
    ("form", "expected"), [(Format.CSV, "a\n"), (Format.JSON, "[]\n")], ids=str
)
def test_no_rows_are_an_empty_document(
    connection: duckdb.DuckDBPyConnection, form: Format, expected: str
) -> None:
    assert answer(connection, form, "select 1 as a where false") == expected


def test_no_rows_are_counted_in_a_table(connection: duckdb.DuckDBPyConnection) -> None:
    text = answer(connection, Format.TABLE, "select 1 as a where false")
    assert table(text) == [["a"], ["(0 rows)"]]


@pytest.mark.parametrize("query", ["", ";", "-- a comment"])
def test_no_statement_has_no_answer(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    assert answer(connection, Format.TABLE, query) == ""


def test_many_rows_all_come_out_in_order(connection: duckdb.DuckDBPyConnection) -> None:
    """More than are fetched at a time."""
    text = answer(connection, Format.CSV, "select range as n from range(25000)")
    assert text.split() == ["n", *map(str, range(25000))]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 日本", "plain é 日本"),
        ("two\nlines\t", "two\nlines\t"),
        ("\x00\x1b]0;title\x07", "\\x00\\x1b]0;title\\x07"),
        ("\x9b2J\x7f", "\\x9b2J\\x7f"),
        ("a\u202eb\u200bc\u2028d", "a\\u202eb\\u200bc\\u2028d"),
        ("\ud800", "\\ud800"),
        ("\r\n", "\\r\n"),
    ],
)
def test_text_for_a_terminal_moves_no_cursor(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("form", [Format.TABLE, Format.CSV, Format.JSON])
def test_a_file_that_clean_up_takes_from_under_a_query_is_no_error(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, form: Format
) -> None:
    """The query is asked again, by then of the files that are there; each row comes once."""
    folder = tmp_path / "snapshot_date=2025-11-20"
    folder.mkdir()
    files = [folder / f"{number:02}.parquet" for number in range(40)]
    for file in files:
        connection.execute(f"copy (select range as a from range(2000)) to '{file}'")  # noqa: S608 - our own file
    removed: list[Path] = []

    def remove_the_rest(number: int) -> int:
        """Is called for the first file's rows, when the others are listed already."""
        if not removed:
            removed.extend(files[1:])
            for file in removed:
                file.unlink()
        return number

    connection.create_function("touched", remove_the_rest, [int], int, side_effects=True)
    connection.execute("set threads = 1")
    query = f"select touched(a) from read_parquet('{folder}/*.parquet')"  # noqa: S608 - our own folder
    written = answer(connection, form, query)
    assert len(removed) == 39
    assert written.count("1999") == 1


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


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize("query", ["set threads = 2", "begin", ""])
def test_a_statement_without_rows_writes_nothing(
    connection: duckdb.DuckDBPyConnection, form: Format, query: str
) -> None:
    if form is Format.PARQUET:
        with pytest.raises(ParameterError, match="no rows to write"):
            parquet(connection, query)
    else:
        assert answer(connection, form, query) == ""


def test_a_column_may_be_named_as_duckdb_names_nothing(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    assert answer(connection, Format.CSV, 'select true as "Success" where false') == "Success\n"


@pytest.mark.parametrize(
    ("form", "first", "lines"), [("table", 2, 8), ("csv", 1, 6), ("json", 1, 7)]
)
def test_of_too_many_rows_the_rest_is_left_out_which_is_said(
    connection: duckdb.DuckDBPyConnection,
    capsys: pytest.CaptureFixture[str],
    form: str,
    first: int,
    lines: int,
) -> None:
    """How many there are is counted, as far as a second's counting finds."""
    out = io.StringIO()
    query = "select range as n from range($rows)"

    def ask(rows: int) -> list[str]:
        out.seek(0)
        out.truncate()
        assert write_answer(connection, query, Format(form), out, {"rows": rows}, most=5) == 5
        return out.getvalue().splitlines()

    hint = "; `.rows all` shows all, `.save FILE` keeps them)"
    assert len(ask(5)) == lines
    assert capsys.readouterr().err == ""
    assert "4" in ask(30_000)[first + 4]
    assert capsys.readouterr().err == f"(5 of 30,000 rows{hint}\n"
    ask(10**12)
    said = capsys.readouterr().err
    assert said.startswith("(5 of at least ")
    assert said.endswith(f" rows{hint}\n")


def test_a_file_is_there_whole_or_not_at_all(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "answer.csv"
    path.write_text("before")
    path.chmod(0o600)
    query = "select if(range = 1_500_000, error('midway'), range) as a from range(2_000_000)"
    with pytest.raises(duckdb.Error), answer_file(path, Format.CSV) as out:
        write_answer(connection, query, Format.CSV, out)
    assert path.read_text() == "before"
    with answer_file(path, Format.CSV) as out:
        write_answer(connection, "select 'é\r\n' as a", Format.CSV, out)
        assert path.read_text() == "before"
    assert path.read_bytes() == b'a\n"\xc3\xa9\r\n"\n'
    assert path.stat().st_mode & 0o777 == 0o600
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    with answer_file(link, Format.CSV) as out:
        out.write("linked")
    assert link.is_symlink()
    assert path.read_text() == "linked"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["answer.csv", "link.csv"]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("there/is/none.csv", "cannot be written: No such file or directory"),
        (".", "there is something else than a file"),
        ("/dev/null", "there is something else than a file"),
        ("/proc/answer.csv", "cannot be written: No such file or directory"),
    ],
)
def test_a_place_for_no_file_is_named(tmp_path: Path, place: str, words: str) -> None:
    with (
        pytest.raises(ParameterError) as refused,
        answer_file(tmp_path / place, Format.CSV),
    ):
        pytest.fail("it was opened")
    assert str(refused.value) == f"{str(tmp_path / place)!r}: {words}"


def test_a_file_s_name_says_its_form() -> None:
    names = ("a.csv", "a.b.JSON", "a.parquet", "a.table", "a.txt", "a", ".csv")
    assert [format_of(Path(name)) for name in names] == [
        *(Format.CSV, Format.JSON, Format.PARQUET, Format.TABLE, None, None, None)
    ]
