"""The small history as runs: their rows, a lake that they are committed to, and its warehouse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from lake.folder import Folder
from lake.location import open_folder
from lake.warehouse import connect, publish
from tests.rows import Row, Target, ami, build, container_uri, covered, noon, of_build
from tests.small_history import (
    AMIS,
    CHANGES,
    DAYS,
    DENIED,
    FACTS,
    FAILED_AMI,
    GONE,
    HOME,
    LISTED,
    LONE,
    NEVER,
    NOT_READ,
    OTHER,
    PARAMETERS,
    SKIPPED,
    URIS,
)
from tests.test_writer import Rows, commit_rows


def builds_on(day: int, target: Target) -> list[Row]:
    """What the date's capture (0 to 4) lists for the target, as rows of image_builds."""
    return [
        _build(day, target, image, states[day] or "")
        for (listing, image), states in LISTED.items()
        if listing == target and states[day] not in (NOT_READ, GONE)
    ]


def _build(day: int, target: Target, image: str, status: str) -> Row:
    facts = dict(FACTS[image])
    for since, change in CHANGES.get(image, {}).items():
        if since <= day:
            facts |= change
    return build(target, DAYS[day], image, status, **facts)


def _children(day: int, target: Target, builds: list[Row]) -> Iterator[tuple[str, Row]]:
    """The rows that hang on the builds, with their tables."""
    on = DAYS[day]
    for row in builds:
        image = "/".join((row["image_slug"], row["semantic_version"], str(row["build_number"])))
        if row["state_status"] not in ("AVAILABLE", "DEPRECATED", "DISABLED", "DELETED"):
            continue
        for position, place in enumerate(AMIS.get(image, ())):
            status = "FAILED" if (image, place) == FAILED_AMI else row["state_status"]
            yield "image_amis", ami(target, on, image, position, place, status)
            if status == "FAILED":
                yield (
                    "image_region_failures",
                    of_build(
                        target,
                        on,
                        image,
                        ami_position=position,
                        position=0,
                        failed_region=place,
                        status="FAILED",
                        error_message="the copy failed",
                    ),
                )
        for number, (tag, digest) in enumerate(URIS.get(image, ())):
            uri = container_uri(target, on, image, number, row["image_slug"], tag, digest)
            yield "image_containers", uri


def _run(day: int, read: dict[Target, list[Row]], targets: list[Row]) -> Rows:
    """A run that shows these builds of the targets, and what it says of each target."""
    rows: dict[str, list[Row]] = {
        "image_builds": [],
        "image_amis": [],
        "image_containers": [],
        "image_region_failures": [],
        "snapshot_targets": [{**row, "finished_at": noon(DAYS[day], 1)} for row in targets],
        "snapshots": [
            {
                "started_at": noon(DAYS[day]),
                "committed_at": noon(DAYS[day], 2),
                "status": "partial",
                "parameters": PARAMETERS.get(day, "{}"),
            }
        ],
    }
    for target, builds in read.items():
        rows["image_builds"] += builds
        for table, row in _children(day, target, builds):
            rows[table].append(row)
    return rows


def _whole(day: int, target: Target, builds: list[Row]) -> Row:
    return covered(target, DAYS[day], "complete", "whole", len(builds))


def _denied(day: int, target: Target) -> Row:
    return {**covered(target, DAYS[day], "failed", "none"), "error_code": DENIED}


def _of_date(day: int) -> Rows:
    """The date's run as its captures are in LISTED."""
    read = {
        target: builds_on(day, target)
        for target in (HOME, OTHER, LONE)
        if any(states[day] is not NOT_READ for (of, _), states in LISTED.items() if of == target)
    }
    told = [
        _whole(day, target, read[target]) if target in read else _denied(day, target)
        for target in (HOME, OTHER, LONE, NEVER)
    ]
    return _run(day, read, [*told, covered(SKIPPED, DAYS[day], "skipped", "none")])


def _superseded() -> Rows:
    """The fourth date's first run."""
    ghost = build(HOME, DAYS[3], "web/9.9.9/1", "AVAILABLE", tags=[("ghost", "yes")])
    read = {HOME: [*builds_on(3, HOME), ghost], OTHER: builds_on(3, OTHER)}
    told = [_whole(3, target, builds) for target, builds in read.items()]
    return _run(3, read, [*told, _denied(3, LONE), _denied(3, NEVER)])


def _carrying(first_run: str) -> Rows:
    """The fourth date's second run, to which OTHER was denied."""
    rows = dict(_of_date(3))
    rows["snapshot_targets"] = [
        {
            **row,
            "status": "failed",
            "error_code": DENIED,
            "error_message": "denied",
            "carried_from": first_run,
        }
        if (row["account_id"], row["region"]) == OTHER
        else row
        for row in rows["snapshot_targets"]
    ]
    return rows


def shown_runs() -> Mapping[date, Rows]:
    """By date what its run holds that shows."""
    return {
        on: _carrying("the first run") if day == 3 else _of_date(day) for day, on in enumerate(DAYS)
    }


def write_small_history(folder: Folder, until: int = len(DAYS)) -> None:
    """Commits the runs of the first `until` dates."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lake.folder.VISIBILITY_DELAY", timedelta(0))
        for day in range(until):
            if day == 3:
                first = commit_rows(folder, DAYS[day], _superseded())
                commit_rows(folder, DAYS[day], _carrying(first.run_id))
            else:
                commit_date(folder, day)


def commit_date(folder: Folder, day: int) -> None:
    """Commits a run of one date, as its captures are in LISTED."""
    commit_rows(folder, DAYS[day], _of_date(day))


@pytest.fixture(scope="session")
def small_lake(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A lake of the small history, which no test changes."""
    folder = open_folder(str(tmp_path_factory.mktemp("small") / "lake"))
    write_small_history(folder)
    return folder


@pytest.fixture(scope="session")
def small_warehouse(small_lake: Folder) -> Path:
    """Its warehouse."""
    path = small_lake.root.with_name("small.duckdb")
    publish(small_lake, path)
    return path


@pytest.fixture(scope="module")
def history(small_warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to it."""
    with connect(small_warehouse) as connection:
        yield connection
