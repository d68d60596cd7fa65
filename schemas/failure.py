"""The columns of `state.failureContext`, which a build and each of its AMIs have alike."""

from __future__ import annotations

from typing import Final

from schemas.api import BUILD_STATUSES
from schemas.table import TEXT, Column

_CONTEXT: Final = "state.failureContext."
_COMPONENT: Final = _CONTEXT + "componentFailure."
_DISTRIBUTION: Final = _CONTEXT + "distributionFailure."

FAILURE_COLUMNS: Final = (
    Column(
        "failure_image_status",
        TEXT,
        _CONTEXT + "imageStatus",
        "The status that the image was in when it failed, such as TESTING.",
        values=BUILD_STATUSES,
    ),
    Column(
        "failure_workflow_execution_id",
        TEXT,
        _CONTEXT + "workflowExecutionId",
        "The run of the workflow that failed (`wf-…`).",
        is_distinct=True,
    ),
    Column("failure_workflow_arn", TEXT, _CONTEXT + "workflowArn", "The workflow that failed."),
    Column(
        "failure_step_execution_id",
        TEXT,
        _CONTEXT + "stepExecutionId",
        "The run of the workflow step that failed (`step-…`).",
        is_distinct=True,
    ),
    Column(
        "failure_step",
        TEXT,
        _CONTEXT + "failedStep",
        "The workflow step that failed, such as ApplyBuildComponents.",
    ),
    Column(
        "failure_component_arn",
        TEXT,
        _COMPONENT + "componentArn",
        "The component that failed; NULL where no component did.",
    ),
    Column(
        "failure_component_phase",
        TEXT,
        _COMPONENT + "phaseName",
        "The phase of the component that failed: build, validate or test.",
    ),
    Column(
        "failure_component_step", TEXT, _COMPONENT + "stepName", "The component's step that failed."
    ),
    Column(
        "failure_component_action",
        TEXT,
        _COMPONENT + "action",
        "The action of that step, such as ExecuteBash.",
    ),
    Column(
        "failure_component_message", TEXT, _COMPONENT + "errorMessage", "The component's error."
    ),
    Column(
        "failure_distribution_message",
        TEXT,
        _DISTRIBUTION + "errorMessage",
        "The distribution's error; its regions are in image_region_failures.",
    ),
)
