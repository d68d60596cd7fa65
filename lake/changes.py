"""What differs between two captures, in files of their own: history is read without its snapshots.

A file holds what differs between two runs, of every target that both captured whole. Runs never
change, so neither does it: it is written before the commit that first needs it, and which files count
is told by the captures that show. The view `capture_differences` says what is in them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from lake.carry import rows_of
from lake.interruption import heeded_after
from lake.records import Commit
from lake.run import (
    CHANGES,
    changes_path,
    data_folder,
    version_of,
)
from lake.sql import text
from lake.state import Current, is_state_there, records_read, state_before, state_of
from lake.storage import Lake, glob_escaped
from lake.timeline import Pair, pairs_of, read_timeline, timeline_of
from lake.writer import Manifest
from schemas.captures import CAPTURE_DIFFERENCES, TARGET_CAPTURES
from schemas.image_builds import IMAGE_BUILDS
from schemas.snapshots import SNAPSHOT_TARGETS, WHOLE
from schemas.table import EXTRA, SCHEMA_VERSION
from schemas.view import view_named

_BUILDS: Final = IMAGE_BUILDS.name
_NOT_COMPARED: Final = "exclude (snapshot_date, run_id, account_id, region, captured_at, arn, tags"
"""In the view's SQL, the columns that are no part of a build's content; tags are compared apart."""


def has_changes(lake: Lake) -> bool:
    """Whether every file of changes is there that the captures name of a state that the views read."""
    return all(are_changes_there(lake, record) for record in records_read(lake))


def are_views_alike(lake: Lake) -> bool:
    """Whether views that read the newest record's files will do for the one that shows before it.

    It does not where an older version made that one, or somebody removed the files.
    """
    return all(
        is_state_there(lake, record) and are_changes_there(lake, record)
        for record in records_read(lake)[1:]
    )


def are_changes_there(lake: Lake, record: Commit) -> bool:
    """Whether every file of changes is there that the captures of the record's state name."""
    timeline = _timeline(lake, state_of(lake, record))
    return timeline is not None and not missing_pairs(lake, pairs_of(timeline))


def shown_timeline(lake: Lake) -> pa.Table | None:
    """The captures of the newest state; None where there is none, or they cannot be read."""
    return _timeline(lake, state_before(lake))


def _timeline(lake: Lake, state: Current | None) -> pa.Table | None:
    try:
        return None if state is None else read_timeline(lake, state.manifest)
    except FileNotFoundError:
        return None


def changes_shown(lake: Lake) -> list[str]:
    """The files of changes that the captures of the newest state name, the oldest first.

    Empty where the captures themselves cannot be read.
    """
    timeline = shown_timeline(lake)
    return [] if timeline is None else [pair_path(pair) for pair in sorted(pairs_of(timeline))]


def missing_pairs(lake: Lake, pairs: Iterable[Pair]) -> list[Pair]:
    """The pairs whose differences have no file, the oldest first."""
    there = {file.path for file in lake.files(CHANGES)}
    return sorted(pair for pair in pairs if pair_path(pair) not in there)


def pair_path(pair: Pair) -> str:
    """The file of what differs between the pair's runs."""
    return changes_path(pair.snapshot_date, pair.run_id, pair.previous_run_id)


def differences_sql(versions: Iterable[int]) -> str:
    """The SQL of the view, for captures whose files are of these schema versions.

    The columns that an older one lacks are not compared, nor `extra`, which has there what they hold:
    else every build would seem to have changed when imagelake was upgraded.
    """
    among = [*versions]
    lacking = [c.name for c in IMAGE_BUILDS.columns if min(among) < c.since <= max(among)]
    sql = view_named(CAPTURE_DIFFERENCES.name).sql
    if not lacking:
        return sql
    return sql.replace(_NOT_COMPARED, f"{_NOT_COMPARED}, {', '.join([*lacking, EXTRA.name])}")


def derive_changes(lake: Lake, pair: Pair, later: Manifest, earlier: Manifest) -> None:
    """Writes the file of what differs between two runs, whose data files are given.

    Raises OSError where a run's files cannot be read.
    """
    path = pair_path(pair)
    staged = lake.stage(path)
    folders = [
        data_folder(_BUILDS, pair.snapshot_date, pair.run_id),
        data_folder(_BUILDS, pair.previous_date, pair.previous_run_id),
    ]
    try:
        files = [*later[_BUILDS], *earlier[_BUILDS]]
        sql = differences_sql(version_of(file.path) or 1 for file in files)
        with lake.fetched(folders[0]) as after, lake.fetched(folders[1]) as before:
            _compare(_captures(lake, pair, later, earlier), sql, pair, after, before, staged)
        lake.publish(staged, path)
    except duckdb.Error as error:
        raise OSError(f"{lake.uri}/{path}: {error}") from error
    finally:
        staged.unlink(missing_ok=True)


def _captures(lake: Lake, pair: Pair, later: Manifest, earlier: Manifest) -> pa.Table:
    """The whole captures of both runs, in order: the later ones with what they are compared with."""
    runs = [
        (pair.snapshot_date, pair.run_id, later),
        (pair.previous_date, pair.previous_run_id, earlier),
    ]
    return timeline_of(
        {**row, "snapshot_date": day, "run_id": run_id}
        for day, run_id, manifest in runs
        for row in rows_of(lake, [file.path for file in manifest[SNAPSHOT_TARGETS.name]])
        if row["coverage"] == WHOLE
    )


def _compare(
    captures: pa.Table, sql: str, pair: Pair, after: Path, before: Path, staged: Path
) -> None:
    columns = ", ".join(column.name for column in CAPTURE_DIFFERENCES.columns)
    with heeded_after(), duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute("set enable_progress_bar = false")
        connection.register(TARGET_CAPTURES.name, captures)
        connection.register("no_builds", IMAGE_BUILDS.whole_schema.empty_table())
        runs = [
            (after, pair.snapshot_date.isoformat(), pair.run_id),
            (before, pair.previous_date.isoformat(), pair.previous_run_id),
        ]
        arms = "\n    union all by name\n".join(
            f"    select *, date '{day}' as snapshot_date, {text(run_id)} as run_id "  # noqa: S608 - quoted
            f"from read_parquet({_parts(folder)}, hive_partitioning = false, union_by_name = true)"
            for folder, day, run_id in runs
        )
        connection.execute(
            f"create view {_BUILDS} as\n{arms}\n    union all by name\n    from no_builds"
        )
        version = f"'imagelake.schema_version': '{SCHEMA_VERSION}'"
        connection.execute(
            f"copy (select {columns} from ({sql})) "  # noqa: S608 - the schema's names
            f"to {text(str(staged))} "
            f"(format parquet, compression zstd, kv_metadata {{{version}}})"
        )


def _parts(folder: Path) -> str:
    paths = sorted(path for path in folder.iterdir() if version_of(f"/{path.name}"))
    return f"[{', '.join(text(glob_escaped(str(path))) for path in paths)}]"
