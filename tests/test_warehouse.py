"""The warehouse is a file of documented views that is replaced, never written to."""

from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from flows.parameters import LakeParameters
from lake.definitions import definitions
from lake.folder import Folder
from lake.location import open_folder
from lake.opening import DEFAULT_WAREHOUSE, WAREHOUSE_VARIABLE, lake_of
from lake.schema_files import write_schema_files
from lake.storage import StorageError
from lake.warehouse import connect, publish
from schemas.tables import TABLES
from schemas.view import declared_columns, views
from tests.test_writer import DAY, commit_rows
from tests.warehouses import one_build, warehouse

__all__ = ["warehouse"]  # a fixture is used by its name


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
    told = declared_columns()
    with connect(warehouse) as connection:
        for view in views():
            described = connection.execute(f"describe {view.name}").fetchall()
            assert list(told[view.name].items()) == [(name, kind) for name, kind, *_ in described]


def test_every_time_is_a_timestamptz_and_no_type_upsets_a_client() -> None:
    """Neither a naive TIMESTAMP nor a HUGEINT nor an ENUM is in any view of the default schema."""
    odd = [
        (view, column, kind)
        for view, columns in declared_columns().items()
        if not view.startswith("bi.")
        for column, kind in columns.items()
        if kind == "TIMESTAMP" or "HUGEINT" in kind or kind.startswith(("ENUM", "TIME "))
    ]
    assert odd == []


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
