"""What of a lake may go: retention, superseded runs, orphans. Planned here, removed by `maintain`.

A run that is being written is younger than what may go: a commit is refused from half the orphan
age on, and looks at its files again under the lock under which they are removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

import duckdb

from lake.carry import shown_run
from lake.commit import ORPHAN_AGE
from lake.definitions import definitions
from lake.interruption import heeded_after
from lake.inventory import ChangesKey, Inventory, RunKey
from lake.records import Commit, commits, newest_first
from lake.remote import let_read
from lake.schema_files import write_schema_files
from lake.storage import Lake, Leftover

GRACE: Final = timedelta(days=7)

_LAST_OF_MONTHS: Final = """
with told as materialized (
    select snapshot_date, account_id, region, coverage
    from snapshot_targets
    where snapshot_date >= date '{since}'
)
select coalesce(max(snapshot_date) filter (where coverage = 'whole'), max(snapshot_date))
from told
where coverage in ('whole', 'filtered')
group by account_id, region, date_trunc('month', snapshot_date)
union
select snapshot_date
from visible_runs
where snapshot_date >= date '{since}' and snapshot_date not in (select snapshot_date from told)"""
"""By target and month the date that `current_targets` would choose; and those that tell no target."""


@dataclass(frozen=True)
class Keep:
    """What stays: None keeps everything.

    A superseded run goes `grace` after it was superseded, pages that no commit came of `grace` after
    they landed, files that no record names at `orphan_age`.
    """

    keep_days: int | None = None
    keep_monthly: int = 0
    keep_raw_days: int | None = None
    grace: timedelta = GRACE
    orphan_age: timedelta = ORPHAN_AGE
    compact: bool = True


@dataclass(frozen=True)
class Plan:
    """What may go: records by date, whole dates, files of runs, raw pages, states, changes, leftovers.

    With the reason, where it differs.
    """

    records: dict[date, list[Commit]]
    expired: set[date]
    data: dict[RunKey, str]
    raw: dict[RunKey, str]
    states: list[str]
    changes: list[ChangesKey]
    leftovers: list[Leftover]

    def without(self, dates: Set[date]) -> Plan:
        """The plan without the records and raw pages of the dates, and so without what they name."""
        return replace(
            self,
            records={day: of for day, of in self.records.items() if day not in dates},
            raw={key: reason for key, reason in self.raw.items() if key[0] not in dates},
        )

    def of(self, dates: Set[date]) -> Plan:
        """What of the plan goes only with the dates, and the changes from and to them."""
        return replace(
            self,
            records={day: of for day, of in self.records.items() if day in dates},
            data={key: reason for key, reason in self.data.items() if key[0] in dates},
            raw={key: reason for key, reason in self.raw.items() if key[0] in dates},
            states=[],
            leftovers=[],
        )


def plan_removals(lake: Lake, inventory: Inventory, keep: Keep, now: datetime) -> Plan:
    """What may go of what the inventory lists."""
    in_effect = {
        day: records for day, records in inventory.records.items() if records[0].effective_at <= now
    }
    expired = _expired(lake, set(in_effect), keep, now)
    records = {
        day: of if day in expired else _superseded(of, keep, now) for day, of in in_effect.items()
    }
    records = {day: of for day, of in records.items() if of}
    dropped = {(day, record.run_id) for day, of in records.items() for record in of}
    staying = {
        (day, record.run_id)
        for day, of in inventory.records.items()
        for record in of
        if record not in records.get(day, ())
    }
    data = {key: _reason(key, expired) for key in (dropped - staying) & inventory.data.keys()}
    data |= {
        key: "no commit names it"
        for key, files in inventory.data.items()
        if key not in dropped | staying and files.last_touched(key[1]) < now - keep.orphan_age
    }
    raw = _raw(lake, inventory, staying, expired, keep, now)
    leftovers = [
        leftover
        for leftover in lake.leftovers()
        if leftover.modified_at < (now - keep.orphan_age).timestamp()
    ]
    states = _superseded_states(inventory, keep, now)
    kept = inventory.data.keys() - data.keys()
    changes = [
        key
        for key in changes_without(kept, inventory.changes)
        if inventory.changes[key].modified_at < (now - keep.orphan_age).timestamp()
    ]
    return Plan(records, expired, data, raw, states, changes, leftovers)


def changes_without(runs: Set[RunKey], changes: Iterable[ChangesKey]) -> Iterator[ChangesKey]:
    """Those of the changes that lie between two runs of which one is not among these."""
    ids = {run_id for _, run_id in runs}
    for day, run_id, previous_run_id in changes:
        if (day, run_id) not in runs or previous_run_id not in ids:
            yield day, run_id, previous_run_id


def _reason(key: RunKey, expired: set[date]) -> str:
    return "its date is past retention" if key[0] in expired else "superseded"


def _superseded(records: list[Commit], keep: Keep, now: datetime) -> list[Commit]:
    """The records, the oldest first, that another has stood before for the grace period."""
    after = zip(records[1:], records[:-1], strict=True)
    return [older for older, newer in after if newer.effective_at < now - keep.grace][::-1]


def _expired(lake: Lake, dates: set[date], keep: Keep, now: datetime) -> set[date]:
    if keep.keep_days is None:
        return set()
    today = now.date()
    months: dict[tuple[int, int], set[date]] = {}
    for day in dates:
        if (today.year - day.year) * 12 + today.month - day.month <= keep.keep_monthly:
            months.setdefault((day.year, day.month), set()).add(day)
    old = {day for day in dates if day <= today - timedelta(days=keep.keep_days)}
    old -= {max(of_month) for of_month in months.values()}
    if newest := next(iter(newest_first(commits(lake))), None):
        old -= {newest.snapshot_date}  # its record names the current rows
    if not old:
        return set()
    monthly = old & set().union(*months.values())
    return old - _holding_captures(lake, min(monthly).replace(day=1) if monthly else None)


def _holding_captures(lake: Lake, since: date | None) -> set[date]:
    """The dates that hold some target's newest complete capture, as the history itself tells.

    And from the month on that begins at `since`, the newest of each month: the last date of a month
    may lack a region that was denied on it. Where a date's targets are not told, it may hold one.
    """
    queries = ["select distinct snapshot_date from current_targets"]
    if since is not None:
        queries.append(_LAST_OF_MONTHS.format(since=since))
    versions = write_schema_files(lake)
    with heeded_after(), duckdb.connect() as connection:
        let_read(connection, lake.uri)
        for statement in definitions(lake, versions, has_state=False):
            if not statement.startswith("comment"):
                connection.execute(statement)
        return {day for sql in queries for (day,) in connection.execute(sql).fetchall()}


def _raw(
    lake: Lake,
    inventory: Inventory,
    staying: set[RunKey],
    expired: set[date],
    keep: Keep,
    now: datetime,
) -> dict[RunKey, str]:
    """The raw pages that nothing shown came of, or that are past their time, with the reason."""
    removed: dict[RunKey, str] = {}
    needed: dict[date, set[str]] = {}
    for key, files in inventory.raw.items():
        day, run_id = key
        age = now - files.last_touched(run_id)
        if keep.keep_raw_days and age > timedelta(days=keep.keep_raw_days):
            removed[key] = "raw pages past keep_raw_days"
        elif day in expired and age > keep.orphan_age:
            removed[key] = "its date is past retention"
        elif key not in staying and age > max(keep.grace, keep.orphan_age):
            if day not in needed:
                of_day = inventory.records.get(day, ())
                needed[day] = _raw_runs(lake, [r for r in of_day if (day, r.run_id) in staying])
            if run_id not in needed[day]:
                removed[key] = "raw pages that nothing shown came of"
    return removed


def _superseded_states(inventory: Inventory, keep: Keep, now: datetime) -> list[str]:
    """The states of the current rows that no reader looks at any more, or that no commit came of.

    A reader looks at the one in effect when its transaction began: not a day ago.
    """
    records = newest_first(record for of in inventory.records.values() for record in of)
    successors = [None, *records]
    live = {
        record.state
        for record, successor in zip(records, successors, strict=False)
        if successor is None or successor.effective_at > now - keep.orphan_age
    }
    return sorted(
        state
        for state, files in inventory.states.items()
        if state not in live and files.last_touched(state) < now - keep.orphan_age
    )


def _raw_runs(lake: Lake, records: Iterable[Commit]) -> set[str]:
    """The runs whose raw pages the records' rows came from."""
    targets = [row for record in records for row in shown_run(lake, record).targets.values()]
    return {run for row in targets for run in row["raw_runs"]}
