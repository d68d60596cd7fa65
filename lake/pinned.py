"""The SQL of a frozen warehouse: its views name the files of the runs that show when it is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lake.assembly import RUNS, assembled
from lake.changes import differences_sql, missing_pairs, pair_path
from lake.definitions import CURRENT_VIEWS, joined_differences, scan, whole_rows
from lake.records import Commit, commits_in_effect, manifest_of, read_record
from lake.run import changes_schema_path, schema_path, version_of
from lake.sql import text
from lake.state import current_targets
from lake.storage import Lake
from lake.timeline import pairs_of, read_timeline
from lake.writer import Manifest
from schemas.captures import CAPTURE_DIFFERENCES
from schemas.image_builds import IMAGE_BUILDS
from schemas.table import SCHEMA_VERSION, Table
from schemas.tables import TABLES


def pinned_definitions(lake: Lake) -> list[str]:
    """The statements of a warehouse whose table views name the files that show now."""
    shown = commits_in_effect(lake)
    contents = {day: read_record(lake, record) for day, record in sorted(shown.items())}
    manifests = [manifest_of(content) for content in contents.values()]
    newest = max(shown.values(), key=lambda record: record.effective_at_ms, default=None)
    targets = current_targets(lake, contents[newest.snapshot_date]) if newest else []
    by_run = {content["run_id"]: manifest_of(content) for content in contents.values()}
    sources = {RUNS: _pinned_runs(shown.values())}
    for table in TABLES.values():
        paths = [file.path for manifest in manifests for file in manifest[table.name]]
        sources[table.name] = _pinned_view(lake, table, paths)
    builds = [file.path for manifest in manifests for file in manifest[IMAGE_BUILDS.name]]
    versions = {SCHEMA_VERSION, *(version_of(path) or 1 for path in builds)}
    sources[CAPTURE_DIFFERENCES.name] = differences_sql(versions)
    if targets:
        sources |= {
            name: _pinned_current_view(lake, table, targets, by_run)
            for name, table in CURRENT_VIEWS.items()
            if table.name in TABLES
        }
    if newest and (changes := _changes(lake, contents[newest.snapshot_date])) is not None:
        listed = [changes_schema_path(), *changes]
        sources[CAPTURE_DIFFERENCES.name] = joined_differences(*map(lake.glob, listed))
    return assembled(sources)


def _changes(lake: Lake, content: dict[str, Any]) -> list[str] | None:
    """The files of changes that the captures of a record's state name; None where one is missing."""
    try:
        timeline = read_timeline(lake, manifest_of(content, "current"))
    except FileNotFoundError:
        return None
    pairs = set() if timeline is None else pairs_of(timeline)
    if timeline is None or missing_pairs(lake, pairs):
        return None
    return [pair_path(pair) for pair in sorted(pairs)]


def _pinned_runs(shown: Iterable[Commit]) -> str:
    rows = ",\n    ".join(
        f"(date '{r.snapshot_date}', {text(r.run_id)}, make_timestamptz({r.effective_at_ms}000))"
        for r in shown
    )
    empty = "(null::date, null::varchar, null::timestamptz)"
    return f"""select snapshot_date, run_id, effective_at
from (values
    {rows or empty}
) as runs (snapshot_date, run_id, effective_at)
where run_id is not null"""  # noqa: S608 - dates and numbers, quoted ids


def _pinned_view(lake: Lake, table: Table, paths: Sequence[str]) -> str:
    """The query of a table over the given files, an arm for each schema version among them."""
    arms = "\nunion all by name\n".join(_arms(lake, table, paths))
    names = ", ".join(column.name for column in table.documented_columns)
    return f"select {names}\nfrom (\n{arms}\n)"


def _pinned_current_view(
    lake: Lake, table: Table, targets: Sequence[dict[str, Any]], manifests: Mapping[str, Manifest]
) -> str:
    """The targets' rows in the files of the runs that they were captured by.

    Those files stay as long as their runs do; those of the live current rows for a day.
    """
    runs = {row["run_id"]: None for row in targets}
    paths = [file.path for run in runs for file in manifests[run][table.name]]
    captures = ",\n    ".join(
        f"({text(r['account_id'])}, {text(r['region'])}, date '{r['snapshot_date']}', "
        f"{text(r['run_id'])})"
        for r in targets
    )
    columns = ("account_id", "region", "snapshot_date", "run_id")
    conditions = "\n        and ".join(f"files.{name} = captures.{name}" for name in columns)
    names = ", ".join(f"files.{column.name}" for column in table.documented_columns)
    arms = "\n    union all by name\n    ".join(_arms(lake, table, paths))
    return f"""select {names}
from (values
    {captures}
) as captures ({", ".join(columns)})
join ({arms}) as files
    on
        {conditions}
        and {whole_rows("files.run_id", "captures.run_id")}"""  # noqa: S608 - dates, quoted ids and locations


def _arms(lake: Lake, table: Table, paths: Sequence[str]) -> list[str]:
    """A relation for the files of each schema version; together they have today's columns."""
    by_version: dict[int | None, list[str]] = {SCHEMA_VERSION: [schema_path(table.name)]}
    for path in paths:
        by_version.setdefault(version_of(path), []).append(path)
    return [f"select * from {scan(lake, *group)}" for group in by_version.values()]  # noqa: S608 - quoted
