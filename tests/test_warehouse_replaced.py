"""A warehouse is replaced under its readers, by no older state, and never where it is another's."""

import os
import re
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.parameters import LakeParameters
from flows.publishing import refresh
from lake.building import build_views
from lake.folder import Folder
from lake.location import open_folder, open_lake
from lake.opening import lake_of
from lake.storage import LakeSettings, StorageError
from lake.warehouse import connect, publish, publish_pinned, require_replaceable
from tests.many_runs import FIRST_DAY
from tests.test_writer import commit_rows
from tests.warehouses import one_build, warehouse

__all__ = ["warehouse"]  # a fixture is used by its name

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


def test_a_warehouse_of_another_lake_is_replaced(
    folder: Folder, warehouse: Path, tmp_path: Path
) -> None:
    other = open_folder(str(tmp_path / "other"))
    publish(other, warehouse)
    assert publish(folder, warehouse) is True
    with connect(warehouse) as connection:
        assert connection.execute("select lake from warehouse_info").fetchall() == [(folder.uri,)]
    assert [path.name for path in tmp_path.iterdir() if "duckdb" in path.name] == [warehouse.name]


def test_a_run_takes_no_other_lakes_warehouse(
    folder: Folder, warehouse: Path, tmp_path: Path
) -> None:
    """Nor does what looks after one. A warehouse whose lake was moved goes over to where it is now."""
    commit_rows(folder, FIRST_DAY, {})
    publish(folder, warehouse)
    (tmp_path / "link").symlink_to(folder.uri)
    for lake in (folder, open_folder(str(tmp_path / "link"))):
        require_replaceable(warehouse, lake)
    other = open_folder(str(tmp_path / "other"))
    with pytest.raises(StorageError, match=f"it shows the lake {re.escape(folder.uri)}; give"):
        require_replaceable(warehouse, other)
    with pytest.raises(StorageError):
        require_replaceable(warehouse, open_lake("s3://bucket/lake", LakeSettings()))
    assert refresh(other, LakeParameters(lake=other.uri, warehouse=warehouse)) is False
    with connect(warehouse) as connection:
        assert lake_of(connection) == folder.uri
    Path(folder.uri).rename(tmp_path / "other")
    require_replaceable(warehouse, other)


@pytest.mark.parametrize("content", [b"", b"notes", b"a,b\n1,2\n" * 1000])
def test_a_file_that_is_something_else_is_refused(
    folder: Folder, warehouse: Path, content: bytes
) -> None:
    warehouse.write_bytes(content)
    for refuse in (
        lambda: publish(folder, warehouse),
        lambda: require_replaceable(warehouse, folder),
    ):
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
        require_replaceable(warehouse, folder)
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
