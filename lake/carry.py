"""What an earlier run of the same date had read, so that a re-run loses no target."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lake.commit import newest_commit, read_record
from lake.storage import Folder
from schemas.tables import DATA_TABLES, TABLES

TargetKey = tuple[str, str]
"""account_id and region."""

_BUILD_ARN: Final = {"image_builds": "arn"}  # in every other data table it is image_arn


@dataclass(frozen=True)
class EarlierRun:
    """The run that shows for a date: its targets' rows and where its data files are."""

    run_id: str
    targets: dict[TargetKey, dict[str, Any]]
    files: dict[str, list[str]]


def earlier_run(lake: Folder, snapshot_date: date) -> EarlierRun | None:
    """The run that shows for the date, or will in a moment; None where the date has none."""
    record = newest_commit(lake, snapshot_date)
    if record is None:
        return None
    tables = read_record(lake, record)["tables"]
    files = {name: [file["path"] for file in table["files"]] for name, table in tables.items()}
    rows = [
        {**row, "run_id": record.run_id}
        for path in files["snapshot_targets"]
        for row in pq.ParquetFile(lake.path(path)).read().to_pylist()
    ]
    return EarlierRun(
        record.run_id, {(row["account_id"], row["region"]): row for row in rows}, files
    )


def carried_rows(
    lake: Folder,
    run: EarlierRun,
    targets: Collection[TargetKey],
    without_arns: dict[TargetKey, set[str]],
) -> Iterator[dict[str, pa.Table]]:
    """The earlier run's rows of the given targets, a row group at a time, by table.

    `without_arns` names, for a target, the builds that the later run has itself.
    """
    wanted = pa.array([_joined(*target) for target in targets], pa.string())
    unwanted = pa.array(
        [_joined(*target, arn) for target, arns in without_arns.items() for arn in arns],
        pa.string(),
    )
    for table in DATA_TABLES:
        for path in run.files[table.name]:
            with pq.ParquetFile(lake.path(path)) as file:
                for group in range(file.num_row_groups):
                    rows = file.read_row_group(group)
                    arn = rows.column(_BUILD_ARN.get(table.name, "image_arn"))
                    target = _join(rows.column("account_id"), rows.column("region"))
                    keep = pc.is_in(target, wanted)
                    if len(unwanted):
                        keep = pc.and_not(keep, pc.is_in(_join(target, arn), unwanted))
                    kept = rows.filter(keep)
                    if kept.num_rows:
                        yield {table.name: _in_schema(table.name, kept)}


def _in_schema(table: str, rows: pa.Table) -> pa.Table:
    """The rows with today's columns: NULL in those that their file did not have yet."""
    schema = TABLES[table].arrow_schema
    return pa.Table.from_arrays(
        [
            rows.column(field.name)
            if field.name in rows.column_names
            else pa.nulls(rows.num_rows, field.type)
            for field in schema
        ],
        schema=schema,
    )


def _join(*columns: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(*columns, "\n", null_handling="replace", null_replacement="")


def _joined(*texts: str) -> str:
    return "\n".join(texts)
