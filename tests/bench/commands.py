"""`python -m tests.bench.commands`: how long the commands that one waits for take to answer.

On a warehouse over 365 dates, looked after as a clean-up every day leaves it.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final
from unittest.mock import patch

from lake.location import open_folder
from lake.storage import LakeSettings
from lake.warehouse import publish
from tests.bench.lakes import amis_of, builds_of, clean_up, write_date
from tests.bench.ways import clean_environment

DATES, BUILDS, ROUNDS = 365, 200, 7
LAST_DATE: Final = date(2026, 11, 20)
CLEANED_EVERY: Final = 30
COMMANDS: Final = (("--help",), ("sql", "select 1"), ("status",))


def main() -> None:
    """Writes the median seconds of each command as JSON."""
    with TemporaryDirectory() as folder:
        _build(Path(folder))
        medians = {shlex.join(command): _seconds(command, Path(folder)) for command in COMMANDS}
    sys.stdout.write(json.dumps(medians))


def _build(folder: Path) -> None:
    lake = open_folder(str(folder / "data/lake"), LakeSettings(visibility_seconds=0))
    builds = builds_of(BUILDS * 2)
    with patch("lake.folder.sync", lambda _: None):
        for number in range(DATES):
            listed = builds.slice(number % BUILDS, BUILDS)
            day = LAST_DATE - timedelta(days=DATES - 1 - number)
            write_date(lake, day, listed, amis_of(listed))
            if number % CLEANED_EVERY == CLEANED_EVERY - 1 or number == DATES - 1:
                clean_up(lake)
    publish(lake, folder / "data/imagelake.duckdb")


def _seconds(command: tuple[str, ...], folder: Path) -> float:
    spent = []
    for _ in range(ROUNDS):
        started = time.monotonic()
        subprocess.run(
            [Path(sys.executable).with_name("imagelake"), *command],
            cwd=folder,
            env=clean_environment(),
            stdout=subprocess.DEVNULL,
            check=True,
        )
        spent.append(time.monotonic() - started)
    return median(spent)


if __name__ == "__main__":
    main()
