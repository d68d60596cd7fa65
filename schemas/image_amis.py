"""The table `image_amis`: one row an AMI that a build lists."""

from __future__ import annotations

from typing import Final

from schemas.api import BUILD_STATUSES
from schemas.failure import FAILURE_COLUMNS
from schemas.table import EXTRA, INTEGER, OURS, PROVENANCE_COLUMNS, TEXT, Column, Table

IMAGE_AMIS: Final = Table(
    name="image_amis",
    grain="one row an element of outputResources.amis",
    key=("run_id", "account_id", "region", "image_arn", "position"),
    elements=("outputResources.amis[]",),
    columns=(
        *PROVENANCE_COLUMNS,
        Column(
            "image_arn",
            TEXT,
            OURS,
            "The build that lists the AMI: image_builds.arn.",
            is_distinct=True,
        ),
        Column(
            "position",
            INTEGER,
            OURS,
            "The AMI's place in the build's list, from 0. A list can name one AMI twice, so only "
            "the position identifies the row.",
        ),
        Column("ami_region", TEXT, "region", "The region that the AMI is in."),
        Column("ami_id", TEXT, "image", "The AMI's id (`ami-…`).", is_distinct=True),
        Column("ami_name", TEXT, "name", "The AMI's name.", is_distinct=True),
        Column("ami_description", TEXT, "description", "The AMI's description.", is_distinct=True),
        Column("ami_account_id", TEXT, "accountId", "The account that the AMI is in."),
        Column(
            "state_status",
            TEXT,
            "state.status",
            "The AMI's own state; NULL where not sent.",
            values=BUILD_STATUSES,
        ),
        Column("state_reason", TEXT, "state.reason", "Why the AMI is in that state."),
        *FAILURE_COLUMNS,
        EXTRA,
    ),
)
