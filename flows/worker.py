"""What a worker does with its batch: land, flatten, write, all under an id of its own.

A worker is on another machine, where the lake alone is shared, or a process of the run's own machine.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from extract.flatten import flatten
from extract.landing import LandedPage, landed_pages
from extract.targets import Target, TargetOutcome
from flows.batches import BatchRead
from flows.parameters import SnapshotParameters
from flows.planning import Plan, lake_of, landing_of
from flows.reading import read_targets
from flows.watch import Watch
from flows.writing import require_all_landed
from lake.carry import TargetKey
from lake.commit import CommitError
from lake.run import Run, data_folder
from lake.storage import Lake
from lake.writer import TablesWriter
from schemas import __version__
from schemas.tables import DATA_TABLES


@dataclass(frozen=True)
class Batch:
    """Some of a run's targets, in a plan of their own; `number` counts from 1.

    `version` is the imagelake that planned them, `until` when their reading must have ended (epoch
    seconds), `landed` the pages that an interrupted run left of them.
    """

    number: int
    count: int
    plan: Plan
    version: str = __version__
    until: float | None = None
    landed: tuple[LandedPage, ...] = ()

    @property
    def label(self) -> str:
        """What the batch's files have in their names in a landing that batches share.

        An interrupted run's files, of batches that may have been others, are not taken for its own.
        """
        return f"-{self.plan.run.run_id}-{self.number:05}"

    def with_targets(self, number: int, targets: tuple[Target, ...]) -> Batch:
        """The batch of that number."""
        return replace(self, number=number, plan=replace(self.plan, targets=targets))


def read_batch(parameters: SnapshotParameters, batch: Batch, watch: Watch) -> BatchRead:
    """Reads the targets, keeps their raw pages and writes their rows, unseen by any reader.

    The pages are in the lake under the attempt's id. Raises CommitError where this is another imagelake
    than the flow's.
    """
    _require_same_version(batch)
    plan, lake = replace(batch.plan, run=_attempt(batch)), lake_of(parameters)
    landing = landing_of(parameters, plan)
    try:
        outcomes = read_targets(_in_time(parameters, batch), plan, watch)
        lake.keep(plan.run.raw_folder)
        with _written(lake, plan.run, outcomes, landed_pages(landing)) as (writer, builds):
            return BatchRead(plan.run.run_id, tuple(outcomes), writer.publish(), builds)
    finally:
        lake.forget(plan.run.raw_folder)


def read_batch_here(parameters: SnapshotParameters, batch: Batch, watch: Watch) -> BatchRead:
    """As `read_batch`, in a process of the machine that has the run's landing: pages land there.

    So an attempt goes on where the one before it, or an interrupted run, had come to. Its files stay
    staged on this machine: the run's own process takes them from there.
    """
    _require_same_version(batch)
    landing = landing_of(parameters, batch.plan)
    before = [*batch.landed, *landed_pages(landing, batch.label)]
    parameters = _in_time(parameters, batch)
    outcomes = read_targets(parameters, batch.plan, watch, before, batch.label)
    landed = [*batch.landed, *landed_pages(landing, batch.label)]
    run = _attempt(batch)
    with _written(lake_of(parameters), run, outcomes, landed) as (writer, builds):
        return BatchRead(run.run_id, tuple(outcomes), {}, builds, writer.hand_over())


def _require_same_version(batch: Batch) -> None:
    if batch.version != __version__:
        raise CommitError(other_version("the worker", __version__, batch.version))


def _in_time(parameters: SnapshotParameters, batch: Batch) -> SnapshotParameters:
    if batch.until is None:
        return parameters
    left = max(batch.until - time.time(), 0.0)  # none left: no call is made
    return parameters.model_copy(update={"run_seconds": left})


def _attempt(batch: Batch) -> Run:
    run = batch.plan.run
    return replace(run, run_id=f"{run.run_id}-{batch.number:05}-{secrets.token_hex(4)}")


@contextmanager
def _written(
    lake: Lake, run: Run, outcomes: Sequence[TargetOutcome], landed: list[LandedPage]
) -> Iterator[tuple[TablesWriter, Counter[TargetKey]]]:
    """The rows of the pages, written as those of the attempt `run`; and the builds of each target."""
    require_all_landed(outcomes, landed)
    builds: Counter[TargetKey] = Counter()
    places = {
        table.name: (data_folder(table.name, run.snapshot_date, run.run_id), table.arrow_schema)
        for table in DATA_TABLES
    }
    with TablesWriter(lake, places) as writer:
        for tables in flatten(landed, builds):
            writer.append(tables)
        yield writer, builds


def other_version(where: str, found: str, expected: str) -> str:
    """That a worker has another imagelake, in words."""
    return f"{where} has imagelake {found}, the flow {expected}: install the same on all"
