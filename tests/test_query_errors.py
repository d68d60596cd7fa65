"""An error of a statement points at its place, whatever characters are before it."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from flows.query_errors import QueryError, query_error, tell_places
from flows.statements import Statement, statements
from flows.terminal import printable
from flows.text_table import cells


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        tell_places(connection)
        yield connection


def error_of(
    connection: duckdb.DuckDBPyConnection, statement: Statement, width: int = 100
) -> QueryError:
    with pytest.raises(duckdb.Error) as failed:
        connection.execute(statement.text).fetchall()
    return query_error(failed.value, statement, width)


def underlined(connection: duckdb.DuckDBPyConnection, text: str, width: int = 100) -> list[str]:
    """The error's last two lines, as a terminal shows them."""
    return printable(str(error_of(connection, Statement(text), width))).splitlines()[-2:]


POINTED_AT = {
    "plain": ("select nope", "LINE 1: select nope"),
    "wide": ("select '日本' as a, nope", "LINE 1: select '日本' as a, nope"),
    "accents of their own": ("select 'e\u0301' as a, nope", "LINE 1: select 'e\u0301' as a, nope"),
    "a tab": ("select\t'a\tb',\tnope", "LINE 1: select    'a    b',    nope"),
    "a control character": ("select '\x1b[31m', nope", "LINE 1: select '\\x1b[31m', nope"),
    "a hidden character": ("select '\u202e\u200b', nope", "LINE 1: select '\\u202e\\u200b', nope"),
    "another line": ("select\n  1,\n  nope\nfrom range(3)", "LINE 3:   nope"),
}


@pytest.mark.parametrize(("text", "line"), POINTED_AT.values(), ids=POINTED_AT)
def test_the_caret_is_below_what_is_wrong(
    connection: duckdb.DuckDBPyConnection, text: str, line: str
) -> None:
    shown, caret = underlined(connection, text)
    assert shown == line
    assert caret == " " * cells(line[: line.index("nope")]) + "^"


@pytest.mark.parametrize("width", [40, 60, 100, 300])
@pytest.mark.parametrize("at", [0, 1, 20, 199, 200])
def test_of_a_long_line_the_part_around_the_place_is_shown(
    connection: duckdb.DuckDBPyConnection, width: int, at: int
) -> None:
    """It fits the terminal and loses nothing of what is wrong."""
    columns = ["'日本語' as a"] * 200
    columns.insert(at, "nope")
    shown, caret = underlined(connection, f"select {', '.join(columns)}", width)
    assert cells(shown) <= width
    before = shown[: shown.index("nope")]
    assert caret == " " * cells(before) + "^"
    is_narrow = width == 40
    assert ("..." in before) is (at > 1 or (at == 1 and is_narrow))
    assert shown.endswith("...") is (at < 199 or (at == 199 and is_narrow))


def test_the_line_is_counted_from_the_beginning_of_the_input(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    _, second = statements("select 1;\n\n\nselect\n  nope;")
    assert str(error_of(connection, second)) == (
        'Binder Error: Referenced column "nope" was not found because the FROM clause is missing'
        "\n\nLINE 5:   nope\n          ^"
    )


def test_an_error_without_a_place_has_its_words_alone(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    words = "Invalid Input Error: it is {so}"
    assert str(error_of(connection, Statement("select error('it is {so}')"))) == words
    assert str(query_error(duckdb.Error("just words: {"), Statement("x"), 80)) == "just words: {"


def test_a_file_that_clean_up_took_is_not_the_statement_s_fault(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Nor is a lake that is not there, which comes back by no asking again."""
    query = "from read_parquet('{}/image_builds/snapshot_date=2025-11-20/a.parquet')"
    error = error_of(connection, Statement(query.format(tmp_path)))
    assert not error.is_usage
    assert str(error).endswith("; a clean-up took the file from under the query: ask again")
    assert "\n" not in str(error)
    gone = error_of(connection, Statement(query.format(tmp_path / "gone lake")))
    assert str(gone).startswith(f"the lake {tmp_path}/gone lake is not there: put it back, or ")
    assert not gone.is_usage
    assert error_of(connection, Statement("select nope")).is_usage


def test_a_failure_that_duckdb_does_not_name_says_how_to_see_it() -> None:
    """Where one thread fails, DuckDB may tell of another that it interrupted for it."""
    error = duckdb.InterruptException("INTERRUPT Error: Interrupted!")
    assert "`set threads = 1`" in str(query_error(error, Statement("select 1"), 100))
