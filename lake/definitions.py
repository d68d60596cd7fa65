"""The SQL that makes a warehouse: table views over the lake's files, then the analysis views.

The table views are live: they read the commit records by name and show, for each date, the newest
run in effect when the transaction began, so that all tables of a query agree.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import duckdb

from lake.changes import differences_sql
from lake.records import COMMITS, OLDER
from lake.run import CURRENT, changes_glob, parts_glob, schema_path
from lake.sql import text
from lake.storage import Lake
from schemas.captures import CAPTURE_DIFFERENCES, TARGET_CAPTURES
from schemas.image_amis import IMAGE_AMIS
from schemas.image_builds import IMAGE_BUILDS
from schemas.image_containers import IMAGE_CONTAINERS
from schemas.image_region_failures import IMAGE_REGION_FAILURES
from schemas.snapshots import SNAPSHOT_TARGETS
from schemas.table import SCHEMA_VERSION, Table
from schemas.tables import TABLES
from schemas.view import View, macros, views

CURRENT_VIEWS: Final = {
    "current_targets": SNAPSHOT_TARGETS,
    "current_builds": IMAGE_BUILDS,
    "current_amis": IMAGE_AMIS,
    "current_containers": IMAGE_CONTAINERS,
    "current_region_failures": IMAGE_REGION_FAILURES,
    "target_captures": TARGET_CAPTURES,
}
"""The views that a state of the current rows has files of, and the tables that they are rows of."""
READERS_OF_CAPTURES: Final = {
    "build_changes": IMAGE_BUILDS,
    "last_known_builds": IMAGE_BUILDS,
    "builds_as_of": IMAGE_BUILDS,
    "amis_as_of": IMAGE_AMIS,
    "snapshot_diff": IMAGE_BUILDS,
}
"""Views and macros that join a table to the runs of some captures, and that table."""

_RECORD_NAME: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}_[0-9]{1,15}_[0-9A-Za-z-]+(_[0-9A-Za-z-]+)?"
_NEWEST_NAMES: Final = 100
"""Among so many of the newest names in the folder of records, one is a record's."""
VISIBLE_RUNS: Final = {
    "": "The run that shows for each date, by the commit records. Grain: one row a snapshot_date.",
    "snapshot_date": "The UTC date.",
    "run_id": "The newest run committed for the date.",
    "effective_at": "Since when it shows.",
}


def definitions(
    lake: Lake,
    versions: Sequence[int] = (SCHEMA_VERSION,),
    *,
    has_state: bool = True,
    has_changes: bool = True,
) -> list[str]:
    """The SQL statements that make the warehouse: views first, each with its comments.

    `versions` are those of the lake's files. With `has_state` the current rows are read from the files
    that the newest record names, with `has_changes` what changed from the files of changes; else by the
    views' own SQL from the history, which looks past the columns that not all versions have.
    """
    fast = {CAPTURE_DIFFERENCES.name: differences_sql(versions)}
    if has_state:
        fast |= {name: _current_view(lake, table) for name, table in CURRENT_VIEWS.items()}
    if has_state and has_changes:
        fast[CAPTURE_DIFFERENCES.name] = _differences_view(lake)
    statements = [_visible_runs(lake), *comments_on("visible_runs", VISIBLE_RUNS)]
    for table in TABLES.values():
        statements += _table_view(lake, table, versions)
    for view in views():
        sql = fast.get(view.name) or _reading_files(lake, view, versions)
        statements.append(f"create view {view.name} as {sql}")
    for macro in macros():
        statements.append(create_macro(macro, _reading_files(lake, macro, versions)))
    return statements


def view_columns() -> dict[str, list[tuple[str, str]]]:
    """By view and table macro, its columns' names and SQL types, whatever lake there is."""
    with duckdb.connect() as connection:
        for table in TABLES.values():
            columns = ", ".join(f"{c.name} {c.sql_type}" for c in table.documented_columns)
            connection.execute(f"create table {table.name} ({columns})")
        for view in views():
            connection.execute(f"create view {view.name} as {view.sql}")
        for macro in macros():
            connection.execute(create_macro(macro, macro.sql))
        calls = {view.name: view.name for view in views()} | {
            macro.name: f"(from {macro.name}({', '.join('null' for _ in macro.parameters)}))"
            for macro in macros()
        }
        return {
            name: [
                (column, sql_type)
                for column, sql_type, *_ in connection.execute(f"describe {call}").fetchall()
            ]
            for name, call in calls.items()
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
        f"    select * from {scan(lake, pattern)}"  # noqa: S608 - locations are quoted
        for pattern in patterns
    )
    return [
        f"""create view {table.name} as
select {", ".join(names)}
from visible_runs
join (
{arms}
) using (snapshot_date, run_id)""",  # noqa: S608 - names are the schema's
        *table_comments(table),
    ]


