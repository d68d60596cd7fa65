"""`python -m tests.bench.many_targets`: what a target costs where there are thousands of them.

200 accounts by 10 regions with a handful of builds each, and a quarter of it beside: the cost of a
target must not grow with their number.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from extract.emulator import Emulator, start
from extract.sessions import Sessions
from lake.warehouse import connect

REGIONS: Final = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1"),
    *("eu-west-2", "eu-west-3", "eu-central-1", "eu-north-1", "ap-south-1"),
)
ACCOUNTS: Final = 200
BUILDS: Final = 12
CLIENT_MS_MOST, PEAK_MB_MOST = 5.0, 700.0


def main(accounts: int = ACCOUNTS) -> None:
    """Prints time, CPU a target and peak memory for a quarter and all, and the cost of a client."""
    for count in (accounts // 4, accounts):
        ids = tuple(f"{100000000000 + number}" for number in range(count))
        with start(accounts=ids, regions=REGIONS, builds=BUILDS) as emulator:
            _run(emulator, count * len(REGIONS))
            _make_clients(emulator, count * len(REGIONS))


def _run(emulator: Emulator, targets: int) -> None:
    """One `imagelake run` as a process of its own."""
    with TemporaryDirectory() as folder:
        config = Path(folder) / "imagelake.toml"
        config.write_text(f"region = {list(REGIONS)}\nrole-arn = {emulator.role_arns()}\n")
        command = [str(Path(sys.executable).with_name("imagelake")), "run", "--config", str(config)]
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **emulator.environment()},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, spent = os.wait4(process.pid, 0)  # this child's own usage and no other's
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"imagelake run ended with {process.returncode}")
        with connect(Path(folder) / "data/imagelake.duckdb") as warehouse:
            query = "select snapshot_targets_count, image_builds_count from snapshots"
            counts = warehouse.execute(query).fetchone() or (0, 0)
    cpu, peak = spent.ru_utime + spent.ru_stime, spent.ru_maxrss / 1024
    sys.stdout.write(
        f"{counts[0]:,} targets, {counts[1]:,} builds: wall {wall:.1f} s, CPU {cpu:.1f} s "
        f"({cpu / targets * 1000:.1f} ms a target), peak memory {peak:.0f} MB "
        f"(at most {PEAK_MB_MOST:.0f})\n"
    )


def _make_clients(emulator: Emulator, targets: int) -> None:
    """Every target's client, closed at once, as the listings make them."""
    os.environ.update(emulator.environment())
    sessions = Sessions()
    spent = time.process_time()
    for role_arn in emulator.role_arns():
        for region in REGIONS:
            sessions.client("imagebuilder", region, role_arn).close()
    each = (time.process_time() - spent) / targets * 1000
    sys.stdout.write(
        f"  session and client: {each:.1f} ms CPU a target (at most {CLIENT_MS_MOST})\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ACCOUNTS)
