"""What a commit changed: builds, golden AMIs and stale targets, asked of the warehouse.

What showed before the commit is kept beside it, so that a second run of a date tells only what the
first had not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any, Final, Generic, NamedTuple, TypeVar

import duckdb
import pyarrow as pa

from lake.carry import TargetKey
from lake.interruption import heeded_after
from lake.sql import text
from lake.staleness import StaleTarget, stale_targets, told_stale
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
    """What showed before a commit: golden AMIs, the date's new failures, the targets ever read.

    `stale` are the targets that the date's runs have told to be stale, with whether it was asked.
    """

    golden: pa.Table
    failures: pa.Table
    targets: pa.Table
    stale: frozenset[tuple[TargetKey, bool]]


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


class GoneBuild(NamedTuple):
    """A build that is not listed any more, with its last state."""

    account_id: str
    region: str
    arn: str
    name: str | None
    was: str | None


@dataclass(frozen=True)
class Found(Generic[Row]):
    """The first `MOST_FOUND` rows of a kind, those that somebody acts on before the others, and how
    many there are.
    """

    rows: tuple[Row, ...] = ()
    total: int = 0


@dataclass(frozen=True)
class Effects:
    """What a commit changed, and what is stale after it.

    `since` are the dates, the oldest and the newest, of the captures that its targets' builds were
    compared with; None where there was none. `changed` counts builds that differ in any column, of
    which `states` tells those whose state does. `newly_stale` are those that are stale and that no
    run of the date before had told.
    """

    since: tuple[date, date] | None
    changed: int
    states: tuple[StateCount, ...]
    gone: Found[GoneBuild]
    failures: Found[NewFailure]
    golden: Found[GoldenChange]
    stale: Found[StaleTarget]
    newly_stale: Found[StaleTarget]


def shown_before(warehouse: Path, snapshot_date: date) -> Before | None:
    """What shows now, to be compared with after a commit of the date; None without a warehouse."""
    if not warehouse.exists():
        return None

    def ask(cursor: duckdb.DuckDBPyConnection) -> Before:
        return Before(
            cursor.sql(_GOLDEN).to_arrow_table(),
            cursor.sql(_FAILURE_KEYS, params=[snapshot_date]).to_arrow_table(),
            cursor.sql("select account_id, region from current_targets").to_arrow_table(),
            told_stale(cursor, snapshot_date),
        )

    return _asked(warehouse, ask)


def effects(
    warehouse: Path,
    snapshot_date: date,
    before: Before | None,
    asked: Collection[TargetKey] = frozenset(),
) -> Effects:
    """What the newest commit of the date changed; without `before`, no golden AMI did.

    Of the stale targets those `asked`, the run's own, are named before any that is not read any more.
    """

    def ask(cursor: duckdb.DuckDBPyConnection) -> Effects:
        none = cursor.sql(_GOLDEN).limit(0).to_arrow_table()
        keys = cursor.sql(_FAILURE_KEYS, params=[snapshot_date]).limit(0).to_arrow_table()
        cursor.register("golden_before", none if before is None else before.golden)
        cursor.register("failures_before", keys if before is None else before.failures)
        cursor.register("targets_before", keys if before is None else before.targets)
        ((oldest, newest),) = _rows(cursor, _SINCE, snapshot_date)
        stale = sorted(stale_targets(cursor, snapshot_date), key=lambda s: s.key not in asked)
        changes = _all(cursor, GoldenChange, _GOLDEN_CHANGES)
        told = frozenset() if before is None else before.stale
        states = [StateCount(*row) for row in _rows(cursor, _STATES, snapshot_date)]
        return Effects(
            since=None if oldest is None else (oldest, newest),
            changed=sum(count.builds for count in states),
            states=tuple(count for count in states if count.was != count.is_now),
            gone=_found(cursor, GoneBuild, _GONE, snapshot_date),
            failures=_found(cursor, NewFailure, _FAILURES, snapshot_date),
            golden=_first(sorted(changes, key=lambda change: change.new_ami_id is None)),
            stale=_first(stale),
            newly_stale=_first([s for s in stale if not _is_told(s.key, s.key in asked, told)]),
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


def _rows(cursor: duckdb.DuckDBPyConnection, query: str, *given: Any) -> list[tuple[Any, ...]]:
    return cursor.execute(query, given).fetchall()


def _found(
    cursor: duckdb.DuckDBPyConnection, kind: Callable[..., Row], query: str, *given: Any
) -> Found[Row]:
    """The first rows of the answer, and how many there are."""
    return _first(_all(cursor, kind, query, *given))


def _all(
    cursor: duckdb.DuckDBPyConnection, kind: Callable[..., Row], query: str, *given: Any
) -> list[Row]:
    return [kind(*row) for row in _rows(cursor, f"from ({query}) order by all", *given)]


def _first(rows: list[Row]) -> Found[Row]:
    return Found(tuple(rows[:MOST_FOUND]), len(rows))


def _is_told(key: TargetKey, is_asked: bool, told: Collection[tuple[TargetKey, bool]]) -> bool:
    return (key, True) in told or (not is_asked and (key, False) in told)


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