def _current_view(lake: Lake, table: Table) -> str:
    """The current rows of a table, from the files of the state that the newest record names.

    As in the table views, only names are read to find it, and the newest record's is never moved;
    those of the newest few are looked at closely: in half the time of looking at thousands. The arm
    without rows keeps DuckDB 1.5 from giving wrong ones (issue 26044) and opens no file.
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


def _differences_view(lake: Lake) -> str:
    """What differs between captures, from the files of changes that the captures name.

    A capture whose file is not there ends the query with an error: it would pass for one that changed
    nothing.
    """
    pattern = lake.glob(changes_glob())
    return f"""{joined_differences(pattern)}
union all by name
select null::date as snapshot_date
from (
    select count(*) as missing_count
    from target_captures as c
    anti join (select string_split(file, '/') as parts from glob({text(pattern)})) as f
        on
            f.parts[-3] = 'snapshot_date=' || c.snapshot_date::varchar
            and f.parts[-2] = 'run_id=' || c.run_id
            and split_part(f.parts[-1], '.', 1) = 'since-' || c.previous_run_id
    where c.previous_run_id is not null
)
where
    case
        when missing_count > 0
            then error(
                'what changed between ' || missing_count::varchar || ' captures and those before '
                || 'them is not derived: run `imagelake maintain`, then `imagelake publish`'
            )
    end is not null"""  # noqa: S608 - locations are quoted


def joined_differences(*patterns: str) -> str:
    """The rows of the files of changes that the captures name, each once.

    The arm without rows is the current views' (issue 26044).
    """
    names = ", ".join(f"d.{column.name}" for column in CAPTURE_DIFFERENCES.documented_columns)
    return f"""select {names}
from target_captures as c
join (
    select * from {scan_of(*patterns)}
    union all by name
    select null::varchar as run_id from range(0)
) as d using (snapshot_date, capture_key)"""  # noqa: S608 - names are the schema's, locations are quoted


def _reading_files(lake: Lake, view: View, versions: Sequence[int]) -> str:
    """The view's SQL; where it joins a table to runs of captures, that table is read as it is.

    DuckDB 1.x prunes the files by a join's keys through one join only, and the table's view is one.
    The runs of captures all show, so that the view's filter is not needed.
    """
    table = READERS_OF_CAPTURES.get(view.name)
    if table is None:
        return view.sql
    globs = [f"{table.name}/*/*/{parts_glob(version)}" for version in versions]
    arms = "\n    union all by name\n".join(
        f"    select * from {scan(lake, pattern)}"  # noqa: S608 - locations are quoted
        for pattern in [schema_path(table.name), *globs]
    )
    names = ", ".join(column.name for column in table.documented_columns)
    rows = f"(\nselect {names}\nfrom (\n{arms}\n)\n)"
    joined = re.compile(rf"\bjoin {table.name}\b(?: as (\w+))?")
    return joined.sub(lambda found: f"join {rows} as {found[1] or table.name}", view.sql)


def create_macro(macro: View, sql: str) -> str:
    """The statement that makes a table macro of a query."""
    return f"create macro {macro.name}({', '.join(macro.parameters)}) as table\n{sql}"


def _record_names(lake: Lake, folder: str) -> str:
    pattern = text(lake.glob(f"{folder}/*.json"))
    return f"(select parse_filename(file, true) as name from glob({pattern}))"  # noqa: S608 - quoted


def scan(lake: Lake, *patterns: str) -> str:
    """The files as a relation whose path columns have their types, whatever folders there are."""
    return scan_of(*(lake.glob(pattern) for pattern in patterns))


def scan_of(*patterns: str) -> str:
    """As `scan`, the patterns being whole locations."""
    listed = ", ".join(text(pattern) for pattern in patterns)
    return (
        f"read_parquet([{listed}], hive_partitioning = true, "
        "hive_types = {'snapshot_date': DATE, 'run_id': VARCHAR})"
    )


def table_comments(table: Table) -> list[str]:
    """The statements that say of a table's view and columns what they are."""
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
