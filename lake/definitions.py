"""The SQL that makes a warehouse: table views over the lake's files, then the analysis views.

The table views are live: they read the commit records by name and show, for each date, the newest
run in effect when the transaction began, so that all tables of a query agree. Pinned ones name the
files of the runs that show when they are made.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import duckdb

from lake.current import current_targets
from lake.records import (
    COMMITS,
    OLDER,
    Commit,
    commits,
    manifest_of,
    newest_first,
    read_record,
)
from lake.run import CURRENT, parts_glob, schema_path, version_of
from lake.sql import text
from lake.storage import Lake
from lake.writer import Manifest
from schemas.image_amis import IMAGE_AMIS
from schemas.image_builds import IMAGE_BUILDS
from schemas.image_containers import IMAGE_CONTAINERS
from schemas.image_region_failures import IMAGE_REGION_FAILURES
from schemas.snapshots import SNAPSHOT_TARGETS
from schemas.table import SCHEMA_VERSION, Table
from schemas.tables import TABLES
from schemas.view import views

CURRENT_VIEWS: Final = {
    "current_targets": SNAPSHOT_TARGETS,
    "current_builds": IMAGE_BUILDS,
    "current_amis": IMAGE_AMIS,
    "current_containers": IMAGE_CONTAINERS,
    "current_region_failures": IMAGE_REGION_FAILURES,
}
"""The views of current rows, and the tables that they are rows of."""

_RECORD_NAME: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}_[0-9]{1,15}_[0-9A-Za-z-]+(_[0-9A-Za-z-]+)?"
_NEWEST_NAMES: Final = 100
"""Among so many of the newest names in the folder of records, one is a record's."""
_VISIBLE_RUNS: Final = {
    "": "The run that shows for each date, by the commit records. Grain: one row a snapshot_date.",
    "snapshot_date": "The UTC date.",
    "run_id": "The newest run committed for the date.",
    "effective_at": "Since when it shows.",
}


def definitions(
    lake: Lake, versions: Sequence[int] = (SCHEMA_VERSION,), *, has_state: bool = True
) -> list[str]:
    """The SQL statements that make the warehouse: views first, each with its comments.

    `versions` are the schema versions of the lake's files. With `has_state` the current rows are read
    from the files that the newest record names; the views' own SQL finds the same in the history.
    """
    statements = [_visible_runs(lake), *comments_on("visible_runs", _VISIBLE_RUNS)]
    for table in TABLES.values():
        statements += _table_view(lake, table, versions)
    for view in views():
        is_read = has_state and view.name in CURRENT_VIEWS
        sql = _current_view(lake, CURRENT_VIEWS[view.name]) if is_read else view.sql
        statements.append(f"create view {view.name} as {sql}")
    return statements


def pinned_definitions(lake: Lake) -> list[str]:
    """The statements of a warehouse whose table views name the files that show now."""
    now_ms = time.time() * 1000
    in_effect = (record for record in commits(lake) if record.effective_at_ms <= now_ms)
    shown = {record.snapshot_date: record for record in reversed(newest_first(in_effect))}
    contents = {day: read_record(lake, record) for day, record in sorted(shown.items())}
    manifests = [manifest_of(content) for content in contents.values()]
    newest = max(shown.values(), key=lambda record: record.effective_at_ms, default=None)
    targets = current_targets(lake, contents[newest.snapshot_date]) if newest else []
    by_run = {content["run_id"]: manifest_of(content) for content in contents.values()}
    statements = [_pinned_runs(shown.values()), *comments_on("visible_runs", _VISIBLE_RUNS)]
    for table in TABLES.values():
        paths = [file.path for manifest in manifests for file in manifest[table.name]]
        statements += _pinned_view(lake, table, paths)
    for view in views():
        sql = view.sql
        if targets and view.name in CURRENT_VIEWS:
            sql = _pinned_current_view(lake, CURRENT_VIEWS[view.name], targets, by_run)
        statements.append(f"create view {view.name} as {sql}")
    return statements


