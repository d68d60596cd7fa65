"""The step `write`: from landed pages to a run's data files, unseen as yet."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from extract.flatten import flatten
from extract.landing import LandedPage, landed_pages
from extract.targets import TargetOutcome
from flows.batches import rows_of_batches
from flows.coverage import Shown, shown_targets
from flows.machine import cores
from flows.parameters import SnapshotParameters
from flows.planning import Plan, lake_of, landing_of
from lake.captures import last_whole_captures
from lake.carry import EarlierRun, TargetKey, carried_rows, earlier_run
from lake.checks import Context, require_right
from lake.commit import CommitError
from lake.parquet import StagedFile
from lake.storage import Lake
from lake.writer import Manifest, Rows, SnapshotWriter
from schemas.snapshots import COMPLETE, WHOLE
from schemas.tables import DATA_TABLES, TABLES

PARTIAL: Final = "partial"
CHECKED: Final = (*(table.name for table in DATA_TABLES), "snapshot_targets")
"""The tables that the data checks read."""

_LIBRARIES: Final = ("imagelake", "boto3", "botocore", "pyarrow", "duckdb", "prefect")


@dataclass(frozen=True)
class Written:
    """A run's data files, checked and unseen as yet, and what they say of each target.

    `after` is the run of the date that they were written to follow; `warnings` are the checks'.
    """

    manifest: Manifest
    targets: tuple[Shown, ...]
    status: str
    after: str | None
    warnings: tuple[str, ...] = ()


def write(
    parameters: SnapshotParameters, plan: Plan, outcomes: tuple[TargetOutcome, ...]
) -> Written:
    """Derives the tables from the landed pages, checks them and writes them, unseen as yet.

    Where workers have derived the rows, they are taken from what those wrote.
    Raises CommitError where a landed page is not there to be read, CheckError where the data cannot
    be right.
    """
    lake = lake_of(parameters)
    earlier = earlier_run(lake, plan.run.snapshot_date)
    targets = shown_targets(outcomes, plan.request, earlier)
    own = {key for key, target in targets.items() if target.shows_own_rows}
    landed_builds: Counter[TargetKey] = Counter()
    own_rows: Iterator[Mapping[str, Rows]] = (
        rows_of_batches(lake, plan.batches, own, landed_builds)
        if plan.batches
        else flatten(_own_pages(parameters, plan, outcomes, own), landed_builds)
    )
    with SnapshotWriter(lake, plan.run) as writer:
        for tables in _own_and_carried(lake, own_rows, targets, earlier, landed_builds):
            writer.append(tables)
        shown = tuple(targets.values())
        status = COMPLETE if all(target.is_read for target in shown) else PARTIAL
        writer.append({"snapshot_targets": _targets_table(shown)})
        context = _context(parameters, plan, lake, targets, landed_builds)
        finished = {table: writer.finish(table) for table in CHECKED}
        pa.default_memory_pool().release_unused()  # before the checks need theirs
        threads = cores() if plan.batches else 1  # all else that the run had at work has ended
        warnings = require_right(finished, context, threads)
        writer.append({"snapshots": _snapshot_table(parameters, plan, writer, status, warnings)})
        return Written(
            writer.publish(), shown, status, earlier.run_id if earlier else None, tuple(warnings)
        )


def _own_pages(
    parameters: SnapshotParameters,
    plan: Plan,
    outcomes: Sequence[TargetOutcome],
    own: set[TargetKey],
) -> list[LandedPage]:
    """The landed pages of the targets that show this run's rows, held by nobody else.

    An interrupted run whose pages were taken over may have had other targets too.
    """
    landed = landed_pages(landing_of(parameters, plan))
    require_all_landed(outcomes, landed)
    return [page for page in landed if (page.account_id, page.region) in own]


def _context(
    parameters: SnapshotParameters,
    plan: Plan,
    lake: Lake,
    targets: dict[TargetKey, Shown],
    landed_builds: Counter[TargetKey],
) -> Context:
    """What the checks hold the data against."""
    whole = [key for key, target in targets.items() if target.coverage == WHOLE]
    captures = last_whole_captures(lake, plan.run.snapshot_date, whole)
    return Context(
        landed_rows(landed_builds),
        () if parameters.accept_drop else tuple(captures),
        None if parameters.accept_drop else parameters.max_drop,
    )


def landed_rows(landed_builds: Counter[TargetKey]) -> list[dict[str, Any]]:
    """The builds of each target, as the checks take them."""
    return [
        {"account_id": account_id, "region": region, "builds": builds}
        for (account_id, region), builds in landed_builds.items()
    ]


def require_all_landed(outcomes: Sequence[TargetOutcome], landed: list[LandedPage]) -> None:
    """Every page that a listing counted is there to be read: what is missing is never empty."""
    found = Counter((page.account_id, page.region) for page in landed)
    for outcome in outcomes:
        if found[outcome.account_id, outcome.region] < outcome.pages:
            raise CommitError(
                f"{outcome}: {outcome.pages} pages landed, but only "
                f"{found[outcome.account_id, outcome.region]} can be read back; run again"
            )


def _own_and_carried(
    lake: Lake,
    own_rows: Iterator[Mapping[str, Rows]],
    targets: dict[TargetKey, Shown],
    earlier: EarlierRun | None,
    landed_builds: Counter[TargetKey],
) -> Iterator[Mapping[str, Rows]]:
    """This run's rows, then the earlier run's of the targets that show them; counts both.

    `landed_builds` gains, by target, the builds carried.
    """
    joined: dict[TargetKey, set[str]] = {
        key: set() for key, target in targets.items() if target.carries and target.shows_own_rows
    }
    for tables in own_rows:
        if "image_builds" in tables:
            for builds in _builds_to_count(tables["image_builds"], is_joined=bool(joined)):
                _count(builds, targets)
                gather_arns(builds, joined)
        yield tables
    carrying = [key for key, target in targets.items() if target.carries]
    if earlier is not None and carrying:
        for tables in carried_rows(lake, earlier, carrying, joined):
            if "image_builds" in tables:
                landed_builds.update(_count(tables["image_builds"], targets))
            yield tables


def _builds_to_count(builds: Rows, *, is_joined: bool) -> Iterable[pa.Table]:
    """The rows of builds, of those in a file the columns alone that are asked for."""
    if not isinstance(builds, StagedFile):
        return [builds]
    return builds.row_groups(["account_id", "region", "captured_at", *(["arn"] * is_joined)])


def _count(builds: pa.Table, targets: dict[TargetKey, Shown]) -> dict[TargetKey, int]:
    """Adds the rows to their targets' counts and newest time of capture; returns the counts."""
    groups = builds.group_by(["account_id", "region"]).aggregate(
        [([], "count_all"), ("captured_at", "max")]
    )
    counts = {}
    for row in groups.to_pylist():
        key = row["account_id"], row["region"]
        targets[key].count(row["count_all"], row["captured_at_max"])
        counts[key] = row["count_all"]
    return counts


