"""A history of four targets, written by hand: read whole, denied, looked at through a filter."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from lake.folder import Folder
from lake.location import open_folder
from lake.warehouse import publish
from tests.rows import Target, ami, build, container_uri, covered, noon, of_build
from tests.test_writer import Rows, commit_rows

DAY_1, DAY_2, DAY_3 = date(2025, 11, 18), date(2025, 11, 19), date(2025, 11, 20)
HOME, OTHER, THIRD = "111111111111", "222222222222", "333333333333"
ECR = "111111111111.dkr.ecr.us-east-1.amazonaws.com"

# The home target is read whole on each date, on the last one twice. The other one is denied from
# the second date on. The third is read whole once and then through a filter; the fourth only ever
# through one.
A: Target = (HOME, "us-east-1")
B: Target = (OTHER, "eu-west-1")
C: Target = (HOME, "ap-south-1")
D: Target = (THIRD, "us-east-1")


def first_day() -> Rows:
    return {
        "image_builds": [
            build(A, DAY_1, "web/1.9.0/1", "AVAILABLE", created_at=noon(DAY_1)),
            build(
                B,
                DAY_1,
                "web/1.0.0/1",
                "AVAILABLE",
                tags=[("Team", "b")],
                created_at=noon(DAY_1, 1),
            ),
            build(
                B,
                DAY_1,
                "batch/1.0.0/1",
                "FAILED",
                state_reason="see the AMI",
                failure_image_status="DISTRIBUTING",
                failure_distribution_message="1 region failed",
                created_at=noon(DAY_1, 2),
            ),
            build(C, DAY_1, "web/3.0.0/1", "AVAILABLE", created_at=noon(DAY_1, 3)),
            build(C, DAY_1, "web/3.0.0/2", "BUILDING", created_at=noon(DAY_1, 4)),
        ],
        "image_amis": [
            ami(A, DAY_1, "web/1.9.0/1", 0, "us-east-1", "AVAILABLE"),
            ami(B, DAY_1, "web/1.0.0/1", 0, "eu-west-1", None),
            ami(B, DAY_1, "batch/1.0.0/1", 0, "eu-west-1", "FAILED"),
        ],
        "image_region_failures": [
            of_build(
                B, DAY_1, "batch/1.0.0/1", ami_position=0, position=0, failed_region="eu-west-1"
            )
        ],
        "snapshot_targets": [
            covered(A, DAY_1, "complete", "whole", 1),
            covered(B, DAY_1, "complete", "whole", 2),
            covered(C, DAY_1, "complete", "whole", 2),
        ],
        "snapshots": [{"status": "complete", "committed_at": noon(DAY_1)}],
    }


def second_day() -> Rows:
    return {
        "image_builds": [
            build(A, DAY_2, "web/1.9.0/1", "AVAILABLE", created_at=noon(DAY_1)),
            build(D, DAY_2, "tool/1.0.0/1", "AVAILABLE", created_at=noon(DAY_2, 1)),
        ],
        "snapshot_targets": [
            covered(A, DAY_2, "complete", "whole", 1),
            covered(B, DAY_2, "failed", "none"),
            covered(D, DAY_2, "complete", "filtered", 1),
        ],
        "snapshots": [{"status": "partial", "committed_at": noon(DAY_2)}],
    }


def superseded() -> Rows:
    """The last date's first run, of which nothing may show."""
    return {
        "image_builds": [build(A, DAY_3, "ghost/9.9.9/1", "AVAILABLE", tags=[("ghost", "yes")])],
        "image_amis": [ami(A, DAY_3, "ghost/9.9.9/1", 0, "us-east-1", "AVAILABLE")],
        "snapshot_targets": [covered(A, DAY_3, "complete", "whole", 1)],
        "snapshots": [{"status": "complete", "committed_at": noon(DAY_3)}],
    }


