"""`make bench`: what one `imagelake run` over an emulated fleet costs as a whole process."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from extract.emulator import start
from lake.warehouse import connect

REGIONS: Final = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1"),
    *("eu-west-2", "eu-west-3", "eu-central-1", "eu-north-1", "ap-south-1"),
)


def main(builds: int) -> None:
    """Prints rows, CPU seconds, wall seconds and peak memory of a run over about `builds`."""
    account = "111122223333"
    with (
        TemporaryDirectory() as folder,
        start(accounts=(account,), regions=REGIONS, builds=builds // len(REGIONS)) as emulator,
    ):
        command = [str(Path(sys.executable).with_name("imagelake")), "run"]
        command += [part for region in REGIONS for part in ("--region", region)]
        started = time.monotonic()
        subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **emulator.environment()},
            check=True,
            capture_output=True,
        )
        wall = time.monotonic() - started
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        with connect(Path(folder) / "data/imagelake.duckdb") as warehouse:
            row = warehouse.execute("select image_builds_count, image_amis_count from snapshots")
            counts = row.fetchone() or (0, 0)
        server = emulator.stats()["cpu_seconds"]
    sys.stdout.write(
        f"imagelake run: {counts[0]:,} builds, {counts[1]:,} AMIs, {len(REGIONS)} targets\n"
        f"  CPU {spent.ru_utime + spent.ru_stime:.1f} s (user {spent.ru_utime:.1f}, "
        f"system {spent.ru_stime:.1f}), wall {wall:.1f} s, "
        f"peak memory {spent.ru_maxrss / 1024:.0f} MB; the endpoint's own CPU {server:.1f} s\n"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