def view_columns() -> dict[str, list[tuple[str, str]]]:
    """By view, its columns' names and SQL types, whatever lake there is."""
    with duckdb.connect() as connection:
        for table in TABLES.values():
            columns = ", ".join(f"{c.name} {c.sql_type}" for c in table.documented_columns)
            connection.execute(f"create table {table.name} ({columns})")
        for view in views():
            connection.execute(f"create view {view.name} as {view.sql}")
        return {
            view.name: [
                (name, sql_type)
                for name, sql_type, *_ in connection.execute(f"describe {view.name}").fetchall()
            ]
            for view in views()
        }


def _visible_runs(lake: Lake) -> str:
    """Which run shows for each date, by the names of the commit records alone.

    `now()` is the transaction's start, so all queries of a transaction agree; `epoch_ms(now())`
    does not depend on the session's time zone. A record that is being moved is in both folders for
    longer than a query takes, and is the same in both.
    """
    return f"""create view visible_runs as
select
    try_cast(split_part(name, '_', 1) as date) as snapshot_date,
    split_part(name, '_', 3) as run_id,
    make_timestamptz(try_cast(split_part(name, '_', 2) as bigint) * 1000) as effective_at
from (
    from {_record_names(lake, COMMITS)}
    union all
    from {_record_names(lake, OLDER)}
)
where
    regexp_full_match(name, '{_RECORD_NAME}')
    and try_cast(split_part(name, '_', 1) as date) is not null
    and try_cast(split_part(name, '_', 2) as bigint) <= epoch_ms(now())
qualify row_number() over (
    partition by split_part(name, '_', 1)
    order by try_cast(split_part(name, '_', 2) as bigint) desc, name desc
) = 1"""  # noqa: S608 - the lake's location is quoted by text


def _table_view(lake: Lake, table: Table, versions: Sequence[int]) -> list[str]:
    """The view of a table and its comments.

    Files of another schema version have other columns and names of their own: each version is a
    glob, and its files are all alike (`union_by_name` would read the end of every file instead).

    The runs come first in an inner join on both path columns: only so a filter on the date reaches
    the listing of the files (duckdb issue 18411). The union with the file that has no rows keeps
    DuckDB 1.5 from fetching rows by `file_index`, which a join that prunes files shifts (issue
    26044): without it a wide `qualify row_number() … = 1` gave wrong rows. It costs 3 to 8 ms.
    """
    names = [column.name for column in table.documented_columns]
    globs = [f"{table.name}/*/*/{parts_glob(version)}" for version in versions]
    patterns = [schema_path(table.name), *globs]
    arms = "\n    union all by name\n".join(
        f"    select * from {_scan(lake, pattern)}"  # noqa: S608 - locations are quoted
        for pattern in patterns
    )
    return [
        f"""create view {table.name} as
select {", ".join(names)}
from visible_runs
join (
{arms}
) using (snapshot_date, run_id)""",  # noqa: S608 - names are the schema's
        *_table_comments(table),
    ]


def _current_view(lake: Lake, table: Table) -> str:
    """The current rows of a table, from the files of the state that the newest record names.

    As in the table views, only names are read to find it, and the newest record's is never moved;
    those of the newest few are looked at closely, which takes half the time of looking at
    thousands. The arm without rows keeps DuckDB 1.5
    from giving wrong ones (issue 26044) and opens no file.
    """
    names = ", ".join(column.name for column in table.documented_columns)
    pattern = text(lake.glob(f"{CURRENT}/{table.name}/*/{parts_glob(SCHEMA_VERSION)}"))
    return f"""select {names}
from (
    select arg_max(split_part(name, '_', 4), effective_at_ms) as state
    from (
        select name, try_cast(split_part(name, '_', 2) as bigint) as effective_at_ms
        from {_record_names(lake, COMMITS)}
        where effective_at_ms <= epoch_ms(now())
        order by effective_at_ms desc
        limit {_NEWEST_NAMES}
    )
    where
        regexp_full_match(name, '{_RECORD_NAME}')
        and try_cast(split_part(name, '_', 1) as date) is not null
)
join (
    select * from read_parquet({pattern}, hive_partitioning = true, hive_types = {{'state': VARCHAR}})
    union all by name
    select null::varchar as state from range(0)
) using (state)"""  # noqa: S608 - names are the schema's, locations are quoted


