"""Query results reach people in a table and programs in CSV, JSON or Parquet, to the letter."""

import csv
import io
import json
from pathlib import Path

import duckdb
import pytest

from flows.answer_file import answer_file
from flows.answers import write_answer
from flows.formats import Format, format_of
from flows.parameters import ParameterError
from flows.terminal import printable
from tests.answered import NASTY, QUERY, answer, connection, parquet, table

__all__ = ["connection"]  # a fixture is used by its name


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
        ("there/is/none.csv", "cannot be written: its folder is not there; make it first"),
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
