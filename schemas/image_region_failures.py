"""The table `image_region_failures`: one row a region that a distribution failed in."""

from __future__ import annotations

from typing import Final

from schemas.api import CONFIGURATION_STEPS, REGION_FAILURE_STATUSES
from schemas.table import EXTRA, INTEGER, OURS, PROVENANCE_COLUMNS, TEXT, Column, Table

_FAILURES: Final = "state.failureContext.distributionFailure.regionFailures[]"

IMAGE_REGION_FAILURES: Final = Table(
    name="image_region_failures",
    grain="one row an element of regionFailures, of a build or of one of its AMIs",
    key=("run_id", "account_id", "region", "image_arn", "ami_position", "position"),
    elements=(_FAILURES, "outputResources.amis[]." + _FAILURES),
    columns=(
        *PROVENANCE_COLUMNS,
        Column(
            "image_arn", TEXT, OURS, "The build that failed: image_builds.arn.", is_distinct=True
        ),
        Column(
            "ami_position",
            INTEGER,
            OURS,
            "The AMI whose failure it is: image_amis.position; NULL where it is the build's own.",
        ),
        Column("position", INTEGER, OURS, "The failure's place in its list, from 0."),
        Column("failed_region", TEXT, "region", "The region that the distribution failed in."),
        Column(
            "status",
            TEXT,
            "status",
            "FAILED, CANCELLED or TIMED_OUT.",
            values=REGION_FAILURE_STATUSES,
        ),
        Column(
            "image_configuration_step",
            TEXT,
            "imageConfigurationStep",
            "The step that failed, such as EXPORT_AMI.",
            values=CONFIGURATION_STEPS,
        ),
        Column("error_message", TEXT, "errorMessage", "The region's error."),
        Column("target_account_id", TEXT, "targetAccountId", "The account distributed to."),
        EXTRA,
    ),
)
