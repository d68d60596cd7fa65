"""The writers: each a process of its own that does one thing to the lake by the project's own code.

Only asking AWS is replaced: a run lands made-up pages, as an interrupted one's it goes on.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from traceback import format_exc
from typing import Any

import extract.flatten
import flows.pipeline
import flows.rebuild
import lake.bucket
import lake.commit
import lake.compact
import lake.maintain
import lake.warehouse
import lake.writer
from extract.landing import LandingWriter, landed_pages
from extract.targets import Target, TargetOutcome
from flows.parameters import SnapshotParameters
from flows.pipeline import Steps as Pipeline
from flows.pipeline import commit_visibly, publish_warehouse, take_snapshot
from flows.planning import Plan, lake_of, landing_of
from flows.rebuild import rebuild
from flows.watch import Watch
from flows.writing import Written, write
from lake.commit import rollback
from lake.lease import Lease
from lake.location import open_lake
from lake.maintain import maintain
from lake.records import OLDER, Commit, commits, newest_first, runs_of
from lake.retention import Keep
from lake.run import Run
from lake.storage import Lake, LakeSettings
from lake.warehouse import make_place, publish, publish_pinned
from schemas.snapshots import COMPLETE, FAILED
from tests.torture.pages import ACCOUNT, REGIONS, Label
from tests.torture.steps import Fatal, Steps, slow_down_records

MODULES = ("tests.torture.writers", "pyarrow.dataset", "pytz")
"""What the fork server imports once for all writers; it starts no thread of Python's."""


@dataclass(frozen=True)
class Place:
    """A lake under torture, what is beside it, and how it is written.

    `folder` holds the warehouses and what readers are told. `slow_seconds` pass between the naming
    of a record and its showing. There are two wrong protocols: `is_mutable`, a date has but one
    record; `is_hasty`, a record is moved at once.
    """

    lake: str
    folder: Path
    visibility_seconds: float | None = None
    orphan_seconds: float = 12.0
    grace_seconds: float = 5.0
    lease_seconds: float = 3.0
    slow_seconds: float = 0.0
    is_mutable: bool = False
    is_hasty: bool = False
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def live(self) -> Path:
        return self.folder / "live.duckdb"

    @property
    def pinned(self) -> Path:
        return self.folder / "pinned.duckdb"

    @property
    def acknowledged(self) -> Path:
        """Of each commit that returned, its date and the time of its effect."""
        return self.folder / "acknowledged"

    @property
    def is_s3(self) -> bool:
        return self.lake.startswith("s3://")

    @property
    def settings(self) -> LakeSettings:
        return LakeSettings(self.visibility_seconds, self.folder / "spool")

    def open(self) -> Lake:
        return open_lake(self.lake, self.settings)


@dataclass(frozen=True)
class Job:
    """One thing that a writer does, to a date; it dies at the step `kill_at`, if it gets there."""

    operation: str
    day: date
    seed: int
    kill_at: Fatal | None = None


def work(place: Place, job: Job, report: Connection) -> None:
    """A writer's whole life; reports how it went, or the step that it dies at, in a few words."""
    os.environ.update(place.environment)
    steps = Steps(
        job.kill_at,
        lambda name, count: report.send(("killed", name, count)),
        has_begun=job.operation != "compact",
    )
    _fit_to(place)
    steps.install()
    random = Random(job.seed)  # noqa: S311 - repeatable, not secret
    try:
        OPERATIONS[job.operation](place, job.day, random, steps)
    except Exception as error:
        report.send(("refused", f"{type(error).__name__}: {error}", format_exc()[-4000:]))
    else:
        report.send(("done", dict(steps.by_name)))


def _fit_to(place: Place) -> None:
    """Sets what a lake's users never do: ages of seconds, short leases, and the wrong ways."""
    age = timedelta(seconds=place.orphan_seconds)
    for module in (flows.pipeline, flows.rebuild, lake.compact):
        vars(module)["commit"] = partial(lake.commit.commit, orphan_age=age)
    vars(lake.bucket)["Lease"] = partial(Lease, lease_seconds=place.lease_seconds)
    if place.slow_seconds:
        slow_down_records(place.slow_seconds)
    if place.is_mutable:
        vars(lake.commit)["publish_record"] = partial(_replace, lake.commit.publish_record)
    if place.is_hasty:
        vars(lake.maintain)["archive_records"] = _move_at_once


def _replace(
    publish_record: Callable[..., Commit], target: Lake, day: date, *rest: Any, **named: Any
) -> Commit:
    """Publishes the date's record and removes those before, as if it were one that changes."""
    before = [record.path for record in commits(target) if record.snapshot_date == day]
    published = publish_record(target, day, *rest, **named)
    target.remove(before)
    return published


def _move_at_once(target: Lake, *_: Any) -> None:
    """Moves all records but the newest, each in one go: first it is gone, then it is there."""
    for record in newest_first(commits(target))[1:]:
        content = target.read(record.path)
        target.remove([record.path])
        target.create(partial(_path_of, record.within(OLDER)), content)


def _path_of(record: Commit) -> str:
    return record.path


