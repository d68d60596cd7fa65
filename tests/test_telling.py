"""What cannot be told to Prefect is a line of warning, and the run is none the worse for it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from extract.emulator.settings import ACCOUNTS, REGIONS
from extract.targets import Target, TargetOutcome
from flows.parameters import SnapshotParameters
from flows.watch import Lines
from tests.prefect_server import free_port
from tests.summaries import MUCH, PARTIAL

pytestmark = pytest.mark.slow

HOME, EAST, WEST = ACCOUNTS[0], REGIONS[0], REGIONS[1]


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
