"""A run on a Dask cluster takes the same snapshot as one on this machine, whatever dies under it.

A real scheduler and two worker processes over TCP, a real Prefect server, S3 and the emulator; nothing
is shared between the processes but what goes over a socket.
"""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from extract.asks import LIST_BUILDS
from extract.emulator import Emulator
from extract.emulator.settings import ACCOUNTS, REGIONS
from flows.parameters import SnapshotParameters
from flows.pipeline import take_snapshot
from lake.warehouse import connect
from schemas import __version__
from tests.aws import Moto
from tests.conftest import CLOCK
from tests.dask_cluster import Cluster, cluster
from tests.fleet_rows import Rows, rows
from tests.prefect_server import wait_for
from tests.s3 import client, environment, new_bucket

DATE = "2025-11-20"
SECRET = "an-external-id-that-nobody-logs"  # noqa: S105 - made up here, to be looked for
TARGETS = {(account, region) for account in ACCOUNTS for region in REGIONS}
DENIED = ACCOUNTS[1], REGIONS[1]
IMPATIENT = """
import sys
import flows.on_dask
from flows.cli import main
flows.on_dask.WORKERLESS_SECONDS = 4.0
sys.argv[0] = "imagelake"
main()
"""
"""`imagelake`, which waits for workers for seconds instead of minutes."""
Running = subprocess.Popen[str]


