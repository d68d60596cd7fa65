"""dlt as its documentation begins: yield the pages, have it unnest and load them as Parquet.

It makes a table of each nested list, whose rows refer to their parents by `_dlt_parent_id`. Two hints
keep what was sent: else each tag would be a column, and the time of creation another text.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import dlt


@dlt.resource(  # type: ignore[untyped-decorator]  # dlt is in the benchmark's environment only
    name="image_builds",
    columns={"tags": {"data_type": "json"}, "dateCreated": {"data_type": "text"}},
)
def image_builds(regions: list[str]) -> Iterator[list[dict[str, Any]]]:
    account_id = boto3.client("sts").get_caller_identity()["Account"]
    for region in regions:
        client = boto3.client("imagebuilder", region_name=region)
        paginator = client.get_paginator("list_image_build_versions")
        for page in paginator.paginate(PaginationConfig={"PageSize": 100}):
            given = {"account_id": account_id, "region": region}
            yield [{**given, **build} for build in page["imageSummaryList"]]


def main(folder: Path, regions: list[str]) -> None:
    pipeline = dlt.pipeline(
        "builds",
        destination=dlt.destinations.filesystem(bucket_url=str(folder)),
        dataset_name="lake",
        pipelines_dir=str(folder / "pipelines"),
    )
    pipeline.run(image_builds(regions), loader_file_format="parquet").raise_on_failed_jobs()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
