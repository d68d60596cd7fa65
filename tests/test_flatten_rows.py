"""Whole rows of whole answers, AWS's own example among them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from extract.emulator import Emulator
from flows.parameters import SnapshotParameters
from flows.pipeline import take_snapshot
from schemas.tables import DATA_TABLES
from tests.flattened import PROVENANCE, landed, row, rows_of, told
from tests.listing import ACCOUNT, REGION, STORIES
from tests.reassemble import differences, read_builds, table_rows

# Whole rows of whole answers


def test_a_failed_distribution_has_rows_in_three_tables(tmp_path: Path) -> None:
    """The build, its AMIs, and the regions that failed of it and of one of its AMIs."""
    arn = "arn:aws:imagebuilder:us-east-1:111122223333:image/golden-linux/1.10.0/12"
    rows = told(tmp_path, "failed_distribution.json")
    assert rows["image_builds"] == [
        row(
            "image_builds",
            arn=arn,
            name="Golden Linux",
            type="AMI",
            version="1.10.0/12",
            platform="Linux",
            os_version="Amazon Linux 2023",
            state_status="FAILED",
            state_reason="Distribution failed in 2 regions.",
            owner="111122223333",
            ownership="Self",
            date_created="2025-11-19T08:00:00.5Z",
            created_at=datetime(2025, 11, 19, 8, 0, 0, 500_000, tzinfo=UTC),
            build_type="SCHEDULED",
            image_source="CUSTOM",
            deprecation_time=datetime(2026, 11, 18, 11, 6, 40, tzinfo=UTC),
            lifecycle_execution_id="lce-1a2b3c4d-0000-0000-0000-000000000003",
            log_group_name="/aws/imagebuilder/golden-linux",
            tags={"team": "platform", "empty": ""},
            failure_image_status="DISTRIBUTING",
            failure_workflow_execution_id="wf-1a2b3c4d-0000-0000-0000-000000000001",
            failure_workflow_arn=(
                "arn:aws:imagebuilder:us-east-1:aws:workflow/distribution/distribute-image/1.0.0/1"
            ),
            failure_step_execution_id="step-1a2b3c4d-0000-0000-0000-000000000002",
            failure_step="DistributeAmi",
            failure_distribution_message="2 of 3 regions failed.",
            image_owner_account="111122223333",
            image_region="us-east-1",
            image_slug="golden-linux",
            semantic_version="1.10.0",
            version_major=1,
            version_minor=10,
            version_patch=0,
            build_number=12,
        )
    ]
    assert rows["image_amis"] == [
        row(
            "image_amis",
            image_arn=arn,
            position=0,
            ami_region="us-east-1",
            ami_id="ami-0123456789abcdef0",
            ami_name="golden-linux 2025-11-19T08-10-00.000Z",
            ami_description="Golden image",
            ami_account_id="111122223333",
            state_status="AVAILABLE",
        ),
        row(
            "image_amis",
            image_arn=arn,
            position=1,
            ami_region="eu-west-1",
            ami_account_id="222233334444",
            state_status="FAILED",
            state_reason="Copy failed.",
            failure_image_status="DISTRIBUTING",
            failure_step="CopyImage",
            failure_distribution_message="The key is not shared.",
        ),
    ]
    assert rows["image_containers"] == []
    assert rows["image_region_failures"] == [
        row(
            "image_region_failures",
            image_arn=arn,
            position=0,
            failed_region="eu-west-1",
            status="FAILED",
            image_configuration_step="EXPORT_AMI",
            error_message="The bucket does not exist.",
            target_account_id="222233334444",
        ),
        row(
            "image_region_failures",
            image_arn=arn,
            position=1,
            failed_region="us-west-2",
            status="TIMED_OUT",
            target_account_id="333344445555",
            extra='{"retriesLeft":0}',
        ),
        row(
            "image_region_failures",
            image_arn=arn,
            ami_position=1,
            position=0,
            failed_region="eu-west-1",
            status="CANCELLED",
            error_message="KMS",
        ),
    ]


def test_a_container_has_a_row_for_each_of_its_uris(tmp_path: Path) -> None:
    """And one without any where it has none."""
    arn = "arn:aws:imagebuilder:us-east-1:111122223333:image/api/2.0.1/3"
    registry = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
    digest = "sha256:" + "0123456789abcdef" * 4
    first = {"image_arn": arn, "position": 0, "container_region": "us-east-1"}
    parsed = {"registry": registry, "repository": "api"}
    assert told(tmp_path, "container_images.json")["image_containers"] == [
        row(
            "image_containers",
            **first,
            **parsed,
            uri_position=0,
            image_uri=f"{registry}/api:latest",
            tag="latest",
        ),
        row(
            "image_containers",
            **first,
            **parsed,
            uri_position=1,
            image_uri=f"{registry}/api@{digest}",
            digest=digest,
        ),
        row("image_containers", image_arn=arn, position=1, container_region="eu-west-1"),
    ]


def test_what_has_no_column_is_in_the_extra_of_its_own_row(tmp_path: Path) -> None:
    """Each of a container's URI rows has the container's."""
    rows = told(tmp_path, "unknown_members.json")
    extras = {name: [row["extra"] for row in of_table] for name, of_table in rows.items()}
    size = '{"sizeInBytes":123456789012}'
    assert {name: extra for name, extra in extras.items() if name != "image_builds"} == {
        "image_amis": ['{"bootMode":"uefi","state":{"since":1}}'],
        "image_containers": [size, size],
        "image_region_failures": ['{"attempts":3}'],
    }
    assert json.loads(extras["image_builds"][0])["isGolden"] is True


def test_the_lists_of_a_build_without_arn_have_no_rows(tmp_path: Path) -> None:
    rows = told(tmp_path, "wrong_types.json")
    arns = [row["arn"] for row in rows["image_builds"]]
    assert arns == ["arn:1", "arn:2", None, None]
    assert [rows[table.name] for table in DATA_TABLES[1:]] == [[], [], []]


@pytest.mark.parametrize(
    ("sent", "instant", "extra"),
    [
        (1_735_689_600, datetime(2025, 1, 1, tzinfo=UTC), None),
        (1_735_689_600.5, datetime(2025, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC), None),
        (
            1_735_689_600.1234567,
            datetime(2025, 1, 1, 0, 0, 0, 123_457, tzinfo=UTC),
            {"deprecationTime": 1_735_689_600.1234567},
        ),
        (1_735_689_600_000, None, {"deprecationTime": 1_735_689_600_000}),
        ("2025-01-01", None, {"deprecationTime": "2025-01-01"}),
    ],
)
def test_an_instant_that_is_not_held_exactly_stays_as_sent(
    tmp_path: Path, sent: object, instant: datetime | None, extra: object
) -> None:
    """Epoch milliseconds, which make botocore's own parser fail, for one."""
    landed(tmp_path, [{"imageSummaryList": [{"arn": "a", "deprecationTime": sent}]}])
    (build,) = rows_of(tmp_path)["image_builds"]
    assert build["deprecation_time"] == instant
    assert json.loads(build["extra"] or "null") == extra


