"""A run on a Dask cluster takes the same snapshot as one on this machine, whatever dies under it.

A real scheduler and two worker processes over TCP, a real Prefect server, S3 and the emulator; nothing
is shared between the processes but what goes over a socket.
"""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from extract.asks import LIST_BUILDS
from extract.emulator import Emulator
from extract.emulator.settings import ACCOUNTS, REGIONS
from flows.parameters import SnapshotParameters
from flows.pipeline import take_snapshot
from lake.warehouse import connect
from tests.aws import Moto
from tests.conftest import CLOCK
from tests.dask_cluster import Cluster, cluster
from tests.prefect_server import binary, post, wait_for
from tests.s3 import client, environment, new_bucket
from tests.test_s3_lake import QUERIES

DATE = "2025-11-20"
SECRET = "an-external-id-that-nobody-logs"  # noqa: S105 - made up here, to be looked for
Rows = dict[str, list[tuple[Any, ...]]]


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

    def start(self, name: str, *options: str, **more: str) -> "subprocess.Popen[str]":
        """Starts a run on the cluster into the lake of that name."""
        roles = [option for arn in self.emulator.role_arns() for option in ("--role-arn", arn)]
        regions = [option for region in REGIONS for option in ("--region", region)]
        return subprocess.Popen(
            [
                *(binary("imagelake"), "run", "--date", DATE, "--visibility-seconds", "1"),
                *("--lake", self.lake(name), "--warehouse", str(self.warehouse(name))),
                *("--dask-scheduler", self.dask.address, "--external-id", SECRET),
                *(*roles, *regions, *options),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={
                **os.environ,
                "PREFECT_API_URL": self.api,
                "XDG_CACHE_HOME": str(self.folder / "cache"),
                **more,
            },
        )

    def ended(self, process: "subprocess.Popen[str]", status: int) -> str:
        """What it said, once it has ended with that status."""
        said = process.communicate(timeout=300)[0]
        self.said.append(said)
        assert process.returncode == status, said
        return said

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
                "visibility_seconds": 1,
            }
        )
    )
    return rows(warehouse)


def rows(warehouse: Path) -> Rows:
    """Every table's rows, but for what tells two runs of the same fleet apart."""
    with connect(warehouse) as connection:
        return {name: connection.execute(query).fetchall() for name, query in QUERIES.items()}


def test_the_workers_rows_are_those_of_one_machine(world: World, on_one_machine: Rows) -> None:
    """In every table; one commit, the same files as ever, and nothing of the workers' own is left."""
    world.emulator.clear_requests()
    said = world.ended(world.start("together"), 0)
    assert rows(world.warehouse("together")) == on_one_machine
    assert len(on_one_machine["snapshot_targets"]) == len(ACCOUNTS) * len(REGIONS)
    assert set(world.asked().values()) == {1}
    assert "in batches of up to 2 targets, on 2 workers" in said
    with connect(world.warehouse("together")) as connection:
        ((run_id,),) = connection.execute("select distinct run_id from image_builds").fetchall()
    filed = {
        found for key in world.objects("together") for found in re.findall("run_id=[^/]+", key)
    }
    assert filed == {f"run_id={run_id}", "run_id=schema"}
    assert len(world.objects("together", "_commits/")) == 1
    assert len(world.objects("together", "_raw/")) == 6
    print(said)
