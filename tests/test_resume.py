"""A run that was killed is gone on with: no landed page is asked again, no build is lost or twice."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from extract.asks import LIST_BUILDS, LIST_IMAGES
from extract.emulator import Emulator
from extract.landing import landed_pages
from extract.targets import TargetOutcome
from flows.parameters import SnapshotParameters
from flows.pipeline import Summary, take_snapshot
from flows.summary import exit_status
from flows.watch import Lines, Silent, Watch
from lake.location import open_folder
from lake.maintain import maintain
from lake.records import commits
from lake.retention import Keep
from lake.warehouse import connect
from schemas.tables import DATA_TABLES
from tests.conftest import CLOCK

pytestmark = pytest.mark.usefixtures("at_once")

HOME = "111122223333"
EAST, WEST = "us-east-1", "us-west-2"
PAGE_SIZE = 10
IMAGELAKE = str(Path(sys.executable).with_name("imagelake"))
Parameters = Callable[..., SnapshotParameters]
Call = tuple[str, str, str | None]
Rows = dict[str, list[tuple[Any, ...]]]
Undisturbed = Callable[[Emulator, SnapshotParameters], "Whole"]


class InterruptedRunError(Exception):
    """What ends a run in the middle of its listings, as a full disk would."""


class Interrupting(Silent):
    """Ends the run after so many calls."""

    def __init__(self, calls: int) -> None:
        self._left = calls
        self._lock = Lock()

    def called(self, _: TargetOutcome) -> None:
        with self._lock:
            self._left -= 1
            if self._left <= 0:
                raise InterruptedRunError


@pytest.fixture(scope="module")
def parameters(tmp_path_factory: pytest.TempPathFactory) -> Parameters:
    """Makes a run's parameters: two regions in small pages, all into the one lake of these tests."""
    root = tmp_path_factory.mktemp("resume")
    fixed = {"lake": str(root / "lake"), "warehouse": root / "imagelake.duckdb"}
    small = {"region": [EAST, WEST], "page_size": PAGE_SIZE}
    return lambda **more: SnapshotParameters.model_validate({**fixed, **small, **more})


@pytest.fixture(scope="module")
def dates() -> Iterator[date]:
    """Dates of their own for the tests: what one date holds does not touch another's."""
    return (date(2025, 11, 20) + timedelta(days) for days in count())


@pytest.fixture
def given(parameters: Parameters, dates: Iterator[date]) -> Parameters:
    """Makes the parameters of the test's own date."""
    own = next(dates)
    return lambda **more: parameters(**{"date": own, **more})


def interrupt(parameters: SnapshotParameters, calls: int) -> None:
    with pytest.raises(InterruptedRunError):
        take_snapshot(parameters, watch=Interrupting(calls))


def asked(emulator: Emulator) -> list[Call]:
    """The answered calls of lists so far: region, operation, token."""
    return [
        (call["region"], call["operation"], call["token"])
        for call in emulator.requests()
        if call["operation"] in (LIST_BUILDS, LIST_IMAGES) and call["status"] == 200
    ]


def landings(parameters: SnapshotParameters) -> list[Path]:
    """The folders of the date's raw pages."""
    return sorted(Path(parameters.lake).glob(f"_raw/snapshot_date={parameters.date}/*"))


def landed(parameters: SnapshotParameters) -> list[Call]:
    """What the pages of the date's landings are the answers to."""
    return [
        (page.region, page.operation, page.token)
        for landing in landings(parameters)
        for page in landed_pages(landing)
    ]


def rows(parameters: SnapshotParameters) -> Rows:
    """All rows of the date, of all data tables, without what tells two runs apart."""
    with connect(parameters.warehouse) as connection:
        return {
            table.name: connection.execute(
                "select * exclude (snapshot_date, run_id, captured_at) "  # noqa: S608 - our own table
                f"from {table.name} where snapshot_date = ? order by all",
                [parameters.date],
            ).fetchall()
            for table in DATA_TABLES
        }


@dataclass(frozen=True)
class Whole:
    """What an undisturbed run asked, in any order, and the rows that it took."""

    asked: list[str]
    rows: Rows


@pytest.fixture(scope="module")
def undisturbed(dates: Iterator[date]) -> Undisturbed:
    """The same run of another date, on the endpoint as it is; made once for each scope."""
    made: dict[str, Whole] = {}

    def of(emulator: Emulator, parameters: SnapshotParameters) -> Whole:
        scope = f"{parameters.region} {parameters.owner}"
        if scope not in made:
            whole = parameters.model_copy(update={"date": next(dates)})
            take(whole)
            made[scope] = Whole(in_any_order(asked(emulator)), rows(whole))
        emulator.clear_requests()
        return made[scope]

    return of


def in_any_order(calls: list[Call]) -> list[str]:
    return sorted(map(str, calls))


def run_command(parameters: SnapshotParameters) -> list[str]:
    command = [IMAGELAKE, "run", "--lake", parameters.lake, "--warehouse"]
    command += [
        str(parameters.warehouse),
        "--date",
        str(parameters.date),
        "--page-size",
        str(PAGE_SIZE),
    ]
    command += [part for region in parameters.region for part in ("--region", region)]
    return command + [part for owner in parameters.owner for part in ("--owner", owner)]


def wait_for(emulator: Emulator, calls: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 30
    while len(asked(emulator)) < calls and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)