def test_an_inexact_instant_stays_beside_other_unknown_members(tmp_path: Path) -> None:
    sent = [
        {"arn": "a", "new": 1, "deprecationTime": 1_735_689_600_000},
        {"arn": "b", "name": "\ud800", "deprecationTime": 1_735_689_600_000},
    ]
    landed(tmp_path, [{"imageSummaryList": sent}])
    first, second = rows_of(tmp_path)["image_builds"]
    assert json.loads(first["extra"]) == {"new": 1, "deprecationTime": 1_735_689_600_000}
    assert json.loads(second["extra"]) == sent[1]


def test_absent_null_and_empty_are_told_apart_where_a_column_can(tmp_path: Path) -> None:
    """No value is made up: an empty text stays one, empty tags are an empty map."""
    sent = [{"arn": "a", "name": "", "tags": {}}, {"arn": "b", "name": None, "tags": {"k": None}}]
    landed(tmp_path, [{"imageSummaryList": [*sent, {"arn": "c"}]}])
    values = [(row["name"], row["tags"]) for row in rows_of(tmp_path)["image_builds"]]
    assert values == [("", {}), (None, {"k": None}), (None, None)]


# AWS's own example, through everything


@pytest.fixture
def example(
    emulator: Emulator, parameters: Callable[..., SnapshotParameters]
) -> list[dict[str, Any]]:
    """The builds of the API reference's example, after a snapshot of a target that has them."""
    body = (STORIES / "aws_example_list_image_build_versions.json").read_text()
    emulator.set_answers(ACCOUNT, REGION, [body])
    summary = take_snapshot(parameters(region=[REGION]))
    assert summary.status == "complete"
    sent: list[dict[str, Any]] = json.loads(body)["imageSummaryList"]
    return sent


def test_awss_own_example_is_put_together_again(example: list[dict[str, Any]], lake: Path) -> None:
    read = {build["arn"]: build for build in read_builds(lake)[ACCOUNT, REGION]}
    found = [list(differences(sent, read.pop(sent["arn"]))) for sent in example]
    assert found == [[] for _ in example]
    assert read == {}


def test_awss_own_example_has_these_rows(example: list[dict[str, Any]], lake: Path) -> None:
    """A failed build that lists three AMIs, two of them in one region with one id."""
    arn = "arn:aws:imagebuilder:us-west-2:123456789012:image/mybasicrecipe/2019.12.03/6"
    (build,) = [row for row in table_rows(lake, "image_builds") if row["arn"] == arn]
    provenance = {name: build[name] for name in PROVENANCE}
    assert {**provenance, "captured_at": None} == {
        "account_id": ACCOUNT,
        "region": REGION,
        "captured_at": None,
    }
    assert build == row(
        "image_builds",
        **provenance,
        arn=arn,
        name="MyBasicRecipe",
        version="2019.12.03/6",
        platform="Windows",
        state_status="FAILED",
        state_reason="An internal error has occurred.",
        owner="123456789012",
        ownership="Self",
        date_created="2020-02-18T22:49:08.142Z",
        created_at=datetime(2020, 2, 18, 22, 49, 8, 142_000, tzinfo=UTC),
        tags={},
        image_owner_account="123456789012",
        image_region="us-west-2",
        image_slug="mybasicrecipe",
        semantic_version="2019.12.03",
        version_major=2019,
        version_minor=12,
        version_patch=3,
        build_number=6,
    )
    amis = [row for row in table_rows(lake, "image_amis") if row["image_arn"] == arn]
    copied = "Copies AMI to eu-west-2 and exports to S3"
    assert amis == [
        row(
            "image_amis",
            **provenance,
            image_arn=arn,
            position=position,
            ami_region=region,
            ami_id="ami-a1b2c3d4567890ab",
            ami_name=name,
            ami_description=description,
        )
        for position, (region, name, description) in enumerate(
            [
                (
                    "us-west-2",
                    "MyBasicRecipe 2020-02-18T22-49-38.704Z",
                    "This example image recipe creates a Windows 2016 image.",
                ),
                ("us-west-2", "Name 2020-02-18T22-49-08.131Z", copied),
                ("eu-west-2", "My 6 image 2020-02-18T22-49-08.131Z", copied),
            ]
        )
    ]
    assert len(table_rows(lake, "image_builds")) == len(example)
    assert table_rows(lake, "image_containers") == table_rows(lake, "image_region_failures") == []
