"""The current rows, in files of their own: those of each target's newest complete capture.

The newest record names their state, so that they change at the instant at which the run shows.
Reading them costs the same however long the history is; the views say what they are
(`schemas/views/current_targets.sql`), and every commit derives them from the state before it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lake.carry import TargetKey, targets_of
from lake.records import (
    commits,
    manifest_of,
    newest_commit,
    newest_first,
    read_record,
    shown_commits,
)
from lake.run import Run, state_folder, version_of
from lake.storage import Lake
from lake.writer import DataFile, Manifest, TablesWriter
from schemas.snapshots import FILTERED, SNAPSHOT_TARGETS, WHOLE
from schemas.table import PATH_COLUMNS, SCHEMA_VERSION, Table
from schemas.tables import DATA_TABLES

BATCH_ROWS: Final = 16_384
"""So many rows are copied at a time: it bounds the memory."""
CURRENT_TABLES: Final = (*DATA_TABLES, SNAPSHOT_TARGETS)
"""The tables of which there are current rows."""

_Row = dict[str, Any]  # of snapshot_targets, with its snapshot_date and run_id


@dataclass(frozen=True)
class Current:
    """A state of the current rows: its id, and its files."""

    state: str
    manifest: Manifest


def current_schema(table: Table) -> pa.Schema:
    """The schema of a table's current rows: the columns of the path are columns of the file."""
    path = [pa.field(column.name, column.type) for column in PATH_COLUMNS]
    return pa.schema([*path, *table.arrow_schema], metadata=table.arrow_schema.metadata)


def derive_current(lake: Lake, snapshot_date: date, run_id: str, manifest: Manifest) -> Current:
    """The current rows once the run shows for its date; the state before, where they are the same.

    The files are written and unseen. The lock of commits must be held: the state before is that of
    the newest record. Where its files cannot be read, the history tells all anew.
    """
    before = _state_before(lake)
    try:
        return _derive(lake, snapshot_date, run_id, manifest, before)
    except (OSError, pa.ArrowException):
        if before is None:
            raise
        return _derive(lake, snapshot_date, run_id, manifest, None)


def _derive(
    lake: Lake, snapshot_date: date, run_id: str, manifest: Manifest, before: Current | None
) -> Current:
    old = {} if before is None else _targets(lake, before.manifest["snapshot_targets"])
    own = _captures_of(lake, manifest, snapshot_date, run_id)
    chosen, doubtful = _choose(old, own, snapshot_date)
    if before is None or doubtful:
        wanted = None if before is None else doubtful
        chosen |= _search(lake, wanted, snapshot_date, own)
    if before is not None and chosen == old:
        return before
    return _write(lake, chosen, run_id, manifest, before, old)


def has_state(lake: Lake) -> bool:
    """Whether the current rows can be read from files of their own: from the first commit on.

    Not where an older version made the newest commit, or somebody removed the files: the views then
    find the rows in the history.
    """
    if next(commits(lake), None) is None:
        return True
    state = _state_before(lake)
    if state is None:
        return False
    named = {file.path for files in state.manifest.values() for file in files}
    there = {
        file.path
        for table in CURRENT_TABLES
        for file in lake.files(state_folder(table.name, state.state))
    }
    return named <= there


def current_targets(lake: Lake, content: Mapping[str, Any]) -> list[_Row]:
    """The targets' captures of a record's current rows, as rows of snapshot_targets.

    Empty where the record names no current rows, or they cannot be read any more.
    """
    try:
        files = manifest_of(dict(content), "current").get(SNAPSHOT_TARGETS.name, ())
        return list(_targets(lake, files).values())
    except FileNotFoundError:
        return []


def _state_before(lake: Lake) -> Current | None:
    """The state that the newest record names; None where it names none of today's schema."""
    newest = next(iter(newest_first(commits(lake))), None)
    if newest is None or not newest.state:
        return None
    manifest = manifest_of(read_record(lake, newest), "current")
    versions = {version_of(file.path) for files in manifest.values() for file in files}
    return Current(newest.state, manifest) if versions == {SCHEMA_VERSION} else None


def _choose(
    old: Mapping[TargetKey, _Row], own: Mapping[TargetKey, _Row], snapshot_date: date
) -> tuple[dict[TargetKey, _Row], set[TargetKey]]:
    """Each target's newest complete capture, and the targets of which these two cannot tell it.

    Their capture was the replaced run's, and is not as good in the new one.
    """
    chosen: dict[TargetKey, _Row] = {}
    doubtful: set[TargetKey] = set()
    for key in old.keys() | own.keys():
        candidates = [row for row in (own.get(key), old.get(key)) if row is not None]
        if key in old and old[key]["snapshot_date"] == snapshot_date:
            if key not in own or _rank(own[key]) < _rank(old[key]):
                doubtful.add(key)
                continue
            candidates = [own[key]]
        chosen[key] = max(candidates, key=_rank)
    return chosen, doubtful


def _rank(row: _Row) -> tuple[bool, date]:
    """A whole capture before a filtered one, then the newer."""
    return row["coverage"] == WHOLE, row["snapshot_date"]


