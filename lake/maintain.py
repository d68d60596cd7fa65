"""Clean-up: the only code that deletes. It may be killed anywhere, and done again.

Data goes only when no record names it, and a record only where what shows for its date stays, or
where retention lets the whole date go. A run that is being written is younger than what is removed:
a commit is refused from half the orphan age on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import duckdb

from lake.commit import COMMIT_LOCK, ORPHAN_AGE, CommitError
from lake.compact import compact, is_scattered
from lake.definitions import definitions
from lake.inventory import Inventory, RunFiles, RunKey, records_by_date, take_inventory
from lake.records import Commit, manifest_of, newest_first, read_record
from lake.remote import let_read
from lake.storage import Lake, Leftover
from lake.warehouse import write_schema_files
from schemas.tables import TABLES

MAINTAIN_LOCK: Final = "maintain"
GRACE: Final = timedelta(days=7)


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
class Removal:
    """What went, or would go: why, which, how many files and bytes."""

    reason: str
    what: str
    file_count: int
    size_bytes: int


@dataclass(frozen=True)
class _Plan:
    records: dict[date, list[Commit]]
    data: dict[RunKey, str]
    raw: dict[RunKey, str]
    states: list[str]
    leftovers: list[Leftover]


def maintain(
    lake: Lake,
    keep: Keep,
    now: datetime,
    is_dry: bool = False,
    say: Callable[[str], object] = lambda _: None,
) -> list[Removal]:
    """Removes what need not be kept, then compacts; what it did, or with `is_dry` would do.

    The newest complete capture of every target stays, whatever its age. Raises what the lake raises;
    what was done by then stands.
    """
    if is_dry:
        inventory = take_inventory(lake)
        plan = _plan(lake, inventory, keep, now)
        scattered = _scattered(lake, inventory, keep, now)
        return [*_removals(plan, inventory, set()), *(removal for removal, _ in scattered)]
    with lake.exclusively(MAINTAIN_LOCK):
        say("listing the lake")
        inventory = take_inventory(lake)
        plan = _plan(lake, inventory, keep, now)
        say("removing what need not be kept")
        changed = _drop_records(lake, plan, inventory)
        for runs, files in ((plan.data, inventory.data), (plan.raw, inventory.raw)):
            for day, run_id in runs:
                if day not in changed:
                    lake.remove(files[day, run_id].paths)
        for state in plan.states:
            lake.remove(inventory.states[state].paths)
        for leftover in plan.leftovers:
            leftover.remove()
        done = _removals(plan, inventory, changed)
        for removal, record in _scattered(lake, take_inventory(lake), keep, now):
            say(f"compacting {record.snapshot_date}")
            with suppress(CommitError):  # a run of the date was committed meanwhile: the next time
                compact(lake, record, keep.orphan_age)
                done.append(removal)
    return done


def _plan(lake: Lake, inventory: Inventory, keep: Keep, now: datetime) -> _Plan:
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
    return _Plan(records, data, raw, _superseded_states(inventory, keep, now), leftovers)


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
    last_of_month = {(day.year, day.month): day for day in sorted(dates)}
    monthly = {
        day
        for (year, month), day in last_of_month.items()
        if (today.year - year) * 12 + today.month - month <= keep.keep_monthly
    }
    old = {day for day in dates if day <= today - timedelta(days=keep.keep_days)} - monthly
    return old - _holding_current_captures(lake) if old else set()


def _holding_current_captures(lake: Lake) -> set[date]:
    """The dates that hold some target's newest complete capture, as the history itself tells."""
    versions = write_schema_files(lake)
    with duckdb.connect() as connection:
        let_read(connection, lake.uri)
        for statement in definitions(lake, versions, has_state=False):
            if not statement.startswith("comment"):
                connection.execute(statement)
        rows = connection.execute("select distinct snapshot_date from current_targets").fetchall()
    return {day for (day,) in rows}


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
    runs: set[str] = set()
    for record in records:
        content = read_record(lake, record)
        runs.add(content.get("raw_run", record.run_id))
        runs.update(*content.get("raw_runs", {}).values())
    return runs


def _drop_records(lake: Lake, plan: _Plan, inventory: Inventory) -> set[date]:
    """Removes the planned records, a date's newest last.

    Returns the dates that got another record meanwhile: all that is theirs stays until the next time.
    """
    if not plan.records:
        return set()
    with lake.exclusively(COMMIT_LOCK):
        there = records_by_date(lake)
        changed = {day for day in plan.records if there.get(day) != inventory.records[day]}
        dropped = [r for day, of in plan.records.items() if day not in changed for r in of]
        showing = {of[0] for of in there.values()}
        lake.remove([record.path for record in dropped if record not in showing])
        lake.remove([record.path for record in dropped if record in showing])
    return changed


def _scattered(
    lake: Lake, inventory: Inventory, keep: Keep, now: datetime
) -> Iterator[tuple[Removal, Commit]]:
    """The dates, of those that no run is likely to write, whose tables are in too many files."""
    for day, (newest, *_) in sorted(inventory.records.items()):
        files = inventory.data.get((day, newest.run_id), RunFiles())
        is_settled = newest.effective_at < now - keep.orphan_age
        if not keep.compact or not is_settled or len(files.files) <= len(TABLES):
            continue
        if is_scattered(manifest_of(read_record(lake, newest))):
            yield _removal("in many small files: written anew", f"run of {day}", files), newest


def _removals(plan: _Plan, inventory: Inventory, changed: set[date]) -> list[Removal]:
    done = [
        _removal(reason, f"run {key[1]} of {key[0]}", inventory.data[key])
        for key, reason in sorted(plan.data.items())
        if key[0] not in changed
    ]
    done += [
        _removal(reason, f"pages of run {key[1]} of {key[0]}", inventory.raw[key])
        for key, reason in sorted(plan.raw.items())
        if key[0] not in changed
    ]
    done += [
        _removal("current rows as they were", f"state {state}", inventory.states[state])
        for state in plan.states
    ]
    return done + [
        Removal("left unfinished", leftover.path, 1, leftover.size_bytes)
        for leftover in plan.leftovers
    ]


def _removal(reason: str, what: str, files: RunFiles) -> Removal:
    return Removal(reason, what, len(files.files), files.size_bytes)
