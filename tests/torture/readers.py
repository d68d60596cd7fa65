"""The readers of a campaign: started with a DuckDB of their own, stopped, and what they report."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from shutil import copyfile
from typing import Any
from urllib.parse import urlsplit

import duckdb

from lake.bucket import Bucket
from lake.remote import PACKAGE
from lake.sql import text
from tests.torture.writers import Place

PROJECT = Path(__file__).parents[2]
PAUSE_SECONDS = 0.1
"""Between two transactions: the writers get their turn on two cores."""

LONGEST_SECONDS = 180.0
"""A transaction over S3 takes many on a busy machine."""


@dataclass(frozen=True)
class Kind:
    """A reader to be: of the live, the pinned or the frozen warehouse, with a DuckDB's Python."""

    warehouse: str
    python: str = sys.executable
    version: str = duckdb.__version__

    def __str__(self) -> str:
        return f"{self.warehouse} {self.version}"


@dataclass
class Readers:
    """Running readers; each has a report, a file of JSON lines in the folder."""

    place: Place
    folder: Path
    processes: dict[Path, subprocess.Popen[str]] = field(default_factory=dict)

    def start(self, kind: Kind, seed: int) -> None:
        """Starts one more."""
        number = len(self.processes)
        report = self.folder / f"reader-{number}.jsonl"
        settings = report.with_suffix(".json")
        given = {
            "warehouse": str(self.place.folder / f"{kind.warehouse}.duckdb"),
            "kind": kind.warehouse,
            "lake": self.place.lake,
            "setup": [f"set threads = {1 + number % 2}", *_setup(self.place)],
            "folder": str(self.place.folder),
            "report": str(report),
            "grace_seconds": self.place.grace_seconds,
            "pause_seconds": PAUSE_SECONDS,
            "seed": seed,
        }
        settings.write_text(json.dumps(given))
        self.processes[report] = subprocess.Popen(
            [kind.python, "-m", "tests.torture.reader", str(settings)],
            cwd=PROJECT,
            stderr=subprocess.PIPE,
            text=True,
        )

    def stop(self) -> None:
        """Ends them after the transaction that they are in."""
        (self.place.folder / "stop").touch()
        for process in self.processes.values():
            process.wait(LONGEST_SECONDS)

    def reports(self) -> Iterator[dict[str, Any]]:
        """Every line of every report, whole ones only."""
        for report in self.processes:
            lines = report.read_text().splitlines(keepends=True) if report.exists() else []
            yield from (json.loads(line) for line in lines if line.endswith("\n"))

    def figures(self) -> dict[str, dict[str, int]]:
        """By reader, what it counted so far."""
        last: dict[str, dict[str, int]] = {}
        for number, report in enumerate(self.processes):
            lines = report.read_text().splitlines(keepends=True) if report.exists() else []
            for line in lines:
                told = json.loads(line) if line.endswith("\n") else {}
                if "figures" in told:
                    last[f"{number}: {told['kind']} {told['duckdb']}"] = told["figures"]
        return last

    def violations(self) -> list[str]:
        """What the readers found wrong; a reader that broke down has found something."""
        found = [
            f"{line['kind']} {line['duckdb']}: {line['violation']}"
            for line in self.reports()
            if "violation" in line
        ]
        for report, process in self.processes.items():
            if process.poll():
                assert process.stderr is not None
                found.append(f"{report.name}: ended by itself: {process.stderr.read()[-2000:]}")
        return found

    def wait_for_reads(self, count: int, seconds: float = 30.0) -> None:
        """Returns once every reader has made so many transactions more than now."""
        before = {name: figures["reads"] for name, figures in self.figures().items()}
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            figures = self.figures()
            if len(figures) == len(self.processes) and all(
                told["reads"] - before.get(name, 0) >= count for name, told in figures.items()
            ):
                return
            time.sleep(0.1)


@contextmanager
def reading(place: Place, kinds: Sequence[Kind], seed: int) -> Iterator[Readers]:
    """Readers of those kinds, for the time of the block; a frozen warehouse is a copy of the pinned."""
    (place.folder / "stop").unlink(missing_ok=True)
    if any(kind.warehouse == "frozen" for kind in kinds):
        copyfile(place.pinned, place.folder / "frozen.duckdb")
    folder = place.folder / f"readers-{len(list(place.folder.glob('readers-*')))}"
    folder.mkdir()
    readers = Readers(place, folder)
    try:
        for number, kind in enumerate(kinds):
            readers.start(kind, seed + number)
        yield readers
    finally:
        readers.stop()


def _setup(place: Place) -> list[str]:
    """The statements that let a new connection read the lake: on S3 what the project's own does."""
    lake = place.open()
    if not isinstance(lake, Bucket):
        return []
    access = lake.store.access()
    folder = Path(str(find_spec(PACKAGE).origin)).parent  # type: ignore[union-attr]  # a test's own need
    (extension,) = folder.glob(f"**/v{duckdb.__version__}/**/httpfs.duckdb_extension")
    secret = f"key_id {text(access.key_id)}, secret {text(access.secret)}, use_ssl false"
    place_of = f"region {text(access.region)}, endpoint {text(urlsplit(access.endpoint).netloc)}"
    return [
        f"load {text(str(extension))}",
        f"create secret lake (type s3, {secret}, {place_of}, url_style 'path')",
    ]
