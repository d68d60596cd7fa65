"""Targets that several processes read come out as if one had, of a run that is gone on with too."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from extract.asks import LIST_BUILDS
from extract.emulator import Emulator
from extract.emulator.settings import ACCOUNTS, REGIONS
from extract.landing import landed_pages
from extract.targets import Target
from flows import batches, processes
from flows.batches import batches_of
from flows.parameters import SnapshotParameters
from flows.pipeline import PLAIN, Summary, take_snapshot
from flows.planning import plan
from flows.processes import process_count, steps_in_processes
from flows.watch import Silent
from lake.location import open_lake
from lake.warehouse import connect
from schemas.tables import DATA_TABLES
from tests.aws import Moto
from tests.fleet_rows import rows
from tests.interrupted import InterruptedRunError, Interrupting
from tests.s3 import environment, new_bucket

Parameters = Callable[..., SnapshotParameters]
Call = tuple[str, str, str | None]

EAST, WEST = REGIONS[:2]
DATE = "2025-11-20"
TARGETS = len(ACCOUNTS) * len(REGIONS)

pytestmark = pytest.mark.usefixtures("at_once")


@pytest.fixture
def given(emulator: Emulator, parameters: Parameters) -> Parameters:
    return lambda **more: parameters(
        **{
            "date": DATE,
            "role_arn": emulator.role_arns(),
            "region": list(REGIONS),
            "page_size": 20,
            **more,
        }
    )


def take(parameters: SnapshotParameters, watch: Silent | None = None) -> Summary:
    return take_snapshot(parameters, steps_in_processes(PLAIN), watch)


@pytest.mark.parametrize(
    "worth",
    [pytest.param(1, id="adopted"), pytest.param(10_000, id="appended", marks=pytest.mark.slow)],
)
def test_processes_give_the_rows_of_one(
    emulator: Emulator,
    given: Parameters,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    worth: int,
) -> None:
    """Of a first run of a date, and of another that loses targets, which the first had.

    Nothing is left of the processes' own files, which are the run's or are read, and each target's end
    is told once.
    """
    monkeypatch.setattr(batches, "WORTH_A_FILE", worth)
    found = []
    for count in (1, 3):
        where = {"lake": str(tmp_path / f"{count}"), "warehouse": tmp_path / f"{count}.duckdb"}
        asked = given(processes=count, **where)
        emulator.clear_faults()
        emulator.set_faults(f"{ACCOUNTS[1]}/{EAST}", {"region_disabled": True})
        emulator.set_faults(f"{ACCOUNTS[1]}/{WEST}", {"empty": True})
        watch = Counting()
        first = take(asked, watch)
        assert watch.ends == Counter({str(target.outcome): 1 for target in first.targets})
        of_first = rows(asked.warehouse)
        emulator.set_faults(f"{ACCOUNTS[0]}/*", {"always": "access_denied"})
        emulator.set_faults(f"{ACCOUNTS[1]}/{REGIONS[2]}", {"expire_token_after_pages": 2})
        second = take(asked)
        found.append((of_first, rows(asked.warehouse), as_filed(asked, second)))
        files = [file.path for file in open_lake(asked.lake).files("") if "run_id=" in file.path]
        runs = {path.partition("run_id=")[2].partition("/")[0] for path in files}
        assert runs == {first.run_id, second.run_id, "schema"}
    assert found[1] == found[0]
    statuses = {row[3] for row in found[0][0]["snapshot_targets"]}
    assert {"complete", "skipped"} <= statuses


class Counting(Silent):
    """Counts the ends that it is told of; calls `then` at each page."""

    def __init__(self, then: Callable[[], object] = lambda: None) -> None:
        self.ends: Counter[str] = Counter()
        self._then = then

    def called(self, outcome: object) -> None:
        self._then()
        if getattr(outcome, "status", None):
            self.ends[str(outcome)] += 1


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [(2, 3), (3, 1), (1, 3)])
def test_a_run_goes_on_with_the_pages_of_as_many_processes_as_there_were(
    emulator: Emulator, given: Parameters, tmp_path: Path, first: int, second: int
) -> None:
    """However the targets are dealt out anew, each landed page is asked for and counts once."""
    whole = given(lake=str(tmp_path / "whole"), warehouse=tmp_path / "whole.duckdb", processes=1)
    as_whole = as_filed(whole, take(whole))
    in_all = asked_for(emulator)
    emulator.set_faults("*", {"latency_ms": 20})
    with pytest.raises(InterruptedRunError):
        take(given(processes=first), Interrupting(8))
    emulator.clear_faults()
    wait_for_rest(emulator)
    emulator.clear_requests()
    (landing,) = Path(given().lake).glob("_raw/*/*")
    landed = len(landed_pages(landing))
    assert landed > 4
    summary = take(given(processes=second))
    assert asked_for(emulator).total() == in_all.total() - landed
    assert as_filed(given(), summary) == as_whole
    assert pages_of(given().warehouse) == pages_of(whole.warehouse)


@pytest.mark.slow
def test_processes_read_for_a_lake_on_s3(
    s3: Moto, given: Parameters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows and the raw pages are those of a lake in a folder, and nothing else is left there."""
    monkeypatch.setattr(batches, "WORTH_A_FILE", 1)
    alone = given(processes=1)
    take(alone)
    for name, value in environment(s3.url, tmp_path / "cache").items():
        monkeypatch.setenv(name, value)
    uri = f"s3://{new_bucket(s3)}/lake"
    asked = given(processes=2, lake=uri, warehouse=tmp_path / "s3.duckdb", visibility_seconds=1)
    summary = take(asked)
    assert rows(asked.warehouse) == rows(alone.warehouse)
    files = [file.path for file in open_lake(uri).files("")]
    of_runs = {
        path.partition("run_id=")[2].partition("/")[0] for path in files if "run_id=" in path
    }
    assert of_runs == {summary.run_id, "schema"}
    assert sum(path.startswith("_raw/") for path in files) >= 2
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_more_processes_are_taken_where_the_newest_snapshot_was_large(
    given: Parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of few targets, or of few builds, one reads; so it does where there is memory for one alone."""
    enough = 3 * processes.PROCESS_BYTES
    monkeypatch.setattr(processes, "cores", lambda: 2)
    monkeypatch.setattr(processes, "memory_bytes", lambda: enough)
    planned = plan(given())
    assert len(planned.targets) == TARGETS >= processes.ENOUGH_TARGETS
    assert process_count(given(), planned) == 1
    builds = sum(target.builds for target in take(given()).targets)
    for most, count in ((builds, 2), (builds + 1, 1)):
        monkeypatch.setattr(processes, "ENOUGH_BUILDS", most)
        assert process_count(given(), planned) == count
    monkeypatch.setattr(processes, "ENOUGH_BUILDS", builds)
    for memory, count in ((None, 2), (enough - 1, 1), (0, 1)):
        monkeypatch.setattr(processes, "memory_bytes", lambda memory=memory: memory)
        assert process_count(given(), planned) == count
    monkeypatch.setattr(processes, "ENOUGH_TARGETS", TARGETS + 1)
    assert process_count(given(), planned) == 1


def test_as_many_processes_read_as_are_asked_for_and_can(
    given: Parameters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a target and a call; one reads where others could not sign in as it did."""
    planned = plan(given())
    assert process_count(given(processes=3), planned) == 3
    assert process_count(given(processes=64), planned) == TARGETS
    assert process_count(given(processes=8, concurrency=2), planned) == 2
    assert process_count(given(processes=8, demo=True), planned) == 8
    assert process_count(given(processes=8, demo=True, lake="s3://bucket/lake"), planned) == 1
    config = tmp_path / "config"
    config.write_text(
        "[profile deep]\nsource_profile = middle\n"
        "[profile middle]\nsource_profile = code\n"
        "[profile code]\nmfa_serial = arn:aws:iam::111122223333:mfa/ann\nsource_profile = code\n"
        "[profile plain]\nregion = us-east-1\nsource_profile = plain\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    for profile, count in (("deep", 1), ("code", 1), ("plain", 8)):
        monkeypatch.setenv("AWS_PROFILE", profile)
        assert process_count(given(processes=8), planned) == count


@pytest.mark.parametrize(
    ("targets", "count", "calls", "sizes"),
    [
        (1, 2, 8, [1]),
        (10, 2, 8, [5, 5]),
        (40, 2, 8, [7] * 5 + [5]),
        (100, 2, 8, [13] * 7 + [9]),
        (2000, 2, 8, [200] * 10),
        (9, 4, 1, [1] * 9),
    ],
)
def test_a_processs_batch_has_targets_for_all_of_its_connections(
    targets: int, count: int, calls: int, sizes: list[int]
) -> None:
    given = [Target("111122223333", f"region-{n:04}") for n in range(targets)]
    assert [len(batch) for batch in batches_of(given, count, calls)] == sizes


def asked_for(emulator: Emulator) -> Counter[Call]:
    """The pages of builds that were asked for and answered."""
    return Counter(
        (call["account"], call["region"], call["token"])
        for call in emulator.requests()
        if call["operation"] == LIST_BUILDS and call["status"] == 200
    )


def wait_for_rest(emulator: Emulator) -> None:
    """Returns once the emulator has noted the last calls of processes that were killed."""
    noted = -1
    while (count := len(emulator.requests())) != noted:
        noted = count
        time.sleep(0.5)


def as_filed(parameters: SnapshotParameters, summary: Summary) -> dict[str, list[dict[str, Any]]]:
    """The rows of the run's data files, in their order, without what tells two runs apart.

    Failures of AMIs come after those of builds in each batch of pages, however large that is.
    """
    found = {}
    for table in DATA_TABLES:
        folder = Path(parameters.lake) / table.name / f"snapshot_date={DATE}"
        files = sorted((folder / f"run_id={summary.run_id}").glob("*.parquet"))
        of_table = pa.concat_tables(pq.ParquetFile(file).read() for file in files)
        found[table.name] = of_table.drop_columns(["captured_at"]).to_pylist()
    found["image_region_failures"].sort(key=repr)
    return found


def pages_of(warehouse: Path) -> list[tuple[Any, ...]]:
    """How each target was read, but for the calls, of which a listing that goes on makes fewer."""
    query = "select account_id, region, status, pages, builds from snapshot_targets order by all"
    with connect(warehouse) as connection:
        return connection.execute(query).fetchall()
