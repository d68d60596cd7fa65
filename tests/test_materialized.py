"""The warehouse of tables: what the live one shows, read without the lake, replaced as a whole."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lake.commit import await_effect
from lake.folder import Folder
from lake.location import open_folder
from lake.materialized import HELD, LEFT_OUT
from lake.records import Commit
from lake.run import Run
from lake.storage import StorageError
from lake.warehouse import connect, publish, publish_materialized
from schemas.view import BI, View, column_comment, views
from tests.committed import of_builds
from tests.rows import ami, build, covered, rows
from tests.small_history import DAYS, HOME
from tests.small_runs import small_lake, small_warehouse
from tests.test_disk_faults import disk, leave_free
from tests.test_duckdb_versions import OTHER_VERSIONS, answers_of
from tests.test_writer import DAY, commit_rows

__all__ = ["disk", "small_lake", "small_warehouse"]  # fixtures are used by their names
KEPT = [view for view in views() if view.name not in LEFT_OUT]
OF_BI = [view for view in KEPT if view.name.startswith(f"{BI}.")]


@pytest.fixture(scope="module")
def materialized(small_lake: Folder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small history's, built of a copy of its lake that is gone."""
    root = tmp_path_factory.mktemp("materialized")
    shutil.copytree(small_lake.root, root / "lake")
    assert publish_materialized(open_folder(str(root / "lake")), root / "tables.duckdb") is True
    shutil.rmtree(root / "lake")
    return root / "tables.duckdb"


