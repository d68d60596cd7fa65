"""What an earlier run of the same date had read, so that a re-run loses no target."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lake.parquet import read_whole
from lake.records import Commit, newest_commit, read_record
from lake.storage import Lake
from schemas.tables import DATA_TABLES, TABLES

TargetKey = tuple[str, str]
"""account_id and region."""

_BUILD_ARN: Final = {"image_builds": "arn"}  # in every other data table it is image_arn


@dataclass(frozen=True)
class EarlierRun:
    """The run that shows for a date: its targets' rows, where its files are, what its record says.

    A target's row has, besides its columns, `run_id` and `raw_runs`: the runs whose raw pages its
    rows were derived from, those that go before others first.
    """

    run_id: str
    targets: dict[TargetKey, dict[str, Any]]
    files: dict[str, list[str]]
    content: dict[str, Any]


def earlier_run(lake: Lake, snapshot_date: date) -> EarlierRun | None:
    """The run that shows for the date, or will in a moment; None where the date has none."""
    record = newest_commit(lake, snapshot_date)
    return shown_run(lake, record) if record else None


def shown_run(lake: Lake, record: Commit) -> EarlierRun:
    """The run of a commit record."""
    content = read_record(lake, record)
    files = {
        name: [file["path"] for file in table["files"]] for name, table in content["tables"].items()
    }
    targets = targets_of(lake, files["snapshot_targets"])
    for row in targets.values():
        row |= {"run_id": record.run_id, "raw_runs": _raw_runs(content, row)}
    return EarlierRun(record.run_id, targets, files, content)


def rows_of(lake: Lake, paths: list[str]) -> Iterator[dict[str, Any]]:
    """The rows of a small table's files."""
    for path in paths:
        yield from read_whole(lake, path).to_pylist()


def targets_of(lake: Lake, paths: list[str]) -> dict[TargetKey, dict[str, Any]]:
    """The rows of snapshot_targets files, by target."""
    return {(row["account_id"], row["region"]): row for row in rows_of(lake, paths)}


def raw_runs_fact(run_id: str, by_target: dict[TargetKey, tuple[str, ...]]) -> dict[str, Any]:
    """What a record says of where the raw pages are: the run, and the targets that differ."""
    differing = {
        f"{account_id}/{region}": list(runs)
        for (account_id, region), runs in by_target.items()
        if runs != (run_id,)
    }
    return {"raw_run": run_id, "raw_runs": differing}


def _raw_runs(content: dict[str, Any], row: dict[str, Any]) -> tuple[str, ...]:
    """A record of schema version 1 does not say: there it is the run, or that carried from.

    Both where the run went on at a token at which the earlier one had stopped.
    """
    if "raw_run" not in content:
        own, carried = content["run_id"], row["carried_from"]
        is_joined = carried and "startingToken" in (row["request"] or "")
        return (own, carried) if is_joined else (carried or own,)
    name = f"{row['account_id']}/{row['region']}"
    return tuple(content["raw_runs"].get(name, [content["raw_run"]]))


def carried_rows(
    lake: Lake,
    run: EarlierRun,
    targets: Collection[TargetKey],
    without_arns: Mapping[TargetKey, set[str]],
) -> Iterator[dict[str, pa.Table]]:
    """The earlier run's rows of the given targets, a row group at a time, by table.

    `without_arns` names, for a target, the builds that the later run has itself.
    """
    for table in DATA_TABLES:
        for rows in row_groups(lake, table.name, run.files[table.name]):
            kept = without_builds(table.name, rows_of_targets(rows, targets), without_arns)
            if kept.num_rows:
                yield {table.name: kept}


def rows_of_targets(rows: pa.Table, targets: Collection[TargetKey]) -> pa.Table:
    """The rows of a data table that are of the targets."""
    wanted = pa.array([_joined(*target) for target in targets], pa.string())
    target = _join(rows.column("account_id"), rows.column("region"))
    return rows.filter(pc.is_in(target, wanted))


def row_groups(lake: Lake, table: str, paths: Iterable[str]) -> Iterator[pa.Table]:
    """The rows of a table's files, a row group at a time, with today's columns."""
    for path in paths:
        with lake.open(path) as source:
            file = pq.ParquetFile(source)
            for group in range(file.num_row_groups):
                yield in_schema(table, file.read_row_group(group))


def without_builds(table: str, rows: pa.Table, arns: Mapping[TargetKey, set[str]]) -> pa.Table:
    """The rows of a data table less those of the given builds of each target."""
    unwanted = [_joined(*target, arn) for target, known in arns.items() for arn in known]
    if not unwanted:
        return rows
    arn = rows.column(_BUILD_ARN.get(table, "image_arn"))
    key = _join(rows.column("account_id"), rows.column("region"), arn)
    return rows.filter(pc.invert(pc.is_in(key, pa.array(unwanted, pa.string()))))


def in_schema(table: str, rows: pa.Table) -> pa.Table:
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
