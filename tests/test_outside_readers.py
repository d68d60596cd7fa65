"""The lake's Parquet is plain to others: a table's folder has its date, its types and its rows."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from lake.folder import Folder
from lake.location import open_folder
from lake.maintain import maintain
from lake.records import manifest_of, read_record, shown_commits
from lake.retention import Keep
from lake.warehouse import connect, publish
from lake.writer import DataFile
from tests.committed import of_builds
from tests.test_rebuild import write_version_1
from tests.test_writer import DAY, commit_rows

pytestmark = pytest.mark.usefixtures("at_once")

README = (Path(__file__).parents[1] / "README.md").read_text()
NEXT = DAY + timedelta(days=1)
CREATED = datetime(2025, 11, 19, 12, 30, 0, 123456, UTC)
EXPECTED = [
    (DAY, "old", None, None),
    (NEXT, "b", CREATED, [("Team", "x"), ("it's", None)]),
    (NEXT, "c", None, None),
]
"""Of the runs that show: date, ARN, instant and tags."""


@pytest.fixture(params=["as committed", "moved"])
def folder(request: pytest.FixtureRequest, folder: Folder) -> Folder:
    """A date of schema version 1, and one of today's with a run that was superseded.

    Their records are where they were published, or two clean-ups have moved all but the newest.
    """
    write_version_1(folder, DAY, of_builds("old"))
    commit_rows(folder, NEXT, of_builds("a"))
    rows = of_builds("b", "c")
    rows["image_builds"][0].update(created_at=CREATED, tags=EXPECTED[1][3])  # type: ignore[attr-defined]  # a dict
    commit_rows(folder, NEXT, rows)
    for days in (2, 4) if request.param == "moved" else ():
        maintain(folder, Keep(compact=False), datetime.now(UTC) + timedelta(days=days))
    return folder


@pytest.fixture
def files(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files of image_builds that show, found by the README's own lines."""
    (lines,) = re.findall(
        r"^### Without the warehouse\n.*?^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL
    )
    monkeypatch.chdir(folder.root.parent)
    found: dict[str, Any] = {}
    exec(lines.replace("data/lake", folder.root.name), found)  # noqa: S102 - the README's lines
    listed: list[str] = found["files"]
    return [str(Path(path).absolute()) for path in listed]


@pytest.mark.slow
def test_the_views_show_the_same(folder: Folder, tmp_path: Path) -> None:
    publish(folder, tmp_path / "imagelake.duckdb")
    query = "select snapshot_date, arn, created_at, tags from image_builds order by 1, 2"
    with connect(tmp_path / "imagelake.duckdb") as connection:
        rows = connection.execute(query).fetchall()
    assert [(*row[:3], row[3] and list(row[3].items())) for row in rows] == EXPECTED


def test_pyarrow_reads_a_table_folder_with_its_date_and_types(
    folder: Folder, files: list[str]
) -> None:
    """The whole folder, whose runs it tells apart, or the files that show."""
    path = pa.schema([("snapshot_date", pa.date32()), ("run_id", pa.string())])
    table = ds.dataset(
        folder.root / "image_builds", partitioning=ds.partitioning(path, flavor="hive")
    )
    assert table.schema.field("created_at").type == pa.timestamp("us", tz="UTC")
    assert table.schema.field("tags").type == pa.map_(pa.string(), pa.string())
    assert table.count_rows() == 4
    assert table.count_rows(ds.field("snapshot_date") == NEXT) == 3
    shown = ds.dataset(files, partitioning=ds.partitioning(path, flavor="hive"))
    columns = ["snapshot_date", "arn", "created_at", "tags"]
    assert [tuple(row.values()) for row in _sorted(shown.to_table(columns).to_pylist())] == EXPECTED


