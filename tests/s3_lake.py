"""A lake in a bucket, the commands that are run on it, and all that they said."""

import os
import subprocess
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from extract.emulator import Emulator
from lake.bucket import open_bucket
from lake.records import runs_of
from lake.storage import LakeSettings
from lake.warehouse import connect
from tests.aws import Moto
from tests.command import IMAGELAKE, Ended, run_command

DATE = "2025-11-20"


@dataclass
class World:
    """A bucket and a folder; `said` has everything that a command said of the lake in the bucket."""

    moto: Moto
    emulator: Emulator
    bucket: str
    folder: Path
    said: list[str] = field(default_factory=list)

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/lake"

    @property
    def warehouse(self) -> Path:
        return self.folder / "s3.duckdb"

    @property
    def spool(self) -> list[Path]:
        """Every file that is kept on this machine for the lake."""
        return [path for path in (self.folder / "cache").rglob("*") if path.is_file()]

    def imagelake(self, command: str, *options: str, text: str = "", status: int = 0) -> Ended:
        """Runs the command on the lake in S3, which ends with the status and no traceback."""
        ended = run_command(self.arguments(command, *options), self.folder, text)
        self.said += [ended.stdout, ended.stderr]
        assert "Traceback" not in ended.stderr
        assert ended.returncode == status, ended.stderr
        return ended

    def arguments(self, command: str, *options: str) -> list[str]:
        where = ["--warehouse", str(self.warehouse)]
        if command not in ("sql", "status"):
            where += ["--lake", self.uri, "--visibility-seconds", "1"]
        return [command, *where, *options]

    def started(self, command: str, *options: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [IMAGELAKE, *self.arguments(command, *options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
        )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with connect(self.warehouse) as connection:
            return connection.execute(query).fetchall()

    def runs(self) -> list[str]:
        """The date's runs, the one that shows first."""
        lake = open_bucket(self.uri, LakeSettings())
        return [record.run_id for record in runs_of(lake, date.fromisoformat(DATE))]
