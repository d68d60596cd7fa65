"""Query results reach people in a table and programs in CSV or JSON, to the letter."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.answers import write_answer
from flows.formats import Format
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


@pytest.mark.parametrize("form", list(Format))
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