def _parameters(place: Place, day: date, *, resume: bool) -> SnapshotParameters:
    return SnapshotParameters(
        lake=place.lake,
        warehouse=place.live,
        visibility_seconds=place.visibility_seconds,
        spool=place.settings.spool,
        date=day,
        accept_drop=True,
        resume=resume,
    )


def _run(place: Place, day: date, random: Random, _: Steps) -> None:
    """Takes a snapshot; every fourth cannot read the second region, and some write many files."""
    failing = REGIONS[1] if random.random() < 0.25 else None
    _take(place, day, Label.draw(random), failing, resume=random.random() < 0.7)


def _scatter(place: Place, day: date, random: Random, _: Steps) -> None:
    """Takes a snapshot in as many files as it has pages, which compaction then joins."""
    vars(extract.flatten)["BATCH_BYTES"] = vars(lake.writer)["ROW_GROUP_ROWS"] = 1
    vars(lake.writer)["PART_ROWS"] = 1
    label = replace(Label.draw(random), builds=random.randint(11, 14))
    _take(place, day, label, None, resume=False)


def _take(place: Place, day: date, label: Label, failing: str | None, *, resume: bool) -> None:
    def land(parameters: SnapshotParameters, plan: Plan, _: Watch) -> tuple[TargetOutcome, ...]:
        return _land(parameters, plan, label, failing)

    def commit(parameters: SnapshotParameters, plan: Plan, written: Written) -> Commit:
        return _acknowledge(place, commit_visibly(parameters, plan, written))

    steps = Pipeline(_plan, land, write, commit, publish_warehouse)
    summary = take_snapshot(_parameters(place, day, resume=resume), steps)
    if summary.warehouse_problem:
        raise RuntimeError(f"the warehouse: {summary.warehouse_problem}")


def _plan(parameters: SnapshotParameters) -> Plan:
    run = Run.begin(datetime.now(UTC), parameters.date)
    lake_of(parameters).make()
    make_place(parameters.warehouse)
    targets = tuple(Target(ACCOUNT, region) for region in REGIONS)
    return Plan(run, targets, parameters.request())


def _land(
    parameters: SnapshotParameters, plan: Plan, label: Label, failing: str | None
) -> tuple[TargetOutcome, ...]:
    """Lands the pages of each region that can be read, but those that are there already."""
    directory = landing_of(parameters, plan)
    landed = landed_pages(directory)
    label = Label.of(landed) or label
    there = {(page.region, page.number) for page in landed}
    outcomes = []
    with LandingWriter(directory) as landing:
        for region in REGIONS:
            outcome = TargetOutcome(ACCOUNT, region, COMPLETE, finished_at=datetime.now(UTC))
            if region == failing and (region, 1) not in there:
                outcomes.append(replace(outcome, status=FAILED, error_code="AccessDenied"))
                continue
            for page in label.pages(region):
                if (region, page.number) not in there:
                    landing.land(page)
            outcomes.append(replace(outcome, pages=label.page_count(), builds_listed=label.builds))
    lake_of(parameters).keep(plan.run.raw_folder)
    return tuple(outcomes)


def _rebuild(place: Place, day: date, _: Random, __: Steps) -> None:
    _acknowledge(place, rebuild(place.open(), day).commit)


def _roll_back(place: Place, day: date, random: Random, _: Steps) -> None:
    """To a run of the date that does not show, where there is one."""
    target = place.open()
    showing, *older = runs_of(target, day)
    others = [record.run_id for record in older if record.run_id != showing.run_id]
    if others:
        _acknowledge(place, rollback(target, day, random.choice(others)))


def _maintain(place: Place, _: date, __: Random, ___: Steps) -> None:
    maintain(place.open(), _keep(place, compact=False), datetime.now(UTC))


def _compact(place: Place, _: date, __: Random, steps: Steps) -> None:
    """Cleans up and compacts; the steps count from the compaction on."""

    def said(words: str) -> None:
        if words.startswith("compacting"):
            steps.begin()

    maintain(place.open(), _keep(place, compact=True), datetime.now(UTC), say=said)


def _keep(place: Place, *, compact: bool) -> Keep:
    return Keep(
        grace=timedelta(seconds=place.grace_seconds),
        orphan_age=timedelta(seconds=place.orphan_seconds),
        compact=compact,
    )


def _publish(place: Place, _: date, __: Random, ___: Steps) -> None:
    """Builds the live warehouse anew, as if its views had changed."""
    vars(lake.warehouse)["_fingerprint_of"] = lambda _: ""
    publish(place.open(), place.live)


def _pin(place: Place, _: date, __: Random, ___: Steps) -> None:
    publish_pinned(place.open(), place.pinned)


def _acknowledge(place: Place, record: Commit) -> Commit:
    """Says that the record is visible: from now on no reader may see less."""
    line = f"{record.snapshot_date} {record.effective_at_ms}\n"
    descriptor = os.open(place.acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(descriptor, line.encode())
    os.close(descriptor)
    return record


OPERATIONS: dict[str, Callable[[Place, date, Random, Steps], None]] = {
    "run": _run,
    "re-run": _run,
    "scatter": _scatter,
    "rebuild": _rebuild,
    "rollback": _roll_back,
    "maintain": _maintain,
    "compact": _compact,
    "publish": _publish,
    "pin": _pin,
}
