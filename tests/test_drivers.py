"""The README's ways to a warehouse for BI tools, each as it is written there."""

import json
import os
import re
import shlex
import subprocess
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from extract.emulator import Emulator
from flows.parameters import SnapshotParameters
from flows.pipeline import take_snapshot
from flows.questions import README
from flows.superset.bundle import uri_of
from lake.warehouse import connect
from schemas.view import BI
from tests.readme import code_blocks, section
from tests.terminal import Terminal

pytestmark = pytest.mark.slow

BLOCKS = section(README.read_text(), "BI tools")
PROJECT = Path(__file__).parents[1]
CLIENTS = Path(os.environ.get("IMAGELAKE_CLIENTS") or PROJECT / ".venv" / "clients")
REQUIREMENTS = PROJECT / "tests" / "clients" / "requirements.lock"
WAREHOUSE = Path("data/imagelake.duckdb")
"""Where the README has it."""
PLAIN = {"String()", "BIGINT()", "INTEGER()", "DOUBLE()", "BOOLEAN()", "DATE()", "TIMESTAMP()"}
"""The types of the schema `bi`, as SQLAlchemy has them."""

PATIENCE_SECONDS = 120.0
"""The first start of a client compiles it."""

CELLS = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in json.loads(sys.argv[1]):
    ran = shell.run_cell(cell)
    ran.raise_error()
print("ANSWER", json.dumps([list(row) for row in ran.result]))
"""


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, emulator: Emulator) -> Path:
    """A warehouse at the README's place in a folder of the test's own, which is the one at hand."""
    assert emulator
    monkeypatch.chdir(tmp_path)
    take_snapshot(SnapshotParameters())
    return tmp_path / WAREHOUSE


def answer(query: str) -> list[tuple[Any, ...]]:
    """The rows by DuckDB itself."""
    with connect(WAREHOUSE) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.usefixtures("warehouse")
@pytest.mark.filterwarnings("ignore:The inplace keyword")  # DuckDB's use of pandas
def test_python_shown_reads_the_views() -> None:
    """SQLAlchemy, pandas, ADBC and polars, each block by itself."""
    sqlalchemy, pandas, adbc, polars = (run_python(b) for b in code_blocks(BLOCKS, "python"))
    assert sorted(sqlalchemy["views"]) == sorted(
        name for (name,) in answer("select view_name from duckdb_views() where schema_name = 'bi'")
    )
    by_region = "select ami_region, count(*) from bi.golden_amis group by all order by all"
    assert sqlalchemy["rows"] == answer(by_region)
    assert len(sqlalchemy["rows"]) > 1
    failed = "select region, sum(failed_count) from bi.build_outcomes group by all order by all"
    assert list(pandas["failed"].items()) == answer(failed)
    oldest = answer("select name, ami_id, age_days from bi.golden_amis")
    assert sorted(zip(*adbc["oldest"].to_pydict().values(), strict=True)) == sorted(oldest)
    assert polars["targets"].rows() == answer("select * from bi.targets")
    assert polars["stale"].rows() == answer(
        "select * from bi.targets where last_attempt_status <> 'complete'"
    )


@pytest.mark.usefixtures("warehouse")
def test_writing_is_refused() -> None:
    """What the README gives as read-only is."""
    sqlalchemy = run_python(code_blocks(BLOCKS, "python")[0])
    with sqlalchemy["engine"].connect() as connection, pytest.raises(Exception, match="read-only"):
        connection.exec_driver_sql("create table mine (a int)")


@pytest.mark.usefixtures("warehouse")
def test_command_line_shown_answers() -> None:
    """DuckDB's own, which prints CSV."""
    [command] = re.findall(r"^\$ (duckdb .*)$", BLOCKS, re.MULTILINE)
    program, *arguments = shlex.split(command)
    printed = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    expected = answer("select region, count(*) from bi.builds group by all order by all")
    assert printed.splitlines() == ["region,builds", *(f"{region},{n}" for region, n in expected)]


