"""The current rows, in files of their own: those of each target's newest complete capture.

The newest record names their state, so that they change at the instant at which the run shows.
Reading them costs the same however long the history is; the views say what they are
(`schemas/views/current_targets.sql`), and every commit derives them from the state before it. They
lie by the run that captured them: nearly always a run's files are current as they are. Each run whose
capture of some target is still its newest has files of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

import pyarrow as pa

from lake.carry import TargetKey, row_groups, rows_of_targets
from lake.records import (
    manifest_of,
    newest_commit,
    read_record,
    shown_commits,
)
from lake.run import Run, part_path, state_folder, state_run_folder, version_of
from lake.state import TARGET_TABLES, Current, state_before, state_targets, unfinished_removed
from lake.storage import Lake
from lake.timeline import pairs_of, read_timeline, timeline_of, with_captures
from lake.writer import DataFile, Manifest, TablesWriter
from schemas.captures import TARGET_CAPTURES
from schemas.image_builds import IMAGE_BUILDS
from schemas.snapshots import FILTERED, SNAPSHOT_TARGETS, WHOLE
from schemas.table import SCHEMA_VERSION
from schemas.tables import DATA_TABLES

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
    if before is not None:
        told = {t.name: before.manifest[t.name] for t in TARGET_TABLES if t.name in before.manifest}
        _require_whole(lake, told)
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
    state = Run.begin(datetime.now(UTC)).run_id
    with unfinished_removed(lake, state):
        sources = _sources(lake, chosen, run_id, manifest, before, old)
        written = _write(lake, state, chosen, timeline, sources)
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
    state: str,
    chosen: Mapping[TargetKey, _Row],
    timeline: pa.Table,
    sources: Iterable[_Source],
) -> Current:
    files: dict[str, list[DataFile]] = {table.name: [] for table in DATA_TABLES}
    for source in sources:
        take = _whole_files if source.is_whole else _own_rows
        for name, taken in take(lake, state, source).items():
            files[name] += taken
    schemas = {table.name: table.whole_schema for table in TARGET_TABLES}
    places = {name: (state_folder(name, state), schema) for name, schema in schemas.items()}
    with TablesWriter(lake, places) as writer:
        targets = pa.Table.from_pylist(list(chosen.values()), schema=schemas[SNAPSHOT_TARGETS.name])
        writer.append({SNAPSHOT_TARGETS.name: targets, TARGET_CAPTURES.name: timeline})
        return Current(
            state, {name: tuple(taken) for name, taken in files.items()} | writer.publish()
        )


@dataclass(frozen=True)
class _Source:
    """Files of a run's rows, and the targets whose rows are current; `is_whole`: they are all."""

    snapshot_date: date
    run_id: str
    files: Manifest
    targets: Collection[TargetKey]
    is_whole: bool

    def folder(self, table: str, state: str) -> str:
        """Where the state has them."""
        return state_run_folder(table, state, self.snapshot_date, self.run_id)


def _sources(
    lake: Lake,
    chosen: Mapping[TargetKey, _Row],
    run_id: str,
    manifest: Manifest,
    before: Current | None,
    old: Mapping[TargetKey, _Row],
) -> Iterator[_Source]:
    """By run, where its rows are taken from: the state before has them already, or its own files."""
    of_old = _by_run(old)
    for (day, run), rows in _by_run(chosen).items():
        targets = set(rows)
        if before is not None and run != run_id and targets <= of_old.get((day, run), {}).keys():
            files = _of_run(before, day, run)
            _require_whole(lake, files)
        else:
            files = manifest if run == run_id else _shown(lake, day, run)
        yield _Source(day, run, files, targets, _are_whole(files, rows.values()))


def _are_whole(files: Manifest, captures: Collection[_Row]) -> bool:
    """Whether all rows of the files are the captures', in files as today's version writes them.

    A capture tells its builds, and every row is of a build: those of others would be more.
    """
    written = sum(file.row_count for file in files[IMAGE_BUILDS.name])
    versions = {version_of(file.path) for table in DATA_TABLES for file in files[table.name]}
    told = sum(row["builds"] or 0 for row in captures)
    return written == told and versions <= {SCHEMA_VERSION}


def _by_run(rows: Mapping[TargetKey, _Row]) -> dict[tuple[date, str], dict[TargetKey, _Row]]:
    by_run: dict[tuple[date, str], dict[TargetKey, _Row]] = {}
    for key, row in rows.items():
        by_run.setdefault((row["snapshot_date"], row["run_id"]), {})[key] = row
    return by_run


def _of_run(state: Current, day: date, run_id: str) -> Manifest:
    """The state's files of a run's rows."""
    folders = {t.name: state_run_folder(t.name, state.state, day, run_id) for t in DATA_TABLES}
    return {
        name: tuple(f for f in state.manifest[name] if f.path.startswith(f"{folder}/"))
        for name, folder in folders.items()
    }


def _shown(lake: Lake, day: date, run_id: str) -> Manifest:
    record = newest_commit(lake, day)
    if record is None or record.run_id != run_id:
        raise OSError(f"{lake.uri}: run {run_id} of {day} does not show, and was to be read")
    return manifest_of(read_record(lake, record))


def _require_whole(lake: Lake, manifest: Manifest) -> None:
    """Raises OSError where a file was changed: rows copied from it would pass for whole ever after."""
    for files in manifest.values():
        for file in files:
            with lake.open(file.path) as content:
                if sha256(content.read()).hexdigest() != file.sha256:
                    raise OSError(f"{lake.uri}/{file.path}: its content was changed")


def _whole_files(lake: Lake, state: str, source: _Source) -> Manifest:
    """Copies of the files as they are.

    Writing their rows anew took an eighth of a run's CPU, and on S3 as many uploads again.
    """
    copied: dict[str, tuple[DataFile, ...]] = {}
    for table in DATA_TABLES:
        folder = source.folder(table.name, state)
        filled = [file for file in source.files[table.name] if file.row_count]
        names = [replace(f, path=part_path(folder, n)) for n, f in enumerate(filled)]
        for file, name in zip(filled, names, strict=True):
            lake.copy(file.path, name.path)
        copied[table.name] = tuple(names)
    return copied


def _own_rows(lake: Lake, state: str, source: _Source) -> Manifest:
    """The targets' rows alone, with today's columns."""
    places = {t.name: (source.folder(t.name, state), t.arrow_schema) for t in DATA_TABLES}
    with TablesWriter(lake, places) as writer:
        for table in DATA_TABLES:
            paths = [file.path for file in source.files[table.name]]
            for rows in row_groups(lake, table.name, paths):
                writer.append({table.name: rows_of_targets(rows, source.targets)})
        return writer.publish()


def _captures_of(
    lake: Lake, manifest: Manifest, snapshot_date: date, run_id: str
) -> dict[TargetKey, _Row]:
    """The complete captures of a run, by target."""
    return {
        key: {**row, "snapshot_date": snapshot_date, "run_id": run_id}
        for key, row in state_targets(lake, manifest[SNAPSHOT_TARGETS.name]).items()
        if row["coverage"] in (WHOLE, FILTERED)
    }
