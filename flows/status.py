"""What `imagelake status` says: the newest snapshot, how fresh each target is, what failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

import duckdb

from flows.answers import write_answer
from flows.formats import Format
from flows.terminal import counted, printable
from lake.storage import Lake

_NEWEST = """
select
    snapshot_date,
    status,
    committed_at,
    image_builds_count as builds,
    image_amis_count as amis,
    image_containers_count as container_uris,
    snapshot_targets_count as targets,
    run_id
from snapshots
order by snapshot_date desc
limit 1
"""

_TARGETS = """
select
    account_id,
    region,
    last_attempt_status as status,
    last_attempt_date as last_asked,
    date_trunc('second', captured_at) as last_complete,
    age_hours,
    coalesce(builds, 0) as builds,
    last_error_message as error_message
from target_freshness
order by
    list_position(['failed', 'truncated', 'skipped', 'complete'], last_attempt_status),
    region = 'all' desc,
    captured_at nulls first,
    account_id,
    region
"""


_WARNINGS = """
select unnest(from_json(warnings, '["VARCHAR"]')) as warning
from (
    select warnings
    from snapshots
    order by snapshot_date desc
    limit 1
)
"""


def write_status(warehouse: duckdb.DuckDBPyConnection, form: Format, out: TextIO) -> None:
    """The newest snapshot (as a table only) and every target, those with trouble first."""
    if form is Format.TABLE:
        write_answer(warehouse, _NEWEST, form, out)
        for (warning,) in warehouse.execute(_WARNINGS).fetchall():
            out.write(printable(f"warning: {warning}") + "\n")
        out.write("\n")
    write_answer(warehouse, _TARGETS, form, out)


def verify_lake(lake: Lake, out: TextIO, say: Callable[[str], object]) -> int:
    """Names every damaged file of what shows; 1 where there is one, else 0."""
    from lake.verify import verify  # imports pyarrow, which a status does not need

    found = verify(lake, say)
    for path, wrong in found.damaged.items():
        out.write(printable(f"{lake.uri}/{path}: {wrong}") + "\n")
    out.write(f"{counted(found.file_count, 'file')} read, {len(found.damaged):,} damaged\n")
    return 1 if found.damaged else 0
