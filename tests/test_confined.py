"""`imagelake sql --no-external`: questions of the lake are answered, and nothing else is done."""

import json
import os
import subprocess

import duckdb
import pytest

from flows.confined import refusal
from lake.folder import Folder
from lake.location import open_folder
from lake.warehouse import connect, publish
from schemas.view import View, macros, views
from tests.command import run_command
from tests.small_history import DAYS
from tests.small_runs import write_small_history
from tests.test_duckdb_versions import OTHER_VERSIONS, _run, python_with

VERSIONS = (duckdb.__version__, *OTHER_VERSIONS)

OUTSIDE = (
    "from read_csv('/etc/passwd')",
    "from read_text('/etc/passwd')",
    "from read_blob('/proc/self/environ')",
    "from read_json('/etc/passwd')",
    "from glob('/etc/*')",
    "from sniff_csv('/etc/passwd')",
    "from parquet_metadata('/etc/passwd')",
    "from '/etc/passwd'",
    "from read_csv('LAKE/../secret.csv')",
    "from read_csv('GLOB/../secret.csv')",
    "from read_csv('file:///etc/passwd')",
    "from read_csv('http://127.0.0.1:9/x.csv')",
    "from 'LAKE/../secret.csv'",
    'from "LAKE/../secret.csv"',
    "select getenv('HOME')",
    "from os",
    "copy (select 1) to 'OUT'",
    "export database 'OUT'",
    "import database 'OUT'",
    "attach 'OUT'",
    "attach ':memory:' as other",
    "install httpfs",
    "load httpfs",
    "load 'OUT'",
    "set threads = 1",
    "set enable_external_access = true",
    "reset lock_configuration",
    "set allowed_directories = ['/']",
    "pragma profiling_output = 'OUT'",
)
"""Each reads, writes, loads or sets what is not the lake's: DuckDB itself refuses it too."""

INSIDE = (
    "from query('from read_csv(''/etc/passwd'')')",
    "from query_table('LAKE/../secret.csv')",
    "copy (select 1) to 'LAKE/evil.csv'",
    "explain analyze copy (select 1) to 'LAKE/evil.csv'",
    "with x as (copy (select 1) to 'LAKE/evil.csv') from x",
    "with x as (select 1) select * from x; copy x to 'LAKE/evil.csv'",
    "pragma enable_profiling",
    "call enable_logging(storage = 'file', storage_path = 'LAKE')",
    "from enable_logging(storage = 'file', storage_path = 'LAKE')",
    "from \"enable_logging\" /* */ (storage = 'file', storage_path = 'LAKE')",
    "from system.main.enable_profiling(save_location = 'LAKE/evil.json', format = 'json')",
    "explain analyze call enable_logging(storage = 'file', storage_path = 'LAKE')",
    "from json_execute_serialized_sql(json_serialize_sql('from enable_logging()'))",
    "create secret s (type s3)",
    "create persistent secret s (type s3)",
    "create temp table t as select 1",
    "prepare p as select 1",
    "checkpoint",
    "vacuum",
    ".save OUT.csv",
)
"""Each does more than ask, be it with the lake's own files."""

CONFINED = """
import json, sys
from pathlib import Path
from flows.confined import refusal
from lake.opening import confine, connect
asked = json.load(sys.stdin)
connection = connect(sys.argv[1])
connection.execute("set python_enable_replacements = false")
connection.execute("set enable_progress_bar = false")  # which `python -c` has, on stdout
confine(connection)
answers, let_through = {}, {}
for query in asked["questions"]:
    assert refusal(query) is None, query
    answers[query] = sorted(map(repr, connection.execute(query).fetchall()))
def attempt(statement):
    try:
        let_through[statement] = repr(connection.execute(statement).fetchall())
    except Exception as error:
        pass

for statement in asked["outside"]:
    attempt(statement)
for statement in asked["inside"]:
    if refusal(statement) is None:
        attempt(statement)
json.dump([answers, let_through], sys.stdout)
"""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A lake whose name needs quoting and escaping, and a file beside it."""
    folder = open_folder(str(tmp_path_factory.mktemp("shared") / "the lake's [1]"))
    write_small_history(folder)
    publish(folder, folder.root.with_name("shared.duckdb"))
    folder.root.with_name("secret.csv").write_text("a\n1\n")
    return folder


def escapes(folder: Folder, statements: tuple[str, ...] = OUTSIDE + INSIDE) -> list[str]:
    """The statements, with the lake's places."""
    places = {"LAKE": folder.uri, "GLOB": folder.glob("")[:-1], "OUT": f"{folder.uri}/../out"}
    found = []
    for statement in statements:
        for name, place in places.items():
            statement = statement.replace(name, place.replace("'", "''"))
        found.append(statement)
    return found