def kill_after(emulator: Emulator, calls: int, parameters: SnapshotParameters) -> None:
    """Starts `imagelake run` on a slow endpoint and kills it once so many calls were answered."""
    emulator.set_faults("*", {"latency_ms": 60})
    process = subprocess.Popen(
        run_command(parameters), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(emulator, calls, process)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    time.sleep(0.1)  # calls that it had under way are answered to nobody
    emulator.clear_faults()
    emulator.clear_requests()


def take(parameters: SnapshotParameters, watch: Watch | None = None) -> Summary:
    summary = take_snapshot(parameters, watch=watch)
    assert exit_status(summary) == 0
    return summary


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
    file.write_bytes(file.read_bytes()[: landed_pages(landing)[-1].offset + 200])
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


# What is not gone on with


def test_no_resume_begins_anew_and_the_interrupted_run_is_over(
    emulator: Emulator, given: Parameters, undisturbed: Undisturbed
) -> None:
    """Its pages are older than what the date shows then: to go on with them would turn time back."""
    whole = undisturbed(emulator, given())
    interrupt(given(), 8)
    emulator.clear_requests()
    take(given(resume=False))
    assert in_any_order(asked(emulator)) == whole.asked
    assert rows(given()) == whole.rows
    emulator.clear_requests()
    take(given())
    assert begun(emulator) == {EAST, WEST}


@pytest.mark.parametrize(
    "other", [{"filter": ["platform=Windows"]}, {"date": "2025-01-01"}], ids=str
)
def test_another_request_or_date_begins_anew(
    emulator: Emulator, given: Parameters, other: dict[str, Any]
) -> None:
    interrupt(given(), 8)
    before = landed(given())
    emulator.clear_requests()
    take(given(**other))
    assert begun(emulator) == {EAST, WEST}
    assert set(before) <= set(landed(given()))


def begun(emulator: Emulator) -> set[str]:
    """The regions whose first page was asked for."""
    return {region for region, _, token in asked(emulator) if token is None}


def test_pages_of_a_target_that_is_not_asked_for_are_not_shown(
    emulator: Emulator, given: Parameters, undisturbed: Undisturbed
) -> None:
    """The interrupted run had another region."""
    whole = undisturbed(emulator, given(region=[WEST]))
    interrupt(given(region=[EAST]), 4)
    emulator.clear_requests()
    summary = take(given(region=[WEST]))
    assert [target.outcome.region for target in summary.targets] == [WEST]
    assert {region for region, _, _ in asked(emulator)} == {WEST}
    assert rows(given()) == whole.rows


def test_a_committed_run_is_over(emulator: Emulator, given: Parameters) -> None:
    """The next one of its date asks for everything."""
    take(given())
    emulator.clear_requests()
    take(given())
    assert begun(emulator) == {EAST, WEST}


def test_pages_that_are_hours_old_are_read_again(emulator: Emulator, given: Parameters) -> None:
    """They are not shown as if they were the date's last word."""
    interrupt(given(), 8)
    (landing,) = landings(given())
    hours_ago = time.time() - 2 * 3600
    for file in landing.glob("pages-*"):
        os.utime(file, (hours_ago, hours_ago))
    emulator.clear_requests()
    take(given())
    assert begun(emulator) == {EAST, WEST}


@pytest.mark.slow
def test_a_living_run_keeps_its_pages(
    emulator: Emulator, given: Parameters, undisturbed: Undisturbed
) -> None:
    """Two runs of a date side by side: each reads everything itself, and both commit."""
    parameters = given()
    whole = undisturbed(emulator, parameters)
    emulator.set_faults("*", {"latency_ms": 70})
    key = f"AKIA{HOME}LIVE"
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": key}
    living = subprocess.Popen(run_command(parameters), env=environment, stdout=subprocess.DEVNULL)
    wait_for(emulator, len(whole.asked) - 2, living)
    emulator.set_faults("*", {"latency_ms": 200})  # so that the living one commits well before
    take(parameters)
    assert living.wait(30) == 0
    calls: dict[bool, list[str]] = {True: [], False: []}
    for call in emulator.requests():
        if call["operation"] == LIST_BUILDS:
            told = str((call["region"], call["operation"], call["token"]))
            calls[call["access_key_id"] == key].append(told)
    assert sorted(calls[True]) == sorted(calls[False]) == whole.asked
    assert rows(parameters) == whole.rows


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


def test_pages_that_were_put_to_use_are_never_gone_on_with(
    emulator: Emulator, parameters: Parameters
) -> None:
    """Though no record tells any more that their run was committed: retention let its date go."""
    old = parameters(date="2025-10-01")
    take_snapshot(old)
    take_snapshot(parameters(date="2025-10-03"))
    lake = open_folder(old.lake)
    days = (datetime.now(UTC).date() - date(2025, 10, 2)).days
    maintain(lake, Keep(keep_days=days), datetime.now(UTC))
    assert not [record for record in commits(lake) if record.snapshot_date == old.date]
    assert len(landings(old)) == 1
    emulator.set_faults(f"*/{WEST}", {"always": "forbidden"})
    emulator.clear_requests()
    summary = take_snapshot(old)
    assert {region for region, _, _ in asked(emulator)} == {EAST}
    assert {(t.outcome.region, t.coverage) for t in summary.targets} == {
        (EAST, "whole"),
        (WEST, "none"),
    }
    assert len(landings(old)) == 2
