"""The tables can be derived again from the raw pages, and an old lake reads beside a new one."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from shutil import rmtree
from typing import Any

import pyarrow.parquet as pq
import pytest

from extract.emulator import Emulator
from flows.parameters import SnapshotParameters
from flows.pipeline import take_snapshot
from flows.rebuild import rebuild
from flows.upkeep import rebuild_dates, rebuild_lines
from flows.upkeep_parameters import RebuildParameters
from lake.commit import CommitError, publish_record
from lake.folder import Folder
from lake.location import open_folder
from lake.records import newest_commit, newest_content, runs_of
from lake.run import Run, data_folder, part_path, version_of
from lake.storage import StorageError
from lake.warehouse import connect, publish, publish_pinned
from lake.writer import SnapshotWriter
from schemas.table import SCHEMA_VERSION
from schemas.tables import TABLES
from tests.committed import of_builds
from tests.conftest import CLOCK
from tests.listing import ACCOUNT, REGION, tell
from tests.test_writer import DAY, Rows, arrow_rows, commit_rows

pytestmark = pytest.mark.usefixtures("at_once")

WEST = "us-west-2"
Parameters = Callable[..., SnapshotParameters]


def rows(given: SnapshotParameters) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables but for what tells two commits of the same data apart."""
    own = {"snapshots": "run_id, committed_at, versions"}
    with connect(given.warehouse) as connection:
        return {
            table: connection.execute(
                f"select * exclude ({own.get(table, 'run_id')}) from {table} order by all"  # noqa: S608 - our own tables
            ).fetchall()
            for table in TABLES
        }


def test_the_rows_are_the_same(emulator: Emulator, parameters: Parameters) -> None:
    """Of every table, with a target that failed among them; nothing is asked."""
    emulator.set_faults(f"{ACCOUNT}/{WEST}", {"always": "access_denied"})
    given = parameters(region=[REGION, WEST], date=DAY)
    summary = take_snapshot(given)
    before = rows(given)
    emulator.clear_requests()
    rebuilt = rebuild(open_folder(given.lake), DAY)
    assert rebuilt.builds == summary.row_counts["image_builds"] > 0
    assert rows(given) == before
    assert emulator.requests() == []
    content = newest_content(open_folder(given.lake)) or {}
    assert content["rebuilt_from"] == content["raw_run"] == summary.run_id
    assert rebuild(open_folder(given.lake), DAY).builds == rebuilt.builds
    assert rows(given) == before


@pytest.mark.slow
def test_a_target_of_an_earlier_run_comes_from_that_runs_pages(
    emulator: Emulator, parameters: Parameters
) -> None:
    """What a re-run could not read, was not asked for, or a rebuilt run carried before."""
    given = parameters(region=[REGION, WEST, "eu-west-1"], date=DAY)
    take_snapshot(given)
    emulator.set_clock(CLOCK + timedelta(hours=6))
    emulator.set_faults(f"{ACCOUNT}/{WEST}", {"always": "access_denied"})
    take_snapshot(given.model_copy(update={"region": [REGION, WEST]}))
    before = rows(given)
    for _ in range(2):
        rebuild(open_folder(given.lake), DAY)
        assert rows(given) == before
    take_snapshot(given.model_copy(update={"region": [REGION]}))
    before = rows(given)
    rebuild(open_folder(given.lake), DAY)
    assert rows(given) == before


def test_a_joined_listing_comes_from_all_its_runs_pages(
    emulator: Emulator, parameters: Parameters
) -> None:
    """Three runs, each going on at the token of the one before; a build has changed meanwhile."""
    given = parameters(region=[REGION], date=DAY, page_size=10, max_items=33)
    token = None
    for hours in range(3):
        emulator.set_clock(CLOCK + timedelta(hours=hours))
        summary = take_snapshot(given.model_copy(update={"starting_token": token}))
        token = summary.targets[0].outcome.resume_token
    before = rows(given)
    assert len(before["image_builds"]) == 99
    rebuild(open_folder(given.lake), DAY)
    assert rows(given) == before


def test_pages_that_repeat_a_build_give_the_last_seen(
    emulator: Emulator, parameters: Parameters
) -> None:
    tell(emulator, "same_build_on_two_pages.json")
    given = parameters(region=[REGION], date=DAY)
    take_snapshot(given)
    before = rows(given)
    rebuild(open_folder(given.lake), DAY)
    assert rows(given) == before


