"""A run's targets in batches, each of which a worker reads, and what the workers wrote of them.

A worker writes under an id of its own attempt, as a run that no commit will ever name: nobody sees its
files but the flow, to which the attempt that succeeded tells them. So an attempt that was given up
for lost, and writes on, disturbs nothing. On the run's own machine the files are not even in the lake:
the large ones get there as files of the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from math import ceil
from typing import Final

from extract.targets import Target, TargetOutcome
from lake.carry import TargetKey, row_groups, rows_of_targets
from lake.parquet import StagedFile
from lake.run import Run, data_folder, raw_folder
from lake.storage import Lake, StorageError
from lake.writer import WORTH_A_FILE, Manifest, Rows
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

    `builds` counts, by target, the builds that the data tables have. `staged` are the files of a
    worker of this machine, `manifest` those of another's.
    """

    run_id: str
    outcomes: tuple[TargetOutcome, ...]
    manifest: Manifest
    builds: Counter[TargetKey]
    staged: Mapping[str, tuple[StagedFile, ...]] = field(default_factory=dict)


def batches_of(
    targets: Iterable[Target], threads: int, enough: int = 1
) -> list[tuple[Target, ...]]:
    """The targets in batches, in the order in which their rows are filed.

    An account's regions are neighbours, so that a worker assumes its role for all of them once.
    `enough` targets keep a worker's connections busy: there are more batches than threads only of so
    many.
    """
    ordered = sorted(targets, key=lambda target: (target.account_id, target.region))
    share, small = (ceil(len(ordered) / n) for n in (threads, BATCHES_A_THREAD * threads))
    most = max(1, min(BATCH_TARGETS, max(small, min(share, enough))))
    size = ceil(share / ceil(share / most)) if share else 1  # as many batches for each thread
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
) -> Iterator[Mapping[str, Rows]]:
    """The rows that workers wrote of the targets, by table: a row group at a time or a whole file.

    `listed` gains the builds of each target.
    """
    for batch in batches:
        listed.update({key: batch.builds[key] for key in batch.builds.keys() & set(targets)})
        is_whole = (+batch.builds).keys() <= set(targets)
        for table, staged in batch.staged.items():
            for file in staged:
                if is_whole and file.row_count >= WORTH_A_FILE:
                    yield {table: file}
                    continue
                for rows in file.row_groups():
                    yield {table: rows_of_targets(rows, targets)}
        for table, files in batch.manifest.items():
            for rows in row_groups(lake, table, [file.path for file in files if file.row_count]):
                yield {table: rows_of_targets(rows, targets)}


@contextmanager
def staged_for(lake: Lake, run: Run) -> Iterator[None]:
    """What processes staged for the run is gone at the block's end: published, or of no use."""
    try:
        yield
    finally:
        for table in DATA_TABLES:
            with suppress(OSError, StorageError):  # what ended the run is to be told, not this
                lake.unstage(data_folder(table.name, run.snapshot_date, f"{run.run_id}-"))


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
