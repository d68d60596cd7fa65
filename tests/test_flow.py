"""A tracked run is a run of the flow `snapshot` on a real Prefect server, and takes the same rows."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from extract.emulator import Emulator
from extract.emulator.settings import ACCOUNTS, REGIONS
from flows.parameters import SnapshotParameters
from flows.pipeline import take_snapshot
from lake.warehouse import connect
from schemas.tables import DATA_TABLES
from tests.conftest import CLOCK
from tests.endpoint import DENIED, EVIL, EVIL_SHOWN, answering, is_harmless
from tests.prefect_server import binary, post

HOME, EAST, WEST = ACCOUNTS[0], REGIONS[0], REGIONS[1]
RUNS = {
    "complete": ["--region", EAST],
    "partial": ["--region", EAST, "--region", WEST, "--processes", "2"],
    "failed": ["--region", EAST],
    "unbuilt": ["--region", EAST],
}
"""The regions of each run; the second region is denied, and to the failed run everything, in words that
would command a terminal."""
WAREHOUSES = {"unbuilt": "w" * 240}
"""So long a name that no file can be written beside it."""


class Tracked:
    """The four runs' ends, and what the server knows of them."""

    def __init__(self, api: str, root: Path, ended: dict[str, "subprocess.Popen[str]"]) -> None:
        self.root = root
        self.said = {name: process.communicate(timeout=180)[0] for name, process in ended.items()}
        self.exits = {name: process.returncode for name, process in ended.items()}
        by_lake = {
            flow_run["parameters"]["parameters"]["lake"]: flow_run
            for flow_run in post(f"{api}/flow_runs/filter", {"limit": 200})
        }
        self.flow_runs = {name: by_lake[str(root / name)] for name in ended}
        self.tasks = {
            name: sorted(
                (task["name"].rpartition("-")[0], task["state_type"])
                for task in post(
                    f"{api}/task_runs/filter", {"flow_runs": {"id": {"any_": [flow_run["id"]]}}}
                )
            )
            for name, flow_run in self.flow_runs.items()
        }

    def state(self, name: str) -> tuple[str, str, str]:
        """The type, name and message of a run's final state."""
        state = self.flow_runs[name]["state"]
        return state["type"], state["name"], state["message"]


