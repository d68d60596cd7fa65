"""What `imagelake status` says: the newest snapshot, how fresh each target is, what failed."""

from __future__ import annotations

from typing import TextIO

import duckdb

from flows.answers import write_answer
from flows.formats import Format

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
with newest as (
    select *
    from snapshot_targets
    qualify row_number() over (partition by account_id, region order by snapshot_date desc) = 1
)
select
    n.account_id,
    n.region,
    n.status,
    n.snapshot_date as last_asked,
    c.captured_at as last_complete,
    round(epoch(now() - c.captured_at) / 3600, 1) as age_hours,
    coalesce(c.builds, 0) as builds,
    n.error_message
from newest as n
left join current_targets as c using (account_id, region)
order by
    list_position(['failed', 'truncated', 'skipped', 'complete'], n.status),
    c.captured_at nulls first,
    n.account_id,
    n.region
"""


def write_status(warehouse: duckdb.DuckDBPyConnection, form: Format, out: TextIO) -> None:
    """The newest snapshot (as a table only) and every target, those with trouble first."""
    if form is Format.TABLE:
        write_answer(warehouse.execute(_NEWEST), form, out)
        out.write("\n")
    write_answer(warehouse.execute(_TARGETS), form, out)