def test_reflection_lists_every_view(warehouse: Path) -> None:
    """With a comment on each view and column, and types that SQLAlchemy knows; plain ones in bi."""
    found = inspect(create_engine(uri_of(warehouse), poolclass=NullPool))
    with connect(warehouse) as connection:
        rows = connection.execute(
            "select schema_name, view_name, comment from duckdb_views() where not internal"
        ).fetchall()
    assert {schema for schema, _, _ in rows} == {"main", BI}
    for schema in ("main", BI):
        views = {name: comment for of, name, comment in rows if of == schema}
        assert sorted(found.get_view_names(schema)) == sorted(views)
        for name, comment in views.items():
            assert found.get_table_comment(name, schema)["text"] == comment
            columns = found.get_columns(name, schema)
            assert all(column["comment"] for column in columns), name
            kinds = {repr(column["type"]) for column in columns}
            assert kinds <= PLAIN if schema == BI else "NullType()" not in kinds, name


@pytest.mark.long
def test_jupysql_shown_answers(warehouse: Path) -> None:
    cells = code_blocks(BLOCKS, "ipython")[0].splitlines()
    ended = subprocess.run(
        [clients_python(), "-c", CELLS, json.dumps(cells)],
        capture_output=True,
        text=True,
        check=False,
        cwd=warehouse.parents[1],
        env=client_environment(warehouse.parents[1]),
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    [printed] = re.findall(r"^ANSWER (.*)$", ended.stdout, re.MULTILINE)
    rows = json.loads(printed)
    expected = answer(
        "select state_status, count(*) from bi.builds where is_present group by all order by all"
    )
    assert [tuple(row) for row in rows] == expected
    assert len(rows) > 1


@pytest.mark.long
def test_harlequin_shown_answers(warehouse: Path) -> None:
    """A person types a query on its screen and sees the answer."""
    [command] = re.findall(r"^\$ (harlequin .*)$", BLOCKS, re.MULTILINE)
    program, *arguments = shlex.split(command)
    folder = warehouse.parents[1]
    words = [str(Path(clients_python()).with_name(program)), *arguments]
    [(count,)] = answer("select count(*) from bi.targets")
    with Terminal(words, folder, client_environment(folder), columns=140) as terminal:
        terminal.sees("Database Connected.", PATIENCE_SECONDS)
        for last in (False, False, True):  # a busy machine: its editor may not be ready yet
            terminal.type("select 'targets ' || count(*) as n from bi.targets")
            with nullcontext() if last else suppress(AssertionError):
                terminal.sees("bi.targets", PATIENCE_SECONDS / 3)
                break
        terminal.type("\n")  # Ctrl-J runs it
        terminal.sees(f"targets {count}", PATIENCE_SECONDS)


def run_python(block: str) -> dict[str, Any]:
    """What a block of the README leaves behind."""
    left: dict[str, Any] = {}
    exec(block, left)  # noqa: S102 - the README's own lines
    return left


def clients_python() -> str:
    """The interpreter of the environment of the clients; made where it is not there yet."""
    python = CLIENTS / "bin" / "python"
    made_of = CLIENTS / "requirements.lock"
    if not made_of.exists() or made_of.read_bytes() != REQUIREMENTS.read_bytes():
        uv = str(Path(sys.executable).with_name("uv"))
        run_uv(uv, "venv", "--clear", "--python", sys.executable, str(CLIENTS))
        options = ("--no-deps", "--require-hashes", "--python", str(python))
        run_uv(uv, "pip", "install", *options, "-r", str(REQUIREMENTS))
        made_of.write_bytes(REQUIREMENTS.read_bytes())
    return str(python)


def run_uv(*command: str) -> None:
    """Runs it; where there is no package index, the test is skipped."""
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode and "Failed to fetch" in ended.stderr:
        pytest.skip(f"uv cannot get the clients: {ended.stderr.strip()[-300:]}")
    assert ended.returncode == 0, ended.stderr


def client_environment(home: Path) -> dict[str, str]:
    """The clients keep what they keep in a home of the test's own, and tell nobody of their use."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PLOOMBER_STATS_ENABLED": "false",
    }