@pytest.fixture(scope="module")
def tracked(
    api: str, start_emulator: Callable[..., Emulator], tmp_path_factory: pytest.TempPathFactory
) -> Tracked:
    """Takes the runs side by side, each into a lake of its own."""
    root = tmp_path_factory.mktemp("tracked")
    emulator = start_emulator(clock=CLOCK, faults={f"*/{WEST}": {"always": "access_denied"}})
    given = {
        **emulator.environment(),
        "PREFECT_API_URL": api,
        "PREFECT_HOME": str(root / "prefect"),
    }
    with answering({"message": EVIL}, 403, DENIED) as hostile:
        others = {"failed": {"AWS_ENDPOINT_URL_IMAGEBUILDER": hostile}}
        ended = {
            name: subprocess.Popen(
                [
                    *(binary("imagelake"), "run", *regions, "--date", "2025-11-20"),
                    *("--lake", str(root / name)),
                    *("--warehouse", str(root / f"{WAREHOUSES.get(name, name)}.duckdb")),
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env={**os.environ, **given, **others.get(name, {})},
            )
            for name, regions in RUNS.items()
        }
        return Tracked(api, root, ended)


def test_a_run_that_read_everything_is_completed(tracked: Tracked) -> None:
    """The state's message says in a sentence what was covered; the steps are tasks."""
    with connect(tracked.root / "complete.duckdb") as connection:
        ((builds,),) = connection.execute("select count(*) from current_builds").fetchall()
    assert tracked.exits["complete"] == 0
    assert tracked.state("complete") == ("COMPLETED", "Completed", f"1 target, {builds} builds")
    assert tracked.tasks["complete"] == [
        ("commit", "COMPLETED"),
        ("land", "COMPLETED"),
        ("plan", "COMPLETED"),
        ("publish", "COMPLETED"),
        ("write", "COMPLETED"),
    ]
    assert "not tracked" not in tracked.said["complete"]


def test_a_run_with_a_failed_target_is_a_partial_success(tracked: Tracked) -> None:
    """Here two processes read; what they tell of the targets is in the run's log."""
    with connect(tracked.root / "partial.duckdb") as connection:
        ((builds,),) = connection.execute("select count(*) from current_builds").fetchall()
    denied = f"{HOME}/{WEST} failed (AccessDeniedException)"
    words = f"1 of 2 targets not read whole: {denied}; {builds} builds"
    assert tracked.exits["partial"] == 3
    assert tracked.state("partial") == ("COMPLETED", "PartialSuccess", words)
    assert ("land", "COMPLETED") in tracked.tasks["partial"]
    assert "in 2 processes" in tracked.said["partial"]
    assert f"target={HOME}/{WEST} status=failed" in tracked.said["partial"]


def test_a_run_whose_warehouse_is_not_built_is_a_partial_success(tracked: Tracked) -> None:
    """Its state says so, as its exit status does: who is told of partial runs is told of it."""
    kind, name, message = tracked.state("unbuilt")
    assert tracked.exits["unbuilt"] == 3
    assert (kind, name) == ("COMPLETED", "PartialSuccess")
    assert message.startswith("the warehouse was not built: [Errno 36] File name too long: ")
    assert "; 1 target, " in message
    assert (
        "what the run changed is not told: the warehouse is not up to date"
        in (tracked.said["unbuilt"])
    )


def test_a_run_that_commits_nothing_has_failed(tracked: Tracked) -> None:
    """On the server, and by its exit status and last line; nothing was written or committed."""
    kind, _, message = tracked.state("failed")
    assert tracked.exits["failed"] == 1
    assert kind == "FAILED"
    assert "AccessDeniedException" in message
    assert ("commit", "COMPLETED") not in tracked.tasks["failed"]
    assert (
        tracked.said["failed"]
        .splitlines()[-1]
        .startswith("imagelake: nothing could be read of 1 target")
    )


def test_what_an_endpoint_says_commands_no_terminal(tracked: Tracked, api: str) -> None:
    """Neither from the run's output, Prefect's tracebacks among it, nor from the server's log."""
    run = tracked.flow_runs["failed"]
    logged = post(f"{api}/logs/filter", {"logs": {"flow_run_id": {"any_": [run["id"]]}}})
    told = [tracked.said["failed"], *(entry["message"] for entry in logged)]
    told.append(tracked.state("failed")[2])
    assert len(told) > 5
    assert all(map(is_harmless, told))
    assert (
        sum(f"AccessDeniedException on ListImageBuildVersions: {EVIL_SHOWN}" in t for t in told) > 2
    )


def test_a_tracked_run_takes_the_same_rows_as_an_untracked_one(
    tracked: Tracked, emulator: Emulator, parameters: Callable[..., SnapshotParameters]
) -> None:
    """In every data table, but for the run's name and the time."""
    untracked = parameters(region=[EAST], date="2025-11-20")
    take_snapshot(untracked)
    assert emulator.requests()
    for table in DATA_TABLES:
        query = f"select * exclude (run_id, captured_at) from {table.name} order by all"  # noqa: S608 - the tables' own words
        rows = []
        for warehouse in (tracked.root / "complete.duckdb", untracked.warehouse):
            with connect(warehouse) as connection:
                rows.append(connection.execute(query).fetchall())
        assert rows[0] == rows[1]
        assert rows[0]


MAINTAIN = """
import sys
from flows.maintain import maintain
from flows.upkeep_parameters import MaintainParameters
maintain(MaintainParameters(lake=sys.argv[1], warehouse=sys.argv[2], grace_hours=0, orphan_hours=0))
"""


def test_a_clean_up_is_a_flow_run_of_its_own(tracked: Tracked, api: str) -> None:
    """Its parameters and its outcome are on the server, what went is in its log."""
    lake, warehouse = tracked.root / "complete", tracked.root / "complete.duckdb"
    ended = subprocess.run(
        [sys.executable, "-c", MAINTAIN, str(lake), str(warehouse)],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PREFECT_API_URL": api,
            "PREFECT_HOME": str(tracked.root / "prefect"),
        },
        check=True,
    )
    assert "nothing to remove" in ended.stderr + ended.stdout
    (flow_run,) = [
        run
        for run in post(f"{api}/flow_runs/filter", {"flows": {"name": {"any_": ["maintain"]}}})
        if run["parameters"]["parameters"]["lake"] == str(lake)
    ]
    assert flow_run["state"]["type"] == "COMPLETED"
    assert flow_run["state"]["message"] == "nothing to remove"
