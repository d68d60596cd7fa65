"""The warehouse is a file of documented views that is replaced, never written to."""

import os
import random
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from shutil import copytree
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from flows.parameters import LakeParameters
from lake.assembly import view_columns
from lake.building import build_views
from lake.definitions import definitions
from lake.folder import Folder
from lake.location import open_folder
from lake.maintain import maintain
from lake.opening import DEFAULT_WAREHOUSE, WAREHOUSE_VARIABLE, lake_of
from lake.retention import Keep
from lake.schema_files import write_schema_files
from lake.storage import StorageError
from lake.warehouse import connect, publish, publish_pinned, require_replaceable
from schemas.tables import TABLES
from schemas.view import views
from tests.test_writer import DAY, Rows, commit_rows

PROJECT = Path(__file__).parents[1]
OPEN_TO_WRITE = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.readline()
"""
READ_TWICE = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1], read_only=True)
for _ in range(2):
    print(connection.execute("select lake from warehouse_info").fetchall()[0][0], flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return tmp_path / "imagelake.duckdb"


def one_build(arn: str = "a") -> Rows:
    target = {"account_id": "111111111111", "region": "us-east-1"}
    covered = {**target, "status": "complete", "coverage": "whole", "builds": 1, "request": "{}"}
    return {
        "image_builds": [{**target, "arn": arn, "tags": [("Team", "x")]}],
        "snapshot_targets": [covered],
        "snapshots": [{"status": "complete"}],
    }


def names_of(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The warehouse's own views."""
    query = """
        select if(schema_name = 'main', '', schema_name || '.') || view_name
        from duckdb_views() where not internal order by all
    """
    return [name for (name,) in connection.execute(query).fetchall()]


def test_every_view_can_be_asked_before_the_first_run(folder: Folder, warehouse: Path) -> None:
    publish(folder, warehouse)
    expected = {"visible_runs", "warehouse_info", *TABLES, *(view.name for view in views())}
    with connect(warehouse) as connection:
        assert set(names_of(connection)) >= expected
        rows = {name: connection.sql(f"from {name}").fetchall() for name in names_of(connection)}
    assert {name for name, found in rows.items() if found} == {"warehouse_info"}


def test_publishing_twice_leaves_everything_alone(folder: Folder, warehouse: Path) -> None:
    """The second time changes no file, neither the warehouse nor one of the lake."""
    assert publish(folder, warehouse) is True
    commit_rows(folder, DAY, one_build())

    def state() -> dict[Path, tuple[int, int]]:
        files = [warehouse, *folder.root.rglob("*")]
        return {file: (file.stat().st_ino, file.stat().st_mtime_ns) for file in files}

    before = state()
    assert publish(folder, warehouse) is False
    assert state() == before


def test_a_warehouse_of_another_lake_is_replaced(
    folder: Folder, warehouse: Path, tmp_path: Path
) -> None:
    other = open_folder(str(tmp_path / "other"))
    publish(other, warehouse)
    assert publish(folder, warehouse) is True
    with connect(warehouse) as connection:
        assert connection.execute("select lake from warehouse_info").fetchall() == [(folder.uri,)]
    assert [path.name for path in tmp_path.iterdir() if "duckdb" in path.name] == [warehouse.name]


@pytest.mark.parametrize("content", [b"", b"notes", b"a,b\n1,2\n" * 1000])
def test_a_file_that_is_something_else_is_refused(
    folder: Folder, warehouse: Path, content: bytes
) -> None:
    warehouse.write_bytes(content)
    for refuse in (lambda: publish(folder, warehouse), lambda: require_replaceable(warehouse)):
        with pytest.raises(StorageError, match="is no warehouse of imagelake"):
            refuse()
    assert warehouse.read_bytes() == content


def test_somebody_elses_database_is_refused(folder: Folder, warehouse: Path) -> None:
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create table precious as select 42 as answer")
    with pytest.raises(StorageError, match="is no warehouse of imagelake"):
        publish(folder, warehouse)
    with duckdb.connect(str(warehouse)) as connection:
        assert connection.execute("from precious").fetchall() == [(42,)]


def test_a_place_that_cannot_be_written_is_named(folder: Folder) -> None:
    """In one line, though DuckDB's own error has several."""
    with pytest.raises(StorageError) as refusal:
        publish(folder, Path("/proc/imagelake.duckdb"))
    assert str(refusal.value).startswith("--warehouse '/proc/imagelake.duckdb': cannot be written")
    assert "\n" not in str(refusal.value)


