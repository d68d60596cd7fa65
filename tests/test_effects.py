"""What a commit changed is told once, and against what showed before it."""

from collections.abc import Collection
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from lake.effects import (
    MEMORY,
    Effects,
    Found,
    GoldenChange,
    GoneBuild,
    NewFailure,
    StateCount,
    effects,
    shown_before,
)
from lake.folder import Folder
from lake.staleness import StaleTarget
from lake.warehouse import publish
from tests.rows import Target, arn_of, covered
from tests.small_history import DAYS, DENIED, HOME, LONE, NEVER, OTHER
from tests.small_runs import commit_date
from tests.small_runs import write_small_history as write
from tests.test_writer import commit_rows


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


def changed_on(folder: Folder, warehouse: Path, day: int) -> Effects:
    """What the date's commit changes in a lake of the dates before it."""
    write(folder, day)
    publish(folder, warehouse)
    return committed(folder, warehouse, day)


def committed(
    folder: Folder, warehouse: Path, day: int, asked: Collection[Target] = frozenset()
) -> Effects:
    before = shown_before(warehouse, DAYS[day])
    commit_date(folder, day)
    publish(folder, warehouse)
    return effects(warehouse, DAYS[day], before, asked)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def stale(day: int, *, other: int) -> Found[StaleTarget]:
    """All targets are by now, a year later."""
    rows = (
        StaleTarget(*LONE, noon(DAYS[0]), day, DENIED, "denied"),
        StaleTarget(*HOME, noon(DAYS[day]), 0, None, None),
        StaleTarget(*OTHER, noon(DAYS[other]), day - other, *_error(day - other)),
        StaleTarget(*NEVER, None, day + 1, DENIED, "denied"),
    )
    return Found(rows, 4)


def _error(failures: int) -> tuple[str | None, str | None]:
    return (DENIED, "denied") if failures else (None, None)


@pytest.mark.usefixtures("at_once")
def test_new_failures_and_what_is_gone_are_told(folder: Folder, warehouse: Path) -> None:
    found = changed_on(folder, warehouse, 4)
    assert found == Effects(
        since=(DAYS[3], DAYS[3]),
        changed=5,
        states=(
            StateCount("DEPRECATED", None, 1),
            StateCount("DISABLED", "DELETED", 1),
            StateCount("TESTING", "FAILED", 1),
            StateCount(None, "ARCHIVED", 1),
            StateCount(None, "BUILDING", 1),
        ),
        gone=Found((GoneBuild(*HOME, arn_of(HOME, "db/1.0.0/1"), "DB", "DEPRECATED"),), 1),
        failures=Found(
            (
                NewFailure(
                    *HOME,
                    arn_of(HOME, "web/1.10.0/2"),
                    HOME[0],
                    "web",
                    "Web Server",
                    "TESTING",
                    "Install",
                    "exit status 1 on i-0aaaabbbbcccc0002 at 10.0.0.2",
                ),
            ),
            1,
        ),
        golden=Found(),
        stale=stale(4, other=4),
        newly_stale=stale(4, other=4),
    )


@pytest.mark.parametrize("memory", [MEMORY, "4MB"])
@pytest.mark.usefixtures("at_once")
def test_golden_amis_that_changed_are_told_with_both_ids(
    folder: Folder, warehouse: Path, monkeypatch: pytest.MonkeyPatch, memory: str
) -> None:
    """One that is gone, too, after those to launch; in little memory, and in more where that does
    not do.

    OTHER is denied that day: what it had stands, and nothing is told.
    """
    monkeypatch.setattr("lake.effects.MEMORY", memory)
    found = changed_on(folder, warehouse, 2)
    image = (HOME[0], HOME[1], HOME[0])
    place = (HOME[1], HOME[0])
    gone, newer = "ami-db/1.1.0/1-us-east-1", "ami-web/1.10.0/1-us-east-1"
    older = "ami-web/1.9.0/1-us-east-1"
    assert found.golden == Found(
        (
            GoldenChange(*image, "web", *place, "Web Server", "1.9.0/1", "1.10.0/1", older, newer),
            GoldenChange(*image, "db", *place, "DB", "1.1.0/1", None, gone, None),
        ),
        2,
    )
    assert found.stale == stale(2, other=1)


@pytest.mark.slow
@pytest.mark.usefixtures("at_once")
def test_a_second_run_of_a_date_tells_nothing_again(folder: Folder, warehouse: Path) -> None:
    """Its builds differ from those of the date before as the first run's did."""
    first = changed_on(folder, warehouse, 4)
    second = committed(folder, warehouse, 4)
    assert second.changed == first.changed == 5
    assert second.states == first.states
    assert (first.failures.total, second.failures.total) == (1, 0)
    assert second.golden == Found()


@pytest.mark.usefixtures("at_once")
def test_a_first_snapshot_changes_nothing(folder: Folder, warehouse: Path) -> None:
    """There is no golden AMI that another was before, and no build that did not fail before."""
    assert shown_before(warehouse, DAYS[0]) is None
    commit_date(folder, 0)
    publish(folder, warehouse)
    found = effects(warehouse, DAYS[0], None)
    assert found == Effects(None, 0, (), Found(), Found(), Found(), found.stale, found.stale)
    assert found.stale.total == 4


@pytest.mark.slow
@pytest.mark.usefixtures("at_once")
def test_more_than_can_be_named_are_counted(
    folder: Folder, warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lake.effects.MOST_FOUND", 1)
    found = changed_on(folder, warehouse, 4)
    assert (len(found.stale.rows), found.stale.total) == (1, 4)


@pytest.mark.usefixtures("at_once")
def test_of_more_than_can_be_named_those_that_were_asked_are(
    folder: Folder, warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their alerts are acted on, and targets that nobody asks any more stay stale for good."""
    monkeypatch.setattr("lake.effects.MOST_FOUND", 1)
    write(folder, 4)
    found = committed(folder, warehouse, 4, asked=[NEVER])
    named = (StaleTarget(*NEVER, None, 5, DENIED, "denied"),)
    assert found.stale == found.newly_stale == Found(named, 4)


@pytest.mark.slow
@pytest.mark.usefixtures("at_once")
def test_a_second_run_of_a_date_tells_of_no_stale_target_again(
    folder: Folder, warehouse: Path
) -> None:
    """But of those that became so since: HOME and OTHER were read at noon of that day."""
    write(folder, 5)
    publish(folder, warehouse)
    for asked in ((), (HOME, OTHER, LONE, NEVER)):
        found = committed(folder, warehouse, 4, asked)
        assert found.stale.total == 4
        assert [row.key for row in found.newly_stale.rows] == [HOME, OTHER]


@pytest.mark.slow
@pytest.mark.usefixtures("at_once")
def test_what_was_told_of_a_target_that_was_not_asked_is_told_once_it_is(
    folder: Folder, warehouse: Path
) -> None:
    """A first run of the date is of HOME alone: LONE, asked by none, is stale and alerts nobody."""
    write(folder, 3)
    alone = {"snapshot_targets": [covered(HOME, DAYS[4], "complete", "whole", 0)]}
    commit_rows(folder, DAYS[4], {**alone, "snapshots": [{"committed_at": noon(DAYS[4])}]})
    publish(folder, warehouse)
    before = shown_before(warehouse, DAYS[4])
    unasked = effects(warehouse, DAYS[4], before)
    assert LONE not in [row.key for row in unasked.newly_stale.rows]
    asked = effects(warehouse, DAYS[4], before, [LONE])
    assert asked.newly_stale.rows[0].key == LONE
