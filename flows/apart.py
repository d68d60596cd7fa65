"""The steps of a run whose targets are read apart from it: on other machines, or by processes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from extract.targets import TargetOutcome
from flows.batches import BatchRead, outcomes_of_batches, remove_files
from flows.parameters import SnapshotParameters
from flows.pipeline import Steps
from flows.planning import Plan, lake_of
from flows.reading import told_apart
from flows.watch import Watch
from flows.writing import Written
from lake.records import Commit
from lake.storage import StorageError

Read = Callable[[SnapshotParameters, Plan, Watch], list[BatchRead]]
"""Reads a plan's targets in batches: what was read and written of each."""


def steps_apart(steps: Steps, read: Read) -> Steps:
    """The steps, with the targets read by `read` and their rows taken from what it says was written."""
    batches: list[BatchRead] = []

    def land(parameters: SnapshotParameters, plan: Plan, watch: Watch) -> tuple[TargetOutcome, ...]:
        batches.extend(read(parameters, plan, watch))
        return told_apart(parameters, plan, outcomes_of_batches(plan.targets, batches))

    def write(
        parameters: SnapshotParameters, plan: Plan, outcomes: tuple[TargetOutcome, ...]
    ) -> Written:
        return steps.write(parameters, replace(plan, batches=tuple(batches)), outcomes)

    def commit(parameters: SnapshotParameters, plan: Plan, written: Written) -> Commit:
        record = steps.commit(parameters, plan, written)
        if any(batch.manifest for batch in batches):
            with suppress(OSError, StorageError):  # it is committed; a clean-up removes what stays
                remove_files(lake_of(parameters), plan.run)
        return record

    return replace(steps, land=land, write=write, commit=commit)