def _search(
    lake: Lake,
    wanted: Collection[TargetKey] | None,
    snapshot_date: date,
    own: Mapping[TargetKey, _Row],
) -> dict[TargetKey, _Row]:
    """The targets' newest complete captures among all that shows; None wants every target's."""
    found: dict[TargetKey, _Row] = {}
    dates = shown_commits(lake)
    for day in sorted({*dates, snapshot_date}, reverse=True):
        rows: Mapping[TargetKey, _Row] = own
        if day != snapshot_date:
            manifest = manifest_of(read_record(lake, dates[day]))
            rows = _captures_of(lake, manifest, day, dates[day].run_id)
        for key, row in rows.items():
            is_better = key not in found or _rank(row) > _rank(found[key])
            if is_better and (wanted is None or key in wanted):
                found[key] = row
        if wanted is not None and all(
            key in found and found[key]["coverage"] == WHOLE for key in wanted
        ):
            break
    return found


def _write(
    lake: Lake,
    chosen: Mapping[TargetKey, _Row],
    run_id: str,
    manifest: Manifest,
    before: Current | None,
    old: Mapping[TargetKey, _Row],
) -> Current:
    state = Run.begin(datetime.now(UTC)).run_id
    sources = _sources(lake, chosen, run_id, manifest, before, old)
    with CurrentWriter(lake, state) as writer:
        for files, rows in sources:
            for table in DATA_TABLES:
                for group in _groups(lake, table, [file.path for file in files[table.name]], rows):
                    writer.append({table.name: group})
        targets = pa.Table.from_pylist(
            list(chosen.values()), schema=current_schema(SNAPSHOT_TARGETS)
        )
        writer.append({SNAPSHOT_TARGETS.name: targets})
        return Current(state, writer.publish())


def _sources(
    lake: Lake,
    chosen: Mapping[TargetKey, _Row],
    run_id: str,
    manifest: Manifest,
    before: Current | None,
    old: Mapping[TargetKey, _Row],
) -> Iterator[tuple[Manifest, list[_Row]]]:
    """Files, and the targets whose rows are to be taken from them."""
    by_run: dict[tuple[date, str], list[_Row]] = {}
    kept: list[_Row] = []
    for key, row in chosen.items():
        capture = row["snapshot_date"], row["run_id"]
        is_kept = key in old and capture == (old[key]["snapshot_date"], old[key]["run_id"])
        if before is not None and is_kept and row["run_id"] != run_id:
            kept.append(row)
        else:
            by_run.setdefault(capture, []).append(row)
    if before is not None and kept:
        _require_whole(lake, before.manifest)
        yield before.manifest, kept
    for (day, run), rows in by_run.items():
        if run == run_id:
            yield manifest, rows
            continue
        record = newest_commit(lake, day)
        if record is None or record.run_id != run:
            raise OSError(f"{lake.uri}: run {run} of {day} does not show, and was to be read")
        yield manifest_of(read_record(lake, record)), rows


def _require_whole(lake: Lake, manifest: Manifest) -> None:
    """Raises OSError where a file was changed: rows copied from it would pass for whole ever after."""
    for files in manifest.values():
        for file in files:
            with lake.open(file.path) as content:
                if sha256(content.read()).hexdigest() != file.sha256:
                    raise OSError(f"{lake.uri}/{file.path}: its content was changed")


def _groups(
    lake: Lake, table: Table, paths: Iterable[str], targets: list[_Row]
) -> Iterator[pa.Table]:
    """The targets' rows of a table's files, with the columns of the path."""
    wanted = pa.array([f"{row['account_id']}\n{row['region']}" for row in targets], pa.string())
    schema = current_schema(table)
    for path in paths:
        with lake.open(path) as source:
            for batch in pq.ParquetFile(source).iter_batches(BATCH_ROWS):
                rows = pa.Table.from_batches([batch])
                target = pc.binary_join_element_wise(rows["account_id"], rows["region"], "\n")
                is_wanted = pc.is_in(target, wanted)
                if not pc.all(is_wanted).as_py():  # the usual case needs no copy
                    rows = rows.filter(is_wanted)
                if rows.num_rows:
                    yield _with_path(rows, schema, targets[0])


def _with_path(rows: pa.Table, schema: pa.Schema, target: _Row) -> pa.Table:
    """The rows with today's columns; those of the path are the target's where the file has none."""
    columns = []
    for field in schema:
        if field.name in rows.column_names:
            columns.append(rows.column(field.name))
        elif field.name in ("snapshot_date", "run_id"):
            columns.append(pa.repeat(pa.scalar(target[field.name], field.type), rows.num_rows))
        else:
            columns.append(pa.nulls(rows.num_rows, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _targets(lake: Lake, files: Iterable[DataFile]) -> dict[TargetKey, _Row]:
    return targets_of(lake, [file.path for file in files])


def _captures_of(
    lake: Lake, manifest: Manifest, snapshot_date: date, run_id: str
) -> dict[TargetKey, _Row]:
    """The complete captures of a run, by target."""
    return {
        key: {**row, "snapshot_date": snapshot_date, "run_id": run_id}
        for key, row in _targets(lake, manifest[SNAPSHOT_TARGETS.name]).items()
        if row["coverage"] in (WHOLE, FILTERED)
    }


class CurrentWriter(TablesWriter):
    """Writes a state of the current rows."""

    def __init__(self, lake: Lake, state: str) -> None:
        super().__init__(
            lake,
            {
                table.name: (state_folder(table.name, state), current_schema(table))
                for table in CURRENT_TABLES
            },
        )