class World:
    """A cluster, a bucket and an emulator, and what a run of the command on them is."""

    def __init__(self, api: str, s3: Moto, emulator: Emulator, dask: Cluster, folder: Path) -> None:
        self.api, self.s3, self.emulator, self.dask = api, s3, emulator, dask
        self.folder, self.bucket = folder, new_bucket(s3)
        self.said: list[str] = []

    def lake(self, name: str) -> str:
        return f"s3://{self.bucket}/{name}"

    def warehouse(self, name: str) -> Path:
        return self.folder / f"{name}.duckdb"

    def start(self, name: str, *options: str, dask: Cluster | None = None) -> Running:
        """Starts a run on the cluster into the lake of that name; it gives workers up for lost soon."""
        roles = [option for arn in self.emulator.role_arns() for option in ("--role-arn", arn)]
        regions = [option for region in REGIONS for option in ("--region", region)]
        return subprocess.Popen(
            [
                *(
                    sys.executable,
                    "-c",
                    IMPATIENT,
                    "run",
                    "--date",
                    DATE,
                    "--visibility-seconds",
                    "1",
                ),
                *("--lake", self.lake(name), "--warehouse", str(self.warehouse(name))),
                *("--dask-scheduler", (dask or self.dask).address, "--external-id", SECRET),
                *(*roles, *regions, *options),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={
                **os.environ,
                "PREFECT_API_URL": self.api,
                "XDG_CACHE_HOME": str(self.folder / "cache"),
            },
        )

    def ended(self, process: Running, status: int) -> str:
        """What it said, once it has ended with that status."""
        said = process.communicate(timeout=300)[0]
        self.said.append(said)
        assert process.returncode == status, said
        return said

    def runs(self, name: str) -> set[str]:
        """The runs that the lake has anything of."""
        found = "\n".join(self.objects(name))
        return set(re.findall("run_id=([^/]+)/", found))

    def objects(self, name: str, folder: str = "") -> list[str]:
        """The keys in the lake, below a folder."""
        prefix = f"{name}/{folder}"
        listed = client(self.s3).list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [found["Key"].removeprefix(f"{name}/") for found in listed.get("Contents", ())]

    def asked(self) -> Counter[tuple[str, str]]:
        """How often the first page of each target was asked for, and answered."""
        return Counter(
            (call["account"], call["region"])
            for call in self.emulator.requests()
            if call["operation"] == LIST_BUILDS and not call["token"] and call["status"] == 200
        )


@pytest.fixture(scope="module")
def world(
    api: str,
    s3: Moto,
    start_emulator: Callable[..., Emulator],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    """Two workers are at work."""
    folder = tmp_path_factory.mktemp("dask")
    emulator = start_emulator(clock=CLOCK, builds=40)
    slow_down(emulator, 0)
    with pytest.MonkeyPatch.context() as patch:
        given = {**emulator.environment(), **environment(s3.url, folder / "cache")}
        for name, value in given.items():
            patch.setenv(name, value)
        with cluster(folder / "cluster", given) as dask:
            for name in ("one", "two"):
                dask.start_worker(name)
            yield World(api, s3, emulator, dask, folder)


@pytest.fixture(scope="module")
def on_one_machine(world: World) -> Rows:
    """The rows of a run without the cluster."""
    warehouse = world.warehouse("alone")
    take_snapshot(
        SnapshotParameters.model_validate(
            {
                "lake": world.lake("alone"),
                "warehouse": warehouse,
                "date": DATE,
                "role_arn": world.emulator.role_arns(),
                "region": list(REGIONS),
                "external_id": SECRET,
                "visibility_seconds": 1,
            }
        )
    )
    return rows(warehouse)


def slow_down(emulator: Emulator, latency_ms: int) -> None:
    """Has each page take so long; one target is denied, and an account wants its external id."""
    slow = {"latency_ms": latency_ms}
    emulator.set_faults("*", slow)
    emulator.set_faults(f"{ACCOUNTS[2]}/*", {"external_id": SECRET, **slow})
    emulator.set_faults("/".join(DENIED), {"always": "access_denied", **slow})


@pytest.mark.long
def test_the_workers_rows_are_those_of_one_machine(world: World, on_one_machine: Rows) -> None:
    """In every table; one commit, the same files as ever, and nothing of the workers' own is left."""
    world.emulator.clear_requests()
    said = world.ended(world.start("together"), 3)
    assert rows(world.warehouse("together")) == on_one_machine
    assert len(on_one_machine["snapshot_targets"]) == len(TARGETS)
    assert world.asked() == Counter(TARGETS - {DENIED})
    with connect(world.warehouse("together")) as connection:
        ((run_id,),) = connection.execute("select distinct run_id from image_builds").fetchall()
    assert world.runs("together") == {run_id, "schema"}
    assert len(world.objects("together", "_commits/")) == 1
    assert len(world.objects("together", "_raw/")) == 6
    assert list((world.dask.folder).glob("*/imagelake/*/_raw/*/*")) == []
    assert "in batches of up to 2 targets, on 2 workers" in said
    for target in TARGETS:
        told = rf"target={'/'.join(target)} status=(?:complete|failed) .* seconds=[0-9.]+"
        assert len(re.findall(told, said)) == 1


@pytest.mark.long
def test_a_killed_worker_costs_its_batch_only(world: World, on_one_machine: Rows) -> None:
    """Killed with a batch behind it and another half read: another worker reads that one again."""
    world.dask.start_worker("doomed")
    world.emulator.clear_requests()
    slow_down(world.emulator, 250)
    process = world.start("killed", "--page-size", "5")
    landings: set[Path] = set()

    def is_in_its_second_batch() -> bool:
        found = set((world.dask.folder / "doomed").glob("imagelake/*/_raw/*/*/pages-*.arrows"))
        landings.update(found)
        return len(landings) == 2 and bool(found)

    wait_for(is_in_its_second_batch, 120)
    world.dask.kill("doomed")
    slow_down(world.emulator, 0)
    world.ended(process, 3)
    asked_again = {target for target, times in world.asked().items() if times > 1}
    assert 1 <= len(asked_again) <= 2
    assert set(world.asked()) == TARGETS - {DENIED}
    found = rows(world.warehouse("killed"))
    for name in set(on_one_machine) - {"snapshot_targets"}:  # which tells of more, smaller pages
        assert found[name] == on_one_machine[name]
    assert len(world.runs("killed")) == 2


@pytest.mark.long
def test_a_worker_of_another_version_is_refused(world: World) -> None:
    """Before anything is read: it might file its rows under other columns."""
    other = world.folder / "other"
    (other / "imagelake-0.0.9.dist-info").mkdir(parents=True)
    (other / "imagelake-0.0.9.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: imagelake\nVersion: 0.0.9\n"
    )
    world.emulator.clear_requests()
    with cluster(world.folder / "others", world.dask.environment) as dask:
        dask.start_worker("older", PYTHONPATH=str(other))
        said = world.ended(world.start("older", dask=dask), 1)
    assert re.search(
        r"\nimagelake: not committed: the worker tcp://127.0.0.1:[0-9]+ has imagelake 0.0.9, the "
        rf"flow {re.escape(__version__)}: install the same on all\n$",
        said,
    )
    assert world.asked() == Counter()
    assert world.objects("older") == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("killed", "failures", "words"),
    [
        (
            "worker",
            3,
            "the Dask scheduler {} has had no worker for 4 s: start workers, then run again",
        ),
        ("scheduler", 3, "the Dask scheduler {} is gone: start it, then run again"),
        (
            "worker",
            0,
            "batch [1-4] of 4 has ended 1 worker, one after the other: see their logs, and "
            "their memory",
        ),
    ],
    ids=["workers", "scheduler", "batch"],
)
def test_a_run_whose_cluster_is_gone_commits_nothing(
    world: World, request: pytest.FixtureRequest, killed: str, failures: int, words: str
) -> None:
    """It says so in a line: no worker, no scheduler, or a batch that no worker outlives."""
    name = request.node.callspec.id
    slow_down(world.emulator, 250)
    world.emulator.clear_requests()
    given = {
        **world.dask.environment,
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(failures),
    }
    with cluster(world.folder / name, given) as dask:
        dask.start_worker("worker")
        process = world.start(name, "--page-size", "5", dask=dask)
        wait_for(world.asked, 120)
        dask.kill(killed)
        said = world.ended(process, 1).splitlines()[-1]
    slow_down(world.emulator, 0)
    assert re.fullmatch(f"imagelake: not committed: {words.format(dask.address)}", said)
    assert world.objects(name, "_commits/") == []


@pytest.mark.long
def test_nothing_gives_a_secret_away(world: World) -> None:
    """Neither what the runs said, nor what the scheduler and the workers logged."""
    said = "".join(world.said) + "".join(p.read_text() for p in world.folder.rglob("*.log"))
    assert "read batch" in said
    assert SECRET not in said
