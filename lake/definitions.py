"""The SQL that makes a warehouse: table views over the lake's files, then the analysis views.

The table views are live: they read the commit records by name and show, for each date, the newest
run in effect when the transaction began, so that all tables of a query agree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from lake.assembly import RUNS, assembled
from lake.changes import differences_sql
from lake.records import COMMITS, OLDER, RECORDS_GLOB
from lake.run import CURRENT, changes_glob, parts_glob
from lake.sql import text
from lake.state import TARGET_TABLES
from lake.storage import Lake
from schemas.captures import CAPTURE_DIFFERENCES, TARGET_CAPTURES
from schemas.image_amis import IMAGE_AMIS
from schemas.image_builds import IMAGE_BUILDS
from schemas.image_containers import IMAGE_CONTAINERS
from schemas.image_region_failures import IMAGE_REGION_FAILURES
from schemas.snapshots import SNAPSHOT_TARGETS
from schemas.table import PATH_COLUMNS, SCHEMA_VERSION, Table
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

RUN_KEYS: Final = {column.name: column.sql_type for column in PATH_COLUMNS}
"""The columns of the paths of a run's files, and their types."""
STATE_KEY: Final = {"state": "VARCHAR"}
"""That of the current rows, before a run's where they lie by run."""
_VISIBLE_RUNS: Final = {
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
    """The SQL statements that make the warehouse.

    `versions` are those of the lake's files. With `has_state` the current rows are read from the files
    that the newest record names, with `has_changes` what changed from the files of changes; else by the
    views' own SQL from the history, which looks past the columns that not all versions have.
    """
    fast = {CAPTURE_DIFFERENCES.name: differences_sql(versions)}
    if has_state:
        fast |= {name: _current_view(lake, table) for name, table in CURRENT_VIEWS.items()}
    if has_state and has_changes:
        fast[CAPTURE_DIFFERENCES.name] = _differences_view(lake)
    sources = {RUNS: _visible_runs(lake)}
    sources |= {table.name: _table_view(lake, table, versions) for table in TABLES.values()}
    for view in (*views(), *macros()):
        sql = fast.get(view.name) or _reading_files(lake, view, versions)
        if sql != view.sql:
            sources[view.name] = sql
    return assembled(sources)


def _visible_runs(lake: Lake) -> str:
    """Which run shows for each date, by the names of the commit records alone.

    `now()` is the transaction's start, so all queries of a transaction agree; `epoch_ms(now())`
    does not depend on the session's time zone. A record that is being moved is in both folders for
    longer than a query takes, and is the same in both. The greatest of a group takes half of what
    `qualify row_number()` and a regular expression for the names took, and a filter on the date
    comes before it.
    """
    return f"""select
    snapshot_date,
    newest.run_id as run_id,
    make_timestamptz(newest.effective_at_ms * 1000) as effective_at
from (
    select
        try_cast(parts[1] as date) as snapshot_date,
        max({{'effective_at_ms': try_cast(parts[2] as bigint), 'run_id': parts[3]}}) as newest
    from (
        from {_records(lake, COMMITS)}
        union all
        from {_records(lake, OLDER)}
    )
    where try_cast(parts[2] as bigint) <= epoch_ms(now()) and parts[5] is null
    group by all
)
where snapshot_date is not null"""  # noqa: S608 - the lake's location is quoted by text


def _table_view(lake: Lake, table: Table, versions: Sequence[int]) -> str:
    """The query of a table's view.

    Files of another schema version have other columns and names of their own: each version is a
    glob, and its files are all alike (`union_by_name` would read the end of every file instead).

    The runs come first in an inner join on both path columns: only so a filter on the date reaches
    the listing of the files (duckdb issue 18411).
    """
    names = ", ".join(f"files.{column.name}" for column in table.documented_columns)
    return f"""select {names}
from visible_runs as runs
join {_files(lake, table, versions)} as files
    on
        files.snapshot_date = runs.snapshot_date
        and files.run_id = runs.run_id
        and {whole_rows("files.run_id", "runs.run_id")}"""  # noqa: S608 - names are the schema's


def _files(lake: Lake, table: Table, versions: Sequence[int]) -> str:
    """All of a table's files as a relation: among those of each version is one without rows."""
    patterns = [f"{table.name}/*/*/{parts_glob(version)}" for version in versions]
    if len(patterns) == 1:
        return scan(lake, *patterns)
    arms = "\nunion all by name\n".join(
        f"select * from {scan(lake, pattern)}"  # noqa: S608 - locations are quoted
        for pattern in patterns
    )
    return f"(\n{arms}\n)"


def _current_view(lake: Lake, table: Table) -> str:
    """The current rows of a table, from the files of the state that the newest record names.

    As in the table views, only names are read to find it, and the newest record's is never moved. A
    small query spends most of its time on planning this: nest it no deeper.
    """
    names = ", ".join(column.name for column in table.documented_columns)
    keys = STATE_KEY if table in TARGET_TABLES else STATE_KEY | RUN_KEYS
    pattern = "/".join([CURRENT, table.name, *("*" for _ in keys), parts_glob(SCHEMA_VERSION)])
    return f"""select {names}
from (
    select arg_max(parts[4], try_cast(parts[2] as bigint)) as state
    from {_records(lake, COMMITS)}
    where try_cast(parts[2] as bigint) <= epoch_ms(now())
) as newest
join {scan_of(lake.glob(pattern), keys=keys)} as files
    on files.state = newest.state and {whole_rows("files.state", "newest.state")}"""  # noqa: S608 - names are the schema's, locations are quoted


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
    """The rows of the files of changes that the captures name, each once."""
    names = ", ".join(f"d.{column.name}" for column in CAPTURE_DIFFERENCES.documented_columns)
    return f"""select {names}
from target_captures as c
join {scan_of(*patterns)} as d
    on
        d.snapshot_date = c.snapshot_date
        and d.capture_key = c.capture_key
        and {whole_rows("d.capture_key", "c.capture_key")}"""  # noqa: S608 - names are the schema's, locations are quoted


def _reading_files(lake: Lake, view: View, versions: Sequence[int]) -> str:
    """The view's SQL; where it joins a table to runs of captures, that table is read as it is.

    DuckDB 1.x prunes the files by a join's keys through one join only, and the table's view is one.
    The runs of captures all show, so that the view's filter is not needed. The `range` does what
    `whole_rows` does, whose condition the view's own join has not.
    """
    table = READERS_OF_CAPTURES.get(view.name)
    if table is None:
        return view.sql
    names = ", ".join(column.name for column in table.documented_columns)
    files = _files(lake, table, versions)
    rows = f"(select {names} from {files} cross join range(1))"  # noqa: S608 - locations are quoted
    joined = re.compile(rf"\bjoin {table.name}\b(?: as (\w+))?")
    return joined.sub(lambda found: f"join {rows} as {found[1] or table.name}", view.sql)


def _records(lake: Lake, folder: str) -> str:
    """The parts of the records' names: date, instant, run and state."""
    pattern = text(lake.glob(f"{folder}/{RECORDS_GLOB}"))
    return f"(select string_split(parse_filename(file, true), '_') as parts from glob({pattern}))"  # noqa: S608 - quoted


def whole_rows(key: str, of_the_runs: str) -> str:
    """A condition that holds wherever the key of the files is equal to that of what prunes them.

    Beside that equality it keeps DuckDB 1.5 from fetching rows again by `file_index`, which the pruning
    shifts (issue 26044): a wide `qualify row_number() … = 1` gave other rows' values. Its optimizer
    leaves joins alone that compare by more than equality. `cross join range(1)` beside the files does
    it too, and takes 0.3 ms.
    """
    return f"{key} >= {of_the_runs}"


def scan(lake: Lake, *patterns: str) -> str:
    """The files as a relation whose path columns have their types, whatever folders there are."""
    return scan_of(*(lake.glob(pattern) for pattern in patterns))


def scan_of(*patterns: str, keys: Mapping[str, str] = RUN_KEYS) -> str:
    """As `scan`, the patterns being whole locations; `keys` are the columns of their paths."""
    listed = ", ".join(text(pattern) for pattern in patterns)
    types = ", ".join(f"'{name}': {sql_type}" for name, sql_type in keys.items())
    return f"read_parquet([{listed}], hive_partitioning = true, hive_types = {{{types}}})"


def base_comments() -> dict[str, dict[str, str]]:
    """By name, the comments of the tables and of `visible_runs`."""
    comments = {RUNS: _VISIBLE_RUNS}
    for table in TABLES.values():
        comment = f"{table.grain[0].upper()}{table.grain[1:]}. Key: {', '.join(table.key)}."
        on_columns = {column.name: column.doc for column in table.documented_columns}
        comments[table.name] = {"": comment, **on_columns}
    return comments


def comments_on(name: str, comments: dict[str, str], kind: str = "view") -> list[str]:
    """Comments by column of a view, or of another kind; its own under the empty name."""
    on_columns = [
        f"comment on column {name}.{column} is {text(comment)}"
        for column, comment in comments.items()
        if column
    ]
    return [f"comment on {kind} {name} is {text(comments[''])}", *on_columns]
