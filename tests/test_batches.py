"""Targets that are read in batches come out as if they had been read by one process."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from extract.emulator import Emulator
from extract.emulator.settings import ACCOUNTS, REGIONS
from extract.targets import Target, TargetOutcome
from flows.batches import (
    BATCH_TARGETS,
    BatchRead,
    batches_of,
    move_pages,
    outcomes_of_batches,
    remove_files,
)
from flows.parameters import SnapshotParameters
from flows.pipeline import PLAIN, Steps, take_snapshot
from flows.planning import Plan, lake_of, plan
from flows.reading import with_regions_told_apart
from flows.watch import Silent, Watch
from flows.worker import Batch, read_batch
from flows.writing import Written, write
from lake.commit import CommitError
from lake.location import open_lake
from lake.records import Commit
from schemas import __version__
from tests.fleet_rows import rows

EAST, WEST = REGIONS[:2]
Parameters = Callable[..., SnapshotParameters]


@pytest.mark.parametrize(
    ("targets", "threads", "sizes"),
    [
        (1, 8, [1]),
        (12, 2, [2] * 6),
        (17, 2, [3] * 5 + [2]),
        (2000, 2, [BATCH_TARGETS] * 10),
        (2001, 2, [167] * 11 + [164]),
        (2000, 100, [5] * 400),
    ],
)
def test_batches_are_small_enough_for_all_and_no_larger_than_one_can_lose(
    targets: int, threads: int, sizes: list[int]
) -> None:
    """Every target is in one, and the regions of an account are neighbours."""
    given = [Target(f"{n % 50:012}", f"region-{n:04}") for n in range(targets)]
    batches = batches_of(given, threads)
    assert [len(batch) for batch in batches] == sizes
    in_order = [target for batch in batches for target in batch]
    assert in_order == sorted(given, key=lambda target: (target.account_id, target.region))


def in_batches(threads: int) -> Steps:
    """The steps, with the targets read batch by batch as workers do."""
    batches: list[BatchRead] = []

    def land(parameters: SnapshotParameters, plan: Plan, watch: Watch) -> tuple[TargetOutcome, ...]:
        for number, targets in enumerate(batches_of(plan.targets, threads), 1):
            batch = Batch(0, 0, plan).with_targets(number, targets)
            batches.append(read_batch(parameters, batch, watch))
        move_pages(lake_of(parameters), plan.run, batches)
        return tuple(with_regions_told_apart(outcomes_of_batches(plan.targets, batches)))

    def write_batches(
        parameters: SnapshotParameters, plan: Plan, outcomes: tuple[TargetOutcome, ...]
    ) -> Written:
        return write(parameters, replace(plan, batches=tuple(batches)), outcomes)

    def commit(parameters: SnapshotParameters, plan: Plan, written: Written) -> Commit:
        record = PLAIN.commit(parameters, plan, written)
        remove_files(lake_of(parameters), plan.run)
        return record

    return replace(PLAIN, land=land, write=write_batches, commit=commit)


@pytest.fixture
def given(emulator: Emulator, parameters: Parameters, at_once: None) -> Parameters:
    assert at_once is None
    return lambda **more: parameters(
        date="2025-11-20",
        role_arn=emulator.role_arns(),
        region=list(REGIONS),
        page_size=20,
        **more,
    )


@pytest.mark.slow
def test_batches_give_the_rows_of_one_process(
    emulator: Emulator, given: Parameters, tmp_path: Path
) -> None:
    """Of a first run of a date, and of another that loses targets, which the first had.

    Each target is its account's only one in its batch: that a region is not enabled is told by others.
    """
    found = []
    for name, steps in {"alone": PLAIN, "batches": None}.items():
        where = {"lake": str(tmp_path / name), "warehouse": tmp_path / f"{name}.duckdb"}
        asked = given(**where)
        emulator.clear_faults()
        emulator.set_faults(f"{ACCOUNTS[1]}/{EAST}", {"region_disabled": True})
        emulator.set_faults(f"{ACCOUNTS[1]}/{WEST}", {"empty": True})
        take_snapshot(asked, steps or in_batches(100))
        first = rows(asked.warehouse)
        emulator.set_faults(f"{ACCOUNTS[0]}/*", {"always": "access_denied"})
        emulator.set_faults(f"{ACCOUNTS[1]}/{REGIONS[2]}", {"expire_token_after_pages": 2})
        take_snapshot(asked, steps or in_batches(2))
        found.append((first, rows(asked.warehouse)))
    assert found[1] == found[0]
    statuses = {row[3] for row in found[0][0]["snapshot_targets"]}
    assert {"complete", "skipped"} <= statuses
    carried = [row for row in found[0][1]["image_builds"] if row[1] == ACCOUNTS[0]]
    assert carried == [row for row in found[0][0]["image_builds"] if row[1] == ACCOUNTS[0]] != []


def test_nothing_of_the_batches_is_left(given: Parameters) -> None:
    """Neither on the disk nor in the lake: also of an attempt that nobody heard of again."""
    asked = given()

    def planned(parameters: SnapshotParameters) -> Plan:
        made = plan(parameters)
        read_batch(parameters, Batch(7, 9, replace(made, targets=made.targets[:2])), Silent())
        return made

    summary = take_snapshot(asked, replace(in_batches(1), plan=planned))
    files = [file.path for file in open_lake(asked.lake).files("") if "run_id=" in file.path]
    runs = {path.partition("run_id=")[2].partition("/")[0] for path in files}
    assert runs == {summary.run_id, "schema"}


def test_a_worker_of_another_version_reads_nothing(emulator: Emulator, given: Parameters) -> None:
    asked = given()
    emulator.clear_requests()
    made = plan(asked)
    before = len(emulator.requests())
    with pytest.raises(CommitError) as raised:
        read_batch(asked, Batch(1, 1, made, version="0.0.9"), Silent())
    assert str(raised.value) == (
        f"the worker has imagelake {__version__}, the flow 0.0.9: install the same on all"
    )
    assert len(emulator.requests()) == before


def test_a_batch_keeps_to_the_time_of_the_whole_run(given: Parameters) -> None:
    """`--run-seconds` is from the run's start, not from each batch's."""
    asked = given(run_seconds=600)
    read = read_batch(asked, Batch(1, 1, plan(asked), until=time.time() - 1), Silent())
    assert {outcome.error_code for outcome in read.outcomes} == {"TimeLimit"}
    assert read.builds.total() == 0
