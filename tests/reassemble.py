"""Puts builds together again from the Parquet files of a committed lake, by a mapping of its own.

Written against the tables' description alone: it shares no code with what writes them. Derived
columns (`created_at`, the parts of ARNs and URIs) are ignored.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

Build = dict[str, Any]
Target = tuple[str, str]
"""account_id and region."""

DATA = ("image_builds", "image_amis", "image_containers", "image_region_failures")
"""The tables that hold what the API sent."""

_FAILURE_PATHS = {
    "failure_image_status": "state.failureContext.imageStatus",
    "failure_workflow_execution_id": "state.failureContext.workflowExecutionId",
    "failure_workflow_arn": "state.failureContext.workflowArn",
    "failure_step_execution_id": "state.failureContext.stepExecutionId",
    "failure_step": "state.failureContext.failedStep",
    "failure_component_arn": "state.failureContext.componentFailure.componentArn",
    "failure_component_phase": "state.failureContext.componentFailure.phaseName",
    "failure_component_step": "state.failureContext.componentFailure.stepName",
    "failure_component_action": "state.failureContext.componentFailure.action",
    "failure_component_message": "state.failureContext.componentFailure.errorMessage",
    "failure_distribution_message": "state.failureContext.distributionFailure.errorMessage",
}
_BUILD_PATHS = {
    "arn": "arn",
    "name": "name",
    "type": "type",
    "version": "version",
    "platform": "platform",
    "os_version": "osVersion",
    "state_status": "state.status",
    "state_reason": "state.reason",
    "owner": "owner",
    "date_created": "dateCreated",
    "build_type": "buildType",
    "image_source": "imageSource",
    "deprecation_time": "deprecationTime",
    "lifecycle_execution_id": "lifecycleExecutionId",
    "log_group_name": "loggingConfiguration.logGroupName",
    "tags": "tags",
    **_FAILURE_PATHS,
}
_AMI_PATHS = {
    "ami_region": "region",
    "ami_id": "image",
    "ami_name": "name",
    "ami_description": "description",
    "ami_account_id": "accountId",
    "state_status": "state.status",
    "state_reason": "state.reason",
    **_FAILURE_PATHS,
}
_REGION_FAILURE_PATHS = {
    "failed_region": "region",
    "status": "status",
    "image_configuration_step": "imageConfigurationStep",
    "error_message": "errorMessage",
    "target_account_id": "targetAccountId",
}
_REGION_FAILURES = "state.failureContext.distributionFailure.regionFailures"


def with_tags_as_dict(row: dict[str, Any]) -> dict[str, Any]:
    """The row of Arrow with its map as a dict, no key of which came twice."""
    if not row.get("tags"):
        return {**row, "tags": {}} if row.get("tags") == [] else row
    tags = dict(row["tags"])
    assert len(tags) == len(row["tags"])
    return {**row, "tags": tags}


def newest_record(lake: Path, day: str = "") -> dict[str, Any]:
    """What the newest commit of the lake, or of a date, says."""
    records = (*(lake / "_commits").glob("*.json"), *(lake / "_commits/older").glob("*.json"))
    of_day = [path for path in records if path.name.startswith(day)]
    newest = max(of_day, key=lambda path: int(path.name.split("_")[1]))
    record: dict[str, Any] = json.loads(newest.read_bytes())
    return record


def table_rows(lake: Path, table: str, day: str = "") -> list[dict[str, Any]]:
    """The rows of the table that the newest commit of the lake, or of a date, names."""
    return [
        with_tags_as_dict(row)
        for file in newest_record(lake, day)["tables"][table]["files"]
        for row in pq.ParquetFile(lake / file["path"]).read().to_pylist()
    ]


def read_builds(lake: Path, day: str = "") -> dict[Target, list[Build]]:
    """Each target's builds as its API sent them, up to absent, null and empty members."""
    return builds_of({table: table_rows(lake, table, day) for table in DATA})


