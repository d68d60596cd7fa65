"""The table `image_containers`: one row an image URI of a build's containers."""

from __future__ import annotations

from typing import Final

from schemas.table import EXTRA, INTEGER, OURS, PROVENANCE_COLUMNS, TEXT, Column, Table

IMAGE_CONTAINERS: Final = Table(
    name="image_containers",
    grain="one row an image URI of outputResources.containers; a container without a URI keeps one "
    "row with NULL URI columns",
    key=("run_id", "account_id", "region", "image_arn", "position", "uri_position"),
    elements=("outputResources.containers[]",),
    columns=(
        *PROVENANCE_COLUMNS,
        Column(
            "image_arn",
            TEXT,
            OURS,
            "The build that lists the container: image_builds.arn.",
            is_distinct=True,
        ),
        Column("position", INTEGER, OURS, "The container's place in the build's list, from 0."),
        Column("container_region", TEXT, "region", "The region that the container image is in."),
        Column(
            "uri_position",
            INTEGER,
            OURS,
            "The URI's place in the container's list, from 0; NULL where it has none.",
        ),
        Column("image_uri", TEXT, "imageUris[]", "The URI to pull the image by.", is_distinct=True),
        Column(
            "registry",
            TEXT,
            "imageUris[]",
            "The URI's registry host; NULL where the URI names none.",
            parser="image_uri",
        ),
        Column("repository", TEXT, "imageUris[]", "The URI's repository.", parser="image_uri"),
        Column(
            "tag",
            TEXT,
            "imageUris[]",
            "The URI's tag, such as latest.",
            parser="image_uri",
            is_distinct=True,
        ),
        Column(
            "digest",
            TEXT,
            "imageUris[]",
            "The URI's digest (`sha256:…`).",
            parser="image_uri",
            is_distinct=True,
        ),
        EXTRA,
    ),
)