def _record_names(lake: Lake, folder: str) -> str:
    pattern = text(lake.glob(f"{folder}/*.json"))
    return f"(select parse_filename(file, true) as name from glob({pattern}))"  # noqa: S608 - quoted


def _pinned_runs(shown: Iterable[Commit]) -> str:
    rows = ",\n    ".join(
        f"(date '{r.snapshot_date}', {text(r.run_id)}, make_timestamptz({r.effective_at_ms}000))"
        for r in shown
    )
    empty = "(null::date, null::varchar, null::timestamptz)"
    return f"""create view visible_runs as
select snapshot_date, run_id, effective_at
from (values
    {rows or empty}
) as runs (snapshot_date, run_id, effective_at)
where run_id is not null"""  # noqa: S608 - dates and numbers, quoted ids


def _pinned_view(lake: Lake, table: Table, paths: Sequence[str]) -> list[str]:
    """The view of a table over the given files, an arm for each schema version among them."""
    arms = "\nunion all by name\n".join(_arms(lake, table, paths))
    names = ", ".join(column.name for column in table.documented_columns)
    statement = f"create view {table.name} as\nselect {names}\nfrom (\n{arms}\n)"
    return [statement, *_table_comments(table)]


def _scan(lake: Lake, *patterns: str) -> str:
    """The files as a relation whose path columns have their types, whatever folders there are."""
    listed = ", ".join(text(lake.glob(pattern)) for pattern in patterns)
    return (
        f"read_parquet([{listed}], hive_partitioning = true, "
        "hive_types = {'snapshot_date': DATE, 'run_id': VARCHAR})"
    )


def _pinned_current_view(
    lake: Lake, table: Table, targets: Sequence[dict[str, Any]], manifests: Mapping[str, Manifest]
) -> str:
    """The targets' rows in the files of the runs that they were captured by.

    Those files stay as long as their runs do; those of the live current rows for a day. The arm
    without rows is the live view's (issue 26044).
    """
    runs = {row["run_id"]: None for row in targets}
    paths = [file.path for run in runs for file in manifests[run][table.name]]
    captures = ",\n    ".join(
        f"({text(r['account_id'])}, {text(r['region'])}, date '{r['snapshot_date']}', "
        f"{text(r['run_id'])})"
        for r in targets
    )
    columns = "account_id, region, snapshot_date, run_id"
    names = ", ".join(column.name for column in table.documented_columns)
    arms = "\n    union all by name\n    ".join(_arms(lake, table, paths))
    return f"""select {names}
from (values
    {captures}
) as captures ({columns})
join (
    {arms}
    union all by name
    select null::varchar as run_id from range(0)
) using ({columns})"""  # noqa: S608 - dates, quoted ids and locations


def _arms(lake: Lake, table: Table, paths: Sequence[str]) -> list[str]:
    """A relation for the files of each schema version; together they have today's columns."""
    by_version: dict[int | None, list[str]] = {SCHEMA_VERSION: [schema_path(table.name)]}
    for path in paths:
        by_version.setdefault(version_of(path), []).append(path)
    return [f"select * from {_scan(lake, *group)}" for group in by_version.values()]  # noqa: S608 - quoted


def _table_comments(table: Table) -> list[str]:
    comments = {column.name: column.doc for column in table.documented_columns}
    comment = f"{table.grain[0].upper()}{table.grain[1:]}. Key: {', '.join(table.key)}."
    return comments_on(table.name, {"": comment, **comments})


def comments_on(view: str, comments: dict[str, str]) -> list[str]:
    """Comments by column; the view's own under the empty name."""
    on_columns = [
        f"comment on column {view}.{column} is {text(comment)}"
        for column, comment in comments.items()
        if column
    ]
    return [f"comment on view {view} is {text(comments[''])}", *on_columns]
