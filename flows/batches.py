"""A run's targets in batches, each of which a worker reads, and what the workers wrote of them.

A worker writes under an id of its own attempt, as a run that no commit will ever name: nobody sees its
files but the flow, to which the attempt that succeeded tells them. So an attempt that was given up
for lost, and writes on, disturbs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

import pyarrow as pa

from extract.targets import Target, TargetOutcome
from lake.carry import TargetKey, row_groups, rows_of_targets
from lake.run import Run, data_folder, raw_folder
from lake.storage import Lake
from lake.writer import Manifest
from schemas.tables import DATA_TABLES

BATCH_TARGETS: Final = 200
"""At the most so many targets a batch: a batch costs Prefect, Dask and S3 some 0.2 s of CPU, as much
as a dozen targets, and a worker that is killed loses one batch."""
BATCHES_A_THREAD: Final = 4
"""At the least so many batches for each thread of the workers, where there are targets for them: the
workers end at about the same time however unequal the targets are."""


@dataclass(frozen=True)
class BatchRead:
    """What a worker read of a batch, and its files: those of the run `run_id`, which is its attempt.

    `builds` counts, by target, the builds that the data tables have.
    """

    run_id: str
    outcomes: tuple[TargetOutcome, ...]
    manifest: Manifest
    builds: Counter[TargetKey]


def batches_of(targets: Iterable[Target], threads: int) -> list[tuple[Target, ...]]:
    """The targets in batches, in the order in which their rows are filed.

    An account's regions are neighbours, so that a worker assumes its role for all of them once.
    """
    ordered = sorted(targets, key=lambda target: (target.account_id, target.region))
    size = max(1, min(BATCH_TARGETS, ceil(len(ordered) / (BATCHES_A_THREAD * threads))))
    return [tuple(ordered[first : first + size]) for first in range(0, len(ordered), size)]


def outcomes_of_batches(
    targets: Iterable[Target], batches: Iterable[BatchRead]
) -> list[TargetOutcome]:
    """The targets' outcomes, in the targets' order."""
    outcomes = {
        (outcome.account_id, outcome.region): outcome
        for batch in batches
        for outcome in batch.outcomes
    }
    return [outcomes[target.account_id, target.region] for target in targets]


def rows_of_batches(
    lake: Lake,
    batches: Sequence[BatchRead],
    targets: Collection[TargetKey],
    listed: Counter[TargetKey],
) -> Iterator[dict[str, pa.Table]]:
    """The rows that workers wrote of the targets, a row group at a time, by table.

    `listed` gains the builds of each target.
    """
    for batch in batches:
        listed.update({key: batch.builds[key] for key in batch.builds.keys() & set(targets)})
        for table, files in batch.manifest.items():
            for rows in row_groups(lake, table, [file.path for file in files if file.row_count]):
                yield {table: rows_of_targets(rows, targets)}


def move_pages(lake: Lake, run: Run, batches: Iterable[BatchRead]) -> None:
    """Puts the raw pages that the workers landed where those of the run are."""
    pages = [
        file.path
        for batch in batches
        for file in lake.files(raw_folder(run.snapshot_date, batch.run_id))
    ]
    for number, path in enumerate(pages):
        lake.move(path, f"{run.raw_folder}/pages-{number:05}.arrows")


def remove_files(lake: Lake, run: Run) -> None:
    """Removes what the workers wrote for the run, those that were killed too.

    The run has it in files of its own.
    """
    of_date = [data_folder(table.name, run.snapshot_date, "") for table in DATA_TABLES]
    folders = [folder.rpartition("/")[0] for folder in [*of_date, run.raw_folder]]
    files = (file.path for folder in folders for file in lake.files(folder))
    lake.remove([path for path in files if f"/run_id={run.run_id}-" in path])
