"""A run that was killed is gone on with: no landed page is asked again, no build is lost or twice."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from extract.emulator import Emulator
from extract.landing import landed_pages
from extract.targets import TargetOutcome
from flows.pipeline import take_snapshot
from flows.watch import Lines, Silent
from tests.conftest import CLOCK
from tests.interrupted import (
    EAST,
    WEST,
    InterruptedRunError,
    Parameters,
    Undisturbed,
    asked,
    dates,
    given,
    in_any_order,
    interrupt,
    kill_after,
    landed,
    landings,
    parameters,
    rows,
    take,
    undisturbed,
)

__all__ = ["dates", "given", "parameters", "undisturbed"]  # fixtures are used by their names

pytestmark = pytest.mark.usefixtures("at_once")


# Killed


def test_a_killed_run_is_gone_on_with(
    emulator: Emulator, given: Parameters, undisturbed: Undisturbed
) -> None:
    """Only the pages that had not landed are asked, and the rows are those of an undisturbed run.

    Own builds and then another owner's, which are found image by image.
    """
    parameters = given(owner=["Self", "Amazon"])
    whole = undisturbed(emulator, parameters)
    kill_after(emulator, 12, parameters)
    before = landed(parameters)
    said: list[str] = []
    take(parameters, Lines(said.append))
    assert len(before) >= 8
    assert in_any_order(before + asked(emulator)) == whole.asked
    assert rows(parameters) == whole.rows
    assert len(landings(parameters)) == 1
    assert "going on with the pages of an interrupted run" in said


def test_a_run_killed_while_it_writes_asks_nothing_more(
    emulator: Emulator, given: Parameters, undisturbed: Undisturbed
) -> None:
    """The data files that it left are never seen; the next run writes its own and commits."""
    parameters = given()
    whole = undisturbed(emulator, parameters)
    command = [sys.executable, "-c", KILLED_AFTER_WRITING, parameters.model_dump_json()]
    ended = subprocess.run(command, capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL
    lake = Path(parameters.lake)
    assert list(lake.glob(f"image_builds/snapshot_date={parameters.date}/*/*.parquet"))
    assert not list(lake.glob(f"_commits/{parameters.date}_*"))

    emulator.clear_requests()
    summary = take(parameters)
    assert asked(emulator) == []
    assert rows(parameters) == whole.rows
    assert {(t.outcome.status, t.outcome.requests) for t in summary.targets} == {("complete", 0)}


KILLED_AFTER_WRITING = """
import os, signal, sys
from dataclasses import replace
from flows.parameters import SnapshotParameters
from flows.pipeline import PLAIN, take_snapshot
from flows.writing import write

def write_and_die(*arguments):
    write(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

parameters = SnapshotParameters.model_validate_json(sys.argv[1])
take_snapshot(parameters, replace(PLAIN, write=write_and_die))
"""


def test_a_page_that_was_cut_off_in_the_middle_is_asked_again(
    emulator: Emulator, given: Parameters, undisturbed: Undisturbed
) -> None:
    """A killed machine leaves half a page: it counts as not landed, those before it stay."""
    parameters = given(region=[EAST])
    whole = undisturbed(emulator, parameters)
    interrupt(parameters, 5)
    (landing,) = landings(parameters)
    (file,) = landing.glob("pages-*")
    before = landed(parameters)
    file.write_bytes(file.read_bytes()[: landed_pages(landing)[-1].frame_start + 200])
    assert landed(parameters) == before[:-1]

    emulator.clear_requests()
    take(parameters)
    assert asked(emulator)[0] == before[-1]
    assert rows(parameters) == whole.rows


def test_a_run_can_be_interrupted_many_times(
    emulator: Emulator, given: Parameters, undisturbed: Undisturbed
) -> None:
    """Each goes on where the one before was cut off, and no page is asked for twice."""
    parameters = given()
    whole = undisturbed(emulator, parameters)
    for calls in (3, 1, 6):
        interrupt(parameters, calls)
    take(parameters)
    assert in_any_order(asked(emulator)) == whole.asked
    assert rows(parameters) == whole.rows


def test_a_target_that_had_been_read_whole_is_not_asked_again(
    emulator: Emulator, given: Parameters
) -> None:
    """Its outcome says when it was really read."""
    emulator.set_faults(f"*/{WEST}", {"always": "429"})

    class UntilOneIsRead(Silent):
        def called(self, outcome: TargetOutcome) -> None:
            if outcome.status:
                raise InterruptedRunError

    with pytest.raises(InterruptedRunError):
        take_snapshot(given(), watch=UntilOneIsRead())
    (landing,) = landings(given())
    arrived = [page.arrived_at for page in landed_pages(landing)]
    emulator.clear_faults()
    emulator.clear_requests()
    east, west = (target.outcome for target in take(given()).targets)
    assert {region for region, _, _ in asked(emulator)} == {WEST}
    assert (east.status, east.requests, east.pages) == ("complete", 0, len(arrived))
    assert (east.started_at, east.finished_at) == (arrived[0], arrived[-1])
    assert west.status == "complete"


# Tokens do not live for ever


def test_a_target_whose_token_has_expired_meanwhile_starts_over_once(
    start_emulator: Callable[..., Emulator],
    given: Parameters,
    undisturbed: Undisturbed,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The refused token costs one call; no build of the first attempt is shown beside the second's."""
    whole = undisturbed(emulator, given())
    forgetful = start_emulator(token_seconds=1.0, clock=CLOCK)
    monkeypatch.setenv("AWS_ENDPOINT_URL", forgetful.url)
    parameters = given()
    interrupt(parameters, 9)
    time.sleep(1.1)
    forgetful.clear_requests()
    summary = take(parameters)
    refused = [call["region"] for call in forgetful.requests() if call["status"] == 400]
    assert sorted(refused) == [EAST, WEST]
    assert in_any_order(asked(forgetful)) == whole.asked
    assert rows(parameters) == whole.rows
    (landing,) = landings(parameters)
    assert {page.attempt for page in landed_pages(landing)} == {1, 2}
    listed = sum(target.outcome.builds_listed for target in summary.targets)
    assert listed == len(whole.rows["image_builds"])