def third_day() -> Rows:
    return {
        "image_builds": [
            build(
                A,
                DAY_3,
                "web/1.9.0/1",
                "AVAILABLE",
                tags=[("Team", "web"), ("Stage", "")],
                created_at=noon(DAY_1),
            ),
            build(A, DAY_3, "web/1.10.0/1", "AVAILABLE", created_at=noon(DAY_2)),
            build(
                A,
                DAY_3,
                "web/1.10.0/2",
                "FAILED",
                state_reason="Component failed",
                failure_image_status="BUILDING",
                failure_step="ApplyBuildComponents",
                failure_component_arn="arn:component",
                failure_component_phase="build",
                failure_component_step="Install",
                failure_component_action="ExecuteBash",
                failure_component_message="exit status 1",
                log_group_name="/aws/imagebuilder/web",
                created_at=noon(DAY_3, 1),
            ),
            build(A, DAY_3, "web/1.11.0/1", "DEPRECATED", created_at=noon(DAY_3, 2)),
            build(A, DAY_3, "db/2.0.0/1", "DISABLED", created_at=noon(DAY_3, 3)),
            build(A, DAY_3, "db/1.0.0/1", "AVAILABLE", created_at=noon(DAY_3, 4)),
            build(A, DAY_3, "old/2019.12.3/1", "AVAILABLE", created_at=noon(DAY_3, 5)),
            build(A, DAY_3, "app/1.0.0/1", "AVAILABLE", type="DOCKER", created_at=noon(DAY_3, 6)),
            build(A, DAY_3, "app/1.0.0/2", "BUILDING", type="DOCKER", created_at=noon(DAY_3, 7)),
            build(C, DAY_3, "web/3.0.0/1", "AVAILABLE", created_at=noon(DAY_3, 8)),
        ],
        "image_amis": [
            ami(A, DAY_3, "web/1.9.0/1", 0, "us-east-1", "AVAILABLE"),
            ami(A, DAY_3, "web/1.9.0/1", 1, "eu-west-1", "AVAILABLE"),
            ami(A, DAY_3, "web/1.10.0/1", 0, "us-east-1", "AVAILABLE"),
            ami(A, DAY_3, "web/1.10.0/1", 1, "eu-west-1", "FAILED"),
            ami(A, DAY_3, "web/1.10.0/1", 2, "us-west-2", None),
            ami(A, DAY_3, "web/1.10.0/2", 0, "us-east-1", None),
            ami(A, DAY_3, "web/1.11.0/1", 0, "us-east-1", "AVAILABLE"),
            ami(A, DAY_3, "db/2.0.0/1", 0, "us-east-1", "AVAILABLE"),
            ami(A, DAY_3, "old/2019.12.3/1", 0, "us-east-1", "AVAILABLE"),
        ],
        "image_containers": [
            container_uri(A, DAY_3, "app/1.0.0/1", number, "app", tag, digest)
            for number, (tag, digest) in enumerate(
                [("1.0.0", None), ("latest", None), (None, "sha256:abc")]
            )
        ],
        "image_region_failures": [
            of_build(A, DAY_3, "web/1.10.0/2", ami_position=None, position=0, failed_region="a"),
            of_build(A, DAY_3, "web/1.10.0/2", ami_position=0, position=0, failed_region="b"),
        ],
        "snapshot_targets": [
            covered(A, DAY_3, "complete", "whole", 9),
            covered(B, DAY_3, "failed", "none"),
            covered(C, DAY_3, "complete", "filtered", 1),
        ],
        "snapshots": [{"status": "partial", "committed_at": noon(DAY_3)}],
    }


def write_history(folder: Folder) -> None:
    """Commits the history's runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lake.folder.VISIBILITY_DELAY", timedelta(0))
        for day, rows in (
            (DAY_1, first_day()),
            (DAY_2, second_day()),
            (DAY_3, superseded()),
            (DAY_3, third_day()),
        ):
            commit_rows(folder, day, rows)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("history")
    folder = open_folder(str(root / "lake"))
    write_history(folder)
    publish(folder, root / "imagelake.duckdb")
    return root / "imagelake.duckdb"
