"""The upkeep of a lake as plain functions: rebuild, maintain, roll back; and what they say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from pyarrow import ArrowException

from flows.parameters import LakeParameters, ParameterError
from flows.planning import existing_lake, naming_a_full_disk
from flows.publishing import problem_of, refresh
from flows.rebuild import Rebuilt, rebuild
from flows.terminal import counted, printable
from flows.upkeep_parameters import MaintainParameters, RebuildParameters
from lake import commit
from lake.checks import CheckError
from lake.commit import CommitError
from lake.interruption import take_late
from lake.maintain import Removal, maintain
from lake.records import Commit, runs_of, shown_commits
from lake.retention import Keep
from lake.storage import StorageError

MOST_LISTED: Final = 20
"""Of one reason, at most so many removals are named one by one."""

Say = Callable[[str], object]


@dataclass(frozen=True)
class Rebuilds:
    """The dates that were rebuilt, why others were not, and why the warehouse is not up to date."""

    done: tuple[Rebuilt, ...]
    refused: tuple[str, ...]
    warehouse_problem: str | None = None
    interrupted: str | None = None
    """At which date, where it was."""


def rebuild_dates(parameters: RebuildParameters, say: Say) -> Rebuilds:
    """Rebuilds the date, or with `all` every date that can be; then the warehouse.

    Raises CommitError or CheckError where the one date asked for cannot be rebuilt.
    """
    lake = existing_lake(parameters)
    done: list[Rebuilt] = []
    refused: list[str] = []
    days = [parameters.one_date] if parameters.one_date else list(shown_commits(lake))
    interrupted = None
    take_late()  # of what this process did before
    for day in days:
        say(f"rebuilding {day}")
        try:
            with naming_a_full_disk(lake):
                done.append(rebuild(lake, day))
        except KeyboardInterrupt:
            interrupted = (
                f"interrupted at {day}, which `imagelake rollback {day}` tells the runs of"
            )
            break
        except (CommitError, CheckError, StorageError, OSError, ArrowException) as error:
            if parameters.one_date:
                raise
            refused.append(f"{day}: {error}" if str(day) not in str(error) else str(error))
        if take_late() and day != days[-1]:
            interrupted = f"interrupted after {day}"
            break
    problem = None if interrupted else problem_of(lambda: refresh(lake, parameters))
    return Rebuilds(tuple(done), tuple(refused), problem, interrupted)


def rebuild_lines(rebuilds: Rebuilds) -> Iterator[str]:
    """A line a date."""
    for rebuilt in rebuilds.done:
        made = rebuilt.commit
        yield (
            f"{made.snapshot_date} rebuilt: {counted(rebuilt.builds, 'build')} (run {made.run_id})"
        )
        yield from (printable(f"  warning: {warning}") for warning in rebuilt.warnings)
    yield from (printable(f"not rebuilt: {reason}") for reason in rebuilds.refused)
    if rebuilds.warehouse_problem:
        yield printable(f"committed, but the warehouse was not built: {rebuilds.warehouse_problem}")
    if rebuilds.interrupted:
        yield f"{rebuilds.interrupted}; `imagelake publish` brings the warehouse up to date"
    elif not rebuilds.done and not rebuilds.refused:
        yield "the lake has no snapshot to rebuild"


def maintain_lake(parameters: MaintainParameters, say: Say = lambda _: None) -> list[Removal]:
    """Cleans the lake up as the parameters say, and brings a warehouse that is there up to date."""
    lake = existing_lake(parameters)
    keep = Keep(
        keep_days=parameters.keep_days,
        keep_monthly=parameters.keep_monthly,
        keep_raw_days=parameters.keep_raw_days,
        grace=timedelta(hours=parameters.grace_hours),
        orphan_age=timedelta(hours=parameters.orphan_hours),
        compact=parameters.compact,
    )
    with naming_a_full_disk(lake):
        done = maintain(lake, keep, datetime.now(UTC), is_dry=parameters.dry_run, say=say)
    if not parameters.dry_run and parameters.warehouse.exists():
        refresh(lake, parameters)
    return done


def maintain_lines(done: Sequence[Removal], *, is_dry: bool) -> Iterator[str]:
    """A line a reason with its sum, then what it was of."""
    by_reason: dict[str, list[Removal]] = defaultdict(list)
    for removal in done:
        by_reason[removal.reason].append(removal)
    for reason, removals in by_reason.items():
        files = sum(removal.file_count for removal in removals)
        size = sum(removal.size_bytes for removal in removals)
        yield f"{reason}: {counted(files, 'file')}, {_bytes(size)}"
        yield from (printable(f"  {removal.what}") for removal in removals[:MOST_LISTED])
        if len(removals) > MOST_LISTED:
            yield f"  and {len(removals) - MOST_LISTED:,} more"
    if not done:
        yield "nothing to remove"
    elif is_dry:
        yield "nothing was removed: this was a dry run"


def roll_back(
    parameters: LakeParameters, snapshot_date: date, run_id: str
) -> tuple[Commit, str | None]:
    """Shows an older run of the date again; and why the warehouse is not up to date, if so.

    Raises CommitError where the run is none of the date's.
    """
    lake = existing_lake(parameters)
    with naming_a_full_disk(lake):
        record = commit.rollback(lake, snapshot_date, run_id)
    return record, problem_of(lambda: refresh(lake, parameters))


def run_lines(parameters: LakeParameters, snapshot_date: date) -> Iterator[str]:
    """The date's runs, the one that shows first. Raises ParameterError where it has none."""
    records = runs_of(existing_lake(parameters), snapshot_date)
    if not records:
        raise ParameterError(
            f"{snapshot_date}: the lake has no run of it; `imagelake status` tells the newest date"
        )
    for place, record in enumerate(records):
        shows = "shows" if not place else "superseded"
        yield f"{record.run_id}  since {record.effective_at:%Y-%m-%d %H:%M:%S} UTC  {shows}"


def _bytes(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"
