"""`python -m tests.bench.beyond_one_machine`: what a Dask cluster costs, and from where on it pays.

The same fleets are read into S3 by one process and by two workers of a cluster, both tracked on one
Prefect server: first at the full speed of the endpoint, for the CPU that a target costs, then with an
endpoint that takes its time, for the wall time at several numbers of targets.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from extract.emulator import start
from lake.warehouse import connect
from tests.aws import Moto, moto_server
from tests.bench.many_targets import REGIONS
from tests.dask_cluster import Cluster, cluster
from tests.prefect_server import binary, serving
from tests.s3 import environment, new_bucket

ACCOUNTS, BUILDS = 200, 12
PACED_ACCOUNTS: Final = (10, 40, 80)
PAGE_SECONDS, PACED_BUILDS, PAGE_SIZE = 0.25, 60, 20
WORKERS: Final = ("one", "two")
OVERHEAD_MOST: Final = 0.10
TICKS: Final = os.sysconf("SC_CLK_TCK")


class Spent(NamedTuple):
    """What a run took: `cpu` with that of the workers."""

    wall: float
    cpu: float


class Site:
    """A Prefect server, S3 and a cluster."""

    def __init__(self, api: str, moto: Moto, folder: Path) -> None:
        self.api, self.moto, self.folder = api, moto, folder

    def compare(self, accounts: int, builds: int, *options: str, faults: float = 0) -> list[Spent]:
        """One process, the cluster, and the cluster's first run, which is of one account."""
        account_ids = tuple(f"{100000000000 + number}" for number in range(accounts))
        with (
            start(accounts=account_ids, regions=REGIONS, builds=builds) as emulator,
            TemporaryDirectory(dir=self.folder) as scratch,
        ):
            emulator.set_faults("*", {"latency_ms": faults * 1000})
            home = Path(scratch)
            given = {**emulator.environment(), **environment(self.moto.url, home / "cache")}
            os.environ.update(given)  # the warehouse is looked into as well
            ids = emulator.role_arns()
            alone = self._run(home / "alone", given, ids, None, options)
            with cluster(home / "dask", given) as dask:
                for name in WORKERS:
                    dask.start_worker(name)
                # workers have been at work before: their first batch loads Prefect and boto3
                cold = self._run(home / "cold", given, ids[:1], dask, options)
                return [alone, self._run(home / "dasked", given, ids, dask, options), cold]

    def _run(
        self,
        folder: Path,
        given: dict[str, str],
        roles: list[str],
        dask: Cluster | None,
        options: tuple[str, ...],
    ) -> Spent:
        folder.mkdir()
        config = folder / "imagelake.toml"
        config.write_text(f"region = {list(REGIONS)}\nrole-arn = {roles}\n")
        where = ["--lake", f"s3://{new_bucket(self.moto)}/lake", "--warehouse", "lake.duckdb"]
        scheduler = ["--dask-scheduler", dask.address] if dask else []
        before = _cpu_of(dask)
        started = time.monotonic()
        process = subprocess.Popen(
            [
                *(binary("imagelake"), "run", "--config", str(config), *where),
                *("--visibility-seconds", "1", *scheduler, *options),
            ],
            cwd=folder,
            env={**os.environ, **given, "PREFECT_API_URL": self.api},
            stdout=(folder / "said").open("wb"),
            stderr=subprocess.STDOUT,
        )
        _, status, spent = os.wait4(process.pid, 0)  # this child's own usage and no other's
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit((folder / "said").read_text())
        with connect(folder / "lake.duckdb") as warehouse:
            (row,) = warehouse.execute("select snapshot_targets_count from snapshots").fetchall()
        if row != (len(roles) * len(REGIONS),):
            raise SystemExit(f"{row} targets")
        return Spent(wall, spent.ru_utime + spent.ru_stime + _cpu_of(dask) - before)


def main(accounts: int = ACCOUNTS) -> None:
    """Prints the overhead of a target, then the wall times and the crossover."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with moto_server(folder, "123456789012") as moto, serving(folder) as api:
            site = Site(api, moto, folder)
            _say_overhead(accounts * len(REGIONS), *site.compare(accounts, BUILDS))
            pages = ("--page-size", str(PAGE_SIZE))
            _say_crossover(
                {
                    count * len(REGIONS): site.compare(
                        count, PACED_BUILDS, *pages, faults=PAGE_SECONDS
                    )
                    for count in PACED_ACCOUNTS
                }
            )


def _say_overhead(targets: int, alone: Spent, dasked: Spent, cold: Spent) -> None:
    overhead = dasked.cpu / alone.cpu - 1
    _say(
        f"{targets:,} targets at full speed: one process {alone.wall:.1f} s, CPU {alone.cpu:.1f} s "
        f"({alone.cpu / targets * 1000:.1f} ms a target); two workers {dasked.wall:.1f} s, CPU "
        f"{dasked.cpu:.1f} s ({dasked.cpu / targets * 1000:.1f} ms a target): overhead "
        f"{(dasked.cpu - alone.cpu) / targets * 1000:.1f} ms a target, {overhead:+.0%} (at most "
        f"{OVERHEAD_MOST:.0%}); the first {len(REGIONS)} targets of new workers: {cold.wall:.1f} s, "
        f"CPU {cold.cpu:.1f} s"
    )


def _say_crossover(by_targets: dict[int, list[Spent]]) -> None:
    for targets, (alone, dasked, _) in by_targets.items():
        _say(
            f"{targets:,} targets of {PACED_BUILDS // PAGE_SIZE} pages, {PAGE_SECONDS * 1000:.0f} ms "
            f"each: one process {alone.wall:.1f} s, two workers {dasked.wall:.1f} s"
        )
    (few, least), (many, most) = min(by_targets.items()), max(by_targets.items())
    each = [(most[way].wall - least[way].wall) / (many - few) for way in (0, 1)]
    fixed = [least[way].wall - few * each[way] for way in (0, 1)]
    _say(
        f"one process: {fixed[0]:.1f} s and {each[0] * 1000:.1f} ms a target; two workers: "
        f"{fixed[1]:.1f} s and {each[1] * 1000:.1f} ms a target; as fast from "
        f"{(fixed[1] - fixed[0]) / (each[0] - each[1]):,.0f} targets on"
    )


def _cpu_of(dask: Cluster | None) -> float:
    """The CPU seconds that the workers have taken."""
    spent = 0.0
    for process in dask.workers.values() if dask else ():
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        spent += (int(fields[11]) + int(fields[12])) / TICKS
    return spent


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ACCOUNTS)
