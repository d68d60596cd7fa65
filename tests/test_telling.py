"""What cannot be told to Prefect is a line of warning, and the run is none the worse for it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from extract.emulator import Emulator
from extract.emulator.settings import ACCOUNTS, REGIONS
from extract.targets import Target, TargetOutcome
from flows.alerts import COMMITTED, alerts_of
from flows.parameters import SnapshotParameters
from flows.pipeline import take_snapshot
from flows.watch import Lines
from tests.prefect_server import free_port
from tests.summaries import MUCH, PARTIAL

pytestmark = pytest.mark.slow

HOME, EAST, WEST, LAST = ACCOUNTS[0], *REGIONS[:3]


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Prefect server that does not answer, and is not asked for long."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.setattr("flows.telling.RETRIES", 0)
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api"}):
        yield


@pytest.mark.usefixtures("nobody")
@pytest.mark.filterwarnings("ignore:Artifact creation outside of a flow")
def test_artifacts_that_cannot_be_made_are_one_line(
    parameters: Callable[..., SnapshotParameters], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens to the progress, the watch below is told everything."""
    from flows.telling import Progress, make_artifacts

    monkeypatch.setattr("flows.telling.PROGRESS_SECONDS", 0.01)
    warnings: list[str] = []
    said: list[str] = []
    outcomes = [TargetOutcome(HOME, EAST, "complete"), TargetOutcome(HOME, WEST, "complete")]
    with Progress(Lines(said.append), warnings.append) as progress:
        progress.planned([Target(HOME, EAST), Target(HOME, WEST)])
        for outcome in outcomes:
            progress.called(outcome)
            time.sleep(0.1)
        progress.doing("writing")
    make_artifacts(parameters(), PARTIAL, MUCH, warnings.append)
    assert [line.partition(":")[0] for line in warnings] == [
        "the progress is not shown",
        "the run has not all its artifacts",
    ]
    assert said[0] == "reading 2 targets"
    assert len(said) == 4


@pytest.mark.usefixtures("emulator")
def test_a_warehouse_that_was_not_built_is_not_asked_what_changed(
    parameters: Callable[..., SnapshotParameters], tmp_path: Path
) -> None:
    """The one that is there is of the day before: all that it could tell is what was so then.

    Its name is so long that none can be written beside it.
    """
    from flows.snapshot import _state
    from flows.telling import look_after

    of_before = take_snapshot(parameters(region=[EAST], date="2025-11-19", materialize=True))
    assert of_before.warehouse_problem is None
    there = tmp_path / f"{'w' * 240}.duckdb"
    parameters().warehouse.rename(there)
    given = parameters(region=[EAST], date="2025-11-20", materialize=True, warehouse=there)
    summary = take_snapshot(given)
    warnings: list[str] = []
    assert look_after(given, summary, None, warnings.append) is None
    assert warnings == ["what the run changed is not told: the warehouse is not up to date"]
    assert [alert.event for alert in alerts_of(summary, None, given.lake)] == [COMMITTED]
    state = _state(summary, None)
    assert state.name == "PartialSuccess"
    assert "File name too long" in str(state.message)


def test_the_stale_targets_that_the_run_asked_are_told_before_others(
    emulator: Emulator,
    parameters: Callable[..., SnapshotParameters],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """EAST comes first by its name, and is not asked any more."""
    from flows.telling import look_after

    monkeypatch.setattr("lake.effects.MOST_FOUND", 1)
    for region in (EAST, WEST):
        emulator.set_faults(f"{HOME}/{region}", {"always": "access_denied"})
    take_snapshot(parameters(region=[EAST, LAST], date="2025-11-19"))
    given = parameters(region=[WEST, LAST], date="2025-11-20")
    effects = look_after(given, take_snapshot(given), None, pytest.fail)
    assert effects is not None
    assert effects.stale.total == 2
    assert [row.key for row in effects.newly_stale.rows] == [(HOME, WEST)]


def test_a_lake_whose_name_no_asset_can_have_is_committed_without(
    parameters: Callable[..., SnapshotParameters], tmp_path: Path
) -> None:
    from flows.telling import committing

    warnings: list[str] = []
    spaced = parameters(lake=str(tmp_path / "my lake"))
    assert committing(spaced, take_nothing, warnings.append) is take_nothing
    (line,) = warnings
    assert line.startswith("the tables are no assets: ")


def take_nothing() -> Any:
    raise AssertionError("never called")
