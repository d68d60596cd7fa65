"""What a commit changed: builds, golden AMIs and stale targets, asked of the warehouse.

What showed before the commit is kept beside it, so that a second run of a date tells only what the
first had not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any, Final, Generic, NamedTuple, TypeVar

import duckdb
import pyarrow as pa

from lake.interruption import heeded_after
from lake.sql import text
from lake.warehouse import connect

MOST_FOUND: Final = 100
"""Of each kind so many are named, and the others counted."""

MEMORY: Final = "200MB"
"""What DuckDB may hold to find the golden AMIs, and beyond it on the disk: of 1,000,000 builds it took
850 MB at its own rate, 300 MB so, in 4.5 s instead of 2.6."""

Row = TypeVar("Row")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Before:
    """What showed before a commit: golden AMIs, the date's new failures, the targets ever read."""

    golden: pa.Table
    failures: pa.Table
    targets: pa.Table


class StateCount(NamedTuple):
    """Builds that went from one state to another; None where a build was or is not listed."""

    was: str | None
    is_now: str | None
    builds: int


class NewFailure(NamedTuple):
    """A build whose state became FAILED, and why; `was` None where it is new."""

    account_id: str
    region: str
    arn: str
    image_owner_account: str | None
    image_slug: str | None
    name: str | None
    was: str | None
    step: str | None
    reason: str | None


class GoldenChange(NamedTuple):
    """The AMI to launch, of an image in a region and account, before and now; None where none."""

    account_id: str
    region: str
    image_owner_account: str | None
    image_slug: str
    ami_region: str | None
    ami_account_id: str | None
    name: str | None
    old_version: str | None
    new_version: str | None
    old_ami_id: str | None
    new_ami_id: str | None


class StaleTarget(NamedTuple):
    """A target that was not read whole for long; `captured_at` None where it never was."""

    account_id: str
    region: str
    captured_at: datetime | None
    failed_attempt_count: int
    last_error_code: str | None
    last_error_message: str | None


class GoneBuild(NamedTuple):
    """A build that is not listed any more, with its last state."""

    account_id: str
    region: str
    arn: str
    name: str | None
    was: str | None


@dataclass(frozen=True)
class Found(Generic[Row]):
    """The first `MOST_FOUND` rows of a kind, and how many there are."""

    rows: tuple[Row, ...] = ()
    total: int = 0


@dataclass(frozen=True)
class Effects:
    """What a commit changed, and what is stale after it.

    `since` are the dates, the oldest and the newest, of the captures that its targets' builds were
    compared with; None where there was none. `changed` counts builds that differ in any column, of
    which `states` tells those whose state does.
    """

    since: tuple[date, date] | None
    changed: int
    states: tuple[StateCount, ...]
    gone: Found[GoneBuild]
    failures: Found[NewFailure]
    golden: Found[GoldenChange]
    stale: Found[StaleTarget]


def shown_before(warehouse: Path, snapshot_date: date) -> Before | None:
    """What shows now, to be compared with after a commit of the date; None without a warehouse."""
    if not warehouse.exists():
        return None

    def ask(cursor: duckdb.DuckDBPyConnection) -> Before:
        return Before(
            cursor.sql(_GOLDEN).to_arrow_table(),
            cursor.sql(_FAILURE_KEYS, params=[snapshot_date]).to_arrow_table(),
            cursor.sql("select account_id, region from current_targets").to_arrow_table(),
        )

    return _asked(warehouse, ask)


def effects(warehouse: Path, snapshot_date: date, before: Before | None) -> Effects:
    """What the newest commit of the date changed; without `before`, no golden AMI did."""

    def ask(cursor: duckdb.DuckDBPyConnection) -> Effects:
        none = cursor.sql(_GOLDEN).limit(0).to_arrow_table()
        keys = cursor.sql(_FAILURE_KEYS, params=[snapshot_date]).limit(0).to_arrow_table()
        cursor.register("golden_before", none if before is None else before.golden)
        cursor.register("failures_before", keys if before is None else before.failures)
        cursor.register("targets_before", keys if before is None else before.targets)
        ((oldest, newest),) = _rows(cursor, _SINCE, snapshot_date)
        states = [StateCount(*row) for row in _rows(cursor, _STATES, snapshot_date)]
        return Effects(
            since=None if oldest is None else (oldest, newest),
            changed=sum(count.builds for count in states),
            states=tuple(count for count in states if count.was != count.is_now),
            gone=_found(cursor, GoneBuild, _GONE, snapshot_date),
            failures=_found(cursor, NewFailure, _FAILURES, snapshot_date),
            golden=_found(cursor, GoldenChange, _GOLDEN_CHANGES),
            stale=_stale(cursor, snapshot_date),
        )

    return _asked(warehouse, ask)


