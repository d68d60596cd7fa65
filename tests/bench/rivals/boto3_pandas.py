"""boto3's paginator, `pandas.json_normalize`, `DataFrame.to_parquet`, one file a table and region."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pandas as pd

FAILURE = {
    "state.failureContext.imageStatus": "failure_image_status",
    "state.failureContext.workflowExecutionId": "failure_workflow_execution_id",
    "state.failureContext.workflowArn": "failure_workflow_arn",
    "state.failureContext.stepExecutionId": "failure_step_execution_id",
    "state.failureContext.failedStep": "failure_step",
    "state.failureContext.componentFailure.componentArn": "failure_component_arn",
    "state.failureContext.componentFailure.phaseName": "failure_component_phase",
    "state.failureContext.componentFailure.stepName": "failure_component_step",
    "state.failureContext.componentFailure.action": "failure_component_action",
    "state.failureContext.componentFailure.errorMessage": "failure_component_message",
    "state.failureContext.distributionFailure.errorMessage": "failure_distribution_message",
}
BUILDS = {
    "arn": "arn",
    "name": "name",
    "type": "type",
    "version": "version",
    "platform": "platform",
    "osVersion": "os_version",
    "state.status": "state_status",
    "state.reason": "state_reason",
    "owner": "owner",
    "dateCreated": "date_created",
    "buildType": "build_type",
    "imageSource": "image_source",
    "lifecycleExecutionId": "lifecycle_execution_id",
    "loggingConfiguration.logGroupName": "log_group_name",
    "tags": "tags",
    **FAILURE,
}
AMIS = {
    "image_arn": "image_arn",
    "region": "ami_region",
    "image": "ami_id",
    "name": "ami_name",
    "description": "ami_description",
    "accountId": "ami_account_id",
    "state.status": "state_status",
    "state.reason": "state_reason",
    **FAILURE,
}
CONTAINERS = {"image_arn": "image_arn", "region": "container_region", "imageUris": "image_uri"}
REGION_FAILURES = {
    "image_arn": "image_arn",
    "region": "failed_region",
    "status": "status",
    "imageConfigurationStep": "image_configuration_step",
    "errorMessage": "error_message",
    "targetAccountId": "target_account_id",
}


def main(folder: Path, regions: list[str]) -> None:
    account_id = boto3.client("sts").get_caller_identity()["Account"]
    for region in regions:
        builds = list(builds_of(region))
        amis = list(elements(builds, "amis"))
        tables = {
            "image_builds": builds_frame(builds),
            "image_amis": frame(amis, AMIS, ["position"]),
            "image_containers": containers_frame(list(elements(builds, "containers"))),
            "image_region_failures": frame(
                list(region_failures(builds)), REGION_FAILURES, ["ami_position", "position"]
            ),
        }
        for name, rows in tables.items():
            rows.insert(0, "account_id", account_id)
            rows.insert(1, "region", region)
            path = folder / name / f"{region}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            rows.to_parquet(path, compression="zstd", index=False)


def builds_of(region: str) -> Iterator[dict[str, Any]]:
    client = boto3.client("imagebuilder", region_name=region)
    paginator = client.get_paginator("list_image_build_versions")
    for page in paginator.paginate(PaginationConfig={"PageSize": 100}):
        yield from page["imageSummaryList"]


def frame(
    elements: list[dict[str, Any]], columns: dict[str, str], numbers: list[str]
) -> pd.DataFrame:
    """The elements' members under our names, and the numbers that they carry."""
    flat = pd.json_normalize(elements).reindex(columns=[*columns, *numbers]).rename(columns=columns)
    return flat.astype(dict.fromkeys(columns.values(), "str") | dict.fromkeys(numbers, "Int32"))


def builds_frame(builds: list[dict[str, Any]]) -> pd.DataFrame:
    """Tags as JSON, since every key of a dict would become a column of its own."""
    elements = [
        {name: value for name, value in build.items() if name != "outputResources"}
        | ({"tags": json.dumps(build["tags"])} if "tags" in build else {})
        for build in builds
    ]
    flat = frame(elements, BUILDS, [])
    times = [build.get("deprecationTime") for build in builds]
    flat["deprecation_time"] = pd.to_datetime(pd.Series(times, dtype=object), utc=True)
    return flat


def containers_frame(containers: list[dict[str, Any]]) -> pd.DataFrame:
    """A row a URI."""
    flat = pd.DataFrame(containers, columns=["position", *CONTAINERS]).rename(columns=CONTAINERS)
    uris = flat.explode("image_uri")
    uris["uri_position"] = uris.groupby(level=0).cumcount()
    return uris


def elements(builds: list[dict[str, Any]], kind: str) -> Iterator[dict[str, Any]]:
    for build in builds:
        for position, element in enumerate(build.get("outputResources", {}).get(kind, ())):
            yield {"image_arn": build["arn"], "position": position, **element}


def region_failures(builds: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for build in builds:
        amis = build.get("outputResources", {}).get("amis", ())
        for ami_position, of in ((None, build), *enumerate(amis)):
            failure = of.get("state", {}).get("failureContext", {}).get("distributionFailure", {})
            for position, failed in enumerate(failure.get("regionFailures", ())):
                places = {"ami_position": ami_position, "position": position}
                yield {"image_arn": build["arn"], **places, **failed}


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
