"""Clean-up: the only code that deletes. It may be killed anywhere, and done again.

Data goes only when no record names it, and a record only where what shows for its date stays, or
where retention lets the whole date go. What needs nothing written goes first: on a full disk it makes
the room that forgetting a date takes. A run that is being written is younger than what is removed: a
commit is refused from half the orphan age on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from lake.archive import archive_records
from lake.changes import missing_pairs, shown_timeline
from lake.commit import COMMIT_LOCK, CommitError, derive_pair, forget
from lake.compact import compact, is_scattered
from lake.inventory import Inventory, RunFiles, records_by_date, take_inventory
from lake.records import COMMITS, OLDER, Commit, manifest_of, newest_first, read_record
from lake.retention import Keep, Plan, changes_without, plan_removals
from lake.storage import Lake
from lake.timeline import pairs_of
from schemas.tables import TABLES

MAINTAIN_LOCK: Final = "maintain"


@dataclass(frozen=True)
class Removal:
    """What went, or would go: why, which, how many files and bytes."""

    reason: str
    what: str
    file_count: int
    size_bytes: int


def maintain(
    lake: Lake,
    keep: Keep,
    now: datetime,
    is_dry: bool = False,
    say: Callable[[str], object] = lambda _: None,
) -> list[Removal]:
    """Removes what need not be kept, then compacts; what it did, or with `is_dry` would do.

    The newest complete capture of every target stays, whatever its age. Old commit records are moved
    aside, by which nothing goes. Raises what the lake raises;
    what was done by then stands.
    """
    if is_dry:
        inventory = take_inventory(lake)
        plan = plan_removals(lake, inventory, keep, now)
        scattered = _scattered(lake, inventory, keep, now)
        return [*_removals(plan, inventory, set()), *(removal for removal, _ in scattered)]
    with lake.exclusively(MAINTAIN_LOCK) as require_alone:
        say("listing the lake")
        inventory = take_inventory(lake)
        plan = plan_removals(lake, inventory, keep, now)
        say("removing what need not be kept")
        for leftover in plan.leftovers:
            leftover.remove()
        with lake.exclusively(COMMIT_LOCK) as require_uncommitted:

            def require_held() -> None:
                require_alone()
                require_uncommitted()

            changed = _changed(lake, plan, inventory)
            _remove(lake, plan.without(changed | plan.expired), inventory, require_held)
            if expired := plan.expired - changed:
                say("removing dates past retention")
                forget(lake, expired, require_held)
                _remove(lake, plan.of(expired), inventory, require_held)
        say("moving old commit records aside")
        archive_records(lake, now, keep.orphan_age, require_alone)
        done = _removals(plan, inventory, changed)
        say("deriving changes")
        _derive_missing(lake, say)
        for removal, record in _scattered(lake, take_inventory(lake), keep, now):
            say(f"compacting {record.snapshot_date}")
            with suppress(CommitError):  # a run of the date was committed meanwhile: the next time
                compact(lake, record)
                done.append(removal)
    return done


def _changed(lake: Lake, plan: Plan, inventory: Inventory) -> set[date]:
    """The dates that got another record meanwhile: what shows of theirs stays until the next time.

    Where a date is to go, any other record may have made it the holder of a target's last capture.
    """
    there = records_by_date(lake)
    changed = {day for day, of in there.items() if of != inventory.records.get(day)}
    return changed | plan.expired if changed else changed


def _remove(lake: Lake, plan: Plan, inventory: Inventory, require_held: Callable[[], None]) -> None:
    """Removes the plan's records, then the files that no record names any more.

    The lock of commits is held, and a commit looks at its files under it: so either it finds them
    gone and is refused, or its record is there and they stay.
    """
    _drop_records(lake, plan, inventory, require_held)
    records = [record for of in records_by_date(lake).values() for record in of]
    runs = {(record.snapshot_date, record.run_id) for record in records}
    states = {record.state for record in newest_first(records)[:1]}
    removed = [
        *(inventory.data[key] for key in plan.data if key not in runs),
        *(inventory.raw[key] for key in plan.raw),
        *(inventory.states[state] for state in plan.states if state not in states),
        RunFiles([inventory.changes[key] for key in changes_without(runs, plan.changes)]),
    ]
    for files in removed:
        require_held()
        lake.remove(files.paths)


def _drop_records(
    lake: Lake, plan: Plan, inventory: Inventory, require_held: Callable[[], None]
) -> None:
    """Removes the records, a date's newest last; each from where it was published first.

    So a record is gone once it is not there, and none that is being moved comes back (`_copy` in
    lake/archive.py).
    """
    dropped = [record for of in plan.records.values() for record in of]
    showing = {of[0] for of in inventory.records.values()}
    for is_showing in (False, True):
        for folder in (COMMITS, OLDER):
            require_held()
            of_kind = [record for record in dropped if (record in showing) == is_showing]
            lake.remove(record.within(folder).path for record in of_kind)


def _derive_missing(lake: Lake, say: Callable[[str], object]) -> None:
    """Derives what changed between captures where no commit could, or an older version made it."""
    timeline = shown_timeline(lake)
    if timeline is None:  # where it cannot be read, the next commit writes it anew
        return
    for pair in missing_pairs(lake, pairs_of(timeline)):
        say(f"deriving the changes of {pair.snapshot_date}")
        with suppress(OSError):  # a damaged run, which `status --verify` names
            derive_pair(lake, pair)


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


def _removals(plan: Plan, inventory: Inventory, changed: set[date]) -> list[Removal]:
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
    if plan.changes:
        changes = RunFiles([inventory.changes[key] for key in plan.changes])
        done.append(_removal("between runs of which one is gone", "changes", changes))
    return done + [
        Removal("left unfinished", leftover.path, leftover.file_count, leftover.size_bytes)
        for leftover in plan.leftovers
    ]


def _removal(reason: str, what: str, files: RunFiles) -> Removal:
    return Removal(reason, what, len(files.files), files.size_bytes)