@pytest.fixture
def tables(materialized: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(materialized) as connection:
        yield connection


def names_of(connection: duckdb.DuckDBPyConnection, kind: str) -> set[str]:
    """The relations of the kind: table or view."""
    asked = f"""
        select if(schema_name = 'main', '', schema_name || '.') || {kind}_name
        from duckdb_{kind}s() where not internal
    """  # noqa: S608 - one of two words
    return {name for (name,) in rows(connection, asked)}


def shown(view: View) -> str:
    """What a view shows, but for what goes by the clock."""
    columns = f"* exclude ({', '.join(view.clock)})" if view.clock else "*"
    return f"select {columns} from {view.name} order by all"  # noqa: S608 - the view's own words


@pytest.mark.parametrize("view", KEPT, ids=lambda view: view.name)
def test_every_view_shows_what_the_live_one_does(
    small_warehouse: Path, tables: duckdb.DuckDBPyConnection, view: View
) -> None:
    """Without the lake, in the same columns of the same types."""
    with connect(small_warehouse) as live:
        told = live.execute(shown(view))
        found = tables.execute(shown(view))
        assert found.description == told.description
        assert found.fetchall() == told.fetchall()


def test_the_rest_is_not_there(tables: duckdb.DuckDBPyConnection) -> None:
    """What has a row for every build of every date, and what is made of that."""
    assert names_of(tables, "table") == {
        *HELD,
        *(view.name for view in OF_BI if not view.clock),
    }
    assert names_of(tables, "view") == {
        "warehouse_info",
        *(view.name for view in KEPT if view not in OF_BI and view.name not in HELD),
        *(view.name for view in OF_BI if view.clock),
    }
    assert rows(tables, "select function_name from duckdb_functions() where not internal") == []


def test_all_is_told_as_in_the_live_one(
    small_warehouse: Path, tables: duckdb.DuckDBPyConnection
) -> None:
    """Tables have the comments that the views have, on each column too."""
    asked = """
        select schema_name, table_name, column_name, comment from duckdb_columns() where not internal
    """
    with connect(small_warehouse) as live:
        told = set(rows(live, asked))
    columns = set(rows(tables, asked))
    assert columns <= told
    for view in OF_BI:
        name = view.name.removeprefix("bi.")
        found = {
            column: words for schema, of, column, words in columns if (schema, of) == (BI, name)
        }
        assert found == {column: column_comment(view, column) for column in found}
    of_tables = "select table_name, comment from duckdb_tables() where schema_name = 'bi'"
    assert dict(rows(tables, of_tables)) == {
        view.name.removeprefix("bi."): view.comment for view in OF_BI if not view.clock
    }


def test_tables_for_bi_tools_have_their_keys(tables: duckdb.DuckDBPyConnection) -> None:
    """As constraints, which such tools read to know which side of a join is one."""
    asked = """
        select table_name, constraint_column_names from duckdb_constraints()
        where schema_name = 'bi' and constraint_type = 'PRIMARY KEY'
    """
    assert dict(rows(tables, asked)) == {
        view.name.removeprefix("bi."): list(view.key) for view in OF_BI if not view.clock
    }


def test_rows_that_break_their_key_are_shown_all_the_same(folder: Folder, tmp_path: Path) -> None:
    """A lake that another program wrote to: of two AMIs in one place of a build, both."""
    both = [ami(HOME, DAYS[0], "web/1.0.0/1", 0, region, None) for region in ("a", "b")]
    commit_rows(
        folder,
        DAYS[0],
        {
            "image_builds": [build(HOME, DAYS[0], "web/1.0.0/1", "AVAILABLE")],
            "image_amis": both,
            "snapshot_targets": [covered(HOME, DAYS[0], "complete", "whole", 1)],
            "snapshots": [{"status": "complete"}],
        },
    )
    publish_materialized(folder, tmp_path / "tables.duckdb")
    with connect(tmp_path / "tables.duckdb") as connection:
        asked = "select ami_region from bi.amis order by all"
        assert rows(connection, asked) == [("a",), ("b",)]


@pytest.mark.slow
@pytest.mark.parametrize("version", OTHER_VERSIONS)
def test_another_version_reads_it(materialized: Path, version: str) -> None:
    asked = [shown(view) for view in KEPT]
    expected = answers_of(duckdb.__version__, materialized, asked)
    assert answers_of(version, materialized, asked) == expected
    assert len(expected[shown(next(view for view in KEPT if view.name == "bi.builds"))]) == 18


@pytest.mark.slow
@pytest.mark.usefixtures("at_once")
def test_it_is_built_again_where_the_lake_shows_another_state(
    folder: Folder, tmp_path: Path
) -> None:
    """By rename: who has it open reads on. Nothing is left beside it."""
    path = tmp_path / "tables.duckdb"
    asked = "select count(*) from current_builds"

    def commit(number: int) -> Run:
        return commit_rows(
            folder, DAY + timedelta(days=number), of_builds(*map(str, range(number)))
        )

    commit(1)
    assert publish_materialized(folder, path) is True
    assert publish_materialized(folder, path) is False
    with duckdb.connect(str(path), read_only=True) as reader:
        commit(2)
        assert publish_materialized(folder, path) is True
        assert rows(reader, asked) == [(1,)]
    with duckdb.connect(str(path), read_only=True) as reader:
        assert rows(reader, asked) == [(2,)]
    assert sorted(found.name for found in tmp_path.iterdir()) == ["lake", "tables.duckdb"]


@pytest.mark.slow
def test_a_record_that_is_yet_to_take_effect_is_not_taken_for_shown(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warehouse that is built meanwhile lacks it, and is built again when it shows."""
    path = tmp_path / "tables.duckdb"
    asked = "select count(*) from current_builds"
    early: list[list[tuple[Any, ...]]] = []

    def build_first(record: Commit) -> None:
        assert publish_materialized(folder, path) is True
        with duckdb.connect(str(path), read_only=True) as reader:
            early.append(rows(reader, asked))
        await_effect(record)

    monkeypatch.setattr("lake.folder.VISIBILITY_DELAY", timedelta(seconds=8))
    monkeypatch.setattr("lake.commit.await_effect", build_first)
    commit_rows(folder, DAY, of_builds("a"))
    assert early == [[(0,)]]
    assert publish_materialized(folder, path) is True
    with duckdb.connect(str(path), read_only=True) as reader:
        assert rows(reader, asked) == [(1,)]


def test_an_empty_lake_gives_empty_tables(folder: Folder, tmp_path: Path) -> None:
    path = tmp_path / "tables.duckdb"
    publish_materialized(folder, path)
    with connect(path) as connection:
        found = {view.name: rows(connection, f"from {view.name}") for view in KEPT}
        assert {name for name, of in found.items() if of} == set()


def test_a_warehouse_of_one_kind_does_not_become_another(folder: Folder, tmp_path: Path) -> None:
    """Who reads one relies on it: tables without the lake, or views that are live."""
    tables, live = tmp_path / "tables.duckdb", tmp_path / "live.duckdb"
    publish_materialized(folder, tables)
    publish(folder, live)
    before = tables.read_bytes(), live.read_bytes()
    with pytest.raises(StorageError) as refused:
        publish(folder, tables)
    assert str(refused.value) == (
        f"--warehouse {str(tables)!r}: the file is a materialized warehouse, and this would make it a "
        "live one; remove it or give another (or give --materialize)"
    )
    with pytest.raises(StorageError, match="is a live warehouse, and this would make it a mat"):
        publish_materialized(folder, live)
    assert (tables.read_bytes(), live.read_bytes()) == before


def test_a_file_named_as_the_schema_is_refused(folder: Folder, tmp_path: Path) -> None:
    """DuckDB names a database for its file: bi.builds would be one of two things."""
    with pytest.raises(StorageError, match="the database in it would be named as its schema bi"):
        publish(folder, tmp_path / "bi.duckdb")


@pytest.mark.slow
def test_a_full_disk_leaves_the_warehouse_as_it_was(small_lake: Folder, disk: Path) -> None:
    """In one line that names it, wherever the space runs out, and nothing is left beside it."""
    path = disk / "tables.duckdb"
    for free in (0, 300_000, 1_800_000):
        leave_free(disk, free)
        with pytest.raises(StorageError) as refused:
            publish_materialized(small_lake, path)
        words = str(refused.value)
        assert words.startswith(f"--warehouse {str(path)!r}: cannot be written: ")
        assert "No space left on device" in words
        assert "\n" not in words
        assert [found.name for found in disk.iterdir()] == ["ballast"]