def questions() -> list[str]:
    """Every view and macro, every example, and other ways to ask."""
    calls = [f"from snapshot_diff('{DAYS[0]}', '{DAYS[-1]}')", f"from builds_as_of('{DAYS[-1]}')"]
    return [
        *(f"select {_still(view)} from {view.name}" for view in views()),  # noqa: S608 - our own views
        *(view.example for view in (*views(), *macros())),
        *calls,
        "with b as (from current_builds) select count(*) from b",
        "explain select 1",
        "describe current_builds",
        "show tables",
        "pivot image_builds on state_status using count(*) group by region",
        "select count(*) from current_builds where name like 'waiting...%' or name = 'it''s'",
        'select \'copy me\', "copy" from (select 1 as "copy") -- pragma',
        "begin",
        "rollback",
    ]


def _still(view: View) -> str:
    """The view's columns but those that go by the query's now(): another moment tells others."""
    return f"* exclude ({', '.join(view.clock)})" if view.clock else "*"


def files_of(folder: Folder) -> set[str]:
    return {str(path) for path in folder.root.parent.rglob("*")}


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_every_question_is_answered_and_no_escape_is(lake: Folder, version: str) -> None:
    """By each DuckDB: the rows are those of an unconfined connection, no statement does anything."""
    before = files_of(lake)
    warehouse = lake.root.with_name("shared.duckdb")
    asked = {
        "questions": questions(),
        "outside": escapes(lake, OUTSIDE),
        "inside": escapes(lake, INSIDE),
    }
    output = _run([python_with(version), "-c", CONFINED, str(warehouse)], json.dumps(asked))
    answers, let_through = json.loads(output)
    assert let_through == {}
    assert files_of(lake) == before
    with connect(warehouse) as connection:
        for view in views():
            query = next(q for q in questions() if q.endswith(f" from {view.name}"))
            rows = sorted(map(repr, connection.execute(query).fetchall()))
            assert (query, answers[query]) == (query, rows)
    assert answers['select \'copy me\', "copy" from (select 1 as "copy") -- pragma'] == [
        "('copy me', 1)"
    ]


def sql(
    lake: Folder, text: str, *options: str, **environment: str
) -> "subprocess.CompletedProcess[str]":
    arguments = ["sql", "--warehouse", str(lake.root.with_name("shared.duckdb")), *options]
    return run_command(arguments, lake.root, text, {**os.environ, **environment})


def test_each_refusal_is_one_line_and_ends_no_session(lake: Folder) -> None:
    before = files_of(lake)
    asked = escapes(lake)
    typed = "".join(
        s if s.startswith(".") else f"{s};\nselect 'after {n}' as a;\n" for n, s in enumerate(asked)
    )
    ended = sql(lake, f"{typed}\nselect 'still here' as a;\n", "--no-external", "--format", "csv")
    assert ended.returncode == 2
    assert "root:" not in ended.stdout
    assert ended.stdout.endswith("still here\n")
    told = [line for line in ended.stderr.splitlines() if line.startswith("--no-external: ")]
    assert "--no-external: COPY is refused: only questions are answered" in told
    assert "--no-external: read_text() is refused: ask the views and tables" in told
    assert "--no-external: .save is refused: no file is written" in told
    assert len(told) >= len(asked) - 3  # a name that is no table, and a function that is not there
    assert "Traceback" not in ended.stderr
    assert files_of(lake) == before


def test_a_variable_confines_too(lake: Folder) -> None:
    ended = sql(lake, "from read_text('/etc/passwd')", IMAGELAKE_NO_EXTERNAL="1")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "--no-external: read_text() is refused: ask the views and tables\n"


def test_without_the_option_the_user_s_own_files_are_read(lake: Folder) -> None:
    """So that the refusals above are the option's."""
    secret = str(lake.root.with_name("secret.csv")).replace("'", "''")
    assert sql(lake, f"from read_csv('{secret}')", "--format", "csv").stdout == "a\n1\n"


def test_a_name_is_never_taken_for_a_variable_of_the_program(lake: Folder) -> None:
    ended = sql(lake, "from statement")
    assert "Table with name statement does not exist" in ended.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "what is no statement is refused"),
        ("/* select */ CoPy x to 'y'", "COPY is refused"),
        ("select * from \"QUERY\"('x')", "query() is refused"),
        ("(copy (select 1) to 'x')", "COPY is refused"),
        ("from 's3://bucket/lake/../other.csv'", "a path with .. is refused"),
        ('from "s3://bucket/lake/../other.csv"', "a path with .. is refused"),
        ("describe $$s3://bucket/lake/..$$", "a path with .. is refused"),
        ("from 's3://bucket/lake/.'\n'./other.csv'", "a path with .. is refused"),
        ("from e's3://bucket/lake/\\x2e\\x2e/other.csv'", "a path with .. is refused"),
        ("from read_csv('s3://bucket/lake/.' || './x')", "read_csv() is refused"),
        ("from arrow_scan(1, 2, 3)", "arrow_scan() is refused"),
    ],
)
def test_what_does_more_is_refused_however_it_is_spelled(text: str, words: str) -> None:
    assert words in str(refusal(text))
