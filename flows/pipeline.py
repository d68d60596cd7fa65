"""The snapshot as plain functions: plan, land, write, commit, publish.

`take_snapshot` is the whole of it. The Prefect flow hands it the same steps as tasks, so that a
tracked and an untracked run do the same. Steps take paths and small records, never tables.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from extract.errors import NO_CREDENTIALS
from extract.flatten import Tables, flatten
from extract.landing import LandedPage, LandingWriter, landed_pages
from extract.pages import Listing
from extract.request import Request
from extract.schedule import run_listings
from extract.targets import Sessions, Target, TargetError, TargetOutcome, resolve_targets
from flows.coverage import Shown, shown_targets
from flows.parameters import ParameterError, SnapshotParameters
from flows.watch import Silent, Watch
from lake.carry import EarlierRun, carried_rows, earlier_run
from lake.commit import Commit, commit, newest_content
from lake.run import Run
from lake.storage import Folder, open_lake
from lake.warehouse import publish, require_replaceable
from lake.writer import Manifest, SnapshotWriter
from schemas.snapshots import COMPLETE, FAILED
from schemas.tables import TABLES

PARTIAL: Final = "partial"

_LIBRARIES: Final = ("imagelake", "boto3", "botocore", "pyarrow", "duckdb", "prefect")


@dataclass(frozen=True)
class Plan:
    """What a run will do: its identity, the targets, and what is asked of each."""

    run: Run
    targets: tuple[Target, ...]
    request: Request


@dataclass(frozen=True)
class Written:
    """A run's data files, unseen as yet, and what they say of each target."""

    manifest: Manifest
    targets: tuple[Shown, ...]
    status: str


@dataclass(frozen=True)
class Summary:
    """A committed run in a few words."""

    run_id: str
    snapshot_date: str
    status: str
    row_counts: dict[str, int]
    targets: tuple[Shown, ...]
    seconds: float
    is_warehouse_new: bool

    @property
    def asked(self) -> tuple[Shown, ...]:
        """The targets that this run was to read, not those that it kept from an earlier one."""
        return tuple(target for target in self.targets if target.is_asked)

    @property
    def unread(self) -> tuple[Shown, ...]:
        """This run's targets that failed or were cut short."""
        return tuple(target for target in self.asked if not target.is_read)


@dataclass(frozen=True)
class Steps:
    """The five steps; the flow replaces them by tasks that do the same."""

    plan: Callable[[SnapshotParameters], Plan]
    land: Callable[[SnapshotParameters, Plan, Watch], tuple[TargetOutcome, ...]]
    write: Callable[[SnapshotParameters, Plan, tuple[TargetOutcome, ...]], Written]
    commit: Callable[[SnapshotParameters, Plan, Written], Commit]
    publish: Callable[[SnapshotParameters], bool]


def take_snapshot(
    parameters: SnapshotParameters, steps: Steps | None = None, watch: Watch | None = None
) -> Summary:
    """Takes one snapshot and returns once it is visible.

    Raises what keeps it from being committed: TargetError, StorageError, CommitError,
    ParameterError. A target that cannot be read is no error: it is in the summary.
    """
    steps, watch = steps or PLAIN, watch or Silent()
    with _environment_of(parameters) as parameters:
        plan = steps.plan(parameters)
        watch.planned(plan.targets)
        outcomes = steps.land(parameters, plan, watch)
        _require_something_read(outcomes)
        watch.doing("writing the tables")
        written = steps.write(parameters, plan, outcomes)
        watch.doing("committing")
        steps.commit(parameters, plan, written)
        is_new = steps.publish(parameters)
    return Summary(
        run_id=plan.run.run_id,
        snapshot_date=plan.run.snapshot_date.isoformat(),
        status=written.status,
        row_counts={t: sum(f.row_count for f in files) for t, files in written.manifest.items()},
        targets=written.targets,
        seconds=(datetime.now(UTC) - plan.run.started_at).total_seconds(),
        is_warehouse_new=is_new,
    )


def plan(parameters: SnapshotParameters) -> Plan:
    """Who is to be asked what: resolves accounts and regions, and refuses what would lose data."""
    run = Run.begin(datetime.now(UTC), parameters.date)
    lake = open_lake(parameters.lake)
    require_replaceable(parameters.warehouse)
    _refuse_mixing(lake, parameters)
    request = parameters.request()
    targets = resolve_targets(_sessions(parameters), parameters.region, parameters.role_arn)
    if request.starting_token and len(targets) > 1:
        raise ParameterError(
            f"--starting-token: a token belongs to one target, and there are {len(targets)}: give "
            "its --region (and --role-arn)"
        )
    _refuse_narrowing(lake, run, targets, request)
    lake.make()
    return Plan(run, tuple(targets), request)


def land(
    parameters: SnapshotParameters, plan: Plan, watch: Watch | None = None
) -> tuple[TargetOutcome, ...]:
    """Reads every target to its end and keeps the raw pages in the lake."""
    watch = watch or Silent()
    sessions = _sessions(parameters)
    with LandingWriter(_landing(parameters, plan)) as landing:
        listings = [
            Listing(
                target,
                plan.request,
                lambda t=target: sessions.client("imagebuilder", t.region, t.role_arn),  # type: ignore[misc]  # mypy infers no type for a lambda with a default
                landing.land,
            )
            for target in plan.targets
        ]
        return tuple(run_listings(listings, parameters.concurrency, watch.called))