def gather_arns(builds: pa.Table, joined: dict[TargetKey, set[str]]) -> None:
    """Adds the builds' ARNs to those of their targets, for the targets in `joined`."""
    for (account_id, region), arns in joined.items():
        of_target = pc.and_(
            pc.equal(builds["account_id"], account_id), pc.equal(builds["region"], region)
        )
        arns.update(builds["arn"].filter(of_target).drop_null().to_pylist())


def _targets_table(targets: tuple[Shown, ...]) -> pa.Table:
    schema = TABLES["snapshot_targets"].arrow_schema
    return pa.Table.from_pylist([target.row() for target in targets], schema=schema)


def _snapshot_table(
    parameters: SnapshotParameters,
    plan: Plan,
    writer: SnapshotWriter,
    status: str,
    warnings: list[str],
) -> pa.Table:
    row = {
        "started_at": plan.run.started_at,
        "status": status,
        "parameters": parameters.to_json(),
    }
    return snapshot_table(row, writer, warnings)


def snapshot_table(row: Mapping[str, Any], writer: SnapshotWriter, warnings: list[str]) -> pa.Table:
    """The run's row of `snapshots`: `row` and what is known where its files are complete."""
    complete: dict[str, Any] = {
        **row,
        "committed_at": datetime.now(UTC),
        **{f"{table}_count": count for table, count in writer.row_counts().items()},
        "versions": json.dumps({name: version(name) for name in _LIBRARIES}),
        "warnings": json.dumps(warnings, ensure_ascii=False) if warnings else None,
    }
    return pa.Table.from_pylist([complete], schema=TABLES["snapshots"].arrow_schema)
