"""`imagelake sql` answers people, programs and pipes, reads statements, and writes no warehouse."""

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lake.location import open_folder
from lake.warehouse import publish
from tests.command import IMAGELAKE, Command


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse over a lake without a run, for questions that need no rows."""
    folder = tmp_path_factory.mktemp("published")
    publish(open_folder(str(folder / "lake")), folder / "imagelake.duckdb")
    return folder / "imagelake.duckdb"


def test_sql_prints_a_table_for_people_and_csv_or_json_for_programs(
    imagelake: Command, tmp_path: Path
) -> None:
    refused = imagelake("publish")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("imagelake: --lake 'data/lake': there is none")
    (tmp_path / "data/lake").mkdir(parents=True)
    assert imagelake("publish").stdout == "data/imagelake.duckdb: built\n"
    assert imagelake("publish").stdout == "data/imagelake.duckdb: up to date\n"
    query = "select 1 as n, null as nothing, '[b]' || chr(27) as odd, map {'k': 'v'} as tags"
    table = imagelake("sql", query).stdout
    assert [line.split() for line in table.splitlines() if line.strip() and "─" not in line] == [
        ["n", "nothing", "odd", "tags"],
        ["1", "NULL", "[b]\\x1b", '{"k":', '"v"}'],
        ["(1", "row)"],
    ]
    assert imagelake("sql", query, "--format", "csv").stdout == (
        'n,nothing,odd,tags\n1,,[b]\x1b,"{""k"": ""v""}"\n'
    )
    assert json.loads(imagelake("sql", query, "--format", "json").stdout) == [
        {"n": 1, "nothing": None, "odd": "[b]\x1b", "tags": {"k": "v"}}
    ]
    assert (tmp_path / "data" / "lake").is_dir()


def test_the_shell_reads_statements_and_an_error_ends_no_session(
    imagelake: Command, published: Path
) -> None:
    """Statements may take several lines; the last needs no semicolon."""
    sql = ("sql", "--warehouse", str(published))
    typed = "select\n  1 as a;\nselect nonsense;\n;\nselect ';' as b;\n.quit\nselect 9 as c;\n"
    ended = imagelake(*sql, "--format", "csv", text=typed)
    assert (ended.returncode, ended.stdout) == (2, "a\n1\nb\n;\n")  # a script sees the error
    assert ended.stderr.startswith("Binder Error: ")
    ended = imagelake(*sql, "--format", "csv", text="select 2 as a")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "a\n2\n", "")
    assert "golden_images" in imagelake(*sql, text=".views\n").stdout


def test_sql_answers_several_statements_one_after_the_other(
    imagelake: Command, published: Path
) -> None:
    """What went before an error stands; a statement without rows writes nothing."""
    sql = ("sql", "--warehouse", str(published), "--format", "csv")
    ended = imagelake(*sql, "set threads = 1; select ';' as a;\nselect 2 as b; -- the end")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "a\n;\nb\n2\n", "")
    ended = imagelake(*sql, "select 1 as a;\n\nselect\n  nope; select 3 as c")
    assert (ended.returncode, ended.stdout) == (2, "a\n1\n")
    assert ended.stderr == (
        'imagelake: Binder Error: Referenced column "nope" was not found because the FROM clause is '
        "missing\n\nLINE 4:   nope\n          ^\n"
    )


def test_sql_writes_parquet_to_a_pipe_or_a_file(
    imagelake: Command, published: Path, tmp_path: Path
) -> None:
    """A file's name says its form, unless the option does; the query may come on stdin."""
    sql = ("sql", "--warehouse", str(published))
    query = "select range as n, timestamptz '2025-11-20 12:00:00+00:00' as at from range(3)"
    rows = [{"n": n, "at": datetime(2025, 11, 20, 12, tzinfo=UTC)} for n in range(3)]
    with (tmp_path / "piped").open("wb") as out:
        command = [IMAGELAKE, *sql, query, "--format", "parquet"]
        subprocess.run(command, stdout=out, check=True)
    assert pq.read_table(tmp_path / "piped").to_pylist() == rows
    ended = imagelake(*sql, "--out", "a.parquet", text=query + ";\n")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "a.parquet: 3 rows\n")
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == rows
    assert imagelake(*sql, "select 1 as a", "--out", "a.json").returncode == 0
    assert json.loads((tmp_path / "a.json").read_text()) == [{"a": 1}]
    assert imagelake(*sql, "select 1 as a", "--out", "a.json", "--format", "csv").returncode == 0
    assert (tmp_path / "a.json").read_text() == "a\n1\n"
    assert imagelake(*sql, "select 1 as a", "--out", "table").returncode == 0
    assert (tmp_path / "table").read_text() == "a\n─\n1\n(1 row)\n"


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_reader_that_has_enough_is_no_error(published: Path, form: str) -> None:
    """As `head` has, after some lines of very many."""
    command = [IMAGELAKE, "sql", "--warehouse", str(published), "--format", form]
    for query in (["from range(100_000_000)"], []):
        if form == "parquet" and not query:
            continue
        asking = subprocess.Popen(
            [*command, *query],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert asking.stdin
        assert asking.stdout
        assert asking.stderr
        asking.stdin.write(b"" if query else b"from range(100_000_000);\n")
        asking.stdin.close()
        assert asking.stdout.read(4)
        asking.stdout.close()
        assert asking.stderr.read() == b""
        assert asking.wait(30) == 0


REFUSED_FILES = {
    "several statements": (
        ["select 1; select 2", "--out", "a.csv"],
        "QUERY: 2 statements, and a file holds the answer of one; give one",
    ),
    "no statement": (
        [" ;", "--format", "parquet"],
        "QUERY: 0 statements, and a file holds the answer of one; give one",
    ),
    "nothing to write": (
        ["set threads = 1", "--out", "a.csv"],
        "the statement has no rows to write",
    ),
    "no such folder": (
        ["select 1", "--out", "no/a.csv"],
        "'no/a.csv': cannot be written: its folder is not there; make it first",
    ),
    "a type that Parquet has not": (
        ["select interval 1 day as a", "--out", "a.parquet"],
        "column 'a' has the type INTERVAL, which Parquet cannot hold as it is; cast it to VARCHAR: "
        '"a"::varchar',
    ),
    "an unknown form": (
        ["select 1", "--format", "xml"],
        "Invalid value for '--format': 'xml' is not one of 'table', 'csv', 'json', 'parquet'; see "
        "`imagelake sql --help`",
    ),
}


@pytest.mark.parametrize(("arguments", "words"), REFUSED_FILES.values(), ids=REFUSED_FILES)
def test_sql_says_in_a_line_what_it_cannot_write(
    imagelake: Command, published: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    ended = imagelake("sql", "--warehouse", str(published), *arguments)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", f"imagelake: {words}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_query_that_fails_leaves_the_file_as_it_was(
    imagelake: Command, published: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("before")
    query = (
        "select if(a = 1_500_000, error('midway'), a) from (select unnest(range(2_000_000)) as a)"
    )
    ended = imagelake("sql", "--warehouse", str(published), query, "--out", "a.csv")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "midway" in ended.stderr
    assert (tmp_path / "a.csv").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_what_is_no_text_is_refused_in_a_line(imagelake: Command, published: Path) -> None:
    sql = ("sql", "--warehouse", str(published))
    ended = imagelake(*sql, "select '\udcff'")
    assert (ended.returncode, ended.stderr) == (2, "imagelake: the statement is no valid UTF-8\n")
    for errors, words in (("surrogateescape", "the statement is"), ("strict", "imagelake: stdin:")):
        piped = subprocess.run(
            [IMAGELAKE, *sql],
            input=b"select '\xff';\n",
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": f"utf-8:{errors}"},
            check=False,
        )
        assert piped.returncode == 2
        assert piped.stderr.decode().startswith(f"{words} no valid UTF-8")


def test_a_script_may_use_the_shell_s_commands(imagelake: Command, published: Path) -> None:
    sql = ("sql", "--warehouse", str(published))
    script = ".format csv\nselect 1 as a;\n.save b.json\nselect 2 as b;\n.rows 1\nfrom range(3);\n"
    ended = imagelake(*sql, text=script)
    assert (ended.returncode, ended.stdout) == (0, "a\n1\nrange\n0\n")
    ended = imagelake(*sql, text=".nonsense\n.schema current_tags\n")
    assert ended.returncode == 2
    assert ended.stderr == "'.nonsense' is no command; .help lists them\n"
    assert "  tag_key        VARCHAR      The tag's key.\n" in ended.stdout


def test_what_is_to_be_saved_waits_for_an_answer(imagelake: Command, published: Path) -> None:
    """A query that cannot be asked has none: the one that was meant is kept."""
    script = ".save kept.csv\nselec 1;\nselect 1 as a;\nselect 2 as b;\n"
    ended = imagelake("sql", "--warehouse", str(published), "--format", "csv", text=script)
    assert (ended.returncode, ended.stdout) == (2, "b\n2\n")
    kept = imagelake("sql", "--warehouse", str(published), "from 'kept.csv'", "--format", "csv")
    assert kept.stdout == "a\n1\n"


def test_sql_cannot_write_the_warehouse(imagelake: Command, published: Path) -> None:
    before = published.read_bytes()
    statements = (
        "create table t (a int)",
        "drop view image_builds",
        "create or replace view image_builds as select 1",
        "comment on view image_builds is 'x'",
    )
    ended = imagelake("sql", "--warehouse", str(published), text=";\n".join(statements))
    assert ended.stderr.count("read-only mode") == len(statements)
    assert imagelake("sql", "--warehouse", str(published), statements[0]).returncode == 2
    assert published.read_bytes() == before


def test_sql_that_is_wrong_says_where(imagelake: Command, published: Path) -> None:
    ended = imagelake("sql", "--warehouse", str(published), "select arn from image_bilds")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("imagelake: Catalog Error: ")
    assert "image_builds" in ended.stderr
