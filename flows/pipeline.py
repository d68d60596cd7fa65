"""The snapshot as plain functions: plan, land, write, commit, publish.

`take_snapshot` is the whole of it. The Prefect flow hands it the same steps as tasks, so that a
tracked and an untracked run do the same. Steps take paths and small records, never tables.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final

import pyarrow as pa

from extract.errors import NO_CREDENTIALS, TargetError
from extract.targets import TargetOutcome
from flows.batches import staged_for
from flows.coverage import Shown
from flows.parameters import SnapshotParameters
from flows.planning import Plan, lake_of, naming_a_full_disk, plan
from flows.publishing import problem_of, publish
from flows.reading import held_landing, land
from flows.terminal import counted
from flows.timing import Stage, Timing
from flows.watch import Silent, Watch
from flows.writing import Written, write
from lake.carry import TargetKey, raw_runs_fact
from lake.changes import are_views_alike
from lake.commit import await_effect, commit
from lake.interruption import held_off, take_late
from lake.opening import current_captures
from lake.records import Commit
from lake.storage import Lake, StorageError
from schemas.snapshots import COMPLETE, FAILED


@dataclass(frozen=True)
class Summary:
    """A committed run in a few words.

    `last_whole` has, where some target was not read whole, each target's date of the capture that
    the current_* views show. `warnings`: what the data checks wondered at. `warehouse_problem`: why
    the warehouse is not up to date. `written_bytes`: those of its data files. `stages`: how long each
    step took. `role_arns`: the targets' roles, where they were not asked as the caller.
    """

    run_id: str
    snapshot_date: str
    status: str
    row_counts: dict[str, int]
    targets: tuple[Shown, ...]
    seconds: float
    last_whole: dict[TargetKey, date]
    warnings: tuple[str, ...] = ()
    warehouse_problem: str | None = None
    written_bytes: int = 0
    stages: tuple[Stage, ...] = ()
    role_arns: Mapping[TargetKey, str] = field(default_factory=dict)

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


def commit_run(
    parameters: SnapshotParameters, plan: Plan, written: Written, *, awaits: bool = False
) -> Commit:
    """Shows the run, all tables at once, from `effective_at_ms` on; to await that is the caller's."""
    raw_runs = {
        (t.outcome.account_id, t.outcome.region): t.raw_runs(plan.run.run_id)
        for t in written.targets
    }
    return commit(
        lake_of(parameters),
        plan.run,
        written.manifest,
        {
            "status": written.status,
            "is_demo": parameters.demo,
            **raw_runs_fact(plan.run.run_id, raw_runs),
        },
        written.after,
        awaits=awaits,
    )


def commit_visibly(parameters: SnapshotParameters, plan: Plan, written: Written) -> Commit:
    """As `commit_run`, and returns when it is visible: whoever is told of the commit may look."""
    return commit_run(parameters, plan, written, awaits=True)


def publish_warehouse(parameters: SnapshotParameters) -> bool:
    """Builds the warehouse where there is none, or it is not as it should be."""
    return publish(lake_of(parameters), parameters)


PLAIN: Final = Steps(plan, land, write, commit_run, publish_warehouse)


def take_snapshot(
    parameters: SnapshotParameters, steps: Steps | None = None, watch: Watch | None = None
) -> Summary:
    """Takes one snapshot and returns once it is visible.

    Raises what keeps it from being committed: TargetError, StorageError, CommitError,
    ParameterError. A target that cannot be read is no error: it is in the summary.
    """
    take_late()  # of what this process did before
    timing, watch = Timing(), watch or Silent()
    steps = timing.of(steps or PLAIN)
    lake = lake_of(parameters)
    lake.exists()  # one on S3 signs in now: its credentials are the caller's, an emulator or not
    with held_off() as hold_off:
        plan, written, record = _committed(parameters, steps, watch)
        hold_off()
        problems = [problem_of(lambda: lake.forget(plan.run.raw_folder))]
        # views show what takes effect while they are built, where they show what does until then
        waits = parameters.materialize or not _are_views_alike(lake)
        if not waits:
            problems.append(problem_of(lambda: steps.publish(parameters)))
        await_effect(record)
    if take_late():
        watch.doing("interrupted too late: the snapshot is committed")
    if waits:
        watch.doing("building the warehouse")
        problems.append(problem_of(lambda: steps.publish(parameters)))
    last_whole: dict[TargetKey, date] = {}
    if written.status != COMPLETE:
        problems.append(
            problem_of(lambda: last_whole.update(current_captures(parameters.warehouse)))
        )
    return Summary(
        run_id=plan.run.run_id,
        snapshot_date=plan.run.snapshot_date.isoformat(),
        status=written.status,
        row_counts={t: sum(f.row_count for f in files) for t, files in written.manifest.items()},
        targets=written.targets,
        seconds=(datetime.now(UTC) - plan.run.started_at).total_seconds(),
        last_whole=last_whole,
        warnings=written.warnings,
        warehouse_problem=next(filter(None, problems), None),
        written_bytes=sum(f.size_bytes for files in written.manifest.values() for f in files),
        stages=tuple(timing.stages),
        role_arns={(t.account_id, t.region): t.role_arn for t in plan.targets if t.role_arn},
    )


def _committed(
    parameters: SnapshotParameters, steps: Steps, watch: Watch
) -> tuple[Plan, Written, Commit]:
    """Takes the snapshot up to its record."""
    lake = lake_of(parameters)
    with naming_a_full_disk(lake), environment_of(parameters) as parameters:
        plan = steps.plan(parameters)
        watch.planned(plan.targets)
        with staged_for(lake, plan.run), held_landing(parameters, plan) as is_taken_over:
            if is_taken_over:
                watch.doing("going on with the pages of an interrupted run")
            outcomes = steps.land(parameters, plan, watch)
            _give_memory_back()
            _require_something_read(outcomes)
            watch.doing("writing the tables")
            written = steps.write(parameters, plan, outcomes)
            _give_memory_back()
            watch.doing("committing")
            return plan, written, steps.commit(parameters, plan, written)


def _are_views_alike(lake: Lake) -> bool:
    """False too where that cannot be told: it is committed, and publishing says what is wrong."""
    try:
        return are_views_alike(lake)
    except (StorageError, OSError, pa.ArrowException):
        return False


def _give_memory_back() -> None:
    """What a step freed is the system's again before the next one adds to it: 60 MB at the peak."""
    pa.default_memory_pool().release_unused()


def _require_something_read(outcomes: tuple[TargetOutcome, ...]) -> None:
    """A run that read nothing at all is no snapshot: what the date shows already stands."""
    if all(outcome.status == FAILED and not outcome.pages for outcome in outcomes):
        first = outcomes[0]
        raise TargetError(
            f"nothing could be read of {counted(len(outcomes), 'target')}; {first}: "
            f"{first.error_message}",
            is_usage=first.error_code == NO_CREDENTIALS,
        )


@contextmanager
def environment_of(parameters: SnapshotParameters) -> Iterator[SnapshotParameters]:
    """With `demo`, an emulator runs meanwhile and the AWS chain points at it."""
    if not parameters.demo:
        yield parameters
        return
    from extract.emulator import start  # only where it is asked for
    from extract.emulator.settings import REGIONS

    with start() as emulator:
        before = dict(os.environ)
        for name in before:
            if name.startswith("AWS_"):  # a profile, a proxy's endpoint: nothing leads elsewhere
                del os.environ[name]
        os.environ.update(emulator.environment())
        os.environ.update({"AWS_CONFIG_FILE": os.devnull, "NO_PROXY": "127.0.0.1"})
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