def _asked(warehouse: Path, ask: Callable[[duckdb.DuckDBPyConnection], Answer]) -> Answer:
    """What `ask` finds; in little memory, unless that or the disk to spill to does not do."""
    spill = gettempdir()
    try:
        with (
            TemporaryDirectory(prefix="imagelake-", dir=spill) as folder,
            _asking(warehouse, temp_directory=folder, memory_limit=MEMORY) as cursor,
        ):
            return ask(cursor)
    except duckdb.OutOfMemoryException:
        pass
    except (duckdb.IOException, OSError) as error:
        if spill not in str(error):
            raise
    with _asking(warehouse) as cursor:
        return ask(cursor)


@contextmanager
def _asking(warehouse: Path, **settings: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor of its own: DuckDB 2.0 makes no relation on one that something was executed on."""
    with heeded_after(), connect(warehouse) as connection, connection.cursor() as cursor:
        for name, value in settings.items():
            connection.execute(f"set {name} = {text(value)}")
        yield cursor


def _stale(cursor: duckdb.DuckDBPyConnection, snapshot_date: date) -> Found[StaleTarget]:
    """The stale targets; of a healthy fleet one date is looked at, and not every attempt ever."""
    ((is_any,),) = _rows(cursor, _IS_ANY_STALE, snapshot_date)
    return _found(cursor, StaleTarget, _STALE) if is_any else Found()


def _rows(cursor: duckdb.DuckDBPyConnection, query: str, *given: Any) -> list[tuple[Any, ...]]:
    return cursor.execute(query, given).fetchall()


def _found(
    cursor: duckdb.DuckDBPyConnection, kind: Callable[..., Row], query: str, *given: Any
) -> Found[Row]:
    """The first rows of the answer, and how many there are."""
    rows = _rows(cursor, f"from ({query}) order by all", *given)
    return Found(tuple(kind(*row) for row in rows[:MOST_FOUND]), len(rows))


_GOLDEN: Final = """
select account_id, region, image_owner_account, image_slug, ami_region, ami_account_id, name,
    semantic_version || '/' || build_number as version, ami_id
from golden_amis"""

_GOLDEN_CHANGES: Final = f"""
select
    account_id, region, image_owner_account, image_slug, ami_region, ami_account_id,
    coalesce(any_value(name) filter (where is_now), any_value(name)) as name,
    any_value(version) filter (where not is_now) as old_version,
    any_value(version) filter (where is_now) as new_version,
    any_value(ami_id) filter (where not is_now) as old_ami_id,
    any_value(ami_id) filter (where is_now) as new_ami_id
from (
    select *, false as is_now from golden_before
    union all
    select *, true as is_now from ({_GOLDEN})
)
semi join targets_before using (account_id, region)
group by all
having old_ami_id is distinct from new_ami_id"""  # noqa: S608 - our own words

_DIFFERING: Final = "from capture_differences where snapshot_date = ?"

_FAILING: Final = f"""
{_DIFFERING}
    and change <> 'disappeared'
    and state_status = 'FAILED'
    and previous_status is distinct from 'FAILED'"""

_FAILURE_KEYS: Final = f"select account_id, region, arn {_FAILING}"

_FAILURES: Final = f"""
select account_id, region, arn, image_owner_account, image_slug, name, previous_status as was,
    coalesce(failure_component_step, failure_step) as step,
    coalesce(failure_component_message, failure_distribution_message, state_reason) as reason
from (select * {_FAILING})
anti join failures_before using (account_id, region, arn)"""  # noqa: S608 - our own words

_STATES: Final = f"""
select previous_status as was, case when change <> 'disappeared' then state_status end as is_now,
    count(*) as builds
{_DIFFERING}
group by all
order by builds desc, was, is_now"""

_GONE: Final = f"""
select account_id, region, arn, name, previous_status as was
{_DIFFERING} and change = 'disappeared'"""

_SINCE: Final = """
select min(previous_date), max(previous_date) from target_captures where snapshot_date = ?"""

_IS_ANY_STALE: Final = """
select
    exists(from current_targets where epoch_us(now()) - epoch_us(captured_at) > 36 * 3600000000)
    or exists(
        from snapshot_targets as t
        anti join current_targets as c on c.account_id = t.account_id and c.region = t.region
        where t.snapshot_date = $1 and t.status <> 'skipped'
    )
"""
_STALE: Final = """
select account_id, region, captured_at, failed_attempt_count, last_error_code, last_error_message
from target_freshness
where is_stale"""