@pytest.mark.slow
@pytest.mark.parametrize("gone", ["all", "some"])
def test_pages_that_are_gone_refuse_the_rebuild(
    emulator: Emulator, parameters: Parameters, gone: str
) -> None:
    """Of the whole run, or a part of a target's: the tables stand as they are."""
    assert emulator
    given = parameters(region=[REGION], date=DAY, page_size=10)
    take_snapshot(given)
    lake = open_folder(given.lake)
    before, shown = rows(given), newest_commit(lake, DAY)
    (landing,) = lake.root.glob("_raw/*/*")
    if gone == "all":
        rmtree(landing)
    else:
        (pages,) = landing.glob("pages-*")
        pages.write_bytes(pages.read_bytes()[: pages.stat().st_size // 2])
    with pytest.raises(CommitError, match=rf"{ACCOUNT}/{REGION} are gone.* its tables stand as"):
        rebuild(lake, DAY)
    assert newest_commit(lake, DAY) == shown
    assert rows(given) == before


@pytest.mark.slow
def test_every_date_is_rebuilt_that_can_be(emulator: Emulator, parameters: Parameters) -> None:
    assert emulator
    given = parameters(region=[REGION], date=DAY)
    days = [DAY, DAY + timedelta(days=1), DAY + timedelta(days=2)]
    for day in days:
        take_snapshot(given.model_copy(update={"date": day}))
    rmtree(next(Path(given.lake).glob(f"_raw/snapshot_date={days[1]}")))
    asked = RebuildParameters(lake=given.lake, warehouse=given.warehouse, all=True)
    said: list[str] = []
    rebuilds = rebuild_dates(asked, said.append)
    assert [rebuilt.commit.snapshot_date for rebuilt in rebuilds.done] == [days[0], days[2]]
    assert said == [f"rebuilding {day}" for day in days]
    printed = list(rebuild_lines(rebuilds))
    assert printed[0].startswith(f"{days[0]} rebuilt: ")
    assert printed[2].startswith(
        f"not rebuilt: {days[1]}: the raw pages of {ACCOUNT}/{REGION} are "
    )
    with pytest.raises(CommitError, match="has no snapshot of it to rebuild"):
        rebuild(open_folder(given.lake), date(2020, 1, 1))


# Files of an older schema


@pytest.fixture
def newer_column() -> Iterator[None]:
    """Version 2 brought `image_source`, a column whose values the raw pages have."""
    (column,) = (c for c in TABLES["image_builds"].columns if c.name == "image_source")
    object.__setattr__(column, "since", 2)
    yield
    object.__setattr__(column, "since", 1)


def write_version_1(lake: Folder, day: date, rows: Rows) -> None:
    """A committed run as schema version 1 laid it down."""
    run = Run.begin(CLOCK, day)
    files = {}
    for name, table in TABLES.items():
        schema = table.arrow_schema_of(1)
        content = arrow_rows(name, rows.get(name, ())).select(schema.names).cast(schema)
        path = part_path(data_folder(name, day, run.run_id), 0, 1)
        lake.path(path).parent.mkdir(parents=True)
        pq.write_table(content, lake.path(path))
        size = lake.path(path).stat().st_size
        files[name] = {
            "row_count": content.num_rows,
            "files": [{"path": path, "row_count": content.num_rows, "size_bytes": size}],
        }
    facts = {"run_id": run.run_id, "schema_version": 1, "status": "complete", "is_demo": False}
    publish_record(lake, day, run.run_id, {**facts, "tables": files})


def test_a_file_says_by_its_name_which_version_wrote_it(lake: Path) -> None:
    folder = open_folder(str(lake))
    write_version_1(folder, DAY, of_builds("a"))
    commit_rows(folder, DAY, of_builds("b"))
    told = {
        version_of(file.path): pq.read_schema(folder.path(file.path)).metadata
        for file in folder.files("snapshots")
    }
    assert {v: m[b"imagelake.schema_version"] for v, m in told.items()} == {
        1: b"1",
        SCHEMA_VERSION: str(SCHEMA_VERSION).encode(),
    }
    assert version_of("snapshots/_done") is None


@pytest.mark.slow
@pytest.mark.usefixtures("newer_column")
@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=["older dates first", "newer dates first"])
def test_an_old_lake_reads_beside_a_new_one(
    lake: Path, tmp_path: Path, order: tuple[int, int]
) -> None:
    """Columns that a file lacks are NULL, in live and in pinned views, wherever the old dates are."""
    folder = open_folder(str(lake))
    old, new = (DAY + timedelta(days=day) for day in order)
    write_version_1(folder, old, of_builds("a"))
    warehouse = tmp_path / "imagelake.duckdb"
    publish(folder, warehouse)
    rows_of_new = of_builds("b")
    rows_of_new["image_builds"][0]["image_source"] = "CUSTOM"  # type: ignore[index]  # a dict
    rows_of_new["snapshots"][0]["warnings"] = "[]"  # type: ignore[index]  # a dict
    commit_rows(folder, new, rows_of_new)
    expected = sorted([(old, "a", None, None), (new, "b", "CUSTOM", "[]")])
    query = """
        select snapshot_date, arn, image_source, warnings
        from image_builds join snapshots using (snapshot_date, run_id) order by all
    """
    with connect(warehouse) as connection:
        assert connection.execute(query).fetchall() == expected
        assert connection.execute("select arn from current_builds").fetchall()
    pinned = tmp_path / "pinned.duckdb"
    publish_pinned(folder, pinned)
    with connect(pinned) as connection:
        assert connection.execute(query).fetchall() == expected
        day = connection.execute(
            "select arn from image_builds where snapshot_date = ?", [old]
        ).fetchall()
    assert day == [("a",)]


@pytest.mark.usefixtures("newer_column")
def test_an_old_date_gains_a_new_columns_values_from_its_pages(
    emulator: Emulator, parameters: Parameters
) -> None:
    """The rows as an older version wrote them, NULL in the column; then rebuilt."""
    assert emulator
    given = parameters(region=[REGION], date=DAY)
    summary = take_snapshot(given)
    lake = open_folder(given.lake)
    record = newest_commit(lake, DAY)
    assert record is not None
    whole = rows(given)
    content = newest_content(lake) or {}
    (file,) = content["tables"]["image_builds"]["files"]
    old_path = part_path(file["path"].rpartition("/")[0], 0, 1)
    table = pq.ParquetFile(lake.path(file["path"])).read().drop_columns(["image_source"])
    lake.path(file["path"]).unlink()
    pq.write_table(table, lake.path(old_path))
    size = lake.path(old_path).stat().st_size
    content["tables"]["image_builds"]["files"] = [
        {"path": old_path, "row_count": table.num_rows, "size_bytes": size}
    ]
    for name in TABLES:
        (other,) = content["tables"][name]["files"]
        if name != "image_builds":  # its columns are the same but for the one of snapshots
            path = part_path(other["path"].rpartition("/")[0], 0, 1)
            lake.path(other["path"]).rename(lake.path(path))
            other["path"] = path
    lake.remove([record.path])
    publish_record(lake, DAY, summary.run_id, {**content, "schema_version": 1})
    publish(lake, given.warehouse)
    with connect(given.warehouse) as connection:
        query = "select count(*), count(image_source) from image_builds where snapshot_date = ?"
        counted = connection.execute(query, [DAY]).fetchall()
    assert counted == [(summary.row_counts["image_builds"], 0)]
    rebuild(lake, DAY)
    assert rows(given) == whole


def test_a_newer_lake_is_told_from_a_damaged_one(lake: Path, tmp_path: Path) -> None:
    """Nothing reads or writes a lake whose schema this version does not know."""
    folder = open_folder(str(lake))
    commit_rows(folder, DAY, of_builds("a"))
    (record,) = runs_of(folder, DAY)
    content = {**(newest_content(folder) or {}), "schema_version": SCHEMA_VERSION + 1}
    publish_record(folder, DAY, record.run_id, content)
    words = rf"a newer imagelake wrote it \(schema version {SCHEMA_VERSION + 1}; .*: upgrade"
    with pytest.raises(StorageError, match=words):
        publish(folder, tmp_path / "imagelake.duckdb")
    with pytest.raises(StorageError, match=words):
        rebuild(folder, DAY)
    given = SnapshotParameters(lake=str(lake), warehouse=tmp_path / "imagelake.duckdb", date=DAY)
    with pytest.raises(StorageError, match=words):
        take_snapshot(given)


def test_files_of_a_run_are_of_the_newest_version(lake: Path) -> None:
    folder = open_folder(str(lake))
    with SnapshotWriter(folder, Run.begin(CLOCK, DAY)) as writer:
        manifest = writer.publish()
    assert {version_of(f.path) for files in manifest.values() for f in files} == {SCHEMA_VERSION}