def test_a_warehouse_that_is_not_there_says_how_to_get_one(warehouse: Path) -> None:
    with pytest.raises(StorageError, match="imagelake publish"):
        connect(warehouse)


def test_a_warehouse_is_connected_to_by_its_path_or_by_default(
    folder: Folder, warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `imagelake sql` finds it: by the variable, else in data/, which is the commands' default."""
    publish(folder, warehouse)
    assert LakeParameters().warehouse == DEFAULT_WAREHOUSE
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError, match=r"data/imagelake\.duckdb"):
        connect()
    publish(folder, DEFAULT_WAREHOUSE)
    monkeypatch.setenv("HOME", str(warehouse.parent))
    for given in (str(warehouse), warehouse, f"~/{warehouse.name}", None):
        with connect(given) as connection:
            assert lake_of(connection) == folder.uri
    monkeypatch.setenv(WAREHOUSE_VARIABLE, str(tmp_path / "none.duckdb"))
    with pytest.raises(StorageError, match=r"none\.duckdb"):
        connect()


def test_a_connection_and_its_cursors_are_read_only_and_in_utc(
    folder: Folder, warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever zone the machine is in; pandas reads by a cursor."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    publish(folder, warehouse)
    query = "select timestamptz '2025-11-20 23:00:00+00:00' as instant, instant::date as day"
    expected = (datetime(2025, 11, 20, 23, tzinfo=UTC), date(2025, 11, 20))
    with connect(warehouse) as connection:
        for asked in (connection, connection.cursor()):
            assert asked.execute(query).fetchall() == [expected]
            assert str(asked.sql(query).df()["instant"].dtype).endswith(", UTC]")
            with pytest.raises(duckdb.InvalidInputException, match="read-only"):
                asked.execute("create table t (a integer)")


def test_a_replaced_warehouse_that_is_still_open_is_warned_of(
    folder: Folder, warehouse: Path, tmp_path: Path
) -> None:
    """DuckDB goes on with the old file in a process until all its connections are closed."""
    publish(folder, warehouse)
    other = open_folder(str(tmp_path / "other"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with connect(warehouse) as old, connect(warehouse) as beside:
            assert lake_of(old) == lake_of(beside) == folder.uri
            publish(other, warehouse)
            with pytest.warns(UserWarning, match="close its other connections") as warned:
                late = connect(warehouse)
            assert warned[0].filename == __file__
            assert lake_of(late) == folder.uri
            late.close()
        with connect(warehouse) as new, connect(warehouse):
            assert lake_of(new) == other.uri


def test_somebody_else_s_database_is_connected_to_without_a_word(warehouse: Path) -> None:
    """`imagelake sql` reads any; what replaced it cannot be told."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for value in (1, 2):
            duckdb.connect(str(warehouse)).execute(f"create table t{value} as select {value} as a")
            with connect(warehouse) as connection:
                assert connection.table(f"t{value}").fetchall() == [(value,)]


def test_every_view_and_column_has_a_comment(folder: Folder, warehouse: Path) -> None:
    """A table's column has the words of its declaration."""
    publish(folder, warehouse)
    with connect(warehouse) as connection:
        silent = connection.execute(
            """
            select view_name, null from duckdb_views() where not internal and comment is null
            union all
            select table_name, column_name from duckdb_columns()
            where not internal and (comment is null or trim(comment) = '')
            """
        ).fetchall()
        comments = connection.execute(
            "select table_name, column_name, comment from duckdb_columns() where not internal"
        ).fetchall()
    assert silent == []
    declared = {
        (name, column.name, column.doc)
        for name, table in TABLES.items()
        for column in table.documented_columns
    }
    assert declared <= set(comments)


def test_a_table_view_has_the_declared_columns_and_types(folder: Folder, warehouse: Path) -> None:
    publish(folder, warehouse)
    with connect(warehouse) as connection:
        for name, table in TABLES.items():
            found = [
                (column, sql_type.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"))
                for column, sql_type, *_ in connection.execute(f"describe {name}").fetchall()
            ]
            assert found == [(c.name, c.sql_type) for c in table.documented_columns]


def test_the_columns_of_a_view_are_told_without_a_lake(folder: Folder, warehouse: Path) -> None:
    publish(folder, warehouse)
    told = view_columns()
    with connect(warehouse) as connection:
        for view in views():
            described = connection.execute(f"describe {view.name}").fetchall()
            assert told[view.name] == [(name, kind) for name, kind, *_ in described]


def test_every_time_is_a_timestamptz_and_no_type_upsets_a_client() -> None:
    """Neither a naive TIMESTAMP nor a HUGEINT nor an ENUM is in any view of the default schema."""
    odd = [
        (view, column, kind)
        for view, columns in view_columns().items()
        if not view.startswith("bi.")
        for column, kind in columns
        if kind == "TIMESTAMP" or "HUGEINT" in kind or kind.startswith(("ENUM", "TIME "))
    ]
    assert odd == []


def test_a_reader_keeps_working_while_the_warehouse_is_replaced(
    folder: Folder, warehouse: Path, tmp_path: Path
) -> None:
    """Who has the file open reads the old one on; who opens it then reads the new."""
    publish(folder, warehouse)
    with _python(READ_TWICE, warehouse) as reader:
        assert _said(reader) == folder.uri
        other = open_folder(str(tmp_path / "other"))
        assert publish(other, warehouse) is True
        _say(reader)
        assert _said(reader) == folder.uri
        with connect(warehouse) as connection:
            found = connection.execute("select lake from warehouse_info").fetchall()
        assert found == [(other.uri,)]
        _say(reader)
    assert reader.returncode == 0


def test_a_warehouse_that_is_open_for_writing_stops_no_run(folder: Folder, warehouse: Path) -> None:
    """DuckDB lets nobody else in meanwhile: a copy says whether it is up to date."""
    publish(folder, warehouse)
    with _python(OPEN_TO_WRITE, warehouse) as writer:
        assert _said(writer) == "open"
        require_replaceable(warehouse)
        assert publish(folder, warehouse) is False
        _say(writer)
    with connect(warehouse) as connection:
        assert connection.table("image_builds").fetchall() == []


@pytest.mark.slow
@pytest.mark.parametrize("is_there", [False, True], ids=["new", "replaced"])
def test_a_pinned_warehouse_is_not_replaced_by_an_older_state(
    folder: Folder, warehouse: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    """Of two publications at the same time, the one that looked first ends last."""

    def overtaken(*given: Any) -> None:
        monkeypatch.setattr("lake.warehouse.build_views", build_views)
        commit_rows(folder, FIRST_DAY, one_build("new"))
        assert publish_pinned(folder, warehouse) is True
        build_views(*given)

    commit_rows(folder, FIRST_DAY, one_build("first"))
    if is_there:
        publish_pinned(folder, warehouse)
        commit_rows(folder, FIRST_DAY, one_build("old"))
    monkeypatch.setattr("lake.warehouse.build_views", overtaken)
    assert publish_pinned(folder, warehouse) is False
    with connect(warehouse) as connection:
        assert connection.execute("select arn from image_builds").fetchall() == [("new",)]
    assert [path.name for path in warehouse.parent.glob("*.duckdb*")] == [warehouse.name]


@pytest.mark.slow
def test_a_pinned_warehouse_may_show_an_older_state_than_the_one_before(
    folder: Folder, warehouse: Path, tmp_path: Path
) -> None:
    """Where nobody else is at it: a lake that was put back, or another one."""
    other = open_folder(str(tmp_path / "other"))
    commit_rows(other, FIRST_DAY, one_build("older"))
    commit_rows(folder, FIRST_DAY, one_build("newer"))
    assert publish_pinned(folder, warehouse) is True
    assert publish_pinned(other, warehouse) is True
    with connect(warehouse) as connection:
        assert connection.execute("select arn from image_builds").fetchall() == [("older",)]


def test_what_a_killed_publication_left_goes_a_day_later(folder: Folder, warehouse: Path) -> None:
    """By the next one, though it finds nothing to build; never what another one may be writing."""
    publish(folder, warehouse)
    own = [f"{warehouse.name}.tmp-1a2b3c4d", f"{warehouse.name}.tmp-1a2b3c4d.wal"]
    other = [
        *("x.duckdb.tmp-1a2b3c4d", f"{warehouse.name}.tmp-mine", f"{warehouse.name}.wal"),
        f"{warehouse.name}.tmp-5e6f7a8b",
    ]
    for name in (*own, *other):
        warehouse.with_name(name).write_bytes(b"half")
    hours = dict.fromkeys((*own, *other[:-1]), 25) | {other[-1]: 23}
    for name, age in hours.items():
        written_at = time.time() - age * 3600
        os.utime(warehouse.with_name(name), (written_at, written_at))
    assert publish(folder, warehouse) is False
    left = {path.name for path in warehouse.parent.iterdir() if path.is_file()}
    assert left == {warehouse.name, *other}


def test_a_database_of_somebody_else_is_never_replaced(folder: Folder, tmp_path: Path) -> None:
    """Nor where it is open for writing, so that nobody can look into it directly."""
    theirs = tmp_path / "theirs.duckdb"
    with duckdb.connect(str(theirs)) as connection:
        connection.execute("create table precious as select 1 as a")
    with _python(OPEN_TO_WRITE, theirs) as writer:
        assert _said(writer) == "open"
        with pytest.raises(StorageError, match="no warehouse of imagelake"):
            publish(folder, theirs)
        _say(writer)
    with duckdb.connect(str(theirs), read_only=True) as connection:
        assert connection.execute("from precious").fetchall() == [(1,)]


def test_a_relative_lake_is_found_from_any_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The views name the lake's absolute place, however it was given."""
    monkeypatch.chdir(tmp_path)
    folder = open_folder("data/lake")
    commit_rows(folder, DAY, one_build())
    publish(folder, Path("data/imagelake.duckdb"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    with connect(Path("../data/imagelake.duckdb")) as connection:
        assert connection.execute("select arn from current_builds").fetchall() == [("a",)]


def test_a_lake_can_be_read_without_a_warehouse_file(folder: Folder) -> None:
    """The definitions alone make the views in any DuckDB."""
    commit_rows(folder, DAY, one_build())
    write_schema_files(folder)
    with duckdb.connect() as connection:
        for statement in definitions(folder):
            connection.execute(statement)
        found = connection.execute("select tag_key, tag_value from current_tags").fetchall()
    assert found == [("Team", "x")]


# The newest row of each key, computed by `qualify row_number() … = 1` over all columns of a view,
# on a lake whose files are pruned by the join: the shape of duckdb issue 26044.

FIRST_DAY = date(2025, 11, 10)
KEYS = {
    "image_builds": "account_id, region, arn",
    "image_amis": "account_id, region, image_arn, position",
    "current_builds": "image_owner_account, image_slug",
}


@pytest.fixture(scope="session")
def many_written(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Four dates, each with runs that were superseded, of several files and row groups."""
    folder = open_folder(str(tmp_path_factory.mktemp("many") / "lake"))
    dice = random.Random(26044)  # noqa: S311 - rows, no secret
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lake.folder.VISIBILITY_DELAY", timedelta(0))
        patch.setattr("lake.writer.ROW_GROUP_ROWS", 40)
        patch.setattr("lake.writer.PART_ROWS", 120)
        for day, runs in enumerate((3, 1, 2, 3)):
            for run in range(runs):
                rows = _random_run(dice, f"{day}.{run}", 300 + 50 * run)
                commit_rows(folder, FIRST_DAY + timedelta(days=day), rows)
    return folder


@pytest.fixture(scope="module", params=["cleaned up", "as written"])
def many_runs(
    request: pytest.FixtureRequest,
    many_written: Folder,
    tmp_path_factory: pytest.TempPathFactory,
) -> Folder:
    """A copy of them. As written, the current rows of every run lie beside each other; clean-up has
    removed all but the last, and moved the records of the other runs.
    """
    folder = open_folder(str(tmp_path_factory.mktemp("many") / "lake"))
    copytree(many_written.root, folder.root)
    if request.param == "cleaned up":
        for days in (2, 4):
            maintain(folder, Keep(compact=False), datetime.now(UTC) + timedelta(days=days))
    states = len(list(folder.root.glob("_current/image_builds/state=2*")))
    records = len(list(folder.root.glob("_commits/*.json")))
    assert (states, records) == ((1, 1) if request.param == "cleaned up" else (9, 9))
    return folder


def _random_run(dice: random.Random, label: str, count: int) -> Rows:
    """Builds whose every text says which run wrote it; each run has its own choice of them."""
    targets = [("111111111111", "us-east-1"), ("222222222222", "eu-west-1")]
    builds = [
        {
            "account_id": account,
            "region": region,
            "arn": f"arn/{number}",
            "name": f"name {number} of {label}",
            "state_status": dice.choice(["AVAILABLE", "FAILED", "BUILDING"]),
            "state_reason": f"reason of {label}",
            "image_owner_account": account,
            "image_slug": f"slug-{number % 17}",
            "version_major": number,
            "created_at": datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=number),
            "tags": [("run", label), ("n", str(number))],
            "extra": f'{{"run":"{label}"}}' if number % 3 else None,
        }
        for account, region in targets
        for number in dice.sample(range(count * 2), count)
    ]
    amis = [
        {
            **{name: build[name] for name in ("account_id", "region")},
            "image_arn": build["arn"],
            "position": position,
            "ami_id": f"ami-{label}-{position}",
            "ami_name": f"{build['name']} {position}",
        }
        for build in builds
        for position in range(2)
    ]
    covered = [
        {
            "account_id": account,
            "region": region,
            "status": "complete",
            "coverage": "whole",
            "builds": count,
            "request": "{}",
        }
        for account, region in targets
    ]
    return {
        "image_builds": builds,
        "image_amis": amis,
        "snapshot_targets": covered,
        "snapshots": [{"status": "complete"}],
    }


def newest_query(view: str) -> str:
    """All columns of the newest row of each key."""
    order = "version_major" if view == "current_builds" else "snapshot_date"
    return (
        f"select * from {view} "  # noqa: S608 - the tests' own words
        f"qualify row_number() over (partition by {KEYS[view]} order by {order} desc) = 1"
    )


@pytest.fixture(scope="module")
def many_rows(many_runs: Folder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    path = tmp_path_factory.mktemp("warehouse") / "many.duckdb"
    publish(many_runs, path)
    with connect(path) as connection:
        yield connection


@pytest.mark.slow
@pytest.mark.parametrize("view", KEYS)
def test_the_newest_row_of_each_key_is_whole_and_right(
    many_rows: duckdb.DuckDBPyConnection, view: str
) -> None:
    """As plain Python finds it among all rows: DuckDB 1.5 could give other rows' values."""
    everything = many_rows.execute(f"select * from {view}")  # noqa: S608 - the tests' own words
    names = [column[0] for column in everything.description or []]
    order = names.index("version_major" if view == "current_builds" else "snapshot_date")
    keys = [names.index(name) for name in KEYS[view].split(", ")]
    newest: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for row in everything.fetchall():
        key = tuple(row[position] for position in keys)
        if key not in newest or row[order] > newest[key][order]:
            newest[key] = row
    found = many_rows.execute(newest_query(view)).fetchall()
    assert len(newest) > 15
    assert sorted(map(repr, found)) == sorted(map(repr, newest.values()))


@pytest.mark.slow
@pytest.mark.parametrize("view", ["image_builds", "image_amis", "snapshot_targets"])
def test_the_rows_are_those_of_the_newest_runs_files(
    many_runs: Folder, many_rows: duckdb.DuckDBPyConnection, view: str
) -> None:
    """As pyarrow reads them from the files of each date's newest run: none more, none less."""
    visible = many_rows.execute("select snapshot_date, run_id from visible_runs").fetchall()
    assert len(visible) == 4
    expected = [
        (day, run_id, *(_plain(value) for value in row.values()))
        for day, run_id in visible
        for file in many_runs.files(f"{view}/snapshot_date={day}/run_id={run_id}")
        for row in pq.ParquetFile(many_runs.path(file.path)).read().to_pylist()
    ]
    shown = many_rows.execute(f"select * from {view}").fetchall()  # noqa: S608 - the tests' own words
    found = [tuple(_plain(value) for value in row) for row in shown]
    assert sorted(map(repr, found)) == sorted(map(repr, expected))


def _plain(value: Any) -> Any:
    """A value alike from pyarrow and from DuckDB: instants as epoch seconds, maps as dicts."""
    if isinstance(value, datetime):
        return value.timestamp()
    return dict(value) if isinstance(value, list) else value


def _python(script: str, path: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        env=os.environ,
    )


def _said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _say(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
