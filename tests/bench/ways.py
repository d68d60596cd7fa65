"""The ways to the same rows: imagelake, and what one would write or install instead of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tests.bench.endpoint import REGIONS
from tests.bench.measure import Spent, spent_by

IMAGELAKE: Final = "imagelake"
PROCESSES: Final = "processes"
"""The same read by two processes, where `imagelake run` has the option."""
PROCESS_COUNT: Final = 2
TRACKED: Final = "tracked"
"""The same on a Prefect API that the environment names."""
OURS: Final = (IMAGELAKE, PROCESSES, TRACKED)
RIVALS: Final = {
    "boto3_pandas": "boto3 + pandas",
    "boto3_from_pylist": "boto3 + `Table.from_pylist`",
    "duckdb_read_json": "boto3, then DuckDB `read_json`",
    "dlt_default": "dlt, as it comes",
    "dlt_tuned": "dlt, given Arrow tables",
}
"""By script, what it is called in the table."""
DLT: Final = ("dlt_default", "dlt_tuned")
COMMAND: Final = str(Path(sys.executable).with_name("imagelake"))
SCRIPTS: Final = Path(__file__).with_name("rivals")


@dataclass(frozen=True)
class Ways:
    """Runs a way against an endpoint; `python` is the interpreter that has the rivals' libraries."""

    python: str
    endpoint: Mapping[str, str]

    def run(self, way: str, folder: Path, **more: str) -> Spent:
        """What the way takes from nothing to its Parquet files in the folder, which must be empty."""
        return self.spent_by(command_of(way, folder, self.python), folder, **more)

    def spent_by(self, command: list[str], folder: Path, **more: str) -> Spent:
        """What a command takes that finds the endpoint, and `more`, in its environment."""
        return spent_by(command, folder, {**clean_environment(), **self.endpoint, **more})


def command_of(way: str, folder: Path, python: str) -> list[str]:
    """The way's command, to be run in the folder."""
    if way in OURS:
        regions = [part for region in REGIONS for part in ("--region", region)]
        count = PROCESS_COUNT if way == PROCESSES else 1
        more = ["--processes", str(count)] if has_processes() else []
        return [COMMAND, "run", *regions, *more]
    return [python, str(SCRIPTS / f"{way}.py"), str(folder), *REGIONS]


@cache
def has_processes() -> bool:
    """Whether `imagelake run` can read by several processes."""
    told = subprocess.run([COMMAND, "run", "--help"], capture_output=True, text=True, check=True)
    return "--processes" in told.stdout


def warehouse_of(folder: Path) -> Path:
    """Where imagelake's run in the folder left its warehouse."""
    return folder / "data/imagelake.duckdb"


def parquet_bytes(way: str, folder: Path) -> dict[str, int]:
    """By folder of a table, the bytes of the Parquet files with the rows that the way wrote."""
    roots = dict.fromkeys(OURS, folder / "data/lake") | dict.fromkeys(DLT, folder / "lake")
    root = roots.get(way, folder)
    sizes: dict[str, int] = {}
    for path in root.glob("image_*/**/*.parquet"):
        if path.parent.name != "run_id=schema":  # without rows: it is there for the views
            table = path.relative_to(root).parts[0]
            sizes[table] = sizes.get(table, 0) + path.stat().st_size
    return sizes


def clean_environment() -> dict[str, str]:
    """Nothing of this machine's AWS, Prefect or imagelake settings, and no call home."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "IMAGELAKE_", "PREFECT_", "OTEL_"))
    }
    return {
        **kept,
        "AWS_CONFIG_FILE": os.devnull,
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
