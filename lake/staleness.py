"""Which targets are stale, and of which of them a date's runs have told so: asked of the warehouse."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final, NamedTuple

import duckdb

from lake.carry import TargetKey


class StaleTarget(NamedTuple):
    """A target that was not read whole for long; `captured_at` None where it never was."""

    account_id: str
    region: str
    captured_at: datetime | None
    failed_attempt_count: int
    last_error_code: str | None
    last_error_message: str | None

    @property
    def key(self) -> TargetKey:
        """Its account and region."""
        return self.account_id, self.region


def stale_targets(cursor: duckdb.DuckDBPyConnection, snapshot_date: date) -> list[StaleTarget]:
    """The stale targets, asked or not, by account and region.

    Of a healthy fleet the date alone is looked at, and not every attempt ever.
    """
    if not _is_any_stale(cursor, snapshot_date):
        return []
    return [StaleTarget(*row) for row in cursor.execute(_STALE).fetchall()]


def told_stale(
    cursor: duckdb.DuckDBPyConnection, snapshot_date: date
) -> frozenset[tuple[TargetKey, bool]]:
    """The stale targets that were so when the runs of the date which show were committed.

    Each with whether it was when one of them had asked it: what was told of a target that was not
    asked alerts nobody, so that it does not stand for what is told once it is.
    """
    ((is_any_run,),) = cursor.execute(_IS_ANY_RUN, [snapshot_date]).fetchall()
    if not is_any_run or not _is_any_stale(cursor, snapshot_date):
        return frozenset()
    rows = cursor.execute(_TOLD, [snapshot_date]).fetchall()
    return frozenset(((account_id, region), was_asked) for account_id, region, was_asked in rows)


def _is_any_stale(cursor: duckdb.DuckDBPyConnection, snapshot_date: date) -> bool:
    ((is_any,),) = cursor.execute(_IS_ANY_STALE, [snapshot_date]).fetchall()
    return bool(is_any)


_LONG: Final = "36 * 3600000000"
"""As the view target_freshness has it, in microseconds."""

_IS_ANY_RUN: Final = "select exists(from snapshots where snapshot_date = ?)"

_IS_ANY_STALE: Final = f"""
select
    exists(from current_targets where epoch_us(now()) - epoch_us(captured_at) > {_LONG})
    or exists(
        from snapshot_targets as t
        anti join current_targets as c on c.account_id = t.account_id and c.region = t.region
        where t.snapshot_date = $1 and t.status <> 'skipped'
    )
"""  # noqa: S608 - our own words

_STALE: Final = """
select account_id, region, captured_at, failed_attempt_count, last_error_code, last_error_message
from target_freshness
where is_stale
order by account_id, region"""

_TOLD: Final = f"""
select
    f.account_id,
    f.region,
    t.status is not null and coalesce(
        epoch_us(coalesce(t.finished_at, s.committed_at)) - epoch_us(f.captured_at) > {_LONG},
        t.status <> 'skipped'
    ) as was_asked
from target_freshness as f
cross join (from snapshots where snapshot_date = $1) as s
left join (from snapshot_targets where snapshot_date = $1) as t
    on t.account_id = f.account_id and t.region = f.region
where f.is_stale
    and coalesce(epoch_us(s.committed_at) - epoch_us(f.captured_at) > {_LONG}, true)
"""  # noqa: S608 - our own words
