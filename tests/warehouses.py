"""What the tests of the warehouse share: where it is, and a run of one build."""

from pathlib import Path

import pytest

from tests.test_writer import Rows


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return tmp_path / "imagelake.duckdb"


def one_build(arn: str = "a") -> Rows:
    target = {"account_id": "111111111111", "region": "us-east-1"}
    covered = {**target, "status": "complete", "coverage": "whole", "builds": 1, "request": "{}"}
    return {
        "image_builds": [{**target, "arn": arn, "tags": [("Team", "x")]}],
        "snapshot_targets": [covered],
        "snapshots": [{"status": "complete"}],
    }
