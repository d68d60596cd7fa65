"""The table `image_builds`: one row a build, an element of `imageSummaryList`."""

from __future__ import annotations

from typing import Final

from schemas.api import BUILD_STATUSES, BUILD_TYPES, IMAGE_SOURCES, IMAGE_TYPES, PLATFORMS
from schemas.failure import FAILURE_COLUMNS
from schemas.table import (
    BIGINT,
    EXTRA,
    INSTANT,
    OURS,
    PROVENANCE_COLUMNS,
    TAGS,
    TEXT,
    Column,
    Table,
)

IMAGE_BUILDS: Final = Table(
    name="image_builds",
    grain="one row a build; where the API lists an ARN twice for a target, the last seen",
    key=("run_id", "account_id", "region", "arn"),
    elements=("",),
    columns=(
        *PROVENANCE_COLUMNS,
        Column("arn", TEXT, "arn", "The build version's ARN.", is_distinct=True),
        Column("name", TEXT, "name", "The image's name as its recipe spells it."),
        Column("type", TEXT, "type", "What the build makes: AMI or DOCKER.", values=IMAGE_TYPES),
        Column(
            "version", TEXT, "version", "The version as sent, such as 1.4.0/3.", is_distinct=True
        ),
        Column("platform", TEXT, "platform", "Linux, Windows or macOS.", values=PLATFORMS),
        Column("os_version", TEXT, "osVersion", "The operating system, such as Amazon Linux 2023."),
        Column(
            "state_status",
            TEXT,
            "state.status",
            "PENDING, CREATING, BUILDING, TESTING, DISTRIBUTING, INTEGRATING, AVAILABLE, "
            "CANCELLED, FAILED, DEPRECATED, DELETED or DISABLED.",
            values=BUILD_STATUSES,
        ),
        Column("state_reason", TEXT, "state.reason", "Why the build is in that state."),
        Column("owner", TEXT, "owner", "The image's owner as sent."),
        Column(
            "ownership",
            TEXT,
            OURS,
            "Whose images were asked for when the build was listed: Self, Shared, Amazon, "
            "ThirdParty or AWSMarketplace.",
        ),
        Column(
            "date_created",
            TEXT,
            "dateCreated",
            "When the build was created, as sent.",
            is_distinct=True,
        ),
        Column(
            "created_at",
            INSTANT,
            "dateCreated",
            "date_created as an instant, taken as UTC where it names no zone; NULL where it can't "
            "be parsed.",
            parser="instant",
            is_distinct=True,
        ),
        Column(
            "build_type",
            TEXT,
            "buildType",
            "USER_INITIATED, SCHEDULED, IMPORT or IMPORT_ISO.",
            values=BUILD_TYPES,
        ),
        Column(
            "image_source",
            TEXT,
            "imageSource",
            "Where the base image came from: AMAZON_MANAGED, AWS_MARKETPLACE, IMPORTED or CUSTOM.",
            values=IMAGE_SOURCES,
        ),
        Column(
            "deprecation_time",
            INSTANT,
            "deprecationTime",
            "When the image is or was to be deprecated.",
            is_distinct=True,
        ),
        Column(
            "lifecycle_execution_id",
            TEXT,
            "lifecycleExecutionId",
            "The lifecycle policy's run that last acted on the build (`lce-…`).",
            is_distinct=True,
        ),
        Column(
            "log_group_name",
            TEXT,
            "loggingConfiguration.logGroupName",
            "The CloudWatch log group of the build.",
        ),
        Column("tags", TAGS, "tags", "The build's tags."),
        *FAILURE_COLUMNS,
        Column(
            "image_owner_account",
            TEXT,
            "arn",
            "The ARN's account: 12 digits, aws, aws-… or third-party.",
            parser="image_arn",
        ),
        Column("image_region", TEXT, "arn", "The ARN's region.", parser="image_arn"),
        Column(
            "image_slug",
            TEXT,
            "arn",
            "The ARN's image name: lower case, hyphens for spaces. Join on it, never on name.",
            parser="image_arn",
        ),
        Column(
            "semantic_version",
            TEXT,
            "arn",
            "The ARN's version, such as 1.10.0. Compare its numbers, never this text.",
            parser="image_arn",
        ),
        Column(
            "version_major",
            BIGINT,
            "arn",
            "The version's first number; NULL where the ARN has none or it exceeds 64 bits.",
            parser="image_arn",
        ),
        Column("version_minor", BIGINT, "arn", "The version's second number.", parser="image_arn"),
        Column("version_patch", BIGINT, "arn", "The version's third number.", parser="image_arn"),
        Column(
            "build_number",
            BIGINT,
            "arn",
            "The ARN's last part: counts the builds of one version.",
            parser="image_arn",
        ),
        EXTRA,
    ),
)