def test_polars_reads_a_table_folder_with_its_date_and_types(
    folder: Folder, files: list[str]
) -> None:
    everything = pl.scan_parquet(
        folder.root / "image_builds/**/*.parquet", hive_partitioning=True, try_parse_hive_dates=True
    )
    schema = everything.collect_schema()
    assert schema["snapshot_date"] == pl.Date
    assert schema["created_at"] == pl.Datetime("us", "UTC")
    assert everything.select(pl.len()).collect().item() == 4
    shown = pl.scan_parquet(files, hive_partitioning=True).sort("snapshot_date", "arn")
    rows = shown.select("snapshot_date", "arn", "created_at", "tags").collect().to_dicts()
    assert [
        (r["snapshot_date"], r["arn"], r["created_at"], r["tags"] and list(r["tags"].items()))
        for r in rows
    ] == EXPECTED


def test_pandas_reads_the_files_that_show(files: list[str]) -> None:
    path = pa.schema([("snapshot_date", pa.date32()), ("run_id", pa.string())])
    frame = pd.read_parquet(files, partitioning=ds.partitioning(path, flavor="hive"))
    frame = frame.sort_values(["snapshot_date", "arn"])
    assert list(frame["snapshot_date"]) == [row[0] for row in EXPECTED]
    assert list(frame["arn"]) == [row[1] for row in EXPECTED]
    assert frame["created_at"].dt.tz is not None
    assert frame["created_at"].iloc[1] == pd.Timestamp(CREATED)


def test_duckdb_reads_them_without_our_views(folder: Folder, files: list[str]) -> None:
    """Of the whole folder the runs that show are chosen by the names of the records."""
    rows = duckdb.execute(
        "select snapshot_date, arn from read_parquet(?, hive_partitioning = true, "
        "union_by_name = true, hive_types = {'snapshot_date': DATE}) order by all",
        [files],
    ).fetchall()
    assert rows == [row[:2] for row in EXPECTED]
    everything = f"{folder.root}/image_builds/*/*/*.parquet"
    counted = duckdb.execute(
        "select count(*) from read_parquet(?, union_by_name = true, hive_partitioning = true)",
        [everything],
    ).fetchall()
    assert counted == [(4,)]


def test_a_column_that_came_later_is_null_in_older_files(lake: Path) -> None:
    """As the views have it, where the newest file comes first or its schema is given."""
    folder = open_folder(str(lake))
    write_version_1(folder, DAY, of_builds("old"))
    rows = {**of_builds("b"), "snapshots": [{"status": "complete", "warnings": "[]"}]}
    commit_rows(folder, NEXT, rows)
    old, new = (str(folder.path(file.path)) for file in _shown(folder, "snapshots"))
    path = pa.schema([("snapshot_date", pa.date32()), ("run_id", pa.string())])
    hive = ds.partitioning(path, flavor="hive")
    expected = [(DAY, None), (NEXT, "[]")]

    table = ds.dataset([new, old], partitioning=hive).to_table(["snapshot_date", "warnings"])
    assert sorted(zip(*table.to_pydict().values(), strict=True)) == expected
    frame = pd.read_parquet([new, old], partitioning=hive)[["snapshot_date", "warnings"]]
    assert [(day, None if pd.isna(text) else text) for day, text in frame[::-1].values] == expected
    scanned = pl.scan_parquet([new, old], hive_partitioning=True, missing_columns="insert")
    assert scanned.select("snapshot_date", "warnings").sort("snapshot_date").collect().rows() == (
        expected
    )
    assert (
        duckdb.execute(
            "select snapshot_date, warnings from read_parquet(?, hive_partitioning = true, "
            "union_by_name = true) order by all",
            [[old, new]],
        ).fetchall()
        == expected
    )


def _shown(folder: Folder, table: str) -> list[DataFile]:
    """The table's files by the newest record of each date, the oldest date first."""
    shown = shown_commits(folder).values()
    return [file for r in shown for file in manifest_of(read_record(folder, r))[table]]


def test_a_record_is_one_line_of_json(folder: Folder) -> None:
    """As Athena and Spark read rows of JSON."""
    for record in folder.root.rglob("_commits/**/*.json"):
        (line,) = record.read_text().splitlines()
        assert json.loads(line)["tables"]["image_builds"]["files"]


def _sorted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["snapshot_date"], row["arn"]))
