"""Runs that end in the middle of their listings; what they, the next and an undisturbed one ask."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
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
from flows.watch import Silent, Watch
from lake.warehouse import connect
from schemas.tables import DATA_TABLES
from tests.command import IMAGELAKE

HOME = "111122223333"
EAST, WEST = "us-east-1", "us-west-2"
PAGE_SIZE = 10
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
    small = {"region": [EAST, WEST], "page_size": PAGE_SIZE, "accept_drop": True}  # of owners
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