def builds_of(tables: dict[str, list[dict[str, Any]]]) -> dict[Target, list[Build]]:
    """The builds that the rows of the four data tables tell of."""
    amis = _by_build(tables["image_amis"])
    containers = _by_build(tables["image_containers"])
    failures = _by_build(tables["image_region_failures"])
    builds = defaultdict(list)
    for row in tables["image_builds"]:
        key = (row["account_id"], row["region"], row["arn"])
        build = _element(row, _BUILD_PATHS)
        if row["arn"] is not None:
            own = [f for f in _in_order(failures[key]) if f["ami_position"] is None]
            _put(build, _REGION_FAILURES, [_region_failure(failure) for failure in own])
            _put(build, "outputResources.amis", _amis(amis[key], failures[key]))
            _put(build, "outputResources.containers", _containers(containers[key]))
        builds[row["account_id"], row["region"]].append(_overlaid(build, row["extra"]))
    return builds


def differences(sent: Any, read: Any, path: str = "$") -> Iterator[str]:
    """Where two values differ, absent, null and empty members taken for equal.

    Numbers compare by value; an element of a list is no member, so it counts whatever it is.
    """
    if isinstance(sent, dict) and isinstance(read, dict):
        for name in sorted(sent.keys() | read.keys()):
            pair = sent.get(name), read.get(name)
            if not all(_is_empty(value) for value in pair):
                yield from differences(*pair, f"{path}.{name}")
    elif isinstance(sent, list) and isinstance(read, list) and len(sent) == len(read):
        for position, pair in enumerate(zip(sent, read, strict=True)):
            yield from differences(*pair, f"{path}[{position}]")
    elif _is_empty(sent) and _is_empty(read):
        return
    elif isinstance(sent, bool) is not isinstance(read, bool) or sent != read:
        yield f"{path}: sent {sent!r}, read {read!r}"


def _is_empty(value: Any) -> bool:
    """Null, an object with only empty members, or a list of nothing; a text never is."""
    if isinstance(value, dict):
        return all(_is_empty(member) for member in value.values())
    return value is None or value == []


def _by_build(rows: list[dict[str, Any]]) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    grouped = defaultdict(list)
    for row in rows:
        grouped[row["account_id"], row["region"], row["image_arn"]].append(row)
    return grouped


def _element(row: dict[str, Any], paths: dict[str, str]) -> dict[str, Any]:
    element: dict[str, Any] = {}
    for column, path in paths.items():
        value = row[column]
        if isinstance(value, datetime):
            value = (value - datetime.fromtimestamp(0, UTC)) / timedelta(microseconds=1) / 1e6
        if value is not None:
            _put(element, path, value)
    return element


def _amis(rows: list[dict[str, Any]], failures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    amis = []
    for row in _in_order(rows):
        ami = _element(row, _AMI_PATHS)
        own = [f for f in _in_order(failures) if f["ami_position"] == row["position"]]
        _put(ami, _REGION_FAILURES, [_region_failure(failure) for failure in own])
        amis.append(_overlaid(ami, row["extra"]))
    return amis


def _region_failure(row: dict[str, Any]) -> dict[str, Any]:
    return _overlaid(_element(row, _REGION_FAILURE_PATHS), row["extra"])


def _containers(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    containers: dict[int, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (row["position"], row["uri_position"] or 0)):
        container = containers.setdefault(
            row["position"], {"region": row["container_region"], "imageUris": []}
        )
        if row["uri_position"] is not None:
            container["imageUris"].append(row["image_uri"])
    extras = {row["position"]: row["extra"] for row in rows}
    return [_overlaid(containers[position], extras[position]) for position in sorted(containers)]


def _in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: row["position"])


def _put(element: dict[str, Any], path: str, value: Any) -> None:
    *parents, member = path.split(".")
    for parent in parents:
        element = element.setdefault(parent, {})
    element[member] = value


def _overlaid(element: dict[str, Any], extra: str | None) -> dict[str, Any]:
    return _merged(element, json.loads(extra)) if extra else element


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` wins; objects are merged, but for `tags`, which `extra` has wholly or not at all."""
    merged = dict(below)
    for name, value in above.items():
        held = below.get(name)
        is_merged = isinstance(held, dict) and isinstance(value, dict) and name != "tags"
        merged[name] = _merged(held, value) if is_merged and held is not None else value
    return merged
