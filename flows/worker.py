"""What a worker does with its batch: land, flatten, write, all under an id of its own."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from dataclasses import dataclass, replace

from extract.flatten import flatten
from extract.landing import landed_pages
from extract.targets import Target
from flows.batches import BatchRead
from flows.parameters import SnapshotParameters
from flows.planning import Plan, lake_of, landing_of
from flows.reading import read_targets
from flows.watch import Watch
from flows.writing import require_all_landed
from lake.carry import TargetKey
from lake.commit import CommitError
from lake.run import data_folder
from lake.writer import TablesWriter
from schemas import __version__
from schemas.tables import DATA_TABLES


@dataclass(frozen=True)
class Batch:
    """Some of a run's targets, in a plan of their own; `number` counts from 1.

    `version` is the imagelake that planned them, `until` when their reading must have ended (epoch
    seconds).
    """

    number: int
    count: int
    plan: Plan
    version: str = __version__
    until: float | None = None

    def with_targets(self, number: int, targets: tuple[Target, ...]) -> Batch:
        """The batch of that number."""
        return replace(self, number=number, plan=replace(self.plan, targets=targets))


def read_batch(parameters: SnapshotParameters, batch: Batch, watch: Watch) -> BatchRead:
    """Reads the targets, keeps their raw pages and writes their rows, unseen by any reader.

    Raises CommitError where this is another imagelake than the flow's.
    """
    if batch.version != __version__:
        raise CommitError(other_version("the worker", __version__, batch.version))
    if batch.until is not None:
        left = max(batch.until - time.time(), 0.0)  # none left: no call is made
        parameters = parameters.model_copy(update={"run_seconds": left})
    run = batch.plan.run
    run = replace(run, run_id=f"{run.run_id}-{batch.number:05}-{secrets.token_hex(4)}")
    plan, lake = replace(batch.plan, run=run), lake_of(parameters)
    builds: Counter[TargetKey] = Counter()
    places = {
        table.name: (data_folder(table.name, run.snapshot_date, run.run_id), table.arrow_schema)
        for table in DATA_TABLES
    }
    try:
        outcomes = tuple(read_targets(parameters, plan, watch))
        landed = landed_pages(landing_of(parameters, plan))
        require_all_landed(outcomes, landed)
        with TablesWriter(lake, places) as writer:
            for tables in flatten(landed, builds):
                writer.append(tables)
            return BatchRead(run.run_id, outcomes, writer.publish(), builds)
    finally:
        lake.forget(run.raw_folder)


def other_version(where: str, found: str, expected: str) -> str:
    """That a worker has another imagelake, in words."""
    return f"{where} has imagelake {found}, the flow {expected}: install the same on all"
