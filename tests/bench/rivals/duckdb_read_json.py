"""boto3's paginator with the bodies saved as they come, then DuckDB's `read_json` and `unnest`."""

import sys
from pathlib import Path
from typing import Any

import boto3
import duckdb

STATE = """struct(
    status varchar, reason varchar,
    "failureContext" struct(
        "imageStatus" varchar, "workflowExecutionId" varchar, "workflowArn" varchar,
        "stepExecutionId" varchar, "failedStep" varchar,
        "componentFailure" struct(
            "componentArn" varchar, "phaseName" varchar, "stepName" varchar, action varchar,
            "errorMessage" varchar),
        "distributionFailure" struct(
            "errorMessage" varchar,
            "regionFailures" struct(
                region varchar, status varchar, "imageConfigurationStep" varchar,
                "errorMessage" varchar, "targetAccountId" varchar)[])))"""
BUILD = f"""struct(
    arn varchar, name varchar, type varchar, version varchar, platform varchar,
    "osVersion" varchar, state {STATE}, owner varchar, "dateCreated" varchar,
    "outputResources" struct(
        amis struct(
            region varchar, image varchar, name varchar, description varchar, state {STATE},
            "accountId" varchar)[],
        containers struct(region varchar, "imageUris" varchar[])[]),
    tags map(varchar, varchar), "buildType" varchar, "imageSource" varchar,
    "deprecationTime" double, "lifecycleExecutionId" varchar,
    "loggingConfiguration" struct("logGroupName" varchar))"""
STATE_COLUMNS = """
    state.status as state_status,
    state.reason as state_reason,
    state.failureContext.imageStatus as failure_image_status,
    state.failureContext.workflowExecutionId as failure_workflow_execution_id,
    state.failureContext.workflowArn as failure_workflow_arn,
    state.failureContext.stepExecutionId as failure_step_execution_id,
    state.failureContext.failedStep as failure_step,
    state.failureContext.componentFailure.componentArn as failure_component_arn,
    state.failureContext.componentFailure.phaseName as failure_component_phase,
    state.failureContext.componentFailure.stepName as failure_component_step,
    state.failureContext.componentFailure.action as failure_component_action,
    state.failureContext.componentFailure.errorMessage as failure_component_message,
    state.failureContext.distributionFailure.errorMessage as failure_distribution_message"""
TABLES = {
    "image_builds": f"""
        select
            account_id, region, arn, name, type, version, platform, osVersion as os_version, owner,
            dateCreated as date_created, buildType as build_type, imageSource as image_source,
            to_timestamp(deprecationTime) as deprecation_time,
            lifecycleExecutionId as lifecycle_execution_id,
            loggingConfiguration.logGroupName as log_group_name, tags, {STATE_COLUMNS}
        from builds""",
    "image_amis": f"""
        select
            account_id, region, image_arn, position, ami.region as ami_region,
            ami.image as ami_id, ami.name as ami_name, ami.description as ami_description,
            ami.accountId as ami_account_id, {STATE_COLUMNS.replace("state.", "ami.state.")}
        from amis""",
    "image_containers": """
        with containers as (
            select
                account_id, region, arn as image_arn, unnest(outputResources.containers) as container,
                generate_subscripts(outputResources.containers, 1) - 1 as position
            from builds
        )
        select
            account_id, region, image_arn, position, container.region as container_region,
            generate_subscripts(container.imageUris, 1) - 1 as uri_position,
            unnest(container.imageUris) as image_uri
        from containers""",
    "image_region_failures": """
        with failures as (
            select
                account_id, region, arn as image_arn, null as ami_position,
                state.failureContext.distributionFailure.regionFailures as failed
            from builds
            union all
            select
                account_id, region, image_arn, position,
                ami.state.failureContext.distributionFailure.regionFailures
            from amis
        ),
        unnested as (
            select
                account_id, region, image_arn, ami_position,
                generate_subscripts(failed, 1) - 1 as position, unnest(failed) as failure
            from failures
        )
        select
            account_id, region, image_arn, ami_position, position, failure.region as failed_region,
            failure.status as status,
            failure.imageConfigurationStep as image_configuration_step,
            failure.errorMessage as error_message, failure.targetAccountId as target_account_id
        from unnested""",
}


def main(folder: Path, regions: list[str]) -> None:
    account_id = boto3.client("sts").get_caller_identity()["Account"]
    bodies = folder / "bodies"
    bodies.mkdir(parents=True)
    for region in regions:
        save_bodies(region, bodies / f"{region}.ndjson")
    with duckdb.connect(folder / "work.duckdb") as connection:
        connection.execute(
            f"""
            create table builds as
            select ? as account_id, region, unnest(build)
            from (
                select parse_filename(filename, true) as region, unnest(imageSummaryList) as build
                from read_json(
                    ?, format = 'newline_delimited', filename = true,
                    columns = {{imageSummaryList: '{BUILD}[]'}})
            )""",
            [account_id, str(bodies / "*.ndjson")],
        )
        connection.execute(
            """
            create table amis as
            select
                account_id, region, arn as image_arn, unnest(outputResources.amis) as ami,
                generate_subscripts(outputResources.amis, 1) - 1 as position
            from builds"""
        )
        for name, query in TABLES.items():
            (folder / name).mkdir()
            connection.execute(
                f"copy ({query}) to '{folder / name / 'all.parquet'}' (compression zstd)"
            )


def save_bodies(region: str, path: Path) -> None:
    """A body a line: `after-call` has the answer as it came."""
    client = boto3.client("imagebuilder", region_name=region)
    with path.open("wb") as file:

        def save(http_response: Any, **_: object) -> None:
            file.write(http_response.content + b"\n")

        client.meta.events.register("after-call.imagebuilder.ListImageBuildVersions", save)
        paginator = client.get_paginator("list_image_build_versions")
        for _ in paginator.paginate(PaginationConfig={"PageSize": 100}):
            pass


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
