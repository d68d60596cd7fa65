"""The step `write`: from landed pages to a run's data files, unseen as yet."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from extract.flatten import Tables, flatten
from extract.landing import LandedPage, landed_pages
from extract.targets import TargetOutcome
from flows.coverage import Shown, shown_targets
from flows.parameters import SnapshotParameters
from flows.planning import Plan, landing_of
from lake.carry import EarlierRun, TargetKey, carried_rows, earlier_run
from lake.commit import CommitError
from lake.storage import Folder, open_lake
from lake.writer import Manifest, SnapshotWriter
from schemas.snapshots import COMPLETE
from schemas.tables import TABLES

PARTIAL: Final = "partial"

_LIBRARIES: Final = ("imagelake", "boto3", "botocore", "pyarrow", "duckdb", "prefect")


@dataclass(frozen=True)
class Written:
    """A run's data files, unseen as yet, and what they say of each target.

    `after` is the run of the date that they were written to follow.
    """

    manifest: Manifest
    targets: tuple[Shown, ...]
    status: str
    after: str | None


def write(
    parameters: SnapshotParameters, plan: Plan, outcomes: tuple[TargetOutcome, ...]
) -> Written:
    """Derives the tables from the landed pages and writes them, unseen as yet."""
    lake = open_lake(parameters.lake)
    earlier = earlier_run(lake, plan.run.snapshot_date)
    targets = shown_targets(outcomes, plan.request, earlier)
    landed = landed_pages(landing_of(parameters, plan))
    _require_all_landed(outcomes, landed)
    own = {key for key, target in targets.items() if target.shows_own_rows}
    pages = [  # an interrupted run whose pages were taken over may have had other targets besides
        page for page in landed if (page.account_id, page.region) in own
    ]
    with SnapshotWriter(lake, plan.run) as writer:
        for tables in _own_and_carried(lake, pages, targets, earlier):
            writer.append(tables)
        shown = tuple(targets.values())
        status = COMPLETE if all(target.is_read for target in shown) else PARTIAL
        writer.append({"snapshot_targets": _targets_table(shown)})
        writer.append({"snapshots": _snapshot_table(parameters, plan, writer, status)})
        return Written(writer.close(), shown, status, earlier.run_id if earlier else None)


def _require_all_landed(outcomes: tuple[TargetOutcome, ...], landed: list[LandedPage]) -> None:
    """Every page that a listing counted is there to be read: what is missing is never empty."""
    found = Counter((page.account_id, page.region) for page in landed)
    for outcome in outcomes:
        if found[outcome.account_id, outcome.region] < outcome.pages:
            raise CommitError(
                f"{outcome}: {outcome.pages} pages landed, but only "
                f"{found[outcome.account_id, outcome.region]} can be read back; run again"
            )


def _own_and_carried(
    lake: Folder,
    pages: list[LandedPage],
    targets: dict[TargetKey, Shown],
    earlier: EarlierRun | None,
) -> Iterator[Tables]:
    """This run's rows, then the earlier run's of the targets that show them; counts both."""
    joined: dict[TargetKey, set[str]] = {
        key: set() for key, target in targets.items() if target.carries and target.shows_own_rows
    }
    for tables in flatten(pages):
        _count(tables["image_builds"], targets)
        if joined:
            _gather_arns(tables["image_builds"], joined)
        yield tables
    carrying = [key for key, target in targets.items() if target.carries]
    if earlier is not None and carrying:
        for tables in carried_rows(lake, earlier, carrying, joined):
            if "image_builds" in tables:
                _count(tables["image_builds"], targets)
            yield tables


def _count(builds: pa.Table, targets: dict[TargetKey, Shown]) -> None:
    """Adds the rows to their targets' counts and newest time of capture."""
    groups = builds.group_by(["account_id", "region"]).aggregate(
        [([], "count_all"), ("captured_at", "max")]
    )
    for row in groups.to_pylist():
        targets[row["account_id"], row["region"]].count(row["count_all"], row["captured_at_max"])


def _gather_arns(builds: pa.Table, joined: dict[TargetKey, set[str]]) -> None:
    for (account_id, region), arns in joined.items():
        of_target = pc.and_(
            pc.equal(builds["account_id"], account_id), pc.equal(builds["region"], region)
        )
        arns.update(builds["arn"].filter(of_target).drop_null().to_pylist())


def _targets_table(targets: tuple[Shown, ...]) -> pa.Table:
    schema = TABLES["snapshot_targets"].arrow_schema
    return pa.Table.from_pylist([target.row() for target in targets], schema=schema)


def _snapshot_table(
    parameters: SnapshotParameters, plan: Plan, writer: SnapshotWriter, status: str
) -> pa.Table:
    row: dict[str, Any] = {
        "started_at": plan.run.started_at,
        "committed_at": datetime.now(UTC),
        "status": status,
        **{f"{table}_count": count for table, count in writer.row_counts().items()},
        "versions": json.dumps({name: version(name) for name in _LIBRARIES}),
        "parameters": parameters.to_json(),
    }
    return pa.Table.from_pylist([row], schema=TABLES["snapshots"].arrow_schema)