def write(
    parameters: SnapshotParameters, plan: Plan, outcomes: tuple[TargetOutcome, ...]
) -> Written:
    """Derives the tables from the landed pages and writes them, unseen as yet."""
    lake = open_lake(parameters.lake)
    earlier = earlier_run(lake, plan.run.snapshot_date)
    targets = shown_targets(outcomes, plan.request, earlier)
    pages = [
        page
        for page in landed_pages(_landing(parameters, plan))
        if targets[page.account_id, page.region].shows_own_rows
    ]
    with SnapshotWriter(lake, plan.run) as writer:
        for tables in _own_and_carried(lake, pages, targets, earlier):
            writer.append(tables)
        shown = tuple(targets.values())
        status = COMPLETE if all(target.is_read for target in shown) else PARTIAL
        writer.append({"snapshot_targets": _targets_table(shown)})
        writer.append({"snapshots": _snapshot_table(parameters, plan, writer, status)})
        return Written(writer.close(), shown, status)


def commit_run(parameters: SnapshotParameters, plan: Plan, written: Written) -> Commit:
    """Shows the run, all tables at once, and returns when it is visible."""
    return commit(
        open_lake(parameters.lake),
        plan.run,
        written.manifest,
        {"status": written.status, "is_demo": parameters.demo},
    )


def publish_warehouse(parameters: SnapshotParameters) -> bool:
    """Builds the warehouse where there is none, or its views have changed."""
    return publish(open_lake(parameters.lake), parameters.warehouse)


PLAIN: Final = Steps(plan, land, write, commit_run, publish_warehouse)


def _own_and_carried(
    lake: Folder,
    pages: list[LandedPage],
    targets: dict[tuple[str, str], Shown],
    earlier: EarlierRun | None,
) -> Iterator[Tables]:
    """This run's rows, then the earlier run's of the targets that show them; counts both."""
    joined: dict[tuple[str, str], set[str]] = {
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


def _count(builds: pa.Table, targets: dict[tuple[str, str], Shown]) -> None:
    """Adds the rows to their targets' counts and newest time of capture."""
    groups = builds.group_by(["account_id", "region"]).aggregate(
        [([], "count_all"), ("captured_at", "max")]
    )
    for row in groups.to_pylist():
        targets[row["account_id"], row["region"]].count(row["count_all"], row["captured_at_max"])


def _gather_arns(builds: pa.Table, joined: dict[tuple[str, str], set[str]]) -> None:
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


def _landing(parameters: SnapshotParameters, plan: Plan) -> Path:
    return open_lake(parameters.lake).path(plan.run.raw_folder)


def _sessions(parameters: SnapshotParameters) -> Sessions:
    secret = parameters.external_id
    return Sessions(secret.get_secret_value() if secret else None)


def _require_something_read(outcomes: tuple[TargetOutcome, ...]) -> None:
    """A run that read nothing at all is no snapshot: what the date shows already stands."""
    if all(outcome.status == FAILED and not outcome.pages for outcome in outcomes):
        first = outcomes[0]
        raise TargetError(
            f"none of {len(outcomes)} targets could be read; {first}: {first.error_message}",
            is_usage=first.error_code == NO_CREDENTIALS,
        )


def _refuse_mixing(lake: Folder, parameters: SnapshotParameters) -> None:
    """Emulated builds never get among real ones, nor real ones among them."""
    newest = newest_content(lake)
    if newest is None or newest["is_demo"] == parameters.demo:
        return
    held, given = ("emulated", "real") if newest["is_demo"] else ("real", "emulated")
    raise ParameterError(
        f"--lake {parameters.lake!r}: it holds {held} snapshots; give {given} ones another --lake "
        "(and --warehouse)"
    )


def _refuse_narrowing(lake: Folder, run: Run, targets: list[Target], request: Request) -> None:
    """A filtered snapshot would replace the whole one of its date, and lose what it leaves out."""
    if not request.is_narrowed:
        return
    earlier = earlier_run(lake, run.snapshot_date)
    whole = [
        str(target)
        for target in targets
        if earlier
        and earlier.targets.get((target.account_id, target.region), {}).get("coverage") == "whole"
    ]
    if whole:
        raise ParameterError(
            f"--filter, --image-version-arn, --owner: the lake holds all builds of {whole[0]} for "
            f"{run.snapshot_date}, and a narrower snapshot would replace them; give it another "
            "--lake or --date"
        )


@contextmanager
def _environment_of(parameters: SnapshotParameters) -> Iterator[SnapshotParameters]:
    """With `demo`, an emulator runs meanwhile and the AWS chain points at it."""
    if not parameters.demo:
        yield parameters
        return
    from extract.emulator import start  # only where it is asked for
    from extract.emulator.settings import REGIONS

    with start() as emulator:
        before = dict(os.environ)
        os.environ.update(emulator.environment())
        os.environ.pop("AWS_PROFILE", None)
        try:
            yield parameters.model_copy(
                update={
                    "region": parameters.region or list(REGIONS),
                    "role_arn": parameters.role_arn or emulator.role_arns(),
                }
            )
        finally:
            os.environ.clear()
            os.environ.update(before)
