"""The current rows, in files of their own: those of each target's newest complete capture.

The newest record names their state, so that they change at the instant at which the run shows.
Reading them costs the same however long the history is; the views say what they are
(`schemas/views/current_targets.sql`), and every commit derives them from the state before it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lake.carry import TargetKey
from lake.records import (
    manifest_of,
    newest_commit,
    read_record,
    shown_commits,
)
from lake.run import Run, state_folder
from lake.state import STATE_TABLES, Current, state_before, state_targets
from lake.storage import Lake
from lake.timeline import pairs_of, read_timeline, timeline_of, with_captures
from lake.writer import Manifest, TablesWriter
from schemas.captures import TARGET_CAPTURES
from schemas.snapshots import FILTERED, SNAPSHOT_TARGETS, WHOLE
from schemas.table import Table
from schemas.tables import DATA_TABLES

BATCH_ROWS: Final = 16_384
"""So many rows are copied at a time: it bounds the memory."""
_Row = dict[str, Any]  # of snapshot_targets, with its snapshot_date and run_id


def derive_current(
    lake: Lake,
    snapshot_date: date,
    run_id: str,
    manifest: Manifest,
    without: Collection[date] = (),
) -> Current:
    """The current rows once the run shows for its date, and the dates `without` are gone.

    The files are written and unseen. The lock of commits must be held: the state before is that of
    the newest record. Where its files cannot be read, the history tells all anew.
    """
    before = state_before(lake)
    try:
        return _derive(lake, snapshot_date, run_id, manifest, before, without)
    except (OSError, pa.ArrowException):
        if before is None:
            raise
        return _derive(lake, snapshot_date, run_id, manifest, None, without)


def _derive(
    lake: Lake,
    snapshot_date: date,
    run_id: str,
    manifest: Manifest,
    before: Current | None,
    without: Collection[date],
) -> Current:
    old = {} if before is None else state_targets(lake, before.manifest["snapshot_targets"])
    own = _captures_of(lake, manifest, snapshot_date, run_id)
    chosen, doubtful = _choose(old, own, snapshot_date)
    if before is None or doubtful:
        wanted = None if before is None else doubtful
        chosen |= _search(lake, wanted, snapshot_date, own)
    timeline_before = None if before is None else read_timeline(lake, before.manifest)
    if timeline_before is None:
        shown = _shown_captures(lake, {snapshot_date, *without})
        timeline = timeline_of([*shown, *own.values()])
        new = {p for p in pairs_of(timeline) if snapshot_date in (p.snapshot_date, p.previous_date)}
    else:
        timeline = with_captures(timeline_before, own.values(), {snapshot_date, *without})
        new = pairs_of(timeline) - pairs_of(timeline_before)
    if before is not None and chosen == old and timeline.equals(timeline_before):
        return before
    written = _write(lake, chosen, timeline, run_id, manifest, before, old)
    return replace(written, new_pairs=frozenset(new))


def _shown_captures(lake: Lake, without: Collection[date]) -> Iterator[_Row]:
    """The complete captures of every other date."""
    for day, record in shown_commits(lake).items():
        if day not in without:
            manifest = manifest_of(read_record(lake, record))
            yield from _captures_of(lake, manifest, day, record.run_id).values()


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
    timeline: pa.Table,
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
        targets = pa.Table.from_pylist(list(chosen.values()), schema=SNAPSHOT_TARGETS.whole_schema)
        writer.append({SNAPSHOT_TARGETS.name: targets, TARGET_CAPTURES.name: timeline})
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
    schema = table.whole_schema
    for path in paths:
        with lake.open(path) as source:
            # by threads it would take no less CPU, and 40 MB more
            for batch in pq.ParquetFile(source).iter_batches(BATCH_ROWS, use_threads=False):
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


def _captures_of(
    lake: Lake, manifest: Manifest, snapshot_date: date, run_id: str
) -> dict[TargetKey, _Row]:
    """The complete captures of a run, by target."""
    return {
        key: {**row, "snapshot_date": snapshot_date, "run_id": run_id}
        for key, row in state_targets(lake, manifest[SNAPSHOT_TARGETS.name]).items()
        if row["coverage"] in (WHOLE, FILTERED)
    }


class CurrentWriter(TablesWriter):
    """Writes a state of the current rows."""

    def __init__(self, lake: Lake, state: str) -> None:
        super().__init__(
            lake,
            {
                table.name: (state_folder(table.name, state), table.whole_schema)
                for table in STATE_TABLES
            },
        )
