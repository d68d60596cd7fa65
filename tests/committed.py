"""Runs of builds that are to be committed, and a reader of what shows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lake.folder import Folder
from lake.warehouse import connect, publish
from tests.test_writer import Rows

FACTS = {"status": "complete", "is_demo": False}


def of_builds(*arns: str) -> Rows:
    """A run with these builds, one AMI each, and its rows of coverage."""
    target = {"account_id": "111111111111", "region": "us-east-1"}
    return {
        "image_builds": [{**target, "arn": arn} for arn in arns],
        "image_amis": [{**target, "image_arn": arn, "position": 0} for arn in arns],
        "snapshot_targets": [
            {
                **target,
                "status": "complete",
                "coverage": "whole",
                "builds": len(arns),
                "request": "{}",
            }
        ],
        "snapshots": [{"status": "complete", "image_builds_count": len(arns)}],
    }


class Reader:
    """A reader of a lake's warehouse."""

    def __init__(self, folder: Folder, warehouse: Path) -> None:
        publish(folder, warehouse)
        self.connection = connect(warehouse)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    def arns(self, view: str = "image_builds") -> list[str]:
        column = "image_arn" if "amis" in view else "arn"
        return [arn for (arn,) in self.rows(f"select {column} from {view} order by all")]  # noqa: S608 - the tests' own words

    def counts(self) -> dict[str, int]:
        return {
            name: self.rows(f"select count(*) from {name}")[0][0]  # noqa: S608 - the tests' own words
            for name in ("image_builds", "image_amis", "snapshot_targets", "snapshots")
        }


@pytest.fixture
def reader(folder: Folder, tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(folder, tmp_path / "imagelake.duckdb")
    yield reader
    reader.connection.close()
