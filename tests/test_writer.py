"""A run's data files are whole, typed and documented; a run that fails leaves none behind."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lake.commit import commit
from lake.folder import Folder
from lake.run import Run
from lake.writer import DISTINCT, DataFile, Manifest, SnapshotWriter
from schemas.table import SCHEMA_VERSION
from schemas.tables import TABLES

DAY = date(2025, 11, 20)
RUN_ID = "20251120T020000000000Z-1a2b3c4d"
Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""By table, its rows; a column that a row leaves out is NULL."""


def arrow_rows(table: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The rows with the table's schema."""
    known = TABLES[table].arrow_schema
    assert {name for row in rows for name in row} <= set(known.names)
    return pa.Table.from_pylist([dict(row) for row in rows], schema=known)


def write_run(lake: Folder, snapshot_date: date, rows: Rows) -> tuple[Run, Manifest]:
    """A run's files, not committed."""
    run = Run.begin(datetime.now(UTC), snapshot_date)
    with SnapshotWriter(lake, run) as writer:
        for table in rows:
            for row in rows[table]:  # one by one: where groups and parts are small, each is its own
                writer.append({table: arrow_rows(table, [row])})
        return run, writer.publish()


def commit_rows(lake: Folder, snapshot_date: date, rows: Rows, **facts: Any) -> Run:
    """A committed run of the rows, which is visible on return."""
    run, manifest = write_run(lake, snapshot_date, rows)
    commit(lake, run, manifest, {"status": "complete", "is_demo": False, **facts})
    return run


def test_every_table_has_a_file_even_without_rows(folder: Folder) -> None:
    """So a commit record names each table, and a missing file is never an empty table."""
    run, manifest = write_run(folder, DAY, {"image_builds": [{"arn": "a"}]})
    assert {name: [file.row_count for file in files] for name, files in manifest.items()} == {
        "image_builds": [1],
        "image_amis": [0],
        "image_containers": [0],
        "image_region_failures": [0],
        "snapshot_targets": [0],
        "snapshots": [0],
    }
    part = f"part-00000.v{SCHEMA_VERSION}.parquet"
    path = f"image_builds/snapshot_date=2025-11-20/run_id={run.run_id}/{part}"
    content = folder.read(path)
    digest = sha256(content).hexdigest()
    assert manifest["image_builds"] == (DataFile(path, 1, len(content), digest),)


def test_values_come_back_to_the_letter(folder: Folder) -> None:
    row = {
        "arn": "arn",
        "name": " späce\x00\u202e\ud7ff😀 ",
        "tags": [("Team", ""), ("", "x"), ("k", None)],
        "deprecation_time": datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
        "version_major": 2**63 - 1,
        "extra": '{"a":null}',
    }
    _, manifest = write_run(folder, DAY, {"image_builds": [row]})
    (file,) = manifest["image_builds"]
    (read,) = pq.ParquetFile(folder.path(file.path)).read().to_pylist()
    assert {name: value for name, value in read.items() if value is not None} == row


def test_a_file_says_what_its_columns_mean(folder: Folder) -> None:
    """The declaration's words are the Parquet fields' metadata, and the file names its table."""
    _, manifest = write_run(folder, DAY, {})
    for name, (file,) in manifest.items():
        schema = pq.read_schema(folder.path(file.path))
        assert schema.equals(TABLES[name].arrow_schema)
        assert schema.metadata[b"imagelake.table"] == name.encode()
        for column in TABLES[name].columns:
            assert schema.field(column.name).metadata[b"doc"] == column.doc.encode()


def test_rows_are_cut_into_groups_and_parts(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded by the group, and the parts hold every row once, in order."""
    monkeypatch.setattr("lake.writer.ROW_GROUP_ROWS", 10)
    monkeypatch.setattr("lake.writer.PART_ROWS", 20)
    run = Run.begin(datetime.now(UTC), DAY)
    with SnapshotWriter(folder, run) as writer:
        for first in range(0, 45, 5):
            rows = [{"arn": f"{number:02}"} for number in range(first, first + 5)]
            writer.append({"image_builds": arrow_rows("image_builds", rows)})
        assert writer.row_counts()["image_builds"] == 45
        files = writer.publish()["image_builds"]
    assert [file.row_count for file in files] == [20, 20, 5]
    tables = [pq.ParquetFile(folder.path(file.path)) for file in files]
    assert [table.num_row_groups for table in tables] == [2, 2, 1]
    arns = [arn for table in tables for arn in table.read()["arn"].to_pylist()]
    assert arns == [f"{number:02}" for number in range(45)]


def test_an_aborted_writer_leaves_no_unfinished_file(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lake.writer.ROW_GROUP_ROWS", 1)
    rows = arrow_rows("image_builds", [{"arn": "a"}])
    with SnapshotWriter(folder, Run.begin(datetime.now(UTC), DAY)) as writer:
        writer.append({"image_builds": rows})
        (unfinished,) = (path for path in folder.root.rglob("*") if path.is_file())
        assert ".parquet.tmp-" in unfinished.name
    assert [path for path in folder.root.rglob("*") if path.is_file()] == []


def test_rows_of_another_shape_are_refused(folder: Folder) -> None:
    """A column that the table does not declare is never written silently."""
    with SnapshotWriter(folder, Run.begin(datetime.now(UTC), DAY)) as writer:
        writer.append({"image_builds": pa.table({"arn": ["a"], "foreign": ["x"]})})
        with pytest.raises(pa.ArrowInvalid, match="Schema at index 1 was different"):
            writer.publish()


def test_rows_that_come_at_once_make_groups_of_the_same_size(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those that come bit by bit: a date of many builds is read by several threads."""
    monkeypatch.setattr("lake.writer.ROW_GROUP_ROWS", 10)
    builds = arrow_rows("image_builds", [{"arn": str(n)} for n in range(25)])
    with SnapshotWriter(folder, Run.begin(datetime.now(UTC), DAY)) as writer:
        writer.append({"image_builds": builds})
        file = pq.ParquetFile(writer.finish("image_builds")[0])
        groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
        assert groups == [9, 9, 7]
        assert file.read(columns=["arn"]).equals(builds.select(["arn"]))


def test_columns_without_a_dictionary_are_columns(folder: Folder) -> None:
    """A name that no table has would leave its column in a dictionary without a word."""
    assert {column.name for table in TABLES.values() for column in table.columns} >= DISTINCT
    rows = arrow_rows("image_builds", [{"arn": "a", "name": "n", "created_at": datetime.now(UTC)}])
    with SnapshotWriter(folder, Run.begin(datetime.now(UTC), DAY)) as writer:
        writer.append({"image_builds": rows})
        group = pq.ParquetFile(writer.finish("image_builds")[0]).metadata.row_group(0)
        chunks = [group.column(number) for number in range(group.num_columns)]
        encodings = {chunk.path_in_schema: set(chunk.encodings) for chunk in chunks}
    assert "RLE_DICTIONARY" in encodings["name"]
    assert "RLE_DICTIONARY" not in encodings["arn"]
    assert "DELTA_BINARY_PACKED" in encodings["created_at"]
