"""What a commit changed is told once, and against what showed before it."""

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
    StaleTarget,
    StateCount,
    effects,
    shown_before,
)
from lake.folder import Folder
from lake.warehouse import publish
from tests.rows import arn_of
from tests.small_history import DAYS, DENIED, HOME, LONE, NEVER, OTHER
from tests.small_runs import commit_date
from tests.small_runs import write_small_history as write


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


def changed_on(folder: Folder, warehouse: Path, day: int) -> Effects:
    """What the date's commit changes in a lake of the dates before it."""
    write(folder, day)
    publish(folder, warehouse)
    return committed(folder, warehouse, day)


def committed(folder: Folder, warehouse: Path, day: int) -> Effects:
    before = shown_before(warehouse, DAYS[day])
    commit_date(folder, day)
    publish(folder, warehouse)
    return effects(warehouse, DAYS[day], before)


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
    )


@pytest.mark.parametrize("memory", [MEMORY, "4MB"])
@pytest.mark.usefixtures("at_once")
def test_golden_amis_that_changed_are_told_with_both_ids(
    folder: Folder, warehouse: Path, monkeypatch: pytest.MonkeyPatch, memory: str
) -> None:
    """One that is gone, too; in little memory, and in more where that does not do.

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
            GoldenChange(*image, "db", *place, "DB", "1.1.0/1", None, gone, None),
            GoldenChange(*image, "web", *place, "Web Server", "1.9.0/1", "1.10.0/1", older, newer),
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
    assert found == Effects(None, 0, (), Found(), Found(), Found(), found.stale)
    assert found.stale.total == 4


@pytest.mark.slow
@pytest.mark.usefixtures("at_once")
def test_more_than_can_be_named_are_counted(
    folder: Folder, warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lake.effects.MOST_FOUND", 1)
    found = changed_on(folder, warehouse, 4)
    assert (len(found.stale.rows), found.stale.total) == (1, 4)
