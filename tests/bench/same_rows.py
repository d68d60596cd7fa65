"""`python -m tests.bench.same_rows WAREHOUSE WAY FOLDER`: whether a way wrote the rows of imagelake.

Of each data table every column is compared that holds what the API sent to the letter, and those that
place the row: not the parsed ones, `extra` and the time of capture, which imagelake alone writes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import duckdb

from lake.sql import text
from schemas.table import Table
from schemas.tables import DATA_TABLES
from tests.bench.ways import OURS

PLACES: Final = {"account_id", "region", "image_arn", "position", "ami_position", "uri_position"}
MOST_SHOWN: Final = 3

_FAILURE: Final = {
    "failure_image_status": "image_status",
    "failure_workflow_execution_id": "workflow_execution_id",
    "failure_workflow_arn": "workflow_arn",
    "failure_step_execution_id": "step_execution_id",
    "failure_step": "failed_step",
    "failure_component_arn": "component_failure__component_arn",
    "failure_component_phase": "component_failure__phase_name",
    "failure_component_step": "component_failure__step_name",
    "failure_component_action": "component_failure__action",
    "failure_component_message": "component_failure__error_message",
    "failure_distribution_message": "distribution_failure__error_message",
}
_STATE: Final = {"state_status": "state__status", "state_reason": "state__reason"} | {
    ours: f"state__failure_context__{theirs}" for ours, theirs in _FAILURE.items()
}
_REGION_FAILURE: Final = """
    f.region as failed_region, f.status, f.image_configuration_step, f.error_message,
    f.target_account_id"""
_FAILED: Final = "state__failure_context__distribution_failure__region_failures"
UNNESTED: Final = {
    "image_builds": "select *, logging_configuration__log_group_name as log_group_name, {state} "
    "from {image_builds} as b",
    "image_amis": "select b.account_id, b.region, b.arn as image_arn, a._dlt_list_idx as position, "
    "a.region as ami_region, a.image as ami_id, a.name as ami_name, a.description as ami_description, "
    "a.account_id as ami_account_id, {a_state} "
    "from {image_builds__output_resources__amis} as a "
    "join {image_builds} as b on a._dlt_parent_id = b._dlt_id",
    "image_containers": "select b.account_id, b.region, b.arn as image_arn, "
    "c._dlt_list_idx as position, c.region as container_region, u._dlt_list_idx as uri_position, "
    "u.value as image_uri "
    "from {image_builds__output_resources__containers__image_uris} as u "
    "join {image_builds__output_resources__containers} as c on u._dlt_parent_id = c._dlt_id "
    "join {image_builds} as b on c._dlt_parent_id = b._dlt_id",
    "image_region_failures": "select b.account_id, b.region, b.arn as image_arn, "
    f"null as ami_position, f._dlt_list_idx as position, {_REGION_FAILURE} "
    f"from {{image_builds__{_FAILED}}} as f join {{image_builds}} as b on f._dlt_parent_id = b._dlt_id "
    "union all "
    "select b.account_id, b.region, b.arn, a._dlt_list_idx, f._dlt_list_idx, "
    f"{_REGION_FAILURE} from {{image_builds__output_resources__amis__{_FAILED}}} as f "
    "join {image_builds__output_resources__amis} as a on f._dlt_parent_id = a._dlt_id "
    "join {image_builds} as b on a._dlt_parent_id = b._dlt_id",
}
"""Our tables from those that dlt makes of nested lists, `{…}` a table's files."""


class DifferentRowsError(Exception):
    """A way wrote other rows than imagelake; the message shows some."""


def compared_columns(table: Table) -> list[str]:
    """The columns that every way has."""
    return [
        column.name for column in table.columns if column.is_to_the_letter or column.name in PLACES
    ]


def require_same_rows(warehouse: Path, way: str, folder: Path) -> dict[str, int]:
    """By table, how many rows both have; raises DifferentRowsError where one differs in one value."""
    counts = {}
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(f"attach {text(str(warehouse))} as imagelake (read_only)")
        for table in DATA_TABLES:
            columns = compared_columns(table)
            ours = _rows(columns, f"select * from imagelake.{table.name}", connection)
            theirs = _rows(columns, _query_of(way, table.name, folder, connection), connection)
            _require_none(connection, f"{way}, {table.name}: missing", ours, theirs)
            _require_none(connection, f"{way}, {table.name}: too many", theirs, ours)
            (counts[table.name],) = _first(connection, f"select count(*) from ({ours})")
            if not counts[table.name]:
                raise DifferentRowsError(f"{table.name}: no rows at all, which shows nothing")
    return counts


def _query_of(way: str, table: str, folder: Path, connection: duckdb.DuckDBPyConnection) -> str:
    """A way's table under our names."""
    if way in OURS:
        return f"select * from {_files(folder / 'data/lake' / table / '*' / '*')}"
    if way != "dlt_default":
        base = folder / "lake" if way == "dlt_tuned" else folder
        return f"select * from {_files(base / table)}"
    tables = {path.name: _files(path) for path in (folder / "lake").iterdir() if path.is_dir()}
    states = {
        "state": _state_of("b", tables["image_builds"], connection),
        "a_state": _state_of("a", tables["image_builds__output_resources__amis"], connection),
    }
    return UNNESTED[table].format_map({**tables, **states})


def _state_of(alias: str, files: str, connection: duckdb.DuckDBPyConnection) -> str:
    """The columns of `state`; a member that no element had made no column."""
    there = _types_of(f"select * from {files}", connection)
    return ", ".join(
        f"{f'{alias}.{theirs}' if theirs in there else 'null'} as {ours}"
        for ours, theirs in _STATE.items()
    )


def _files(folder: Path) -> str:
    return f"read_parquet({text(str(folder / '*.parquet'))}, union_by_name = true)"


def _rows(columns: list[str], query: str, connection: duckdb.DuckDBPyConnection) -> str:
    """The query's columns as text, tags in the order of their keys."""
    types = _types_of(query, connection)
    shown = ", ".join(f"{_as_text(name, types.get(name, ''))} as {name}" for name in columns)
    return f"select {shown} from ({query})"


def _types_of(query: str, connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    described = connection.execute(f"describe {query}").fetchall()
    return {name: kind for name, kind, *_ in described}


def _as_text(column: str, kind: str) -> str:
    if column == "deprecation_time":
        return f"cast({column} as timestamptz)::varchar"
    if column != "tags":
        return f"{column}::varchar"
    tags = column if kind.startswith("MAP") else f"cast({column}::json as map(varchar, varchar))"
    return f"list_sort(map_entries({tags}))::varchar"


def _require_none(
    connection: duckdb.DuckDBPyConnection, words: str, some: str, others: str
) -> None:
    """Raises where the one has a row, or one more of it, that the others have not."""
    different = f"({some}) except all ({others})"
    (count,) = _first(connection, f"select count(*) from ({different})")
    if count:
        shown = connection.execute(f"{different} limit {MOST_SHOWN}").fetchall()
        raise DifferentRowsError(f"{words} {count:,} rows, such as {shown}")


def _first(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    return connection.execute(query).fetchall()[0]


if __name__ == "__main__":
    try:
        found = require_same_rows(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
    except (DifferentRowsError, duckdb.Error) as error:
        sys.exit(str(error))
    sys.stdout.write(json.dumps(found))
