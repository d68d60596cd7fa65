"""boto3's paginator, rows as dicts, `pyarrow.Table.from_pylist`, one file a table and region."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq

FAILURE = (
    *("failure_image_status", "failure_workflow_execution_id", "failure_workflow_arn"),
    *("failure_step_execution_id", "failure_step", "failure_component_arn"),
    *("failure_component_phase", "failure_component_step", "failure_component_action"),
    *("failure_component_message", "failure_distribution_message"),
)
BUILDS = pa.schema(
    [
        *((name, pa.string()) for name in ("account_id", "region", "arn", "name", "type")),
        *((name, pa.string()) for name in ("version", "platform", "os_version", "state_status")),
        *((name, pa.string()) for name in ("state_reason", "owner", "date_created", "build_type")),
        ("image_source", pa.string()),
        ("deprecation_time", pa.timestamp("us", tz="UTC")),
        *((name, pa.string()) for name in ("lifecycle_execution_id", "log_group_name")),
        ("tags", pa.map_(pa.string(), pa.string())),
        *((name, pa.string()) for name in FAILURE),
    ]
)
AMIS = pa.schema(
    [
        *((name, pa.string()) for name in ("account_id", "region", "image_arn")),
        ("position", pa.int32()),
        *((name, pa.string()) for name in ("ami_region", "ami_id", "ami_name", "ami_description")),
        *((name, pa.string()) for name in ("ami_account_id", "state_status", "state_reason")),
        *((name, pa.string()) for name in FAILURE),
    ]
)
CONTAINERS = pa.schema(
    [
        *((name, pa.string()) for name in ("account_id", "region", "image_arn")),
        ("position", pa.int32()),
        ("container_region", pa.string()),
        ("uri_position", pa.int32()),
        ("image_uri", pa.string()),
    ]
)
REGION_FAILURES = pa.schema(
    [
        *((name, pa.string()) for name in ("account_id", "region", "image_arn")),
        *((name, pa.int32()) for name in ("ami_position", "position")),
        *((name, pa.string()) for name in ("failed_region", "status", "image_configuration_step")),
        *((name, pa.string()) for name in ("error_message", "target_account_id")),
    ]
)


def main(folder: Path, regions: list[str]) -> None:
    account_id = boto3.client("sts").get_caller_identity()["Account"]
    for region in regions:
        builds = list(builds_of(region))
        given = {"account_id": account_id, "region": region}
        amis = [
            ({**given, "image_arn": build["arn"], "position": position}, ami)
            for build in builds
            for position, ami in enumerate(build.get("outputResources", {}).get("amis", ()))
        ]
        tables = {
            "image_builds": ([{**given, **build_row(build)} for build in builds], BUILDS),
            "image_amis": ([{**of, **ami_row(ami)} for of, ami in amis], AMIS),
            "image_containers": (
                [{**given, **row} for build in builds for row in container_rows(build)],
                CONTAINERS,
            ),
            "image_region_failures": (
                [{**given, **row} for build in builds for row in region_failure_rows(build)],
                REGION_FAILURES,
            ),
        }
        for name, (rows, schema) in tables.items():
            path = folder / name / f"{region}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, compression="zstd")


def builds_of(region: str) -> Iterator[dict[str, Any]]:
    client = boto3.client("imagebuilder", region_name=region)
    paginator = client.get_paginator("list_image_build_versions")
    for page in paginator.paginate(PaginationConfig={"PageSize": 100}):
        yield from page["imageSummaryList"]


def build_row(build: dict[str, Any]) -> dict[str, Any]:
    return {
        "arn": build["arn"],
        "name": build.get("name"),
        "type": build.get("type"),
        "version": build.get("version"),
        "platform": build.get("platform"),
        "os_version": build.get("osVersion"),
        "owner": build.get("owner"),
        "date_created": build.get("dateCreated"),
        "build_type": build.get("buildType"),
        "image_source": build.get("imageSource"),
        "deprecation_time": build.get("deprecationTime"),
        "lifecycle_execution_id": build.get("lifecycleExecutionId"),
        "log_group_name": build.get("loggingConfiguration", {}).get("logGroupName"),
        "tags": list(build["tags"].items()) if "tags" in build else None,
        **state_columns(build.get("state", {})),
    }


def ami_row(ami: dict[str, Any]) -> dict[str, Any]:
    return {
        "ami_region": ami.get("region"),
        "ami_id": ami.get("image"),
        "ami_name": ami.get("name"),
        "ami_description": ami.get("description"),
        "ami_account_id": ami.get("accountId"),
        **state_columns(ami.get("state", {})),
    }


def state_columns(state: dict[str, Any]) -> dict[str, Any]:
    columns = {"state_status": state.get("status"), "state_reason": state.get("reason")}
    if "failureContext" not in state:
        return columns
    failure = state["failureContext"]
    component = failure.get("componentFailure", {})
    return {
        **columns,
        "failure_image_status": failure.get("imageStatus"),
        "failure_workflow_execution_id": failure.get("workflowExecutionId"),
        "failure_workflow_arn": failure.get("workflowArn"),
        "failure_step_execution_id": failure.get("stepExecutionId"),
        "failure_step": failure.get("failedStep"),
        "failure_component_arn": component.get("componentArn"),
        "failure_component_phase": component.get("phaseName"),
        "failure_component_step": component.get("stepName"),
        "failure_component_action": component.get("action"),
        "failure_component_message": component.get("errorMessage"),
        "failure_distribution_message": failure.get("distributionFailure", {}).get("errorMessage"),
    }


def container_rows(build: dict[str, Any]) -> Iterator[dict[str, Any]]:
    containers = build.get("outputResources", {}).get("containers", ())
    for position, container in enumerate(containers):
        for uri_position, uri in enumerate(container.get("imageUris", ())):
            yield {
                "image_arn": build["arn"],
                "position": position,
                "container_region": container.get("region"),
                "uri_position": uri_position,
                "image_uri": uri,
            }


def region_failure_rows(build: dict[str, Any]) -> Iterator[dict[str, Any]]:
    amis = build.get("outputResources", {}).get("amis", ())
    for ami_position, of in ((None, build), *enumerate(amis)):
        failure = of.get("state", {}).get("failureContext", {}).get("distributionFailure", {})
        for position, failed in enumerate(failure.get("regionFailures", ())):
            yield {
                "image_arn": build["arn"],
                "ami_position": ami_position,
                "position": position,
                "failed_region": failed.get("region"),
                "status": failed.get("status"),
                "image_configuration_step": failed.get("imageConfigurationStep"),
                "error_message": failed.get("errorMessage"),
                "target_account_id": failed.get("targetAccountId"),
            }


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
