"""The dashboard of build health: how builds end, and why they fail."""

from __future__ import annotations

from typing import Final

from flows.superset.charts import (
    BAR,
    DAY,
    LINE,
    LYING,
    TABLE,
    WEEK,
    Chart,
    Dashboard,
    Dataset,
    Filter,
    number,
)

_BUILDS: Final = Dataset("build_outcomes", "created_date")
_COMPLETIONS: Final = Dataset("build_completions", "created_date")
_DURATIONS: Final = Dataset("state_durations", "from_date")
_FAILED: Final = Dataset("failed_builds", "seen_date")
_CHANGES: Final = Dataset("state_changes", "snapshot_date")
_STUCK: Final = Dataset("stuck_builds", "created_date")

BUILD_HEALTH: Final = Dashboard(
    "Build health",
    "build-health",
    "How builds end, where and why they fail, which are stuck, and how long states last.",
    (
        Filter("Account", _BUILDS, "account_id"),
        Filter("Region", _BUILDS, "region"),
        Filter("Image", _BUILDS, "image_slug"),
        Filter("Platform", _BUILDS, "platform"),
        Filter("Between"),
    ),
    (
        (
            number("Success rate", _BUILDS, "success_rate", "of builds that succeeded or failed"),
            number("Builds", _BUILDS, "builds", "that were ever listed"),
            number("Failed builds", _BUILDS, "failed", "of them"),
            number("Stuck builds", _STUCK, "stuck_build_count", "run longer than they usually do"),
        ),
        (
            Chart(
                "Success rate by week",
                _BUILDS,
                LINE,
                ("success_rate",),
                over="created_date",
                grain=WEEK,
                look={"y_axis_format": ".0%", "y_axis_bounds": [0, 1]},
            ),
            Chart(
                "Builds by week",
                _BUILDS,
                BAR,
                ("succeeded", "failed"),
                over="created_date",
                grain=WEEK,
            ),
        ),
        (
            Chart(
                "Failures by step",
                _FAILED,
                BAR,
                ("failed_build_count",),
                over="failure_step",
                width=4,
                look=LYING,
            ),
            Chart(
                "Failure hotspots",
                _FAILED,
                TABLE,
                ("failed_build_count", "failing_image_count"),
                ("failure_step", "failure_component", "error_pattern"),
                limit=100,
                width=8,
            ),
        ),
        (
            Chart(
                "Builds that seem stuck",
                _STUCK,
                TABLE,
                by=(
                    *("name", "semantic_version", "build_number", "state_status"),
                    *("running_hours", "usual_hours", "account_id", "region"),
                ),
                order=("running_hours", False),
                width=8,
            ),
            Chart(
                "Days in each state",
                _DURATIONS,
                BAR,
                ("average_days", "median_days"),
                over="state_status",
                where=(("state_status", "is not null", None),),
                width=4,
                look={**LYING, "show_legend": True, "stack": None, "y_axis_format": ",.1f"},
            ),
        ),
        (
            Chart(
                "State changes by day",
                _CHANGES,
                BAR,
                ("change_count",),
                ("to_status",),
                "snapshot_date",
                DAY,
                where=(("change", "=", "changed"),),
            ),
            Chart(
                "Hours that builds take",
                _COMPLETIONS,
                LINE,
                ("average_at_least_hours", "average_at_most_hours"),
                over="created_date",
                grain=DAY,
                look={"y_axis_format": ",.1f"},
            ),
        ),
    ),
)
